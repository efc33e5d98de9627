package terminal

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// How often progress is shown: to a person, and in a file or a service's log.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 5 * time.Second
)

// Progress shows how far a long work is: a bar on a terminal, a plain line every five seconds elsewhere. A short work shows nothing there.
type Progress struct {
	s     *Screen
	what  string
	start time.Time
	bar   *progressbar.ProgressBar

	mu   sync.Mutex
	last time.Time
	// from is where the work began, when a part of it had been done before.
	from, fromCount int64
	begun           bool
}

// State is how far a work is. Done and Total may be in another unit than Count, which people are told: bytes of files, say, when events are counted.
type State struct {
	Done, Total int64 // Total is 0 or negative while unknown
	Count       int64
	Unit        string // "events"
}

// NewProgress begins to show the progress of a work, which what names in a word.
func NewProgress(s *Screen, what string) *Progress {
	now := time.Now()
	p := &Progress{s: s, what: what, start: now, last: now}
	if s.Terminal {
		p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(s.Writer), progressbar.OptionSetWidth(20), progressbar.OptionUseANSICodes(s.ansi), progressbar.OptionThrottle(barEvery), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false), progressbar.OptionSpinnerType(14),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "━", SaucerHead: "━", SaucerPadding: "·", BarStart: " ", BarEnd: " "}))
	}
	return p
}

// Update tells the state. It is quick, and safe for concurrent use.
func (p *Progress) Update(st State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun {
		p.begun, p.from, p.fromCount, p.start = true, st.Done, st.Count, time.Now()
	}
	now := time.Now()
	every := lineEvery
	if p.bar != nil {
		every = barEvery
	}
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	text := p.words(st, now.Sub(p.start))
	if p.bar == nil {
		fmt.Fprintf(p.s.Writer, "%s: %s\n", p.what, text)
		return
	}
	if st.Total > 0 && p.bar.GetMax64() != st.Total {
		p.bar.ChangeMax64(st.Total)
	}
	p.bar.Describe(Fit(p.what+"  "+text, max(20, p.s.Width-32)))
	_ = p.bar.Set64(min(st.Done, max(st.Total-1, 0))) // the bar closes itself at its maximum; the end is ours to say
}

// words describes a state: "120,000 events, 24,000/s, about 12 s left".
func (p *Progress) words(st State, took time.Duration) string {
	text := Count(st.Count) + " " + st.Unit
	if n := st.Count - p.fromCount; n > 0 && took > 0 {
		text += ", " + Count(int64(float64(n)/took.Seconds())) + "/s"
	}
	if done := st.Done - p.from; st.Total > st.Done && done > 0 {
		left := time.Duration(float64(took) / float64(done) * float64(st.Total-st.Done))
		text += ", about " + Duration(max(left, time.Second).Round(time.Second)) + " left"
	}
	return text
}

// End removes the bar. Lines stay.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
		p.last = time.Now().Add(time.Hour) // nothing more
	}
}

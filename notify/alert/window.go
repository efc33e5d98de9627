package alert

import (
	"slices"

	"probity.dev/internal/errs"
)

// hit is a matching event; at is when it was recorded, microseconds since 1970 UTC.
type hit struct {
	seq uint64
	at  int64
}

// spell is the time in which the condition of a rule holds for one group: what an alert tells of.
type spell struct {
	id         string // of the alert; "" in a preview
	key        string
	first      hit // the event that crossed the threshold
	last       hit
	events     int64
	samples    []uint64
	holdsUntil int64 // when the condition ends to hold unless another event comes
	told       bool  // a notification was sent
	changed    bool  // since it was stored
}

// counter counts the matching events of a rule. It depends on nothing but those events.
type counter struct {
	n             int64 // the condition holds with more events than this
	window, quiet int64 // microseconds
	groups        map[string][]hit
	open          map[string]*spell
	held          int
}

func newCounter(n int64, window, quiet int64) *counter {
	if n == 0 {
		window = max(window, 1)
	}
	return &counter{n: n, window: window, quiet: quiet, groups: map[string][]hit{}, open: map[string]*spell{}}
}

var errTooMuch = errs.New(errs.Conflict, "The rule would have to count more than %d events at a time. Narrow its filter or its window.", maxHeld)

// count adds an event to those of its group. Of older ones it needs no more than the threshold has.
func (c *counter) count(key string, h hit) ([]hit, error) {
	g := c.groups[key]
	if int64(len(g)) > c.n {
		copy(g, g[1:])
		g = g[:len(g)-1]
		c.held--
	}
	g = append(g, h)
	c.groups[key] = g
	if c.held++; c.held > maxHeld {
		if c.sweep(h.at); c.held > maxHeld {
			return nil, errTooMuch
		}
		g = c.groups[key]
	}
	return g, nil
}

// add counts an event. It returns the spell that it begins, and the one of the same group that had ended before it; nil when there is none.
func (c *counter) add(key string, h hit) (began, ended *spell, err error) {
	if s := c.open[key]; s != nil && h.at > s.holdsUntil+c.quiet {
		ended = s
		delete(c.open, key)
	}
	g, err := c.count(key, h)
	if err != nil {
		return nil, ended, err
	}
	s := c.open[key]
	if s != nil {
		s.events, s.last, s.changed = s.events+1, h, true
	}
	if int64(len(g)) <= c.n || g[0].at <= h.at-c.window {
		return nil, ended, nil
	}
	if s != nil {
		s.holdsUntil = g[0].at + c.window
		return nil, ended, nil
	}
	s = &spell{key: key, first: h, last: h, events: int64(len(g)), holdsUntil: g[0].at + c.window}
	for _, x := range slices.Backward(g) {
		if s.samples = append(s.samples, x.seq); len(s.samples) == maxSamples {
			break
		}
	}
	c.open[key] = s
	return s, ended, nil
}

// endOf is when a spell ends unless another event comes.
func (c *counter) endOf(s *spell) int64 { return s.holdsUntil + c.quiet }

// end takes out the spells that have ended at a time up to which all events were counted.
func (c *counter) end(now int64) (ended []*spell) {
	for key, s := range c.open {
		if c.endOf(s) < now {
			ended = append(ended, s)
			delete(c.open, key)
		}
	}
	slices.SortFunc(ended, func(a, b *spell) int { return int(a.first.seq) - int(b.first.seq) })
	return ended
}

// sweep forgets events that count for nothing any more.
func (c *counter) sweep(now int64) {
	c.held = 0
	for key, g := range c.groups {
		if g[len(g)-1].at <= now-c.window {
			delete(c.groups, key)
			continue
		}
		c.held += len(g)
	}
}

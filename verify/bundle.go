package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/evidence/bundle"
	"probity.dev/internal/tlog"
)

// Bundle checks an audit bundle with nothing but the file and the log's key. An error means that the file cannot be opened at all;
// everything else that is wrong is in the report. With Options.State the bundle's checkpoint must not contradict the pinned one of the
// same size; a bundle never changes the state file.
func Bundle(ctx context.Context, path string, opt Options) (*Report, error) {
	start := time.Now()
	r := &Report{Target: path, Kind: "bundle"}
	st, err := openState(opt.State)
	if err != nil {
		return nil, err
	}
	in, err := bundle.Open(path)
	if err != nil {
		if errs.CodeOf(err) == errs.NotFound {
			return nil, err
		}
		r.add(Problem{Kind: BundleInvalid, Message: err.Error()})
		r.finish(start, 0)
		return r, nil
	}
	defer in.Close()
	c := &bundleCheck{in: in, m: in.Manifest, opt: opt, state: st, r: r}
	if err := c.run(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var p *stop
		if !errors.As(err, &p) {
			p = &stop{Problem{Kind: BundleInvalid, Message: err.Error()}}
		}
		p.Origin = c.m.Origin
		r.add(p.Problem)
	}
	for i := range r.Logs {
		r.Logs[i].Leaves = c.leaves
	}
	r.finish(start, c.leaves)
	return r, nil
}

// stop is a problem that ends the check: what follows it cannot be judged.
type stop struct{ Problem }

func (s *stop) Error() string { return s.Problem.String() }

func stopAt(kind Kind, seq uint64, format string, args ...any) error {
	return &stop{Problem{Kind: kind, Seq: &seq, Message: fmt.Sprintf(format, args...)}}
}

type bundleCheck struct {
	in     *bundle.Reader
	m      *bundle.Manifest
	opt    Options
	state  *state
	r      *Report
	keys   *tlog.Keys
	cp     *tlog.Checkpoint
	match  *bundle.Matcher
	events *eventStream
	leaves uint64

	firstTime, lastTime int64
	check               evidence.Checker
	result              evidence.Result
}

func (c *bundleCheck) run(ctx context.Context) error {
	if err := c.open(); err != nil {
		return err
	}
	tags, err := c.in.Tags()
	if err != nil {
		return err
	}
	if c.match, err = bundle.NewMatcher(c.m.Filter, tags); err != nil {
		return err
	}
	c.events = &eventStream{in: c.in, parts: c.in.Parts(bundle.Events)}
	if c.m.Proof == bundle.ModeInclusion {
		err = c.inclusion(ctx)
	} else {
		err = c.ranged(ctx)
	}
	if err != nil {
		return err
	}
	if c.r.Bundle.Events != c.m.Events {
		return errs.New(errs.Invalid, "the bundle has %d events, its manifest says %d", c.r.Bundle.Events, c.m.Events)
	}
	return c.in.CheckFiles()
}

// open checks signatures: of the manifest first, since nothing else is worth reading without it.
func (c *bundleCheck) open() error {
	m := c.m
	c.r.Bundle = &BundleReport{CreatedAt: m.CreatedAt, Completeness: m.Completeness.Kind, Scope: m.Completeness.Scope, Claimed: m.Completeness.Claimed, Masking: m.Masking}
	if m.Range != nil {
		c.r.Bundle.First = m.Range.First
	}
	var err error
	if c.keys = c.opt.Keys; c.keys == nil {
		c.r.OwnKeys = true
		if c.keys, err = c.in.Keys(); err != nil {
			return err
		}
	}
	if err := c.in.CheckSignature(c.keys); err != nil {
		return &stop{Problem{Kind: BundleInvalid, Where: "manifest.sig", Message: "the manifest is not signed by the log's key, or was changed afterwards: " + errs.Message(err)}}
	}
	text, err := c.in.Checkpoint()
	if err != nil {
		return err
	}
	if c.cp, err = tlog.Open(text, c.keys); err != nil || c.cp.Origin != m.Origin || c.cp.Size != m.TreeSize {
		return &stop{Problem{Kind: CheckpointInvalid, Where: "checkpoint", Message: "the checkpoint is not one that the log's key signed for this bundle"}}
	}
	c.r.Logs = []LogReport{{Origin: m.Origin, Epoch: m.Epoch, Base: m.Base, Size: c.cp.Size, Root: fmt.Sprintf("%x", c.cp.Root)}}
	pinned, err := c.state.pinned(m.Origin, c.keys)
	if err != nil {
		return err
	}
	if pinned != nil && pinned.Size == c.cp.Size && pinned.Root != c.cp.Root {
		return &stop{Problem{Kind: Fork, Message: fmt.Sprintf("the bundle's checkpoint of %d records is not the one seen before: the log has forked", pinned.Size)}}
	}
	if pinned != nil && pinned.Size != c.cp.Size {
		c.r.Notes = append(c.r.Notes, "the pinned checkpoint has another size than the bundle's; verify the server against the state file to compare them")
	}
	return nil
}

// inclusion checks events that bring their own proofs.
func (c *bundleCheck) inclusion(ctx context.Context) error {
	for {
		e, err := c.events.next()
		if err == io.EOF {
			return ctx.Err()
		} else if err != nil {
			return err
		}
		if e.Seq < c.m.Base {
			return stopAt(RowForeign, e.Seq, "the event is not of this log")
		}
		hash := tlog.LeafHash(e.Leaf)
		if err := tlog.VerifyInclusion(hash, e.Seq-c.m.Base, c.cp.Size, e.Path, c.cp.Root); err != nil {
			return stopAt(RowForeign, e.Seq, "the event is not in the log at this place")
		}
		var v evidence.View
		if err := v.Scan(e.Leaf); err != nil {
			return stopAt(LeafMalformed, e.Seq, "the record is not valid evidence")
		}
		if ok, why := c.match.Match(&v); !ok {
			return stopAt(RowForeign, e.Seq, "the event does not match the filter (%s)", why)
		}
		if err := c.event(e, hash, &v); err != nil {
			return err
		}
		c.leaves++
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// event checks what is shown of an event against its leaf.
func (c *bundleCheck) event(e *bundle.Event, hash tlog.Hash, v *evidence.View) error {
	if err := c.check.Check(&e.Disclosure, [16]byte(v.Nonce), evidence.Hash(v.FieldsRoot), &c.result); err != nil {
		return stopAt(ValueChanged, e.Seq, "%s", errs.Message(err))
	}
	if err := bundle.CheckView(e.View, e.Seq, hash, v, &c.result); err != nil {
		return stopAt(ValueChanged, e.Seq, "%s", errs.Message(err))
	}
	b := c.r.Bundle
	b.Events++
	b.Fields += uint64(len(c.result.Fields))
	b.Claims += uint64(len(c.result.Claims))
	b.Withheld += uint64(c.result.Withheld + c.result.Hidden)
	b.Erased += uint64(c.result.Erased)
	return nil
}

// leafPart is a part of the range after its own check.
type leafPart struct {
	leaves  [][]byte
	hashes  []tlog.Hash
	matched []int // positions of the leaves that meet the provable clauses
	match   *bundle.Matcher
	first   int64
	last    int64
	broken  int // position of the first malformed leaf, -1 for none
	late    int // position of the first leaf that is earlier than the one before it, -1 for none
	err     error
}

func (c *bundleCheck) readPart(n int) *leafPart {
	p := &leafPart{match: c.match.Clone(), broken: -1, late: -1}
	if p.leaves, p.err = c.in.LeafPart(n); p.err != nil {
		return p
	}
	p.hashes = make([]tlog.Hash, len(p.leaves))
	var v evidence.View
	for i, leaf := range p.leaves {
		p.hashes[i] = tlog.LeafHash(leaf)
		if err := v.Scan(leaf); err != nil {
			p.broken = i
			return p
		}
		if i == 0 {
			p.first = v.RecordedAt
		}
		if v.RecordedAt < p.last && p.late < 0 {
			p.late = i
		}
		p.last = max(p.last, v.RecordedAt)
		if ok, _ := p.match.Match(&v); ok {
			p.matched = append(p.matched, i)
		}
	}
	return p
}

// ranged checks the range: first that its leaves are those of the log, then that the events are those that match.
func (c *bundleCheck) ranged(ctx context.Context) error {
	proof, err := c.in.RangeProof()
	if err != nil {
		return err
	}
	v, err := tlog.NewRangeVerifier(proof)
	if err != nil {
		return err
	}
	// The events of a part are checked before the root is known, so a false leaf could show up as a false event first. The root decides
	// then: a problem of an event is reported only if the leaves are good.
	var eventErr error
	err = c.eachPart(ctx, func(p *leafPart) error {
		first := v.Next()
		for _, h := range p.hashes {
			v.Add(h)
		}
		if eventErr == nil {
			eventErr = c.part(first, p)
		}
		c.match.Merge(p.match)
		c.leaves += uint64(len(p.leaves))
		if c.opt.Progress != nil {
			c.opt.Progress(c.leaves, proof.Count)
		}
		return nil
	})
	c.r.Bundle.Leaves = c.leaves
	if err != nil {
		return err
	}
	root, err := v.Root()
	if err != nil {
		return err
	}
	if root != c.cp.Root {
		return stopAt(LeafChanged, c.m.Range.First, "the evidence of seq %d to %d is not that of the signed log: a record in it was changed, moved or dropped",
			c.m.Range.First, c.m.Range.First+c.m.Range.Count-1)
	}
	if eventErr != nil {
		return eventErr
	}
	if e, err := c.events.next(); err != io.EOF {
		if err != nil {
			return err
		}
		return stopAt(RowForeign, e.Seq, "the event lies outside the range")
	}
	return c.complete()
}

// eachPart reads the parts of the range in parallel and hands them over in order.
func (c *bundleCheck) eachPart(ctx context.Context, take func(p *leafPart) error) error {
	count := c.in.Parts(bundle.Leaves)
	workers := c.opt.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	out := make([]chan *leafPart, count)
	for i := range out {
		out[i] = make(chan *leafPart, 1)
	}
	slots := make(chan struct{}, workers+1)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		for i := range out {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			wg.Go(func() { out[i] <- c.readPart(i) })
		}
	})
	for i := range out {
		select {
		case p := <-out[i]:
			if p.err != nil {
				return p.err
			}
			if err := take(p); err != nil {
				return err
			}
			<-slots
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// part compares the events of a part of the range with the leaves that match.
func (c *bundleCheck) part(first uint64, p *leafPart) error {
	base := c.m.Base + first
	if p.broken >= 0 {
		return stopAt(LeafMalformed, base+uint64(p.broken), "the record is not valid evidence")
	}
	if len(p.leaves) == 0 {
		return nil
	}
	late := p.late
	if p.first < c.lastTime {
		late = 0
	}
	if late >= 0 {
		return stopAt(TimeOrder, base+uint64(late), "recorded_at is earlier than that of the record before it")
	}
	if c.firstTime == 0 {
		c.firstTime = p.first
	}
	c.lastTime = p.last
	end := base + uint64(len(p.leaves))
	next := 0 // position in matched
	for {
		e, err := c.events.peek()
		if err != nil && err != io.EOF {
			return err
		}
		if err == io.EOF || e.Seq >= end {
			return c.leftOut(base, p, next, len(p.matched))
		}
		i := int(e.Seq - base)
		if e.Seq < base {
			return stopAt(RowForeign, e.Seq, "the event is outside the range or out of order")
		}
		at := next
		for at < len(p.matched) && p.matched[at] < i {
			at++
		}
		if err := c.leftOut(base, p, next, at); err != nil {
			return err
		}
		if at == len(p.matched) || p.matched[at] != i {
			return stopAt(RowForeign, e.Seq, "the event does not match the filter")
		}
		next = at + 1
		var v evidence.View
		if err := v.Scan(p.leaves[i]); err != nil {
			return stopAt(LeafMalformed, e.Seq, "the record is not valid evidence")
		}
		if err := c.event(e, p.hashes[i], &v); err != nil {
			return err
		}
		c.events.drop()
	}
}

// leftOut reports the first matching leaf without an event, unless the filter has conditions that only the sender could judge.
func (c *bundleCheck) leftOut(base uint64, p *leafPart, from, to int) error {
	if from == to || c.m.Completeness.Kind != bundle.Proven {
		return nil
	}
	by := "the range"
	if f := c.match.By(); len(f) > 0 {
		by = strings.Join(f, ", ")
	}
	return stopAt(RowMissing, base+uint64(p.matched[from]), "the record matches the filter (%s) and was left out of the bundle", by)
}

// complete checks that the range covers the times asked for and that every tag could be looked for.
func (c *bundleCheck) complete() error {
	if c.m.Completeness.Kind != bundle.Proven {
		return nil
	}
	first, end := c.m.Range.First-c.m.Base, c.m.Range.First-c.m.Base+c.m.Range.Count
	for _, f := range c.m.Filter {
		if f.Kind != bundle.KindTime || f.Field != "recorded_at" {
			continue
		}
		// The leaf before the range, if there is one, has to be part of it and too early; the leaf after it likewise too late.
		if f.From != nil && first > 0 && (c.m.Range.Count == 0 || c.firstTime >= *f.From) {
			return stopAt(RowMissing, c.m.Range.First, "the range begins after the time asked for: earlier records may have been left out")
		}
		if f.From == nil && first > 0 || f.To == nil && end < c.cp.Size {
			return stopAt(RowMissing, c.m.Range.First, "the range does not reach the end of the log in a direction without a bound")
		}
		if f.To != nil && end < c.cp.Size && (c.m.Range.Count == 0 || c.lastTime < *f.To) {
			return stopAt(RowMissing, c.m.Base+end, "the range ends before the time asked for: later records may have been left out")
		}
	}
	missing, silent := c.match.Gaps()
	if len(missing) > 0 {
		return &stop{Problem{Kind: RowMissing, Message: "no tag key is disclosed for " + months(missing) + ", so records of that time may have been left out"}}
	}
	if len(silent) > 0 {
		c.r.Bundle.Claimed = append(c.r.Bundle.Claimed, "that the tag key disclosed for "+months(silent)+" is the right one (no record matched it)")
	}
	return nil
}

func months(periods []int) string {
	var out []string
	for i, p := range periods {
		if i == 6 {
			out = append(out, fmt.Sprintf("and %d more months", len(periods)-i))
			break
		}
		out = append(out, fmt.Sprintf("%04d-%02d", p/12, p%12+1))
	}
	return strings.Join(out, ", ")
}

// eventStream reads the events of all parts in order.
type eventStream struct {
	in    *bundle.Reader
	parts int
	at    int
	cur   *bundle.EventPart
	head  *bundle.Event
	last  uint64
	any   bool
}

func (s *eventStream) peek() (*bundle.Event, error) {
	for s.head == nil {
		if s.cur == nil {
			if s.at == s.parts {
				return nil, io.EOF
			}
			var err error
			if s.cur, err = s.in.EventPart(s.at); err != nil {
				return nil, err
			}
			s.at++
		}
		e, err := s.cur.Next()
		if err == io.EOF {
			s.cur = nil
			continue
		} else if err != nil {
			return nil, err
		}
		if s.any && e.Seq <= s.last {
			return nil, stopAt(BundleInvalid, e.Seq, "the events are not in order, or one is there twice")
		}
		s.head, s.last, s.any = e, e.Seq, true
	}
	return s.head, nil
}

func (s *eventStream) drop() { s.head = nil }

func (s *eventStream) next() (*bundle.Event, error) {
	e, err := s.peek()
	s.drop()
	return e, err
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"probity.dev/internal/evidence"
	"probity.dev/internal/evidence/bundle"
	"probity.dev/internal/tlog"
)

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
			eventErr = c.flushBefore(c.part(first, p))
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
	if e, err := c.events.next(); !errors.Is(err, io.EOF) {
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
	workers := c.opt.workers()
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
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil || e.Seq >= end {
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
		if err := c.event(e, p.hashes[i], p.leaves[i]); err != nil {
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
		if first == 0 && c.m.Base > 0 && (f.From == nil || c.firstTime >= *f.From) {
			c.r.Bundle.Claimed = append(c.r.Bundle.Claimed, fmt.Sprintf("that no record before seq %d, in an earlier epoch, matches", c.m.Base))
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

package query

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"probity.dev/internal/errs"
	"probity.dev/ledger/segment"
)

// MaxBuckets is the largest number of bars of a histogram.
const MaxBuckets = 20_000

const success = "success"

// words counts words. The counts are behind pointers because words come from memory that is reused, and assigning to an existing key of a Go map
// may replace the key's memory too.
type words map[string]*int64

func (w words) add(word string, n int64) {
	p := w[word]
	if p == nil {
		p = new(int64)
		w[strings.Clone(word)] = p
	}
	*p += n
}

// counter adds up statistics. Several of them, one per worker, are merged at the end.
type counter struct {
	buckets  *bucketer // nil = no histogram
	occurred bool
	only     bool // the total and nothing else

	total     int64
	bars      map[int64]*Bucket
	bar       *Bucket
	actions   words
	outcomes  words
	types     words
	actors    map[int64]int64
	perCode   []int64
	isFailure []bool
}

func newCounter(spec *StatsSpec) (*counter, error) {
	b, err := newBucketer(spec)
	return &counter{buckets: b, occurred: spec.Occurred, only: spec.TotalOnly, bars: map[int64]*Bucket{}, actions: words{}, outcomes: words{},
		types: words{}, actors: map[int64]int64{}}, err
}

// at makes the bar of a time current.
func (c *counter) at(v int64) error {
	if c.bar != nil && v >= c.buckets.lo && v < c.buckets.hi {
		return nil
	}
	start := c.buckets.start(v)
	if c.bar = c.bars[start]; c.bar == nil {
		if len(c.bars) >= MaxBuckets {
			return errs.New(errs.Invalid, "the histogram would have more than %d bars; choose wider ones or a shorter time", MaxBuckets)
		}
		c.bar = &Bucket{Start: start}
		c.bars[start] = c.bar
	}
	return nil
}

func (c *counter) row(r *segment.Row) error {
	c.total++
	if c.only {
		return nil
	}
	c.actions.add(r.Action, 1)
	c.outcomes.add(r.Outcome, 1)
	if r.ResourceType != "" {
		c.types.add(r.ResourceType, 1)
	}
	if r.Actor != 0 {
		c.actors[r.Actor]++
	}
	if c.buckets == nil {
		return nil
	}
	t := r.RecordedAt
	if c.occurred {
		t = r.OccurredAt
	}
	if err := c.at(t); err != nil {
		return err
	}
	c.bar.Count++
	if r.Outcome != success {
		c.bar.Failures++
	}
	return nil
}

// vectors are the columns that a group is counted by.
type vectors struct{ time, outcome, other segment.Vector }

// group counts the given rows of a row group.
func (c *counter) group(g segment.Group, at []int32, v *vectors) error {
	c.total += int64(len(at))
	if c.only {
		return nil
	}
	if err := c.words(g, segment.ColAction, at, &v.other, c.actions, true); err != nil {
		return err
	}
	if err := c.words(g, segment.ColResourceType, at, &v.other, c.types, false); err != nil {
		return err
	}
	if err := c.words(g, segment.ColOutcome, at, &v.outcome, c.outcomes, true); err != nil {
		return err
	}
	if err := c.handles(g, at, &v.other); err != nil {
		return err
	}
	if c.buckets == nil {
		return nil
	}
	return c.histogram(g, at, v)
}

// histogram counts by time and, with the outcomes that v holds already, failures.
func (c *counter) histogram(g segment.Group, at []int32, v *vectors) error {
	col := segment.ColRecorded
	if c.occurred {
		col = segment.ColOccurred
	}
	if err := load(&v.time, g, col); err != nil {
		return err
	}
	c.isFailure = c.isFailure[:0]
	for _, o := range v.outcome.Strings {
		c.isFailure = append(c.isFailure, o != success)
	}
	for _, i := range at {
		if err := c.at(v.time.Ints[i]); err != nil {
			return err
		}
		c.bar.Count++
		if v.outcome.Dict && c.isFailure[v.outcome.Codes[i]] || !v.outcome.Dict && string(v.outcome.Bytes(int(i))) != success {
			c.bar.Failures++
		}
	}
	return nil
}

func load(v *segment.Vector, g segment.Group, col segment.Column) error {
	if err := v.Open(g, col); err != nil {
		return err
	}
	return v.Load()
}

// byCode counts the rows per dictionary code.
func (c *counter) byCode(v *segment.Vector, n int, at []int32) []int64 {
	c.perCode = slices.Grow(c.perCode[:0], n)[:n]
	clear(c.perCode)
	if len(at) == len(v.Codes) {
		for _, code := range v.Codes {
			c.perCode[code]++
		}
	} else {
		for _, i := range at {
			c.perCode[v.Codes[i]]++
		}
	}
	return c.perCode
}

func (c *counter) words(g segment.Group, col segment.Column, at []int32, v *segment.Vector, into words, empty bool) error {
	if err := load(v, g, col); err != nil {
		return err
	}
	add := func(word string, n int64) {
		if n == 0 || word == "" && !empty {
			return
		}
		into.add(word, n)
	}
	if !v.Dict {
		for _, i := range at {
			add(string(v.Bytes(int(i))), 1)
		}
		return nil
	}
	for code, n := range c.byCode(v, len(v.Strings), at) {
		add(v.Strings[code], n)
	}
	return nil
}

func (c *counter) handles(g segment.Group, at []int32, v *segment.Vector) error {
	if err := load(v, g, segment.ColActor); err != nil {
		return err
	}
	if !v.Dict {
		for _, i := range at {
			if h := v.Ints[i]; h != 0 {
				c.actors[h]++
			}
		}
		return nil
	}
	for code, n := range c.byCode(v, len(v.Ints), at) {
		if h := v.Ints[code]; n > 0 && h != 0 {
			c.actors[h] += n
		}
	}
	return nil
}

func (c *counter) merge(o *counter) error {
	c.total += o.total
	for k, b := range o.bars {
		if have := c.bars[k]; have != nil {
			have.Count += b.Count
			have.Failures += b.Failures
		} else {
			c.bars[k] = b
		}
	}
	if len(c.bars) > MaxBuckets {
		return errs.New(errs.Invalid, "the histogram would have more than %d bars; choose wider ones or a shorter time", MaxBuckets)
	}
	for _, m := range [...][2]words{{c.actions, o.actions}, {c.outcomes, o.outcomes}, {c.types, o.types}} {
		for k, n := range m[1] {
			m[0].add(k, *n)
		}
	}
	for k, n := range o.actors {
		c.actors[k] += n
	}
	return nil
}

func (c *counter) result(top int) *Stats {
	if top <= 0 {
		top = 10
	}
	s := &Stats{Total: c.total, Actions: topWords(c.actions, top), Outcomes: topWords(c.outcomes, top), ResourceTypes: topWords(c.types, top)}
	for _, b := range c.bars {
		s.Buckets = append(s.Buckets, *b)
	}
	slices.SortFunc(s.Buckets, func(a, b Bucket) int { return cmp.Compare(a.Start, b.Start) })
	for h, n := range c.actors {
		s.Actors = append(s.Actors, HandleCount{Handle: h, Count: n})
	}
	slices.SortFunc(s.Actors, func(a, b HandleCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Handle, b.Handle))
	})
	s.Actors = slices.Clip(s.Actors[:min(top, len(s.Actors))])
	return s
}

func topWords(m words, top int) []KeyCount {
	out := make([]KeyCount, 0, len(m))
	for k, n := range m {
		out = append(out, KeyCount{Key: k, Count: *n})
	}
	slices.SortFunc(out, func(a, b KeyCount) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key)) })
	return out[:min(top, len(out))]
}

// Stats implements Engine.
func (e *scan) Stats(ctx context.Context, s Snapshot, f Filter, spec StatsSpec) (*Stats, error) {
	ctx, done, err := e.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	sum, err := newCounter(&spec)
	if err != nil {
		return nil, err
	}
	pl, err := e.plan(&s, &f, &Page{})
	if err != nil {
		return nil, err
	}
	if err := e.sealedStats(ctx, pl, &f, &spec, sum); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	if err := e.hotRows(ctx, pl, &f, &Page{}, sum.row); err != nil {
		return nil, err
	}
	return sum.result(spec.TopN), nil
}

func (e *scan) sealedStats(ctx context.Context, pl *plan, f *Filter, spec *StatsSpec, sum *counter) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conds := prepare(f, pl.from, pl.to)
	next := make(chan int, len(pl.segments))
	for i := range pl.segments {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range min(cap(e.slots), len(pl.segments)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			part, err := newCounter(spec)
			for i := range next {
				if err == nil {
					err = e.count(ctx, pl.log, &pl.segments[i], conds, part)
				}
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				err = sum.merge(part)
			}
			if err != nil {
				cancel(err)
			}
		}()
	}
	wg.Wait()
	return context.Cause(ctx)
}

// count adds the matching rows of one file.
func (e *scan) count(ctx context.Context, log string, ref *SegmentRef, conds []cond, part *counter) error {
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	file, free, err := e.files.open(log, ref)
	if err != nil {
		return err
	}
	defer free()
	w := e.state.Get().(*worker)
	defer e.state.Put(w)
	for k := range file.Groups() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		g := file.Group(k)
		at, err := w.sel.run(g, conds)
		if err != nil {
			return damaged(err)
		}
		if len(at) > 0 {
			if err := part.group(g, at, &w.agg); err != nil {
				return damaged(err)
			}
		}
	}
	return nil
}

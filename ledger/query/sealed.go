package query

import (
	"context"

	"probity.dev/ledger/segment"
)

// eager is the largest limit for which workers fetch whole rows ahead of their turn. Beyond it they only find positions, and the rows are
// fetched in turn, so that an export holds no more than a window of rows in memory.
const eager = 2_000

// found is what the evaluation of one file or row group yields.
type found struct {
	file *segment.Working
	free func()
	// Per row group, in the order wanted.
	groups []groupRows
	rows   []*segment.Row // instead of groups, when they were fetched ahead
	err    error
}

type groupRows struct {
	group segment.Group
	at    []int32
}

// sealedRows evaluates the segments of a plan in order, a few ahead of the one whose rows are being handed out.
func (e *scan) sealedRows(ctx context.Context, pl *plan, f *Filter, p *Page, left *int, yield func(*segment.Row) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conds := prepare(f, pl.from, pl.to)
	limit := p.Limit
	if limit > 0 {
		limit = *left
	}
	q := &search{e: e, pl: pl, conds: conds, desc: p.Desc, cols: p.Columns, limit: limit}
	results := make([]chan found, len(pl.segments))
	for i := range results {
		results[i] = make(chan found, 1)
	}
	ahead := cap(e.slots) + 1
	started := 0
	start := func() {
		if started < len(pl.segments) {
			i := started
			started++
			go func() { results[i] <- q.evaluate(ctx, &pl.segments[i]) }()
		}
	}
	taken := 0
	defer func() { // whatever was started holds a file and must be given back
		cancel()
		for ; taken < started; taken++ {
			if r := <-results[taken]; r.free != nil {
				r.free()
			}
		}
	}()
	for range ahead {
		start()
	}
	w := e.state.Get().(*worker)
	defer e.state.Put(w)
	for ; taken < len(pl.segments); start() {
		r := <-results[taken]
		taken++
		err := r.err
		if err == nil {
			err = q.hand(ctx, w, &r, yield)
		}
		if r.free != nil {
			r.free()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// search is what the workers of one call of Rows share.
type search struct {
	e     *scan
	pl    *plan
	conds []cond
	desc  bool
	cols  segment.Columns
	limit int // 0 = none
}

// evaluate finds the matching rows of one file, in order and no more than the limit.
func (q *search) evaluate(ctx context.Context, ref *SegmentRef) (out found) {
	select {
	case q.e.slots <- struct{}{}:
		defer func() { <-q.e.slots }()
	case <-ctx.Done():
		return found{err: context.Cause(ctx)}
	}
	file, free, err := q.e.files.open(q.pl.log, ref.Path)
	if err != nil {
		return found{err: err}
	}
	out.file, out.free = file, free
	w := q.e.state.Get().(*worker)
	defer q.e.state.Put(w)
	n := file.Groups()
	total := 0
	for k := range n {
		if ctx.Err() != nil {
			out.err = context.Cause(ctx)
			return out
		}
		if q.desc {
			k = n - 1 - k
		}
		g := file.Group(k)
		at, err := w.sel.run(g, q.conds)
		if err != nil {
			out.err = damaged(err)
			return out
		}
		if q.limit > 0 && total+len(at) > q.limit {
			if q.desc {
				at = at[len(at)-(q.limit-total):]
			} else {
				at = at[:q.limit-total]
			}
		}
		total += len(at)
		if len(at) > 0 {
			out.err = q.take(w, &out, g, at)
		}
		if out.err != nil || q.limit > 0 && total >= q.limit {
			return out
		}
	}
	return out
}

// take notes the matches of a group: as rows when the limit is small, else as positions.
func (q *search) take(w *worker, out *found, g segment.Group, at []int32) error {
	if q.limit == 0 || q.limit > eager {
		out.groups = append(out.groups, groupRows{group: g, at: append([]int32(nil), at...)})
		return nil
	}
	return damaged(g.FetchRows(at, q.cols, q.desc, &w.buf, func(r *segment.Row) error {
		out.rows = append(out.rows, r.Clone())
		return nil
	}))
}

// hand gives the rows of one file to yield.
func (q *search) hand(ctx context.Context, w *worker, r *found, yield func(*segment.Row) error) error {
	for _, row := range r.rows {
		if err := yield(row); err != nil {
			return err
		}
	}
	var stopped error
	n := 0
	for _, g := range r.groups {
		err := g.group.FetchRows(g.at, q.cols, q.desc, &w.buf, func(row *segment.Row) error {
			if n++; n&1023 == 0 && ctx.Err() != nil {
				stopped = context.Cause(ctx)
				return stopped
			}
			stopped = yield(row)
			return stopped
		})
		if stopped != nil {
			return stopped
		}
		if err != nil {
			return damaged(err)
		}
	}
	return nil
}

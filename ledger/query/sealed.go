package query

import (
	"context"

	"probity.dev/ledger/segment"
)

// eager is the largest number of matches in a row group that workers fetch as whole rows ahead of their turn. Of more they only find the positions,
// and the rows are fetched in turn, so that an export holds no more than a window of rows in memory.
const eager = 1_000

// found is what the evaluation of one file yields: its matches per row group, in the order wanted.
type found struct {
	free   func() // gives the file back; nil when it could not be opened
	groups []groupRows
	err    error
}

// groupRows are the matches of a row group: rows in the order wanted, or ascending positions.
type groupRows struct {
	group segment.Group
	at    []int32
	rows  []*segment.Row
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
	q := &search{e: e, pl: pl, conds: conds, desc: p.Desc, cols: p.Columns, limit: limit, release: p.Release}
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
	// release is Page.Release
	release func() error
}

// evaluate finds the matching rows of one file, in order and no more than the limit.
func (q *search) evaluate(ctx context.Context, ref *SegmentRef) (out found) {
	select {
	case q.e.slots <- struct{}{}:
		defer func() { <-q.e.slots }()
	case <-ctx.Done():
		return found{err: context.Cause(ctx)}
	}
	file, free, err := q.e.files.open(q.pl.log, ref)
	if err != nil {
		return found{err: err}
	}
	out.free = free
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

// take notes the matches of a group.
func (q *search) take(w *worker, out *found, g segment.Group, at []int32) error {
	if len(at) > eager {
		out.groups = append(out.groups, groupRows{group: g, at: append([]int32(nil), at...)})
		return nil
	}
	rows := make([]*segment.Row, 0, len(at))
	err := g.FetchRows(at, q.cols, q.desc, &w.buf, func(r *segment.Row) error {
		rows = append(rows, r.Clone())
		return nil
	})
	out.groups = append(out.groups, groupRows{rows: rows})
	return damaged(err)
}

// hand gives the rows of one file to yield.
func (q *search) hand(ctx context.Context, w *worker, r *found, yield func(*segment.Row) error) error {
	n := 0
	each := func(row *segment.Row) error {
		if n++; n&1023 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return yield(row)
	}
	for i := range r.groups {
		g := &r.groups[i]
		for _, row := range g.rows {
			if err := each(row); err != nil {
				return err
			}
		}
		g.rows = nil
		for at := g.at; len(at) > 0; {
			part := at
			if q.release != nil {
				part = at[:segment.InWindow(at)]
			}
			at = at[len(part):]
			var stopped error
			err := g.group.FetchRows(part, q.cols, q.desc, &w.buf, func(row *segment.Row) error {
				stopped = each(row)
				return stopped
			})
			if stopped == nil && err == nil && q.release != nil {
				stopped = q.release()
			}
			if stopped != nil {
				return stopped
			}
			if err != nil {
				return damaged(err)
			}
		}
	}
	return nil
}

package query

import (
	"context"
	"sync"

	"probity.dev/ledger/segment"
)

// siftRows is how many rows a sieve looks at before another search gets its turn; less when it keeps some earlier, which then go on at once.
const siftRows = 4096

// sifting is a search with a sieve. Row groups are sifted beside each other and handed on in order, piece by piece, so that the first rows come out while the
// rest is still being looked at.
type sifting struct {
	search
	sieve Sieve
	pause func() error
}

// siftGroup is a row group on its way through the sieve.
type siftGroup struct {
	ref    *SegmentRef
	n      int
	pieces chan piece
}

// piece is what the sieve kept of a stretch of rows, in the order wanted.
type piece struct {
	rows []*segment.Row
	err  error
}

// siftSealed is sealedRows with a sieve.
func (e *scan) siftSealed(ctx context.Context, pl *plan, f *Filter, p *Page, left *int, yield func(*segment.Row) error) error {
	ctx, cancel := context.WithCancel(ctx)
	q := &sifting{search{e: e, pl: pl, conds: prepare(f, pl.from, pl.to), desc: p.Desc, cols: p.Columns, limit: *left}, p.Sieve, p.Pause}
	groups := make(chan *siftGroup, cap(e.slots)-1) // with the one in hand, as many are worked on as there are slots
	var listErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(groups)
		listErr = q.list(ctx, &wg, groups)
	})
	defer wg.Wait() // all files are given back then, and nobody uses the sieve any more
	defer cancel()
	for g := range groups {
		for p := range g.pieces {
			if p.err != nil {
				return p.err
			}
			if err := q.hand(p.rows, yield); err != nil {
				return err
			}
		}
	}
	return listErr
}

// hand yields rows and says when there is nothing more to yield at once.
func (q *sifting) hand(rows []*segment.Row, yield func(*segment.Row) error) error {
	for _, r := range rows {
		if err := yield(r); err != nil {
			return err
		}
	}
	if q.pause == nil {
		return nil
	}
	return q.pause()
}

// list starts work on row groups in order.
func (q *sifting) list(ctx context.Context, wg *sync.WaitGroup, groups chan<- *siftGroup) error {
	for i := range q.pl.segments {
		ref := &q.pl.segments[i]
		file, free, err := q.e.files.open(q.pl.log, ref)
		if err != nil {
			return err
		}
		n := file.Groups()
		free()
		for k := range n {
			if q.desc {
				k = n - 1 - k
			}
			g := &siftGroup{ref: ref, n: k, pieces: make(chan piece, 1)}
			select {
			case groups <- g:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			wg.Go(func() {
				defer close(g.pieces)
				if err := q.sift(ctx, g); err != nil {
					_ = q.send(ctx, g, piece{err: err}) // the end of ctx says the same
				}
			})
		}
	}
	return nil
}

func (q *sifting) send(ctx context.Context, g *siftGroup, p piece) error {
	select {
	case g.pieces <- p:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sift looks at one row group. It holds a slot while it works, and none while it waits for its pieces to be taken.
func (q *sifting) sift(ctx context.Context, g *siftGroup) error {
	file, free, err := q.e.files.open(q.pl.log, g.ref)
	if err != nil {
		return err
	}
	defer free()
	w := q.e.state.Get().(*worker)
	defer q.e.state.Put(w)
	var at []int32
	if err := q.working(ctx, func() error {
		var err error
		at, err = w.sel.run(file.Group(g.n), q.conds)
		return damaged(err)
	}); err != nil {
		return err
	}
	for len(at) > 0 {
		var kept []*segment.Row
		err := q.working(ctx, func() error {
			for looked := 0; len(at) > 0 && len(kept) == 0 && looked < siftRows; {
				var part []int32
				if part, at = q.cut(at); len(part) == 0 {
					return nil
				}
				looked += len(part)
				if err := q.window(ctx, w, file.Group(g.n), part, &kept); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && len(kept) > 0 {
			err = q.send(ctx, g, piece{rows: kept})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// working runs f in a slot of the engine.
func (q *sifting) working(ctx context.Context, f func() error) error {
	select {
	case q.e.slots <- struct{}{}:
		defer func() { <-q.e.slots }()
		return f()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// cut takes the positions of the next window.
func (q *sifting) cut(at []int32) (part, rest []int32) {
	if q.desc {
		i := len(at) - 1
		for i > 0 && at[i-1]/segment.Window == at[len(at)-1]/segment.Window {
			i--
		}
		return at[i:], at[:i]
	}
	j := 1
	for j < len(at) && at[j]/segment.Window == at[0]/segment.Window {
		j++
	}
	return at[:j], at[j:]
}

// window sifts the rows of one window and adds copies of those that are kept.
func (q *sifting) window(ctx context.Context, w *worker, g segment.Group, at []int32, kept *[]*segment.Row) error {
	var stopped error
	err := g.FetchWindow(at, q.cols, &w.buf, func(rows []segment.Row) error {
		w.keep = w.keep[:0]
		for range rows {
			w.keep = append(w.keep, false)
		}
		for _, i := range at {
			w.keep[i-at[0]] = true
		}
		if stopped = q.sieve(ctx, rows, w.keep); stopped != nil {
			return stopped
		}
		for i := range rows {
			k := i
			if q.desc {
				k = len(rows) - 1 - i
			}
			if w.keep[k] {
				*kept = append(*kept, rows[k].Clone())
			}
		}
		return nil
	})
	if stopped != nil {
		return stopped
	}
	return damaged(err)
}

// siftHot is hotRows with a sieve.
func (e *scan) siftHot(ctx context.Context, pl *plan, f *Filter, p *Page, yield func(*segment.Row) error) error {
	from := max(pl.from, pl.hotFrom)
	q := &sifting{search: search{desc: p.Desc}, sieve: p.Sieve, pause: p.Pause}
	var rows []segment.Row // as they come; the cached ones are shared
	var keep []bool
	flush := func() error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := p.Sieve(ctx, rows, keep); err != nil {
			return err
		}
		some := false
		for i := range rows {
			if keep[i] {
				some = true
				if err := yield(&rows[i]); err != nil {
					return err
				}
			}
		}
		rows, keep = rows[:0], keep[:0]
		if some {
			return q.hand(nil, yield)
		}
		return nil
	}
	for k := range pl.hot {
		if p.Desc {
			k = len(pl.hot) - 1 - k
		}
		all, err := e.hot.get(pl.log, &pl.hot[k])
		if err != nil {
			return err
		}
		for i := range all {
			if p.Desc {
				i = len(all) - 1 - i
			}
			r := &all[i]
			if r.Seq < from || r.Seq >= pl.to || !f.Match(r) {
				continue
			}
			rows, keep = append(rows, *r), append(keep, true)
			if len(rows) == segment.Window {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

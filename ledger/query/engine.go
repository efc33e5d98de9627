package query

import (
	"context"
	"errors"
	"math"
	"os"
	"runtime"
	"sync"

	"probity.dev/internal/errs"
	"probity.dev/ledger/segment"
)

// Options bounds an engine.
type Options struct {
	// Workers is how many row groups are evaluated at the same time, over all searches; 0 = one per CPU.
	Workers int
	// Open opens the file of a segment, until ctx ends; nil opens the local file at its path.
	Open func(ctx context.Context, ref *SegmentRef) (*os.File, error)
	// OpenFiles is how many sealed files are kept open between searches; 0 = 512.
	OpenFiles int
	// HotRows is how many decoded rows of hot batches are kept between searches (about 350 bytes each); 0 = 300,000.
	HotRows int
}

// scan is the engine that evaluates filters directly on the columns of our own files.
type scan struct {
	files *fileCache
	hot   *hotCache
	slots chan struct{} // one per worker
	state sync.Pool     // *worker
	ctx   context.Context
	stop  context.CancelCauseFunc
	wg    sync.WaitGroup
	mu    sync.Mutex // guards wg against Close
}

// Open returns an engine.
func Open(o Options) Engine {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.OpenFiles <= 0 {
		o.OpenFiles = 512
	}
	if o.HotRows <= 0 {
		o.HotRows = 300_000
	}
	if o.Open == nil {
		o.Open = func(_ context.Context, ref *SegmentRef) (*os.File, error) { return os.Open(ref.Path) }
	}
	e := &scan{hot: newHotCache(o.HotRows), slots: make(chan struct{}, o.Workers)}
	e.state.New = func() any { return new(worker) }
	e.ctx, e.stop = context.WithCancelCause(context.Background())
	// Who waits for a file shares it with others, so its opening ends with the engine and not with one search.
	e.files = newFileCache(o.OpenFiles, func(ref *SegmentRef) (*segment.Working, error) {
		f, err := o.Open(e.ctx, ref)
		if err != nil {
			return nil, err
		}
		return segment.ReadWorkingFile(f, ref.Path)
	})
	return e
}

// worker is the reusable memory of one evaluation.
type worker struct {
	sel  selector
	buf  segment.RowBuffer
	keep []bool // see sifting.window
	agg  vectors
}

// begin registers a search, whose context also ends when the engine closes.
func (e *scan) begin(ctx context.Context) (context.Context, func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx.Err() != nil {
		return nil, nil, errClosed
	}
	e.wg.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(e.ctx, func() { cancel(errClosed) })
	return ctx, func() { unhook(); cancel(nil); e.wg.Done() }, nil
}

// Close implements Engine.
func (e *scan) Close() error {
	e.mu.Lock()
	e.stop(errClosed)
	e.mu.Unlock()
	e.wg.Wait()
	e.files.close()
	return nil
}

// plan is a search after everything that ranges alone decide.
type plan struct {
	log      string
	segments []SegmentRef // those that may match, in the order in which they are wanted
	hot      []HotBatch   // ascending
	from, to int64        // seqs
	hotFrom  int64        // first seq that no segment covers
}

func (e *scan) plan(s *Snapshot, f *Filter, p *Page) (*plan, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	out := &plan{log: s.Log}
	out.from, out.to = f.seqRange()
	if s.Head > 0 {
		out.to = min(out.to, int64(min(s.Head, math.MaxInt64)))
	}
	if after := int64(min(p.After, math.MaxInt64)); after > 0 && p.Desc {
		out.to = min(out.to, after)
	} else if after > 0 {
		out.from = max(out.from, after+1)
	}
	whole := *f
	whole.SeqFrom, whole.SeqTo = uint64(out.from), uint64(max(out.to, 1))
	for i := range s.Segments {
		r := &s.Segments[i]
		if i > 0 && r.First < s.Segments[i-1].end() {
			return nil, errs.New(errs.Internal, "the snapshot of the log lists overlapping segments")
		}
		out.hotFrom = int64(r.end())
		if whole.mayHold(r) {
			out.segments = append(out.segments, *r)
		}
	}
	if p.Desc {
		for i, j := 0, len(out.segments)-1; i < j; i, j = i+1, j-1 {
			out.segments[i], out.segments[j] = out.segments[j], out.segments[i]
		}
	}
	for i := range s.Hot {
		b := &s.Hot[i]
		if i > 0 && b.First < s.Hot[i-1].First+s.Hot[i-1].Count {
			return nil, errs.New(errs.Internal, "the snapshot of the log lists overlapping batches")
		}
		if int64(b.First+b.Count) > max(out.from, out.hotFrom) && int64(b.First) < out.to {
			out.hot = append(out.hot, *b)
		}
	}
	e.files.retain(s.Log, s.Segments)
	e.hot.retain(s.Log, s.Hot)
	return out, nil
}

var errEnough = errors.New("query: limit reached")

// Rows implements Engine.
func (e *scan) Rows(ctx context.Context, s Snapshot, f Filter, p Page, yield func(*segment.Row) error) error {
	ctx, done, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	pl, err := e.plan(&s, &f, &p)
	if err != nil {
		return err
	}
	left := p.Limit
	count := func(r *segment.Row) error {
		if err := yield(r); err != nil {
			return err
		}
		if left--; left == 0 {
			return errEnough
		}
		return nil
	}
	hot, sealed := e.hotRows, e.sealedRows
	if p.Sieve != nil {
		hot, sealed = e.siftHot, e.siftSealed
	}
	if p.Desc {
		err = hot(ctx, pl, &f, &p, count)
	}
	if err == nil {
		err = sealed(ctx, pl, &f, &p, &left, count)
	}
	if err == nil && !p.Desc {
		err = hot(ctx, pl, &f, &p, count)
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (e *scan) hotRows(ctx context.Context, pl *plan, f *Filter, p *Page, yield func(*segment.Row) error) error {
	from := max(pl.from, pl.hotFrom)
	for k := range pl.hot {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if p.Desc {
			k = len(pl.hot) - 1 - k
		}
		rows, err := e.hot.get(pl.log, &pl.hot[k])
		if err != nil {
			return err
		}
		for i := range rows {
			r := &rows[i]
			if p.Desc {
				r = &rows[len(rows)-1-i]
			}
			if r.Seq < from || r.Seq >= pl.to || !f.Match(r) {
				continue
			}
			row := *r // the cached one is shared
			if err := yield(&row); err != nil {
				return err
			}
		}
	}
	return nil
}

package ledger

import (
	"context"
	"runtime"
	"sync"

	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// Chunks of rows are opened beside each other. They begin small, so that the first results come soon, and grow, so that many rows cost little each.
const (
	firstChunk = 64
	largeChunk = 256
	chunkBytes = 2 << 20 // a chunk that has grown to this size is large enough
)

// How many chunks there are at most between the one that is handed on and the one that is read. Chunks take unequal times, those that meet new persons the longest,
// and pages are decompressed thousands of rows at a time: with few chunks in between, processors would wait for one another. Who may stop after any row gets few, because
// what was opened beyond it was opened in vain.
const (
	chunksOfRuns = 24
	chunksOfRows = 4
)

// opening is a search whose rows are opened, several chunks at a time.
type opening struct {
	l    *Ledger
	t    *tenant
	mask event.Masker // nil shows everything
	lens *lens
	post *postFilter // nil keeps every record
	// work, when not nil, is called for each chunk by the goroutine that opened it; several run at once. What it returns is called in the order of the
	// chunks, and afterwards the chunk's memory is used again.
	work func(run []*event.Record) (finish func() error, err error)
	// yield, when work is nil, gets the chunks' records in order. They may be kept.
	yield func(*event.Record) error
	// reading reads persons.
	reading *person.Reading
	free    sync.Pool // *chunk
}

// chunk is a run of rows and, once done has said so, their records.
type chunk struct {
	rows    []segment.Row
	arena   []byte
	bytes   int // of the rows
	opened  []event.Record
	fields  []event.Field
	plain   []byte
	records []*event.Record // those that are wanted
	found   []found
	want    []person.Wanted
	wantFor []int32 // for each wanted profile, the place in found, -1 for secrets
	bodies  []byte  // of profiles
	keyless []keyless
	finish  func() error
	done    chan error
}

func (l *Ledger) newOpening(t *tenant, mask event.Masker, post *postFilter) *opening {
	o := &opening{l: l, t: t, mask: mask, post: post, reading: t.people.Read()}
	if f, ok := mask.(event.Foreseer); ok {
		o.lens = newLens(f)
	}
	o.free.New = func() any { return &chunk{done: make(chan error, 1)} }
	return o
}

// run runs a query, opens what it finds on all processors, and hands it on in order in the caller's goroutine.
func (o *opening) run(ctx context.Context, snap query.Snapshot, f query.Filter, p query.Page) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ahead := chunksOfRows
	if o.work != nil {
		ahead = chunksOfRuns
	}
	queue, todo := make(chan *chunk, ahead), make(chan *chunk, ahead)
	var searchErr error
	go func() {
		defer close(queue)
		defer close(todo)
		searchErr = o.collect(ctx, snap, f, p, queue, todo)
	}()
	for range runtime.GOMAXPROCS(0) {
		go o.open(ctx, todo)
	}
	for c := range queue {
		err := <-c.done
		if err == nil {
			err = o.hand(c)
		}
		if err != nil {
			cancel()
			for c := range queue { // let the search end before its snapshot goes, and work before what it writes to
				<-c.done
			}
			return err
		}
	}
	return searchErr
}

// open opens chunks until there are no more.
func (o *opening) open(ctx context.Context, todo <-chan *chunk) {
	var d *decoder
	for c := range todo {
		if d == nil {
			d = &decoder{l: o.l, t: o.t, lens: o.lens}
			if o.work != nil {
				d.ring, d.opener, d.numbers = new(keyRing), o.reading.Keeper(), o.t.people.Numbers()
			}
		}
		if err := ctx.Err(); err != nil {
			c.done <- err
			continue
		}
		c.done <- o.openChunk(ctx, d, c)
	}
}

// hand passes the records of an opened chunk on.
func (o *opening) hand(c *chunk) error {
	if o.work != nil {
		defer o.free.Put(c)
		return c.finish()
	}
	for _, r := range c.records {
		if err := o.yield(r); err != nil {
			return err
		}
	}
	return nil
}

// collect cuts the result into chunks, which it puts both into the queue and before those who open them. Both have room for the same number, so whatever is in the
// queue will be opened.
func (o *opening) collect(ctx context.Context, snap query.Snapshot, f query.Filter, p query.Page, queue, todo chan<- *chunk) error {
	size := firstChunk
	c := o.empty()
	var shapes shapeMemo
	send := func() error {
		select {
		case queue <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
		todo <- c
		size = min(2*size, largeChunk)
		c = o.empty()
		return nil
	}
	p.Pause = func() error {
		if len(c.rows) == 0 {
			return nil
		}
		return send()
	}
	err := o.l.opt.Engine.Rows(ctx, snap, f, p, func(row *segment.Row) error {
		shape := shapes.get(o.l, row.Shape)
		row.Shape = "" // there are few of them, which need no copy for each row
		n := row.Size()
		if len(c.arena)+n > cap(c.arena) {
			c.arena = make([]byte, 0, max(64<<10, n, min(2*cap(c.arena), chunkBytes))) // earlier rows keep the stretch they are in
		}
		c.bytes += n
		c.rows = append(c.rows, segment.Row{})
		last := &c.rows[len(c.rows)-1]
		c.arena = row.CopyTo(last, c.arena)
		last.Shape = shape.text
		if len(c.rows) < size && c.bytes < chunkBytes {
			return nil
		}
		return send()
	})
	if err == nil && len(c.rows) > 0 {
		err = send()
	}
	return err
}

func (o *opening) empty() *chunk {
	c := o.free.Get().(*chunk)
	c.rows, c.arena, c.plain, c.bytes = c.rows[:0], c.arena[:0], c.plain[:0], 0
	return c
}

// openChunk opens the rows of a chunk and masks them.
func (o *opening) openChunk(ctx context.Context, d *decoder, c *chunk) error {
	fields, plain, err := o.lookUp(ctx, d, c)
	if err != nil {
		return err
	}
	if cap(c.opened) < len(c.rows) {
		c.opened = make([]event.Record, len(c.rows))
	}
	if cap(c.fields) < fields {
		c.fields = make([]event.Field, fields)
	}
	if cap(c.plain) < plain {
		c.plain = make([]byte, 0, plain)
	}
	d.plain, c.records = c.plain, c.records[:0]
	ahead, free := c.found, c.fields[:cap(c.fields)]
	for i := range c.rows {
		d.use(&c.rows[i])
		r, n, g := &c.opened[:cap(c.opened)][i], d.shape.fields, len(d.shape.groups)
		if err := d.into(ctx, &c.rows[i], ahead[:g], r, free[:n:n]); err != nil {
			return err
		}
		ahead, free = ahead[g:], free[n:]
		switch {
		case d.lens != nil:
			d.applyMask(r)
		case o.mask != nil:
			o.mask.Mask(r)
		}
		if o.post == nil || o.post.match(r) {
			c.records = append(c.records, r)
		}
	}
	if o.work != nil {
		c.finish, err = o.work(c.records)
	}
	return err
}

package ledger

import (
	"context"
	"runtime"

	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// Chunks of rows are opened beside each other. They begin small, so that the first results come soon, and grow, so that many rows cost little each.
const (
	firstChunk = 64
	largeChunk = 1024
)

// chunk is a run of rows and, once done is closed, their records.
type chunk struct {
	rows    []segment.Row
	arena   []byte
	records []*event.Record
	err     error
	done    chan struct{}
}

// openRows runs a query, opens what it finds on all processors, and yields the records that keep accepts, in order. keep is called concurrently; yield is not, and runs
// in the caller's goroutine. Records share memory with their neighbours only, so they may be kept.
func (l *Ledger) openRows(ctx context.Context, t *tenant, snap query.Snapshot, f query.Filter, p query.Page, keep func(*event.Record) bool, yield func(*event.Record) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	queue := make(chan *chunk, workers)
	var searchErr error
	go func() {
		defer close(queue)
		searchErr = l.collectRows(ctx, t, snap, f, p, queue, make(chan struct{}, workers), keep)
	}()
	for c := range queue {
		<-c.done
		err := c.err
		for i := 0; i < len(c.records) && err == nil; i++ {
			err = yield(c.records[i])
		}
		if err != nil {
			cancel()
			for range queue { //nolint:revive // let the search end before its snapshot goes
			}
			return err
		}
	}
	return searchErr
}

// collectRows cuts the result into chunks and has each opened by a goroutine of its own.
func (l *Ledger) collectRows(ctx context.Context, t *tenant, snap query.Snapshot, f query.Filter, p query.Page, queue chan<- *chunk, slots chan struct{}, keep func(*event.Record) bool) error {
	size := firstChunk
	c := &chunk{done: make(chan struct{})}
	send := func() error {
		select {
		case queue <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
		slots <- struct{}{}
		go func(c *chunk) {
			defer func() { <-slots }()
			defer close(c.done)
			c.records, c.err = l.openChunk(ctx, t, c.rows, keep)
		}(c)
		size = min(2*size, largeChunk)
		c = &chunk{rows: make([]segment.Row, 0, size), arena: make([]byte, 0, cap(c.arena)+cap(c.arena)/4), done: make(chan struct{})}
		return nil
	}
	err := l.opt.Engine.Rows(ctx, snap, f, p, func(row *segment.Row) error {
		if len(c.arena)+row.Size() > cap(c.arena) && len(c.rows) > 0 {
			c.arena = make([]byte, 0, max(64<<10, row.Size())) // earlier rows keep the stretch they are in
		}
		c.rows = append(c.rows, segment.Row{})
		c.arena = row.CopyTo(&c.rows[len(c.rows)-1], c.arena)
		if len(c.rows) < size {
			return nil
		}
		return send()
	})
	if err == nil && len(c.rows) > 0 {
		err = send()
	}
	return err
}

// warm reads the secrets and profiles that opening the rows needs, many at a time.
func (l *Ledger) warm(ctx context.Context, t *tenant, rows []segment.Row) error {
	want := make([]person.Wanted, 0, 2*len(rows))
	for i := range rows {
		r := &rows[i]
		for _, h := range [...]int64{r.Actor, r.Subject, r.Resource} {
			if h != 0 {
				want = append(want, person.Wanted{Handle: h})
			}
		}
		if r.Profile != 0 {
			want = append(want, person.Wanted{Handle: r.Actor, Profile: r.Profile})
		}
		l.wantPins(r, &want)
	}
	return t.people.Warm(ctx, want)
}

func (l *Ledger) openChunk(ctx context.Context, t *tenant, rows []segment.Row, keep func(*event.Record) bool) ([]*event.Record, error) {
	if err := l.warm(ctx, t, rows); err != nil {
		return nil, err
	}
	d := &decoder{l: l, t: t}
	out := make([]*event.Record, 0, len(rows))
	for i := range rows {
		r, err := d.record(ctx, &rows[i])
		if err != nil {
			return nil, err
		}
		if keep(r) {
			out = append(out, r)
		}
	}
	return out, nil
}

// wantPins adds the profiles of subject and resource.
func (l *Ledger) wantPins(r *segment.Row, want *[]person.Wanted) {
	s := l.shapes.get(r.Shape)
	v := values{clear: r.Clear}
	if !v.pins(s) {
		return // record reports it
	}
	for i := range s.groups {
		if g := &s.groups[i]; g.pinned && g.owners != event.OwnerActor {
			*want = append(*want, person.Wanted{Handle: rowHandles(r, g.owners)[0], Profile: v.pinned[0]})
			v.pinned = v.pinned[1:]
		}
	}
}

package main

import (
	"context"
	"time"

	"probity.dev/internal/sqldb/pgserver"
	"probity.dev/test/bench/load"
	"probity.dev/test/bench/pg"
)

const postgresSide = "postgres"

// postgres puts the peer through the workload.
func (w *workload) postgres(ctx context.Context) (err error) {
	say("%s: starting", postgresSide)
	s, err := pgserver.Create(ctx, w.o.data, w.o.pgSet.all())
	if err != nil {
		return err
	}
	defer func() {
		if cerr := s.Close(); err == nil {
			err = cerr
		}
	}()
	c, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	if err := pg.CreateTable(ctx, c); err != nil {
		return err
	}
	r := pg.NewReader(c)
	defer r.Close(context.WithoutCancel(ctx))

	before := usageNow()
	start, err := w.ingest(ctx, postgresSide, w.o.pgConns, func(ctx context.Context) (loader, error) {
		c, err := s.Connect(ctx)
		if err != nil {
			return nil, err
		}
		return pgLoader{pg.NewCopier(c)}, nil
	})
	if err != nil {
		return err
	}
	w.rep.add("sustained", postgresSide, float64(w.o.events)/time.Since(start).Seconds()) // nothing is left to be done later
	w.rep.busy(postgresSide+" ingest", before)
	if err := w.tableSize(ctx, s); err != nil {
		return err
	}
	if err := r.Analyze(ctx); err != nil {
		return err
	}
	before = usageNow()
	if err := w.search(ctx, postgresSide, pgReader{r}); err != nil {
		return err
	}
	w.rep.busy(postgresSide+" search", before)
	rows, took, err := r.ExportCSV(ctx)
	if err != nil {
		return err
	}
	w.rep.add("export", postgresSide, float64(rows)/took.Seconds())
	before = usageNow()
	if err := w.singles(ctx, postgresSide, func(ctx context.Context) (inserter, error) {
		c, err := s.Connect(ctx)
		if err != nil {
			return nil, err
		}
		return pg.NewInserter(ctx, c)
	}); err != nil {
		return err
	}
	w.rep.busy(postgresSide+" single", before)
	return nil
}

func (w *workload) tableSize(ctx context.Context, s *pgserver.Server) error {
	c, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	size, err := pg.TableSize(ctx, c)
	if err != nil {
		return err
	}
	per := func(bytes int64) float64 { return float64(bytes) / float64(size.Rows) }
	w.rep.add("bytes/event", postgresSide, per(size.Total))
	w.rep.add("bytes/event all", postgresSide, per(size.Total))
	w.rep.add("bytes table", postgresSide, per(size.Heap+size.Toast))
	for name, bytes := range size.Indexes {
		w.rep.add("bytes "+name, postgresSide, per(bytes))
	}
	return nil
}

type pgLoader struct{ *pg.Copier }

func (l pgLoader) Load(ctx context.Context, b *load.Batch) error { return l.Copier.Load(ctx, b.Events) }

// pgReader times the peer's searches. PostgreSQL sorts before it answers, so first byte and last come together.
type pgReader struct{ r *pg.Reader }

func timed(f func() (int, error)) (answer, error) {
	start := time.Now()
	n, err := f()
	took := time.Since(start)
	return answer{rows: n, first: took, total: took}, err
}

func (p pgReader) Newest(ctx context.Context) (answer, error) {
	return timed(func() (int, error) { return p.r.Newest(ctx) })
}

func (p pgReader) ByResource(ctx context.Context, typ, id string) (answer, error) {
	return timed(func() (int, error) { return p.r.ByResource(ctx, typ, id) })
}

func (p pgReader) ByActor(ctx context.Context, actor string) (answer, error) {
	return timed(func() (int, error) { return p.r.ByActor(ctx, actor) })
}

func (p pgReader) ByDayAndAction(ctx context.Context, from, to time.Time, action string) (answer, error) {
	return timed(func() (int, error) { return p.r.ByDayAndAction(ctx, from, to, action) })
}

func (p pgReader) ByText(ctx context.Context, from, to time.Time, text string) (answer, error) {
	return timed(func() (int, error) { return p.r.ByText(ctx, from, to, text) })
}

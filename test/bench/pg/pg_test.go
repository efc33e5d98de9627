package pg

import (
	"context"
	"errors"
	"testing"
	"time"

	"probity.dev/internal/sqldb/pgserver"
	"probity.dev/test/bench/load"
)

func TestServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a database server")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s, err := pgserver.Create(ctx, "", Settings())
	if errors.Is(err, pgserver.ErrAbsent) && pgserver.MeantAbsent() {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()

	g := load.New(load.Config{Seed: 5, Events: 5000})
	c, err := s.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := CreateTable(ctx, c); err != nil {
		t.Fatal(err)
	}
	k := NewCopier(c)
	defer k.Close(ctx)
	var b load.Batch
	for n := range g.Batches() {
		g.Batch(n, &b)
		if err := k.Load(ctx, b.Events); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Load(ctx, b.Events); err == nil {
		t.Error("the same identifiers were stored twice")
	}
	checkPages(ctx, t, s, g)

	size, err := TableSize(ctx, c)
	if err != nil || size.Rows != 5001 || len(size.Indexes) != 5 || size.Total < 5000*600 {
		t.Errorf("size %+v, %v", size, err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
}

// checkPages compares every search with a count over the generator's own events.
func checkPages(ctx context.Context, t *testing.T, s *pgserver.Server, g *load.Generator) {
	c, err := s.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(c)
	defer r.Close(ctx)
	if err := r.Analyze(ctx); err != nil {
		t.Fatal(err)
	}
	sample := g.At(2500)
	day := time.UnixMicro(sample.OccurredAt).UTC().Truncate(24 * time.Hour)
	want := map[string]int{"newest": 50}
	var b load.Batch
	for n := range g.Batches() {
		g.Batch(n, &b)
		for i := range b.Events {
			e := &b.Events[i]
			if e.Actor == sample.Actor {
				want["actor"]++
			}
			if e.ResourceType == sample.ResourceType && e.ResourceID == sample.ResourceID {
				want["resource"]++
			}
			if at := time.UnixMicro(e.OccurredAt); !at.Before(day) && at.Before(day.Add(24*time.Hour)) && e.Action == sample.Action {
				want["day"]++
			}
		}
	}
	check := func(name string, n int, err error) {
		if err != nil || n != min(want[name], 50) {
			t.Errorf("%s: %d rows, %v; want %d", name, n, err, min(want[name], 50))
		}
	}
	n, err := r.Newest(ctx)
	check("newest", n, err)
	n, err = r.ByActor(ctx, sample.Actor)
	check("actor", n, err)
	n, err = r.ByResource(ctx, sample.ResourceType, sample.ResourceID)
	check("resource", n, err)
	n, err = r.ByDayAndAction(ctx, day, day.Add(24*time.Hour), sample.Action)
	check("day", n, err)
	if n, err = r.ByText(ctx, g.Config().Start, g.Config().End, "user_AGENT"); err != nil || n != 50 {
		t.Errorf("text: %d rows, %v", n, err)
	}

	c, err = s.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	i, err := NewInserter(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(ctx)
	one := load.New(load.Config{Seed: 6, Events: 1}).At(0)
	if err := i.Insert(ctx, &one); err != nil {
		t.Error(err)
	}
}

package main

import (
	"testing"
	"time"

	"probity.dev/internal/demo"
	"probity.dev/ledger/event"
	"probity.dev/test/bench/load"
)

// TestEventsAreAccepted parses what both generators make as the server would: nothing may be refused, and nothing may fall under
// data that has a place of its own.
func TestEventsAreAccepted(t *testing.T) {
	now := time.Now()
	check := func(b []byte) {
		t.Helper()
		e, err := event.Parse(b)
		if err == nil {
			err = e.Normalise(now)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if len(e.Custom) > 0 || e.Actor.Type == "" || e.Category == "" || e.OccurredAt.After(now) {
			t.Fatalf("category %q at %v: %s", e.Category, e.OccurredAt, b)
		}
	}
	g := load.New(load.Config{Seed: 4, Events: 20_000, Spread: true})
	var b load.Batch
	for n := range g.Batches() {
		g.Batch(n, &b)
		for i := range b.Events {
			check(b.Events[i].JSON)
		}
	}
	categories := map[string]int{}
	d := demo.New(4, now, 18, 20_000)
	for {
		b, ok := d.Next()
		if !ok {
			break
		}
		check(b)
		e, _ := event.Parse(b)
		_ = e.Normalise(now)
		categories[e.Category]++
	}
	t.Log(categories)
}

package load

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

var end = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func all(t testing.TB, cfg Config, visit func(i int, e *Event)) {
	t.Helper()
	g := New(cfg)
	var b Batch
	i := 0
	for n := range g.Batches() {
		g.Batch(n, &b)
		for k := range b.Events {
			visit(i, &b.Events[k])
			i++
		}
	}
	if i != cfg.Events {
		t.Fatalf("%d events, want %d", i, cfg.Events)
	}
}

func TestShape(t *testing.T) {
	const n = 200_500
	var bytes, failed, needles int
	actors, actions, resources, ids := map[string]int{}, map[string]int{}, map[string]int{}, map[[16]byte]bool{}
	all(t, Config{Seed: 1, Events: n, End: end}, func(i int, e *Event) {
		bytes += len(e.JSON)
		actors[e.Actor]++
		actions[e.Action]++
		resources[e.ResourceType+"/"+e.ResourceID]++
		ids[e.ID] = true
		if e.Outcome != "success" {
			failed++
		}
		if strings.Contains(string(e.JSON), Needle) {
			needles++
		}
	})
	mean := float64(bytes) / n
	t.Logf("mean %.1f bytes, %d actors, %d actions, %d resources, %.2f %% failed, %d needles", mean, len(actors), len(actions), len(resources),
		100*float64(failed)/n, needles)
	if math.Abs(mean-600) > 30 {
		t.Errorf("mean size %.1f bytes, want 600 ± 5 %%", mean)
	}
	if len(actions) != Actions {
		t.Errorf("%d actions, want %d", len(actions), Actions)
	}
	if len(ids) != n {
		t.Errorf("%d distinct ids of %d", len(ids), n)
	}
	if share := float64(failed) / n; share < 0.095 || share > 0.105 {
		t.Errorf("%.3f of outcomes are not successes, want 0.1", share)
	}
	if needles < n/NeedleEvery/3 || needles > 3*n/NeedleEvery {
		t.Errorf("%d needles", needles)
	}
	if top := float64(actors["svc-"]) / n; top > 0 {
		t.Errorf("unnamed actor")
	}
}

func TestColumnsMatchJSON(t *testing.T) {
	for _, cfg := range []Config{{Seed: 2, Events: 3000, End: end}, {Seed: 3, Events: 3000, End: end, Spread: true, V7: true}} {
		last := int64(0)
		all(t, cfg, func(i int, e *Event) {
			var m struct {
				ID         string    `json:"id"`
				Action     string    `json:"action"`
				OccurredAt time.Time `json:"occurred_at"`
				Actor      struct{ ID string }
				Resource   struct{ Type, ID string }
				Outcome    struct{ Status string }
			}
			if err := json.Unmarshal(e.JSON, &m); err != nil {
				t.Fatalf("event %d: %v\n%s", i, err, e.JSON)
			}
			if m.ID != string(appendUUID(nil, e.ID)) || m.Action != e.Action || m.Actor.ID != e.Actor || m.Resource.Type != e.ResourceType ||
				m.Resource.ID != e.ResourceID || m.Outcome.Status != e.Outcome || m.OccurredAt.UnixMilli() != e.OccurredAt/1000 {
				t.Fatalf("event %d: columns differ from %s", i, e.JSON)
			}
			if !cfg.Spread && e.OccurredAt < last-5_000_000 {
				t.Fatalf("event %d: time goes back by more than its jitter", i)
			}
			if e.OccurredAt < end.AddDate(0, -18, 0).UnixMicro() || e.OccurredAt > end.UnixMicro()+5_000_000 {
				t.Fatalf("event %d outside the span", i)
			}
			last = e.OccurredAt
		})
	}
}

func TestReproducible(t *testing.T) {
	cfg := Config{Seed: 7, Events: 2500, End: end}
	g, h := New(cfg), New(cfg)
	var a, b Batch
	for _, n := range []int{2, 0, 1} {
		g.Batch(n, &a)
		h.Batch(n, &b)
		if !bytes.Equal(a.Body, b.Body) {
			t.Fatalf("batch %d differs", n)
		}
		if !json.Valid(a.Body) {
			t.Fatalf("batch %d is not JSON", n)
		}
	}
	if got := g.Batch(2, &a); got != 500 {
		t.Errorf("last batch has %d events, want 500", got)
	}
	if e := g.At(1234); string(e.JSON) == "" || g.At(1234).ID != e.ID {
		t.Error("At is not reproducible")
	}
	seen := map[[16]byte]bool{}
	for _, seed := range []uint64{7, 8, 1007} { // near seeds must not share numbers
		cfg.Seed = seed
		all(t, cfg, func(_ int, e *Event) {
			if seen[e.ID] {
				t.Fatalf("seed %d repeats the id of another", seed)
			}
			seen[e.ID] = true
		})
	}
	cfg.Seed = 8
	New(cfg).Batch(0, &b)
	g.Batch(0, &a)
	if bytes.Equal(a.Body, b.Body) {
		t.Error("another seed makes the same events")
	}
}

func BenchmarkBatch(b *testing.B) {
	g := New(Config{Seed: 1, Events: 1_000_000_000, End: end})
	var batch Batch
	n := 0
	for b.Loop() {
		g.Batch(n, &batch)
		n++
	}
	b.ReportMetric(float64(n)*1000/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(len(batch.Body))/1000, "bytes/event")
}

package demo

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var now = time.Date(2026, 5, 20, 14, 0, 0, 0, time.UTC)

// parsed is what the tests look at.
type parsed struct {
	ID, Source, Action, Reason string
	OccurredAt                 time.Time `json:"occurred_at"`
	Actor                      struct{ Type, ID, Name, Email string }
	Resource                   struct{ Type, ID string }
	Subject                    struct{ Type, ID string }
	Changes                    []struct{ Path, Op string }
	Context                    struct{ IP string }
	Outcome                    struct{ Status string }
	Data                       map[string]any
}

func generate(t testing.TB, n int) (*Generator, []parsed) {
	t.Helper()
	g := New(1, now, 18, n)
	var out []parsed
	for {
		b, ok := g.Next()
		if !ok {
			break
		}
		var p parsed
		dec := json.NewDecoder(bytes.NewReader(b))
		if err := dec.Decode(&p); err != nil {
			t.Fatalf("event %d: %v\n%s", len(out), err, b)
		}
		if !utf8.Valid(b) || len(b) > 8<<10 {
			t.Fatalf("event %d is not UTF-8 or too long: %s", len(out), b)
		}
		out = append(out, p)
	}
	if len(out) != n {
		t.Fatalf("%d events, want %d", len(out), n)
	}
	return g, out
}

func (p *parsed) matches(t *testing.T, filter map[string]string) bool {
	for name, want := range filter {
		ok := false
		switch name {
		case "actor":
			ok = p.Actor.Email == want
		case "action":
			ok = p.Action == want
		case "outcome":
			ok = p.Outcome.Status == want
		case "ip":
			ok = p.Context.IP == want
		case "subject":
			ok = p.Subject.Type+"/"+p.Subject.ID == want
		case "text":
			ok = strings.Contains(p.Reason, want)
		case "time":
			ok = want == "occurred"
		case "from", "to":
			at, err := time.Parse(time.RFC3339, want)
			if err != nil {
				t.Fatal(err)
			}
			ok = p.OccurredAt.Before(at) == (name == "to")
		default:
			t.Fatalf("the test does not know the filter %q", name)
		}
		if !ok {
			return false
		}
	}
	return true
}

func TestKnownFactsHold(t *testing.T) {
	for _, n := range []int{1000, 60_000} {
		g, events := generate(t, n)
		if len(g.Known()) != 7 {
			t.Errorf("%d facts, want 7", len(g.Known()))
		}
		for _, f := range g.Known() {
			count := 0
			var first, last time.Time
			for i := range events {
				if !events[i].matches(t, f.Filter) {
					continue
				}
				if count == 0 {
					first = events[i].OccurredAt
				}
				last = events[i].OccurredAt
				count++
			}
			// An event may move by the jitter of the one before it, so that the order holds.
			if count != f.Count || first.Sub(f.First).Abs() > time.Hour || last.Sub(f.Last).Abs() > time.Hour {
				t.Errorf("%d events: %s: found %d from %v to %v, planted %d from %v to %v", n, f.Name, count, first, last, f.Count, f.First, f.Last)
			}
			if n == 60_000 {
				t.Logf("%s: %d. %s", f.Name, f.Count, f.Story)
			}
		}
	}
}

func TestShape(t *testing.T) {
	const n = 200_000
	_, events := generate(t, n)
	start := now.AddDate(0, -18, 0)
	var perHour [24]int
	var perDay [7]int
	staff, others, ids, actions, sources := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]int{}, map[string]int{}
	failed, changed, half := 0, 0, 0
	for i, e := range events {
		if i > 0 && e.OccurredAt.Before(events[i-1].OccurredAt) {
			t.Fatalf("event %d is earlier than the one before", i)
		}
		if e.OccurredAt.Before(start) || !e.OccurredAt.Before(now.Add(time.Second)) {
			t.Fatalf("event %d at %v is outside the span", i, e.OccurredAt)
		}
		perHour[e.OccurredAt.Hour()]++
		perDay[e.OccurredAt.Weekday()]++
		ids[e.ID] = true
		actions[e.Action]++
		sources[e.Source]++
		if strings.HasPrefix(e.Actor.ID, "clinic-") || strings.HasPrefix(e.Actor.ID, "shop-") || strings.HasPrefix(e.Actor.ID, "saas-") {
			staff[e.Actor.ID] = true
		} else {
			others[e.Actor.ID] = true
		}
		if e.Subject.ID != "" {
			others[e.Subject.ID] = true
		}
		if e.Outcome.Status != "success" {
			failed++
		}
		if len(e.Changes) > 0 {
			changed++
		}
		if e.OccurredAt.Sub(start) < now.Sub(start)/2 {
			half++
		}
	}
	t.Logf("%d actions, %d sources, %d staff, %d clients, %.1f %% failed, %.1f %% with changes, %.1f %% in the first half",
		len(actions), len(sources), len(staff), len(others), 100*float64(failed)/n, 100*float64(changed)/n, 100*float64(half)/n)
	if len(ids) != n {
		t.Errorf("%d distinct ids", len(ids))
	}
	if perHour[10] < 10*perHour[3] || perDay[time.Tuesday] < 4*perDay[time.Sunday] {
		t.Errorf("no rhythm: hours %v, days %v", perHour, perDay)
	}
	if half > n*45/100 {
		t.Errorf("no growth: %d of %d in the first half", half, n)
	}
	if len(actions) < 40 || len(staff) < 300 || len(others) < 17_000 {
		t.Errorf("%d actions, %d staff, %d others", len(actions), len(staff), len(others))
	}
}

func TestReproducible(t *testing.T) {
	a, b, c := New(9, now, 18, 5000), New(9, now, 18, 5000), New(10, now, 18, 5000)
	same := 0
	for {
		x, ok := a.Next()
		if !ok {
			break
		}
		y, _ := b.Next()
		z, _ := c.Next()
		if !bytes.Equal(x, y) {
			t.Fatal("the same seed makes other events")
		}
		if bytes.Equal(x, z) {
			same++
		}
	}
	if same > 0 {
		t.Errorf("another seed repeats %d events", same)
	}
}

func TestFewEvents(t *testing.T) {
	for _, n := range []int{0, 1, 50, 999} {
		if g, _ := generate(t, n); len(g.Known()) != 0 {
			t.Errorf("%d events hold %d facts", n, len(g.Known()))
		}
	}
}

func BenchmarkNext(b *testing.B) {
	g := New(1, now, 18, 1<<30)
	bytes := 0
	b.ReportAllocs()
	for b.Loop() {
		e, _ := g.Next()
		bytes += len(e)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(bytes)/float64(b.N), "bytes/event")
}

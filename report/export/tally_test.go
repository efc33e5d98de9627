package export

import (
	"fmt"
	"testing"
	"time"

	"probity.dev/ledger/event"
)

func TestTally(t *testing.T) {
	kiritimati := time.FixedZone("+14", 14*60*60)
	tally := NewTally(kiritimati, NewPseudonyms(testKey))
	p := NewPseudonyms(testKey)
	add := func(seq uint64, at, action, outcome string, handle int64) {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		tally.Add(&event.Record{Seq: seq, OccurredAt: when, Action: action, Outcome: outcome, ActorHandle: handle})
	}
	add(9, "2026-01-01T09:59:59Z", "a", "success", 1)
	add(7, "2026-01-01T10:00:00Z", "b", "denied", 1) // the next day in that zone
	add(8, "2026-01-02T09:59:59Z", "b", "failure", 2)
	add(12, "2026-01-01T09:00:00Z", "b", "success", 0)
	s := tally.Summary()
	if s.Rows != 4 || s.FirstSeq != 7 || s.LastSeq != 12 {
		t.Errorf("%+v", s)
	}
	if got, want := fmt.Sprint(s.ByAction), "[{b 3 2} {a 1 0}]"; got != want {
		t.Error(got)
	}
	if got, want := fmt.Sprint(s.ByOutcome), "[{success 2 0} {denied 1 1} {failure 1 1}]"; got != want {
		t.Error(got)
	}
	if len(s.ByActor) != 3 || s.ByActor[0] != (Count{p.Person(1), 2, 1}) {
		t.Error(s.ByActor)
	}
	if len(s.ByDay) != 2 || s.ByDay[0].Date.Format(time.DateOnly) != "2026-01-01" || s.ByDay[0].Count != 2 || s.ByDay[1].Count != 2 || s.ByDay[1].Failures != 2 {
		t.Error(s.ByDay)
	}
}

// TestTallyBounded makes more kinds of action than are counted apart; none is lost.
func TestTallyBounded(t *testing.T) {
	tally := NewTally(nil, NewPseudonyms(testKey))
	for i := range maxKeys + 100 {
		tally.Add(&event.Record{Action: fmt.Sprint(i), Outcome: "success", ActorHandle: int64(i + 1)})
	}
	s := tally.Summary()
	if len(s.ByAction) != maxKeys+1 || s.ByAction[0] != (Count{OtherKey, 100, 0}) || len(s.ByActor) != maxKeys+1 || s.ByActor[0].Count != 100 {
		t.Error(len(s.ByAction), s.ByAction[0], len(s.ByActor), s.ByActor[0])
	}
}

func TestPseudonyms(t *testing.T) {
	a, b, other := NewPseudonyms(testKey), NewPseudonyms(testKey), NewPseudonyms([]byte("another key of another tenant...."))
	seen := map[string]bool{}
	for h := int64(1); h < 20_000; h++ {
		name := a.Person(h)
		if name != b.Person(h) || name == other.Person(h) || seen[name] || len(name) != 18 {
			t.Fatal(h, name)
		}
		seen[name] = true
	}
	if a.ID("user", "1") == a.Person(1) || a.ID("user", "1") == a.ID("use", "r1") {
		t.Error("different things share a pseudonym")
	}
}

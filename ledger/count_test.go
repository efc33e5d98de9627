package ledger_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
	"probity.dev/ledger/query"
)

// hideNotes withholds /data/note.
type hideNotes struct{}

// Mask implements event.Masker.
func (hideNotes) Mask(r *event.Record) {
	for i := range r.Fields {
		if r.Fields[i].Path == "/data/note" {
			r.Fields[i].Value, r.Fields[i].State = nil, event.Withheld
		}
	}
}

// TestCountIsWhatASearchFinds counts by text, for readers who see different things, within budgets that last and that do not.
func TestCountIsWhatASearchFinds(t *testing.T) { sqldbtest.Each(t, testCountIsWhatASearchFinds) }

func testCountIsWhatASearchFinds(t *testing.T) {
	b, ctx := ledgertest.New(t), context.Background()
	const batches, each = 30, 500
	for i := range batches {
		var texts []string
		for j := range each {
			n := i*each + j
			note, outcome := "nothing", "success"
			if n%7 == 0 {
				note = "needle"
			}
			if n%14 == 0 {
				outcome = "failure"
			}
			texts = append(texts, fmt.Sprintf(`{"id":"c%d","source":"app","action":"thing.note","actor":{"id":"u%d"},"outcome":{"status":%q},"data":{"note":%q}}`, n, n%3, outcome, note))
		}
		b.Append(t, texts...)
	}
	q := ledger.Query{Text: "NEEDLE"}
	var found []uint64
	if _, err := b.Search(ctx, ledgertest.Tenant, q, ledger.Page{}, nil, func(r *event.Record) error { found = append(found, r.Seq); return nil }); err != nil {
		t.Fatal(err)
	}
	spec := query.StatsSpec{Unit: query.Day, TopN: 5}
	s, got, err := b.Count(ctx, ledgertest.Tenant, q, spec, nil, time.Minute)
	if err != nil || got.Partial || s.Total != int64(len(found)) || len(s.Buckets) == 0 || s.Buckets[0].Failures == 0 || len(s.Actors) != 3 || s.Actions[0].Key != "thing.note" || s.Actions[0].Count != s.Total {
		t.Fatalf("%+v %+v %v, want %d", s, got, err, len(found))
	}
	if s, _, err := b.Count(ctx, ledgertest.Tenant, q, spec, hideNotes{}, time.Minute); err != nil || s.Total != 0 {
		t.Errorf("a reader who does not see the text counts %+v: %v", s, err)
	}
	q.SeqFrom, q.SeqTo = found[9], found[0]
	if s, _, err := b.Count(ctx, ledgertest.Tenant, q, spec, nil, time.Minute); err != nil || s.Total != 9 {
		t.Errorf("within a range of seq: %+v %v", s, err)
	}
	q.SeqFrom, q.SeqTo = 0, 0
	partial := 0
	for _, budget := range []time.Duration{1, time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond} {
		s, got, err := b.Count(ctx, ledgertest.Tenant, q, spec, nil, budget)
		if err != nil {
			t.Fatal(err)
		}
		want := int64(0)
		for _, seq := range found {
			if seq >= got.From {
				want++
			}
		}
		if s.Total != want || got.Partial && got.From == 0 {
			t.Errorf("within %v: %d events from seq %d on, want %d", budget, s.Total, got.From, want)
		}
		if got.Partial {
			partial++
			if got.RecordedAt.IsZero() {
				t.Errorf("within %v: %+v", budget, got)
			}
		}
	}
	if partial == 0 {
		t.Error("a nanosecond was enough")
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := b.Count(ended, ledgertest.Tenant, q, spec, nil, time.Minute); err == nil {
		t.Error("a caller who has gone gets a count")
	}
}

// TestSeveralHandlesAreOnePerson searches for what two applications recorded of a person whom each knows under a handle of its own.
func TestSeveralHandlesAreOnePerson(t *testing.T) { sqldbtest.Each(t, testSeveralHandlesAreOnePerson) }

func testSeveralHandlesAreOnePerson(t *testing.T) {
	b, ctx := ledgertest.New(t), context.Background()
	for i, source := range []string{"shop", "crm", "shop"} {
		b.Append(t, fmt.Sprintf(`{"id":"h%d","source":%q,"action":"order.create","actor":{"id":"u1","name":"Ana Lima","email":"ana@example.com"}}`, i, source))
	}
	found, err := b.People(ctx, ledgertest.Tenant, "ana lima", 10, nil)
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	term := "handle:"
	for i, m := range found {
		if i > 0 {
			term += ","
		}
		term += fmt.Sprint(m.Handle)
	}
	n := 0
	if _, err := b.Search(ctx, ledgertest.Tenant, ledger.Query{Actor: []string{term}}, ledger.Page{}, nil, func(*event.Record) error { n++; return nil }); err != nil || n != 3 {
		t.Errorf("%s finds %d events: %v", term, n, err)
	}
	for _, bad := range []string{"handle:", "handle:1,", "handle:1,x", "handle:-1"} {
		if _, err := b.Search(ctx, ledgertest.Tenant, ledger.Query{Actor: []string{bad}}, ledger.Page{}, nil, func(*event.Record) error { return nil }); err == nil {
			t.Errorf("%s is searched for", bad)
		}
	}
}

package app

import (
	"fmt"
	"testing"
	"time"

	"probity.dev/access/masking"
	"probity.dev/catalog/field"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
	"probity.dev/ledger/query"
)

// plainMask hides from the reader that a mask can foresee anything.
type plainMask struct{ event.Masker }

// TestRunsShowWhatTheMaskShows compares what a reader of many events gets, who opens no more than the mask needs and remembers what it made of profiles, with
// what the mask makes of records that are opened whole.
func TestRunsShowWhatTheMaskShows(t *testing.T) {
	engine := query.Open(query.Options{})
	defer engine.Close()
	box := ledgertest.New(t, func(o *ledger.Options) { o.Classifier, o.Engine = field.New(nil), engine })
	const events = 1500
	for i := range events {
		a, c := i%17, i%29
		text := fmt.Sprintf(`{"id":"e-%d","source":"app","action":"invoice.update","actor":{"type":"user","id":"u-%d","name":"Ana Horvat %d","email":"ana%d@example.com","roles":["reception"]},
			"resource":{"type":"invoice","id":"i-%d"},"subject":{"type":"client","id":"c-%d","name":"Vesna %d"},"reason":"asked by phone","context":{"ip":"198.51.100.%d","user_agent":"Agent %d"},"correlation_id":"ana%d@example.com",
			"changes":[{"path":"/phone","before":"+1 555 010 %04d","after":null},{"path":"/total","before":1,"after":%d}],"data":{"note":"Vesna said so","password":"hunter2","list":["x"]}}`,
			i, a, a, a, i, c, c, a, a, a, i, i)
		switch i % 5 {
		case 1: // the actor is the subject
			text = fmt.Sprintf(`{"id":"e-%d","source":"app","action":"profile.view","actor":{"type":"user","id":"u-%d"},"subject":{"type":"user","id":"u-%d"}}`, i, a, a)
		case 2: // the resource is a person
			text = fmt.Sprintf(`{"id":"e-%d","source":"app","action":"client.update","actor":{"type":"user","id":"u-%d"},"resource":{"type":"client","id":"c-%d","name":"Vesna %d"},
				"data":{"email":"vesna@example.com"}}`, i, a, c, c)
		case 3: // nobody
			text = fmt.Sprintf(`{"id":"e-%d","source":"app","action":"job.run","reason":"a text of no owner","actor":{"type":"system"},"data":{"n":1}}`, i)
		}
		box.Append(t, text)
		if i == events/2 {
			if _, err := box.Prove(t.Context(), ledgertest.Tenant, uint64(i), nil); err != nil {
				t.Fatal(err)
			}
			if err := box.Seal(t.Context(), ledgertest.Tenant, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	e := masking.New(masking.Builtin(), [32]byte{1}, masking.WithFinder(find))
	for name, mask := range map[string]event.Masker{"auditor": e.For("auditor", false), "admin": e.For("admin", true), "writer": e.For("writer", true),
		"pseudonymise": e.Export("admin", true, masking.Pseudonymise), "drop": e.Export("auditor", false, masking.DropNames)} {
		want := make([]string, 0, events)
		if _, err := box.Search(t.Context(), ledgertest.Tenant, ledger.Query{}, ledger.Page{Ascending: true}, plainMask{mask}, func(r *event.Record) error {
			want = append(want, printed(r))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		n := 0
		_, err := box.Runs(t.Context(), ledgertest.Tenant, ledger.Query{}, mask, func(run []*event.Record) (func() error, error) {
			return func() error {
				for _, r := range run {
					if got := printed(r); got != want[n] {
						t.Fatalf("%s:\n%s\n%s", name, got, want[n])
					}
					n++
				}
				return nil
			}, nil
		})
		if err != nil || n != events {
			t.Fatal(n, err)
		}
	}
}

func printed(r *event.Record) string {
	s := fmt.Sprintf("%s %d %d %d %q %q %q", r.AppendJSON(nil), r.SubjectHandle, r.ResourceHandle, r.IPHandle, r.ID, r.ResourceID, r.CorrelationID)
	for _, f := range r.Fields {
		s += fmt.Sprintf("\n%s %s %d %s %d", f.Path, f.Value, f.State, f.Category, f.Owners)
	}
	return s
}

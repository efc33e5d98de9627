package app

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"probity.dev/catalog/field"
	"probity.dev/internal/blob"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/ledger/ledgertest"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
	"probity.dev/verify"
)

// editing is an engine that yields rows as somebody with access to the working files could have changed them.
type editing struct {
	ledgertest.Scan
	edit func(row *segment.Row)
}

// Rows implements ledger.Engine.
func (e *editing) Rows(ctx context.Context, s query.Snapshot, f query.Filter, p query.Page, yield func(*segment.Row) error) error {
	return e.Scan.Rows(ctx, s, f, p, func(row *segment.Row) error {
		if e.edit != nil {
			row = row.Clone()
			e.edit(row)
		}
		return yield(row)
	})
}

// TestEveryPartOfAWorkingCopyIsCompared changes one part of one row at a time, of every kind that a row has, among many rows that are right.
func TestEveryPartOfAWorkingCopyIsCompared(t *testing.T) {
	engine := &editing{}
	box := ledgertest.New(t, func(o *ledger.Options) { o.Classifier, o.Engine = field.New(nil), engine })
	var texts [][]byte
	const events, at = 1200, 700
	for i := range events {
		texts = append(texts, fmt.Appendf(nil, `{"source":"crm","action":"patient.update","actor":{"type":"user","id":"u-%d","name":"User %d","email":"u%d@example.org"},`+
			`"subject":{"type":"patient","id":"p-%d","name":"Patient %d"},"resource":{"type":"invoice","id":"inv-%d"},"severity":"high","correlation_id":"c-%d","message":"call me at +351 912 000 %03d",`+
			`"context":{"ip":"10.0.0.%d"},"changes":[{"path":"/total","before":%d,"after":2},{"path":"/email","before":"a@example.org","after":"b%d@example.org"}]}`,
			i%40, i%40, i%40, i%90, i%90, i, i, i%1000, i%250, i, i))
	}
	appendAll(t, box, texts)
	if _, err := box.Prove(t.Context(), ledgertest.Tenant, events-1, nil); err != nil {
		t.Fatal(err)
	}
	files, err := blob.OpenDir(box.Dir)
	if err != nil {
		t.Fatal(err)
	}
	logs, err := ledger.OpenStored(t.Context(), box.DB, files)
	if err != nil {
		t.Fatal(err)
	}
	check := func() *verify.Report {
		t.Helper()
		s, err := withWorking(t.Context(), logs[0], box.Ledger)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := tlog.ParseKeys(s.Log().Keys)
		if err != nil {
			t.Fatal(err)
		}
		r, err := verify.Dir(t.Context(), "", []verify.Source{s}, verify.Options{Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var rows [events]*segment.Row
	engine.edit = func(row *segment.Row) {
		if row.Seq < events {
			rows[row.Seq] = row.Clone()
		}
	}
	if r := check(); !r.OK || r.Logs[0].Working < events {
		t.Fatalf("%s", r)
	}
	sample, other := rows[at], rows[at+1]
	for name, edit := range editsOf(t, sample, other) {
		engine.edit = func(row *segment.Row) {
			if row.Seq == at {
				edit(row)
			}
		}
		r := check()
		if p := r.First(); p == nil || p.Kind != verify.WorkingChanged || p.Seq == nil || *p.Seq != at || len(r.Problems) != 1 {
			t.Errorf("%s: %s", name, r)
		}
	}
}

// editsOf are the changes to a row, whose parts are those of other where that is of the same form.
func editsOf(t *testing.T, sample, other *segment.Row) map[string]func(*segment.Row) {
	edits := map[string]func(*segment.Row){
		"recorded_at":    func(r *segment.Row) { r.RecordedAt++ },
		"occurred_at":    func(r *segment.Row) { r.OccurredAt += int64(time.Hour) },
		"source":         func(r *segment.Row) { r.Source = "erp" },
		"action":         func(r *segment.Row) { r.Action = "patient.read" },
		"category":       func(r *segment.Row) { r.Category += "x" },
		"activity":       func(r *segment.Row) { r.Activity += "x" },
		"outcome":        func(r *segment.Row) { r.Outcome = "failure" },
		"severity":       func(r *segment.Row) { r.Severity = "low" },
		"resource type":  func(r *segment.Row) { r.ResourceType = "order" },
		"resource id":    func(r *segment.Row) { r.ResourceID += "0" },
		"id":             func(r *segment.Row) { r.EventID = other.EventID },
		"correlation id": func(r *segment.Row) { r.CorrelationID += "0" },
		"actor":          func(r *segment.Row) { r.Actor = other.Actor },
		"subject":        func(r *segment.Row) { r.Subject = other.Subject },
		"no actor":       func(r *segment.Row) { r.Actor = 0 },
		"nonce":          func(r *segment.Row) { r.Nonce = other.Nonce },
		"another's ciphertext": func(r *segment.Row) {
			r.Sealed = other.Sealed
		},
		"another's profile": func(r *segment.Row) { r.Profile += 100 },
		"less":              func(r *segment.Row) { r.Clear = r.Clear[:len(r.Clear)-1] },
	}
	for i := range sample.Clear {
		edits[fmt.Sprint("clear byte ", i)] = func(r *segment.Row) { r.Clear[i] ^= 1 }
	}
	for i := 0; i < len(sample.Sealed); i += 7 {
		edits[fmt.Sprint("sealed byte ", i)] = func(r *segment.Row) { r.Sealed[i] ^= 1 }
	}
	paths := 0
	for i, word := range strings.Fields(strings.ReplaceAll(sample.Shape, ";", " ; ")) {
		if len(word) > 2 {
			paths++
			edits[fmt.Sprint("path ", i)] = func(r *segment.Row) {
				path, _, _ := strings.Cut(word, "=")
				r.Shape = strings.Replace(r.Shape, path, path+"0", 1)
			}
		}
	}
	for _, part := range []string{" c/", " s/", " p/", " r/"} {
		if !strings.Contains(sample.Shape, part) {
			t.Errorf("no field of the sample is kept as%s: %s", part, sample.Shape)
		}
	}
	if paths < 12 {
		t.Errorf("%d paths in %s", paths, sample.Shape)
	}
	return edits
}

package export

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"probity.dev/ledger/event"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden pins the exact bytes of the text formats, which other people's programs read.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		file, format string
		options      Options
	}{
		{"events.csv", "csv", Options{}},
		{"compliance.csv", "csv", Options{Columns: ComplianceColumns}},
		{"events.json", "json", Options{}},
		{"compliance.json", "json", Options{Columns: ComplianceColumns}},
		{"events.ndjson", "ndjson", Options{}},
		{"events.ocsf.ndjson", "ocsf", Options{TenantID: "t-1"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			got := encode(t, c.format, c.options, testMeta(), specimens(t))
			path := filepath.Join("testdata", c.file)
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("differs from %s; run with -update and look at the change\ngot:\n%s", path, got)
			}
		})
	}
}

// TestJSONIsValid checks that every line and array is JSON, also where there is nothing to write.
func TestJSONIsValid(t *testing.T) {
	for _, list := range [][]*event.Record{nil, specimens(t)[:1], specimens(t), crowd(t, 300, 3)} {
		var array []json.RawMessage
		if err := json.Unmarshal(encode(t, "json", Options{}, Meta{}, list), &array); err != nil || len(array) != len(list) {
			t.Fatalf("%d of %d: %v", len(array), len(list), err)
		}
		for _, format := range []string{"ndjson", "ocsf"} {
			lines := strings.Split(strings.TrimSuffix(string(encode(t, format, Options{}, Meta{}, list)), "\n"), "\n")
			if len(list) > 0 && len(lines) != len(list) {
				t.Fatalf("%s has %d lines for %d events", format, len(lines), len(list))
			}
			for _, line := range lines {
				if len(list) > 0 && !json.Valid([]byte(line)) {
					t.Fatalf("%s: not JSON: %s", format, line)
				}
			}
		}
	}
}

func TestParquet(t *testing.T) {
	list := append(specimens(t), crowd(t, 700, 3)...)
	b := encode(t, "parquet", Options{}, testMeta(), list)
	file, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := file.Lookup("probity.checkpoint"); v != testMeta().Log.Checkpoint {
		t.Errorf("checkpoint is %q", v)
	}
	r := parquet.NewGenericReader[ParquetRow](bytes.NewReader(b))
	defer r.Close()
	rows := make([]ParquetRow, len(list)+1)
	n, _ := r.Read(rows)
	if n != len(list) {
		t.Fatalf("%d rows of %d", n, len(list))
	}
	for i, want := range list {
		got := rows[i]
		if got.Seq != int64(want.Seq) || !got.OccurredAt.Equal(want.OccurredAt.Truncate(time.Microsecond)) || got.Action != want.Action ||
			got.Sentence != want.Sentence() || text(got.ActorID) != want.Text("/actor/id") || text(got.Reason) != want.Text("/reason") {
			t.Fatalf("row %d: %+v", i, got)
		}
	}
	first := rows[0]
	if text(first.Changes) != `[{"path":"/price","before":50,"after":-10},{"path":"/note","op":"add","after":"say \"hi\", then\nleave"}]` ||
		text(first.Data) != `{"amount":-10.50,"flag":false,"nested":{"a":1,"b":[true,null]}}` || text(first.Geo) != `{"country":"DE"}` ||
		text(first.ResourceName) != "Haircut" || first.ActorHandle == nil || first.SubjectID != nil || len(first.LeafHash) != 32 {
		t.Errorf("first row: %+v", first)
	}
	if third := rows[2]; third.ActorID != nil || third.SubjectName != nil || text(third.FieldsState) != `{"/actor/id":"withheld","/subject/name":"erased"}` {
		t.Errorf("hidden values: %+v", third)
	}
	if !strings.Contains(file.Schema().String(), "optional binary changes (JSON)") {
		t.Error(file.Schema())
	}
	if to := os.Getenv("PROBITY_SAMPLE_PARQUET"); to != "" {
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

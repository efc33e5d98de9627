package realdata

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"probity.dev/internal/testdata"
	"probity.dev/test/instance"
)

func TestMain(m *testing.M) { instance.Main(m, nil) }

// box is a server that has ingested everything.
type box struct {
	*instance.Server
	book    *instance.Book
	auditor *instance.Server
	files   *files
	total   int
}

// TestRealData ingests everything once and asks all of its questions of it.
func TestRealData(t *testing.T) {
	root := testdata.Dir(t)
	dir := filepath.Join(t.TempDir(), "data")
	founded := instance.Init(t, dir)
	b := &box{book: instance.NewBook(t, founded.VKey), files: readFiles(t, root)}
	b.Server = instance.Start(t, dir, founded.APIKey, "--seal-after", "1s")
	ingestAll(t, b, root)
	if r := b.Append(canaryEvent()); r.Accepted != 1 {
		t.Fatalf("%+v", r.Results[0].Error)
	}
	b.total++
	b.auditor = b.Auditor()
	t.Run("counts", func(t *testing.T) { counts(t, b) })
	t.Run("searches", func(t *testing.T) { searches(t, b) })
	t.Run("history", func(t *testing.T) { history(t, b) })
	t.Run("answers", func(t *testing.T) { answers(t, b) })
	t.Run("masked", func(t *testing.T) { masked(t, b) })
	t.Run("unmasked", func(t *testing.T) { unmasked(t, b) })
	b.Until(20*time.Second, "everything was sealed", func() bool {
		st := b.State()
		return st.SealedSize == st.Checkpoint.Size && st.SealedSize >= uint64(b.total)
	})
	t.Run("sealed", func(t *testing.T) { searches(t, b) })
	b.Kill() // the write-ahead log stays where it is, to be looked at
	t.Run("data directory", func(t *testing.T) { inTheClear(t, b) })
	t.Run("log", func(t *testing.T) { inTheLog(t, b) })
	r := b.book.Verify(dir)
	if got := r.Logs[0].Working; got < uint64(b.total) {
		t.Errorf("%d working copies of %d were compared", got, b.total)
	}
	t.Logf("%d events, %s", b.total, r)
}

// report is what probity ingest says at its end.
type report struct {
	Read, Accepted, Duplicates, Rejected, Files int
	Reasons                                     []struct {
		Count   int
		Code    string
		Pointer string
	}
	Unread []json.RawMessage
}

// reasons counts the rejected records by reason.
func (r *report) reasons() map[string]int {
	m := map[string]int{}
	for _, x := range r.Reasons {
		m[x.Code+" "+x.Pointer] += x.Count
	}
	return m
}

// ingest has the command line read files into the server.
func (b *box) ingest(t *testing.T, args ...string) *report {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(b.Key), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errOut, code := instance.Run(t, append([]string{"ingest", "--no-journal", "--output", "json", "--server", b.URL, "--api-key-file", key}, args...)...)
	r := new(report)
	if err := json.Unmarshal([]byte(out), r); err != nil {
		t.Fatalf("ingest %v ended with %d: %v\n%s%s", args, code, err, out, errOut)
	}
	if want := map[bool]int{true: 0, false: 1}[r.Rejected == 0]; code != want || len(r.Unread) > 0 {
		t.Errorf("ingest %v ended with %d, %d files could not be read: %s", args, code, len(r.Unread), errOut)
	}
	return r
}

// ingestAll reads every set and compares what became of its records with what is known about it.
func ingestAll(t *testing.T, b *box, root string) {
	t.Helper()
	for _, c := range []struct {
		path                           string
		args                           []string
		read, accepted, dup, conflicts int
		broken                         int // records that are none
	}{
		// One record is there twice with times seven minutes apart: the later one contradicts the earlier.
		{"cloudtrail", nil, 3549, 3545, 3, 1, 0},
		{"logins/ssh-authlog-drillworkshop", []string{"--year", "2014"}, 10567, 10566, 0, 0, 1}, // the last line is cut off
		{"app-audit/splunk-audittrail", nil, 9533, 9533, 0, 0, 0},
		{"saas-audit/pingid-splunk-attack_data", nil, 62, 62, 0, 0, 0},
		{"saas-audit/panther-analysis-tests/rule-tests.ndjson.gz", []string{"--mapping", "testdata/panther.yaml"}, 1858, pantherAccepted, 0, 0, 1858 - pantherAccepted},
		{"m365-azuread/msticpy/demo_exchange_data.csv.gz", nil, 1334, 1334, 0, 0, 0},
		{"m365-azuread/msticpy/host_logons.csv", nil, 14, 14, 0, 0, 0},
		// The provider logs each of 41 sign-ins twice under one id, in two versions of its schema.
		{"m365-azuread/msticpy/aad_signinlogs.ndjson", nil, 86, 45, 0, 41, 0},
	} {
		r := b.ingest(t, append(c.args, filepath.Join(root, c.path))...)
		conflicts := r.reasons()["conflict /id"]
		if r.Read != c.read || r.Accepted != c.accepted || r.Duplicates != c.dup || conflicts != c.conflicts || r.Rejected-conflicts != c.broken {
			t.Errorf("%s: of %d records %d accepted, %d duplicates, %d conflicts, %d rejected otherwise; want %d: %d, %d, %d, %d (%v)",
				c.path, r.Read, r.Accepted, r.Duplicates, conflicts, r.Rejected-conflicts, c.read, c.accepted, c.dup, c.conflicts, c.broken, r.reasons())
		}
		b.total += r.Accepted
	}
	// Everything once more, in another way: nothing is recorded twice.
	again := b.ingest(t, "--again", filepath.Join(root, "cloudtrail"))
	if again.Accepted != 0 || again.Duplicates != 3548 || again.Rejected != 1 {
		t.Errorf("a second time: %d accepted, %d duplicates, %d rejected", again.Accepted, again.Duplicates, again.Rejected)
	}
}

// pantherAccepted are the records of the rule tests that the mapping fits; of the others, 18 have an object where it expects the action, and 6 a time that is none.
const pantherAccepted = 1834

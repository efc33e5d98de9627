package ingest

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/testdata"
	"probity.dev/ledger/event"
	"probity.dev/ledger/intake"
)

// memory is a sink that keeps ids. It stops the run when it has had enough.
type memory struct {
	ids     []string
	seen    map[string]bool
	enough  int
	stop    func()
	failure error
}

func (m *memory) Append(_ context.Context, items []*intake.Item) (*Receipt, error) {
	if m.failure != nil {
		return nil, m.failure
	}
	if len(items) > BatchEvents {
		return nil, fmt.Errorf("a batch of %d", len(items))
	}
	r := &Receipt{}
	for i, it := range items {
		key := it.Event.Source + "\x00" + it.Event.ID
		switch {
		case it.Event.Action == "bad.thing":
			r.Rejected = append(r.Rejected, Rejected{i, errs.Field("/action", "bad", "This is bad.")})
		case m.seen[key]:
			r.Duplicates++
		default:
			if m.seen == nil {
				m.seen = map[string]bool{}
			}
			m.seen[key] = true
			m.ids = append(m.ids, it.Event.ID)
			r.Accepted++
		}
	}
	if m.enough > 0 && len(m.ids) >= m.enough {
		m.stop()
	}
	return r, nil
}

func line(i int) string {
	return fmt.Sprintf(`{"id":"e%d","source":"app","action":"thing.create","actor":{"id":"u"}}`+"\n", i)
}

func write(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Join(lines, ""))
	if strings.HasSuffix(path, ".gz") {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		z := gzip.NewWriter(f)
		_, err = z.Write(text)
		if err := errors.Join(err, z.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func lines(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, line(i))
	}
	return out
}

func run(t *testing.T, ctx context.Context, o Options, journal string) (*Summary, error) {
	t.Helper()
	if journal != "" {
		j, err := OpenJournal(journal)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = j.Close() }()
		o.Journal = j
	}
	return Run(ctx, o)
}

// TestStoppedRunGoesOnWhereItStopped stops a run after every batch in turn; nothing is lost and nothing sent twice.
func TestStoppedRunGoesOnWhereItStopped(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	write(t, filepath.Join(in, "a.ndjson"), lines(0, 2500)...)
	write(t, filepath.Join(in, "b.ndjson.gz"), lines(2500, 3700)...)
	for i := range 50 {
		write(t, filepath.Join(in, fmt.Sprintf("c%02d.json", i)), "["+line(3700+i)+"]")
	}
	sink := &memory{}
	journal := filepath.Join(dir, "journal")
	for n := 1; ; n++ {
		ctx, stop := context.WithCancel(t.Context())
		sink.enough, sink.stop = len(sink.ids)+1, stop
		s, err := run(t, ctx, Options{Paths: []string{in}, Sink: sink}, journal)
		stop()
		if s.Duplicates > 0 || s.Rejected > 0 {
			t.Fatalf("run %d: %+v", n, s)
		}
		if err == nil {
			if s.Known != 52 && s.Files == 0 {
				t.Errorf("the last run found nothing to do and %d files done", s.Known)
			}
			break
		}
		if !errors.Is(err, context.Canceled) || n > 10 {
			t.Fatalf("run %d: %v", n, err)
		}
	}
	if len(sink.ids) != 3750 {
		t.Fatalf("%d events arrived", len(sink.ids))
	}
	for i, id := range sink.ids {
		if id != fmt.Sprintf("e%d", i) {
			t.Fatalf("event %d is %s", i, id)
		}
	}
	// Done is done, until a file changes.
	s, err := run(t, t.Context(), Options{Paths: []string{in}, Sink: sink}, journal)
	if err != nil || s.Known != 52 || s.Read != 0 {
		t.Errorf("%+v %v", s, err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(in, "a.ndjson"), later, later); err != nil {
		t.Fatal(err)
	}
	if s, err = run(t, t.Context(), Options{Paths: []string{in}, Sink: sink}, journal); err != nil || s.Known != 52 {
		t.Errorf("a file that was only touched is read again: %+v %v", s, err)
	}
	write(t, filepath.Join(in, "a.ndjson"), append(lines(0, 2499), line(9999))...)
	if s, err = run(t, t.Context(), Options{Paths: []string{in}, Sink: sink}, journal); err != nil || s.Accepted != 1 || s.Duplicates != 2499 {
		t.Errorf("a file of the same length with another end: %+v %v", s, err)
	}
	// How a file is read is part of what was done.
	if s, err = run(t, t.Context(), Options{Paths: []string{in}, Sink: sink, Intake: intake.Options{Source: "other"}}, journal); err != nil || s.Known != 0 || s.Accepted != 3750 {
		t.Errorf("under another source: %+v %v", s, err)
	}
}

// TestRecordsAtOneOffset stops in the middle of a frame that holds several records.
func TestRecordsAtOneOffset(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "otlp.json")
	var records []string
	for i := range 2600 {
		records = append(records, fmt.Sprintf(`{"timeUnixNano":"1700000000000000000","body":{"stringValue":"x"},"eventName":"thing.create","attributes":[{"key":"log.record.uid","value":{"stringValue":"r%d"}}]}`, i))
	}
	write(t, path, `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"app"}}]},"scopeLogs":[{"logRecords":[`+strings.Join(records, ",")+`]}]}]}`)
	sink := &memory{}
	for n := 0; ; n++ {
		ctx, stop := context.WithCancel(t.Context())
		sink.enough, sink.stop = len(sink.ids)+1, stop
		s, err := run(t, ctx, Options{Paths: []string{path}, Sink: sink}, filepath.Join(dir, "journal"))
		stop()
		if s.Duplicates > 0 || s.Rejected > 0 || n > 5 {
			t.Fatalf("%+v %v", s, err)
		}
		if err == nil {
			break
		}
	}
	if len(sink.ids) != 2600 {
		t.Errorf("%d records arrived", len(sink.ids))
	}
}

func TestWhatWasRejectedIsExplained(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.ndjson"), line(1), `{"id":"x","source":"app","action":"bad.thing"}`+"\n", "{not json\n", line(2), `{"id":"y","source":"app","action":"bad.thing"}`+"\n")
	write(t, filepath.Join(dir, "README.md"), "# nothing here\n")
	write(t, filepath.Join(dir, ".git", "x.ndjson"), line(7))
	var told []Rejection
	sink := &memory{}
	s, err := Run(t.Context(), Options{Paths: []string{dir}, Sink: sink, Reject: func(x Rejection) error { told = append(told, x); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if s.Read != 5 || s.Accepted != 2 || s.Rejected != 3 || s.OK() || len(told) != 3 || len(s.LeftOut) != 1 || len(s.Unread) != 0 {
		t.Errorf("%+v", s)
	}
	r := s.ByCount()
	if len(r) != 2 || r[0].Count != 2 || r[0].Pointer != "/action" || r[0].Examples[0].Line != 2 || r[0].Examples[1].Line != 5 || r[1].Examples[0].Line != 3 {
		t.Errorf("%+v", r)
	}
	// A file that was named must be readable.
	s, err = Run(t.Context(), Options{Paths: []string{filepath.Join(dir, "README.md")}, Sink: sink})
	if err != nil || len(s.Unread) != 1 || s.OK() {
		t.Errorf("%+v %v", s, err)
	}
	if _, err = Run(t.Context(), Options{Paths: []string{filepath.Join(dir, "missing")}, Sink: sink}); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("a missing file: %v", err)
	}
	// When the ledger fails, nothing counts as done.
	journal := filepath.Join(t.TempDir(), "journal")
	boom := errors.New("boom")
	if s, err = run(t, t.Context(), Options{Paths: []string{dir}, Sink: &memory{failure: boom}}, journal); !errors.Is(err, boom) || s.Read != 0 {
		t.Errorf("%+v %v", s, err)
	}
	if s, err = run(t, t.Context(), Options{Paths: []string{dir}, Sink: &memory{}}, journal); err != nil || s.Accepted != 2 || s.Known != 0 {
		t.Errorf("%+v %v", s, err)
	}
}

func TestDamagedJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	write(t, path, `{"key":"a","path":"x","offset":5}`+"\n"+`{"key":"b","pa`)
	j, err := OpenJournal(path)
	if err != nil || len(j.known) != 1 {
		t.Fatalf("a line that a crash cut off spoils the journal: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, "these\nare\nnotes\n")
	if _, err := OpenJournal(path); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("something else was taken for a journal: %v", err)
	}
}

// TestWireForm sends every event of the shared files through its wire form: the fields that the ledger commits to must come out the same, byte for byte.
func TestWireForm(t *testing.T) {
	dir := testdata.Dir(t)
	files, err := find([]string{filepath.Join(dir, "cloudtrail"), filepath.Join(dir, "logins"), filepath.Join(dir, "app-audit"), filepath.Join(dir, "saas-audit"), filepath.Join(dir, "cloudevents")})
	if err != nil {
		t.Fatal(err)
	}
	n, now := 0, time.Now()
	for _, f := range files {
		in, err := os.Open(f.path)
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := intake.Open(in, intake.Options{Name: f.path})
		for err == nil {
			var it *intake.Item
			if it, err = r.Next(); err != nil || it.Err != nil {
				continue
			}
			b := appendWire(nil, it.Event)
			again, e := event.Parse(b)
			if e != nil {
				t.Fatalf("%s:%d: %v\n%s", f.path, it.Line, e, b)
			}
			if it.Event.Normalise(now) != nil {
				continue
			}
			if e := again.Normalise(now); e != nil {
				t.Fatalf("%s:%d: %v", f.path, it.Line, e)
			}
			compare(t, it.Event, again)
			n++
		}
		in.Close()
	}
	if n < 20_000 {
		t.Errorf("%d events were compared", n)
	}
}

func compare(t *testing.T, a, b *event.Event) {
	t.Helper()
	x, y := a.Flatten(nil), b.Flatten(nil)
	if len(x) != len(y) || a.Source != b.Source || a.Action != b.Action || a.Category != b.Category || a.Activity != b.Activity || a.Outcome != b.Outcome ||
		a.Resource.Type != b.Resource.Type || !a.OccurredAt.Equal(b.OccurredAt) {
		t.Fatalf("%+v\nis not\n%+v", a, b)
	}
	for i := range x {
		if x[i].Path != y[i].Path || string(x[i].Value) != string(y[i].Value) {
			t.Fatalf("%s %s became %s %s", x[i].Path, x[i].Value, y[i].Path, y[i].Value)
		}
	}
}

package faults

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/test/instance"
)

// life is how many crashes one data directory goes through.
const life = 5

// figures are what a test of crashes found, over all of its rounds.
type figures struct{ rounds, halfway, acked, late, checkpoints, segments int }

// crash kills a server under load once a round, when when returns, and compares what it acknowledged with what its successor has.
func crash(t *testing.T, writers int, pause time.Duration, when func(s *instance.Server), flags ...string) (f figures) {
	t.Helper()
	for f.rounds < rounds() && !t.Failed() {
		f.live(t, min(life, rounds()-f.rounds), writers, pause, when, flags)
	}
	t.Logf("%d kills, %d of them beside a half-written file: %d events acknowledged and all there, %d that had no answer recorded on the second try, %d checkpoints seen, %d segments sealed",
		f.rounds, f.halfway, f.acked, f.late, f.checkpoints, f.segments)
	return f
}

// live takes a data directory through its crashes.
func (f *figures) live(t *testing.T, crashes, writers int, pause time.Duration, when func(s *instance.Server), flags []string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	founded := instance.Init(t, dir)
	book := instance.NewBook(t, founded.VKey)
	s := instance.Start(t, dir, founded.APIKey, flags...)
	for range crashes {
		l := start(s, book, f.rounds, writers, pause)
		when(s)
		s.Kill()
		l.end()
		f.rounds++
		if halfWritten(dir) {
			f.halfway++
		}
		if n := l.refused.Load(); n > 0 {
			t.Errorf("%d requests were refused before the crash", n)
		}
		if r := book.Verify(dir); t.Failed() {
			t.Fatalf("round %d: %s", f.rounds, r)
		}
		f.acked += book.Acked()
		s = instance.Start(t, dir, founded.APIKey, flags...)
		book.Check(s)
		recorded, missing := l.resend(s)
		if t.Failed() {
			t.Fatalf("round %d: of what was sent, %d were recorded, %d not", f.rounds, recorded, missing)
		}
		f.late += missing
		f.acked -= book.Acked() // what is counted next time begins here
	}
	f.acked += book.Acked()
	f.checkpoints += book.Seen()
	f.segments += s.State().Segments
	s.Stop()
	if left, _ := filepath.Glob(filepath.Join(dir, "segments", "*", ".tmp-*")); len(left) > 0 {
		t.Errorf("half files of dead servers are left: %v", left)
	}
	book.Verify(dir)
}

// halfWritten reports whether a killed server has left a file that it had not finished.
func halfWritten(dir string) bool {
	for _, pattern := range []string{".tmp-*", "segments/*/.tmp-*"} {
		if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 {
			return true
		}
	}
	return false
}

func sleepy(least, most time.Duration) { time.Sleep(least + rand.N(most-least)) }

// TestKillDuringAppend kills the server while six clients write.
func TestKillDuringAppend(t *testing.T) { sqldbtest.Each(t, testKillDuringAppend) }

func testKillDuringAppend(t *testing.T) {
	crash(t, 5, time.Millisecond, func(*instance.Server) { sleepy(50*time.Millisecond, 500*time.Millisecond) })
}

// TestKillDuringCheckpoint kills the server while it publishes as often as it can: around the writing of the high-water mark.
func TestKillDuringCheckpoint(t *testing.T) { sqldbtest.Each(t, testKillDuringCheckpoint) }

func testKillDuringCheckpoint(t *testing.T) {
	crash(t, 3, time.Millisecond, func(s *instance.Server) {
		sleepy(50*time.Millisecond, 200*time.Millisecond)
		await(s, filepath.Join(s.Dir, ".tmp-*"))
		time.Sleep(rand.N(3 * time.Millisecond))
	}, "--checkpoint-interval", "10ms")
}

// TestKillDuringSealing kills the server while it writes sealed files.
func TestKillDuringSealing(t *testing.T) { sqldbtest.Each(t, testKillDuringSealing) }

func testKillDuringSealing(t *testing.T) {
	first := true
	f := crash(t, 3, 2*time.Millisecond, func(s *instance.Server) {
		if rand.IntN(2) == 0 || first { // let one or two be finished first
			first = false
			before := s.State().Segments
			s.Until(20*time.Second, "something was sealed", func() bool { return s.State().Segments > before })
		}
		await(s, filepath.Join(s.Dir, "segments", "*", ".tmp-*"))
		time.Sleep(rand.N(25 * time.Millisecond))
	}, "--seal-after", "100ms", "--checkpoint-interval", "50ms")
	if f.segments == 0 {
		t.Errorf("no segment after %d rounds: the servers did not seal", f.rounds)
	}
}

// await waits until a file is there whose name matches; many are there for a moment only.
func await(s *instance.Server, pattern string) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && s.Alive(); time.Sleep(200 * time.Microsecond) {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return
		}
	}
}

// TestKillDuringExport kills the server while it writes an export. The next server finishes it; no half file can be downloaded, and none is left.
func TestKillDuringExport(t *testing.T) { sqldbtest.Each(t, testKillDuringExport) }

func testKillDuringExport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	founded := instance.Init(t, dir)
	s := instance.Start(t, dir, founded.APIKey)
	const events = 12_000
	for from := 0; from < events; from += 1000 {
		s.Append(batch("shop", from, 1000))
	}
	formats := []string{"csv", "bundle", "pdf", "parquet", "ndjson", "ocsf", "json"}
	for round := range rounds() {
		e := new(instance.Export)
		s.Post("/api/exports", 202, map[string]any{"format": formats[round%len(formats)], "filter": map[string]any{"source": []string{"shop"}}}, e)
		part := filepath.Join(dir, "exports", ".tmp-*")
		await(s, part)
		time.Sleep(rand.N(60 * time.Millisecond))
		s.Kill()
		half, _ := filepath.Glob(part)
		s = instance.Start(t, dir, founded.APIKey)
		if a := s.Do("GET", "/api/exports/"+e.ID+"/file", nil); a.Status != 409 && a.Status != 200 {
			t.Errorf("round %d: a file that may be half written answers %d %s", round, a.Status, a.Body)
		}
		s.Await(e)
		if e.Status != "done" || e.Rows != events {
			t.Fatalf("round %d: %s is %s with %d rows: %s", round, e.Format, e.Status, e.Rows, e.Error)
		}
		if a := s.Do("GET", e.URL, nil); a.Status != 200 || int64(len(a.Body)) != e.Bytes || digest(a.Body) != e.SHA256 {
			t.Errorf("round %d: the file of %s is not the one described: %d, %d bytes of %d", round, e.Format, a.Status, len(a.Body), e.Bytes)
		}
		t.Logf("round %d: %s, killed with a half file: %v", round, e.Format, len(half) > 0)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "exports", ".tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	s.Stop()
	instance.NewBook(t, founded.VKey).Verify(dir)
}

package faults

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"probity.dev/test/instance"
)

// crash kills a server under load once a round, whenever when returns, and compares what it acknowledged with what its successor has.
func crash(t *testing.T, writers int, pause time.Duration, when func(s *instance.Server), flags ...string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	founded := instance.Init(t, dir)
	book := instance.NewBook(t, founded.VKey)
	var extra int
	s := instance.Start(t, dir, founded.APIKey, flags...)
	for round := range rounds() {
		l := start(s, book, round, writers, pause)
		when(s)
		s.Kill()
		l.end()
		if n := l.refused.Load(); n > 0 {
			t.Errorf("%d requests were refused before the crash", n)
		}
		if r := book.Verify(dir); t.Failed() {
			t.Fatalf("round %d: %s", round, r)
		}
		s = instance.Start(t, dir, founded.APIKey, flags...)
		book.Check(s)
		recorded, missing := l.resend(s)
		extra += missing
		if t.Failed() {
			t.Fatalf("round %d: of what was sent, %d were recorded, %d not", round, recorded, missing)
		}
	}
	s.Stop()
	r := book.Verify(dir)
	t.Logf("%d rounds: %d events acknowledged, %d more sent again, %d checkpoints seen, log of %d verified", rounds(), book.Acked(), extra, book.Seen(), r.Logs[0].Size)
}

func sleepy(least, most time.Duration) { time.Sleep(least + rand.N(most-least)) }

// TestKillDuringAppend kills the server while six clients write.
func TestKillDuringAppend(t *testing.T) {
	crash(t, 5, time.Millisecond, func(*instance.Server) { sleepy(50*time.Millisecond, 500*time.Millisecond) })
}

// TestKillDuringCheckpoint kills the server while it publishes as often as it can: around the writing of the high-water mark.
func TestKillDuringCheckpoint(t *testing.T) {
	crash(t, 3, time.Millisecond, func(s *instance.Server) {
		sleepy(50*time.Millisecond, 200*time.Millisecond)
		await(s, filepath.Join(s.Dir, ".tmp-*"))
		time.Sleep(rand.N(3 * time.Millisecond))
	}, "--checkpoint-interval", "10ms")
}

// TestKillDuringSealing kills the server while it writes sealed files.
func TestKillDuringSealing(t *testing.T) {
	crash(t, 3, 2*time.Millisecond, func(s *instance.Server) {
		await(s, filepath.Join(s.Dir, "segments", "*", ".tmp-*"))
		time.Sleep(rand.N(25 * time.Millisecond))
	}, "--seal-after", "100ms", "--checkpoint-interval", "50ms")
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
func TestKillDuringExport(t *testing.T) {
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
		part := filepath.Join(dir, "exports", e.ID+".part")
		await(s, part)
		time.Sleep(rand.N(60 * time.Millisecond))
		s.Kill()
		_, half := os.Stat(part)
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
		t.Logf("round %d: %s, killed with a half file: %v", round, e.Format, half == nil)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "exports", "*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	s.Stop()
	instance.NewBook(t, founded.VKey).Verify(dir)
}

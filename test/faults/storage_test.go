package faults

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"probity.dev/internal/blob"
	"probity.dev/internal/blob/blobtest"
	"probity.dev/test/instance"
)

// buckets are an S3 server with a bucket for evidence and one for everything else, and an installation that keeps its files there.
type buckets struct {
	*blobtest.Server
	evidence, working blob.Location
	dir               string
	founded           string // the first API key
	vkey              string
	flags             []string
}

func storeIn(t *testing.T, flags ...string) *buckets {
	t.Helper()
	b := &buckets{Server: blobtest.Start(t), dir: filepath.Join(t.TempDir(), "data")}
	b.evidence, b.working = b.Bucket(true, 0), b.Bucket(false, 0)
	t.Setenv("AWS_ACCESS_KEY_ID", b.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", b.SecretKey)
	r := instance.Init(t, b.dir)
	b.founded, b.vkey = r.APIKey, r.VKey
	b.flags = append([]string{"--storage", blobtest.URL(b.evidence), "--storage-working", blobtest.URL(b.working)}, flags...)
	return b
}

func (b *buckets) start(t *testing.T) *instance.Server {
	t.Helper()
	return instance.Start(t, b.dir, b.founded, b.flags...)
}

// verify verifies the installation, whose server must not run, with its working copies or without.
func (b *buckets) verify(t *testing.T, more ...string) (says string, code int) {
	t.Helper()
	out, errOut, code := instance.Run(t, append([]string{"verify", b.dir, "--key", b.vkey, b.flags[0], b.flags[1], b.flags[2], b.flags[3]}, more...)...)
	return out + errOut, code
}

// objects lists what another program sees in a location.
func (b *buckets) objects(t testing.TB, l blob.Location) (names []string) {
	t.Helper()
	for o := range b.Client.ListObjects(context.Background(), l.Bucket, minio.ListObjectsOptions{Prefix: l.Prefix, Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		names = append(names, strings.TrimPrefix(o.Key, l.Prefix))
	}
	return names
}

func sealedWhole(s *instance.Server) func() bool {
	return func() bool { st := s.State(); return st.SealedSize == st.Size }
}

// TestObjectStorage takes an installation on object storage through a life without accidents.
func TestObjectStorage(t *testing.T) {
	b := storeIn(t, "--seal-after", "100ms", "--checkpoint-interval", "50ms")
	s := b.start(t)
	for from := 0; from < 3000; from += 1000 {
		s.Append(batch("shop", from, 1000))
	}
	s.Until(30*time.Second, "everything was sealed", sealedWhole(s))
	if left, _ := filepath.Glob(filepath.Join(b.dir, "segments", "*", "*")); len(left) > 0 {
		t.Errorf("sealed files are in the data directory: %v", left)
	}
	b.checkLocks(t)
	e := b.export(t, s)
	s.Stop()

	if says, code := b.verify(t); code != 0 {
		t.Errorf("verify: %d %s", code, says)
	}
	// Without its copies, and with damaged ones, the server finds the same.
	if err := os.RemoveAll(filepath.Join(b.dir, "cache")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = b.start(t)
		if n := s.Count("source=shop"); n != 3000 {
			t.Errorf("%d events are found", n)
		}
		if a := s.Do("DELETE", "/api/exports/"+e, nil); e != "" && a.Status >= 300 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		e = ""
		s.Stop()
		copies, _ := filepath.Glob(filepath.Join(b.dir, "cache", "segments", "*"))
		if len(copies) == 0 {
			t.Error("nothing was kept in the cache")
		}
		for _, c := range copies {
			if err := os.Truncate(c, 100); err != nil {
				t.Fatal(err)
			}
		}
	}
	if names := b.objects(t, b.working); slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "exports/") }) {
		t.Errorf("a deleted export is still there: %v", names)
	}
	b.tamper(t)
}

// checkLocks looks at every object from outside.
func (b *buckets) checkLocks(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	evidence, working := b.objects(t, b.evidence), b.objects(t, b.working)
	for _, name := range evidence {
		o, err := b.Client.StatObject(ctx, b.evidence.Bucket, b.evidence.Prefix+name, minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		until, err := time.Parse(time.RFC3339, o.Headers.Get("X-Amz-Object-Lock-Retain-Until-Date"))
		if mode := o.Headers.Get("X-Amz-Object-Lock-Mode"); mode != "COMPLIANCE" || err != nil || time.Until(until) < 364*24*time.Hour {
			t.Errorf("%s is locked %q until %v", name, mode, until)
		}
		if err := b.Client.RemoveObject(ctx, b.evidence.Bucket, b.evidence.Prefix+name, minio.RemoveObjectOptions{VersionID: o.VersionID, GovernanceBypass: true}); err == nil {
			t.Errorf("%s could be deleted", name)
		}
		if !strings.Contains(name, "/evidence-") {
			t.Errorf("%s is locked", name)
		}
	}
	if len(evidence) == 0 || len(working) < 2 {
		t.Errorf("%v %v", evidence, working)
	}
	for _, name := range working {
		if name != "owner" && !strings.Contains(name, "/working-") {
			t.Errorf("%s is not locked", name)
		}
	}
}

// export makes an export, downloads it, and returns its id.
func (b *buckets) export(t *testing.T, s *instance.Server) string {
	t.Helper()
	var e *instance.Export
	for _, format := range []string{"bundle", "csv"} {
		e = new(instance.Export)
		s.Post("/api/exports", 202, map[string]any{"format": format, "filter": map[string]any{"source": []string{"shop"}}}, e)
		s.Await(e)
		if e.Status != "done" || e.Rows != 3000 {
			t.Fatalf("%s is %s with %d rows: %s", e.Format, e.Status, e.Rows, e.Error)
		}
		if a := s.Do("GET", e.URL, nil); a.Status != 200 || digest(a.Body) != e.SHA256 {
			t.Errorf("the file of %s: %d, %d bytes of %d", e.Format, a.Status, len(a.Body), e.Bytes)
		}
		if !slices.Contains(b.objects(t, b.working), "exports/"+e.ID+".export") {
			t.Errorf("the export is not in the storage: %v", b.objects(t, b.working))
		}
		if format == "bundle" {
			if a := s.Do("DELETE", "/api/exports/"+e.ID, nil); a.Status >= 300 {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}
	}
	return e.ID
}

// tamper puts other content over evidence, and takes it away, which a lock does not prevent: the locked version stays below. Whoever verifies is told, whatever the cache holds.
func (b *buckets) tamper(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	key := b.evidence.Prefix + b.objects(t, b.evidence)[0]
	if says, code := b.verify(t, "--evidence-only"); code != 0 {
		t.Fatalf("before: %d %s", code, says)
	}
	undo := func() {
		for v := range b.Client.ListObjects(ctx, b.evidence.Bucket, minio.ListObjectsOptions{Prefix: key, WithVersions: true}) {
			if v.IsLatest {
				if err := b.Client.RemoveObject(ctx, b.evidence.Bucket, key, minio.RemoveObjectOptions{VersionID: v.VersionID}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for what, do := range map[string]func() error{
		"replaced": func() error {
			_, err := b.Client.PutObject(ctx, b.evidence.Bucket, key, strings.NewReader("other"), 5, minio.PutObjectOptions{})
			return err
		},
		"hidden": func() error { return b.Client.RemoveObject(ctx, b.evidence.Bucket, key, minio.RemoveObjectOptions{}) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if says, code := b.verify(t, "--evidence-only"); code == 0 || !strings.Contains(says, "NOT OK") || !strings.Contains(says, "seq 0") {
			t.Errorf("%s evidence is not noticed: %d %s", what, code, says)
		}
		undo()
		if says, code := b.verify(t, "--evidence-only"); code != 0 {
			t.Errorf("after what was %s was undone: %d %s", what, code, says)
		}
	}
}

// TestKillDuringSealingIntoBuckets kills the server while it seals into object storage.
func TestKillDuringSealingIntoBuckets(t *testing.T) {
	b := storeIn(t, "--seal-after", "100ms", "--checkpoint-interval", "50ms")
	sent := 0
	for round := range rounds() {
		s := b.start(t)
		for range 3 {
			s.Append(batch("shop", sent, 1000))
			sent += 1000
		}
		before := len(b.objects(t, b.evidence))
		s.Until(20*time.Second, "evidence was being sealed", func() bool { return len(b.objects(t, b.evidence)) > before })
		time.Sleep(rand.N(30 * time.Millisecond))
		s.Kill()
		if says, code := b.verify(t, "--evidence-only"); code != 0 {
			t.Fatalf("round %d: %d %s", round, code, says)
		}
	}
	s := b.start(t)
	s.Until(30*time.Second, "everything was sealed", sealedWhole(s))
	if n := s.Count("source=shop"); n != sent {
		t.Errorf("%d of %d events are found", n, sent)
	}
	segments := s.State().Segments
	s.Stop()
	working := b.objects(t, b.working)
	if n := len(working) - 1; n != segments { // and the owner's mark
		t.Errorf("%d working files for %d segments: %v", n, segments, working)
	}
	t.Logf("%d segments, %d evidence files, of which what is more is locked left-overs of crashes", segments, len(b.objects(t, b.evidence)))
	if says, code := b.verify(t); code != 0 {
		t.Errorf("%d %s", code, says)
	}
}

// TestStorageGoesAway stops the storage under a running server, and starts a server without it.
func TestStorageGoesAway(t *testing.T) {
	b := storeIn(t, "--seal-after", "100ms", "--checkpoint-interval", "50ms", "--max-unsealed", "100000")
	s := b.start(t)
	s.Append(batch("shop", 0, 1000))
	s.Until(20*time.Second, "everything was sealed", sealedWhole(s))
	b.Server.Stop()
	for from := 1000; from < 3000; from += 1000 {
		s.Append(batch("shop", from, 1000))
	}
	s.Until(time.Minute, "sealing failed", func() bool { return strings.Contains(s.Log(), "sealing failed; it will be tried again") })
	if n := s.Count("source=shop"); n != 3000 { // what is sealed is in the cache
		t.Errorf("%d events are found", n)
	}
	copies, _ := filepath.Glob(filepath.Join(b.dir, "cache", "segments", "*"))
	s.Stop()
	for _, c := range copies {
		if err := os.Remove(c); err != nil {
			t.Fatal(err)
		}
	}
	if none, says := instance.TryStart(t, b.dir, b.founded, b.flags...); none != nil || !strings.Contains(says, "does not answer") || !strings.Contains(says, b.evidence.Bucket) || strings.Contains(says, b.SecretKey) {
		t.Errorf("a server starts without its storage, or does not say why not: %s", says)
	}
	b.Restart()
	s = b.start(t)
	s.Until(time.Minute, "everything was sealed", sealedWhole(s))
	if n := s.Count("source=shop"); n != 3000 {
		t.Errorf("%d events are found", n)
	}
	// Copies that are gone while the storage is away make a search fail with a reason; what is hot is recorded all the same.
	s.Stop()
	if err := os.RemoveAll(filepath.Join(b.dir, "cache")); err != nil {
		t.Fatal(err)
	}
	s = b.start(t)
	b.Server.Stop()
	if a := s.Do("GET", "/api/events?source=shop", nil); a.Status != 503 || !strings.Contains(string(a.Body), "storage") {
		t.Errorf("a search without storage: %d %s", a.Status, a.Body)
	}
	s.Append(batch("shop", 3000, 100))
	b.Restart()
	s.Until(time.Minute, "everything was sealed", sealedWhole(s))
	if n := s.Count("source=shop"); n != 3100 {
		t.Errorf("%d events are found", n)
	}
	s.Stop()
	if says, code := b.verify(t); code != 0 {
		t.Errorf("%d %s", code, says)
	}
}

// TestStorageThatDoesNotFit starts servers on buckets that they must refuse.
func TestStorageThatDoesNotFit(t *testing.T) {
	b := storeIn(t)
	always := b.Bucket(true, 30)
	b.start(t).Stop() // claims the working bucket
	second := filepath.Join(t.TempDir(), "second")
	instance.Init(t, second)
	for _, c := range []struct {
		what, dir string
		flags     []string
		says      string
	}{
		{"evidence without Object Lock", b.dir, []string{"--storage", blobtest.URL(b.working)}, "--with-lock"},
		{"working copies that are locked by default", b.dir, []string{"--storage", blobtest.URL(b.evidence), "--storage-working", blobtest.URL(always)}, "Remove its default retention"},
		{"one bucket that locks by default", b.dir, []string{"--storage", blobtest.URL(always)}, "Remove its default retention"},
		{"somebody else's", second, b.flags, "belongs to another data directory"},
		{"no such bucket", b.dir, []string{"--storage", "s3://no-such-bucket?endpoint=http://" + b.Address}, "has no bucket no-such-bucket"},
	} {
		if s, says := instance.TryStart(t, c.dir, b.founded, c.flags...); s != nil || !strings.Contains(says, c.says) {
			t.Errorf("%s: %s", c.what, says)
			if s != nil {
				s.Kill()
			}
		}
	}
	local := filepath.Join(t.TempDir(), "local") // has sealed into its own folder
	founded := instance.Init(t, local)
	s := instance.Start(t, local, founded.APIKey, "--seal-after", "100ms")
	s.Append(batch("shop", 0, 10))
	s.Until(20*time.Second, "something was sealed", func() bool { return s.State().Segments > 0 })
	s.Stop()
	elsewhere := []string{"--storage", blobtest.URL(b.Bucket(true, 0))}
	if s, says := instance.TryStart(t, local, founded.APIKey, elsewhere...); s != nil || !strings.Contains(says, "lacks sealed files") {
		t.Errorf("an installation whose files were left behind: %s", says)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-77f0")
	if s, says := instance.TryStart(t, b.dir, b.founded, b.flags...); s != nil || !strings.Contains(says, "refuses the credentials") || strings.Contains(says, "canary") {
		t.Errorf("wrong credentials: %s", says)
	}
}

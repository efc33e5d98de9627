package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"probity.dev/internal/blob"
	"probity.dev/internal/blob/blobtest"
	"probity.dev/internal/errs"
)

// TestServerRefuses asks the server itself to break its locks, as somebody with all rights and another program would.
func TestServerRefuses(t *testing.T) {
	s := blobtest.Start(t)
	ctx := context.Background()
	l := s.Bucket(true, 0)
	store := s.Open(l)
	until := time.Now().Add(time.Hour)
	blobtest.Put(t, store, "evidence", []byte("first"), blob.PutOptions{Mode: blob.Compliance, Until: until})
	blobtest.Put(t, store, "held", []byte("x"), blob.PutOptions{})
	if err := store.Hold(ctx, "held", true); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"evidence", "held"} {
		i, err := s.Client.StatObject(ctx, l.Bucket, l.Prefix+name, minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, bypass := range []bool{false, true} {
			err := s.Client.RemoveObject(ctx, l.Bucket, l.Prefix+name, minio.RemoveObjectOptions{VersionID: i.VersionID, GovernanceBypass: bypass})
			if err == nil {
				t.Errorf("the server deleted %s, bypass %v", name, bypass)
			}
		}
	}
	mode, earlier := minio.Compliance, time.Now().Add(time.Minute)
	if err := s.Client.PutObjectRetention(ctx, l.Bucket, l.Prefix+"evidence", minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &earlier, GovernanceBypass: true}); err == nil {
		t.Error("the server shortened a retention")
	}
	if err := s.Client.RemoveBucketWithOptions(ctx, l.Bucket, minio.RemoveBucketOptions{ForceDelete: true}); err == nil {
		t.Error("the server removed a bucket with locked objects")
	}
	// A deletion without a version hides the object and destroys nothing; ours does not report success for that.
	if err := s.Client.RemoveObject(ctx, l.Bucket, l.Prefix+"evidence", minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(ctx, "evidence"); !errors.Is(err, blob.ErrLocked) {
		t.Errorf("a hidden version was passed over: %v", err)
	}
	if n := s.Versions(l, "evidence"); n != 2 {
		t.Errorf("%d versions", n)
	}
}

// TestDeleteIsComplete looks from outside for what a deletion has left.
func TestDeleteIsComplete(t *testing.T) {
	s := blobtest.Start(t)
	ctx := context.Background()
	l := s.Bucket(true, 0) // with versions
	store := s.Open(l)
	for _, content := range []string{"one", "two", "three"} {
		blobtest.Put(t, store, "export", []byte(content), blob.PutOptions{})
	}
	if err := s.Client.RemoveObject(ctx, l.Bucket, l.Prefix+"export", minio.RemoveObjectOptions{}); err != nil { // leaves a marker
		t.Fatal(err)
	}
	core := minio.Core{Client: s.Client}
	if _, err := core.NewMultipartUpload(ctx, l.Bucket, l.Prefix+"export", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	uploads := func() int {
		r, err := core.ListMultipartUploads(ctx, l.Bucket, l.Prefix+"export", "", "", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(r.Uploads)
	}
	if n := s.Versions(l, "export"); n != 4 || uploads() != 1 {
		t.Fatalf("%d versions, %d uploads before", n, uploads())
	}
	if err := store.Delete(ctx, "export"); err != nil {
		t.Fatal(err)
	}
	if n := s.Versions(l, "export"); n != 0 || uploads() != 0 {
		t.Errorf("%d versions and %d unfinished uploads are left", n, uploads())
	}
}

func TestBuckets(t *testing.T) {
	s := blobtest.Start(t)
	ctx := context.Background()
	plain, lock, always := s.Open(s.Bucket(false, 0)), s.Open(s.Bucket(true, 0)), s.Open(s.Bucket(true, 7))
	none := s.Open(blob.Location{Endpoint: s.Address, Region: blob.DefaultRegion, Bucket: "no-such-bucket"})
	for _, c := range []struct {
		what string
		err  error
		code errs.Code
		says string
	}{
		{"evidence without Object Lock", plain.CheckEvidence(ctx, blob.Compliance), errs.Invalid, "--with-lock"},
		{"evidence without Object Lock, on purpose", plain.CheckEvidence(ctx, blob.NoLock), "", ""},
		{"evidence with Object Lock", lock.CheckEvidence(ctx, blob.Compliance), "", ""},
		{"evidence with a default retention", always.CheckEvidence(ctx, blob.Governance), "", ""},
		{"working copies", plain.CheckWorking(ctx), "", ""},
		{"working copies with Object Lock", lock.CheckWorking(ctx), "", ""},
		{"working copies with a default retention", always.CheckWorking(ctx), errs.Invalid, "storage-working"},
		{"no bucket", none.CheckEvidence(ctx, blob.Compliance), errs.Unavailable, "no bucket no-such-bucket"},
		{"no bucket for working copies", none.CheckWorking(ctx), errs.Unavailable, "create it"},
	} {
		if errs.CodeOf(c.err) != c.code || c.err != nil && !strings.Contains(errs.Message(c.err), c.says) {
			t.Errorf("%s: %v", c.what, c.err)
		}
	}
}

// TestCredentials checks that wrong ones are named as such and shown nowhere, and that the usual places are asked.
func TestCredentials(t *testing.T) {
	s := blobtest.Start(t)
	ctx := context.Background()
	l := s.Bucket(true, 0)
	const canary = "canary-5c2e-secret"
	for what, change := range map[string]func(*blob.S3Options){
		"secret": func(o *blob.S3Options) { o.SecretKey = canary },
		"both":   func(o *blob.S3Options) { o.AccessKey, o.SecretKey = "canary-5c2e-access", canary },
	} {
		store := s.Open(l, change)
		for op, err := range map[string]error{"check": store.CheckEvidence(ctx, blob.Compliance), "put": blobtest.TryPut(store, "x", []byte("x"), blob.PutOptions{}), "delete": store.Delete(ctx, "x"),
			"list": store.List(ctx, "", func(blob.Info) error { return nil })} {
			if errs.CodeOf(err) != errs.Unavailable || !strings.Contains(errs.Message(err), "credentials") || strings.Contains(err.Error(), "canary") {
				t.Errorf("wrong %s, %s: %v", what, op, err)
			}
		}
	}
	if _, err := blob.OpenS3(blob.S3Options{Location: l, AccessKey: "a", Spool: t.TempDir()}); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("half a pair: %v", err)
	}
	nothing := func(o *blob.S3Options) { o.AccessKey, o.SecretKey = "", "" }
	t.Setenv("AWS_ACCESS_KEY_ID", s.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s.SecretKey)
	blobtest.Put(t, s.Open(l, nothing), "env", []byte("x"), blob.PutOptions{})
	os.Unsetenv("AWS_ACCESS_KEY_ID")
	os.Unsetenv("AWS_SECRET_ACCESS_KEY")
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id = "+s.AccessKey+"\naws_secret_access_key = "+s.SecretKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	blobtest.Put(t, s.Open(l, nothing), "file", []byte("x"), blob.PutOptions{})
}

// proxy passes connections on and can cut them or fall silent.
type proxy struct {
	net.Listener
	to     string
	cutAt  atomic.Int64 // bytes of an answer after which a connection is cut; 0 = never
	silent atomic.Bool
	cuts   atomic.Int64
	mu     sync.Mutex
	open   []net.Conn
}

func startProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to}
	t.Cleanup(func() { l.Close(); p.hangUp() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer s.Close()
	p.mu.Lock()
	p.open = append(p.open, c, s)
	p.mu.Unlock()
	go io.Copy(s, c) //nolint:errcheck // it ends when it ends
	b := make([]byte, 16<<10)
	for sent := int64(0); ; {
		n, err := s.Read(b)
		for p.silent.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		if _, e := c.Write(b[:n]); e != nil || err != nil {
			return
		}
		if sent += int64(n); p.cutAt.Load() > 0 && sent > p.cutAt.Load() {
			p.cuts.Add(1)
			return
		}
	}
}

// TestBrokenConnections reads and writes through connections that break.
func TestBrokenConnections(t *testing.T) {
	s := blobtest.Start(t)
	p := startProxy(t, s.Address)
	l := s.Bucket(false, 0)
	l.Endpoint = p.Addr().String()
	store := s.Open(l)
	want := blobtest.Content(1, 3<<20)
	blobtest.Put(t, store, "x", want, blob.PutOptions{})
	p.hangUp()
	p.cutAt.Store(300 << 10)
	if got := blobtest.Get(t, store, "x", 0, -1); !bytes.Equal(got, want) {
		t.Error("what was read through broken connections is not what was stored")
	}
	if p.cuts.Load() < 5 {
		t.Errorf("only %d connections were cut", p.cuts.Load())
	}
	// An object that is replaced while it is read is not glued together from two.
	r, err := store.Open(t.Context(), "x", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 100<<10)); err != nil {
		t.Fatal(err)
	}
	direct := l
	direct.Endpoint = s.Address
	blobtest.Put(t, s.Open(direct), "x", blobtest.Content(2, 3<<20), blob.PutOptions{})
	if b, err := io.ReadAll(r); errs.CodeOf(err) != errs.Unavailable {
		t.Errorf("%d bytes of a replaced object, %v", len(b), err)
	}
}

// TestOutage checks that nothing hangs, whether the server is gone or silent, and that everything works once it is back.
func TestOutage(t *testing.T) {
	s := blobtest.Start(t)
	p := startProxy(t, s.Address)
	l := s.Bucket(true, 0)
	l.Endpoint = p.Addr().String()
	store := s.Open(l, func(o *blob.S3Options) { o.Patience, o.Retries = 300*time.Millisecond, 3 })
	ctx := context.Background()
	blobtest.Put(t, store, "x", []byte("before"), blob.PutOptions{})
	fails := func(what string) {
		t.Helper()
		start := time.Now()
		for op, err := range map[string]error{"put": blobtest.TryPut(store, "y", []byte("y"), blob.PutOptions{}), "stat": statErr(store, "x"), "open": openErr(store, "x"), "delete": store.Delete(ctx, "x"),
			"list": store.List(ctx, "", func(blob.Info) error { return nil }), "sweep": store.Sweep(ctx, "", time.Now()), "check": store.CheckWorking(ctx), "hold": store.Hold(ctx, "x", true)} {
			var e *errs.Error
			if !errors.As(err, &e) || e.Code != errs.Unavailable || !strings.Contains(e.Message, l.Bucket) || e.RetryAfter == 0 || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, %s: %v", what, op, err)
			}
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s: 8 requests took %v", what, took)
		}
	}
	p.silent.Store(true)
	fails("a silent server")
	p.silent.Store(false)
	p.hangUp()
	s.Stop()
	fails("no server")
	s.Restart()
	if got := blobtest.Get(t, store, "x", 0, -1); string(got) != "before" {
		t.Errorf("%q", got)
	}
	blobtest.Put(t, store, "y", []byte("after"), blob.PutOptions{})
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := store.CheckWorking(ended); err == nil {
		t.Error("a context that had ended was not heeded")
	}
}

func statErr(s blob.Store, name string) error {
	_, err := s.Stat(context.Background(), name)
	return err
}

func openErr(s blob.Store, name string) error {
	r, err := s.Open(context.Background(), name, 0, -1)
	if err == nil {
		_, err = io.ReadAll(r)
		r.Close()
	}
	return err
}

func TestParseLocation(t *testing.T) {
	for text, want := range map[string]blob.Location{
		"s3://audit":                                  {Endpoint: "s3.us-east-1.amazonaws.com", Secure: true, Region: "us-east-1", Bucket: "audit"},
		"s3://audit/a/b/?region=eu-central-1":         {Endpoint: "s3.eu-central-1.amazonaws.com", Secure: true, Region: "eu-central-1", Bucket: "audit", Prefix: "a/b/"},
		"s3://audit/x?endpoint=http://127.0.0.1:9000": {Endpoint: "127.0.0.1:9000", Region: "us-east-1", Bucket: "audit", Prefix: "x/"},
		"s3://au.dit?endpoint=https%3A%2F%2Fminio.example%3A9000/&region=here": {Endpoint: "minio.example:9000", Secure: true, Region: "here", Bucket: "au.dit"},
	} {
		if got, err := blob.ParseLocation(text); err != nil || got != want {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "audit", "http://audit", "s3://", "s3://A", "s3://ab", "s3://audit/a//b", "s3://audit/../b", "s3://audit?endpoint=minio:9000", "s3://audit?endpoint=ftp://x",
		"s3://audit?endpoint=http://x/path", "s3://audit?endpoint=http://canary@x", "s3://audit?secret=canary", "s3://audit?region=", "s3://audit?region=a&region=b", "s3://key:canary@audit", "s3://audit#canary",
		"s3://audit?endpoint=http://x%zz"} {
		if l, err := blob.ParseLocation(text); errs.CodeOf(err) != errs.Invalid || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %+v %v", text, l, err)
		}
	}
}

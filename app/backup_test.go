package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/backup"
	"probity.dev/internal/blob/blobtest"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
	"probity.dev/verify"
)

// site is an installation that is backed up while it runs.
type site struct {
	*App
	cfg       *config.Config
	tenant    string
	c         *caller
	to        string
	recipient string
	identity  string // file
	masterKey string // file, apart from the data
	events    int
}

// newSite opens an installation that seals at once. change may alter its settings.
func newSite(t *testing.T, change ...func(*config.Config)) *site {
	t.Helper()
	dir := t.TempDir()
	cfg := config.Defaults()
	cfg.Data, cfg.SealAfter, cfg.CheckpointInterval = filepath.Join(dir, "data"), 100*time.Millisecond, 20*time.Millisecond
	if sqldbtest.Kind(t) == sqldbtest.Postgres {
		cfg.Database = sqldbtest.Address(t, dir)
	}
	for _, f := range change {
		f(cfg)
	}
	ctx := context.Background()
	if _, err := Init(ctx, cfg, InitOptions{Tenant: "T", Email: "admin@example.com", Name: "A", KeyName: "k"}, io.Discard); err != nil {
		t.Fatal(err)
	}
	a, err := Open(ctx, cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{App: a, cfg: cfg, to: filepath.Join(dir, "backups"), identity: filepath.Join(dir, "backup.key"), masterKey: filepath.Join(dir, "master.key")}
	t.Cleanup(func() {
		if s.App != nil {
			s.stop(t)
		}
	})
	tenants, err := a.Ledger.Tenants(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.tenant, s.c = tenants[0].ID, newCaller(t, a)
	text, recipient, err := backup.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	s.recipient = recipient
	key, err := os.ReadFile(masterKeyPath(cfg.Data))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(s.identity, []byte(text), 0o600), os.WriteFile(s.masterKey, key, 0o600)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) stop(t *testing.T) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s.App = nil
}

func (s *site) record(t *testing.T, n int) {
	t.Helper()
	for range n {
		s.events++
		s.c.answer(t, actor.System(s.tenant), "POST", "/api/events", fmt.Sprintf(`{"id":"e%d","source":"shop","action":"order.create","actor":{"type":"user","id":"u-1","name":"Ana Lima","email":"ana.lima@example.org"},"resource":{"type":"order","id":"o-1"}}`, s.events))
	}
}

// settled waits until everything is signed, and sealed when that is asked for, and returns the checkpoint.
func (s *site) settled(t *testing.T, sealed bool) []byte {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		h, err := s.Ledger.Head(context.Background(), s.tenant)
		if err != nil {
			t.Fatal(err)
		}
		if h.Published == h.Next && (!sealed || h.Sealed == h.Next) {
			return []byte(h.Checkpoint)
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", h)
		}
	}
}

func (s *site) backUp(t *testing.T) *BackupResult {
	t.Helper()
	r, err := BackUp(context.Background(), s.cfg, BackupOptions{To: s.to, Recipients: []string{s.recipient}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// empty is the configuration of an empty machine.
func (s *site) empty(t *testing.T) *config.Config {
	t.Helper()
	cfg := *s.cfg
	cfg.Data = filepath.Join(t.TempDir(), "restored")
	if cfg.Database != "" {
		cfg.Database = sqldbtest.Empty(t)
	}
	return &cfg
}

func (s *site) options(checkpoint []byte) RestoreOptions {
	return RestoreOptions{From: s.to, Identity: s.identity, MasterKey: s.masterKey, Checkpoints: checkpoint}
}

// verified opens a restored directory, verifies it with its working copies, and returns the number of events of the source.
func verified(t *testing.T, cfg *config.Config, tenant string) int {
	t.Helper()
	ctx := context.Background()
	a, err := Open(ctx, cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	sources, err := a.Sources(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Dir(ctx, cfg.Data, sources, verify.Options{})
	if err != nil || !r.OK {
		t.Fatal(r, err)
	}
	return strings.Count(newCaller(t, a).answer(t, actor.System(tenant), "GET", "/api/events?source=shop&limit=200", ""), "ana.lima@example.org")
}

// TestBackupAndRestore backs up a running installation, restores it to an empty machine and compares it with what was published; a backup that is behind is found out, and goes on as a new epoch only when
// somebody decides so.
func TestBackupAndRestore(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		s := newSite(t)
		s.record(t, 20)
		s.settled(t, true)
		first := s.backUp(t)
		s.record(t, 10)
		published := s.settled(t, true)
		second := s.backUp(t)
		names := objects(t, s.to)
		if n := strings.Count(names, "parts/"); n < 4 || second.NewBytes >= second.Bytes || first.NewBytes != first.Bytes {
			t.Errorf("sealed files are not stored once: %d parts, %d of %d bytes", n, second.NewBytes, second.Bytes)
		}
		restoresWhole(t, s, published)
		behind(t, s, first, published)
		refusals(t, s, published)
	})
}

func objects(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, strings.TrimPrefix(p, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

func restoresWhole(t *testing.T, s *site, published []byte) {
	t.Helper()
	cfg := s.empty(t)
	r, err := Restore(context.Background(), cfg, s.options(published))
	if err != nil || !r.Report.OK || r.Lost() != 0 || !r.Logs[0].Compared {
		t.Fatalf("%+v %v", r, err)
	}
	if n := verified(t, cfg, s.tenant); n != s.events {
		t.Errorf("%d of %d events are there with their values", n, s.events)
	}
	if _, err := Restore(context.Background(), cfg, s.options(published)); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("restored over something: %v", err)
	}
}

func behind(t *testing.T, s *site, old *BackupResult, published []byte) {
	t.Helper()
	ctx := context.Background()
	cfg := s.empty(t)
	o := s.options(published)
	o.Backup = old.ID
	r, err := Restore(ctx, cfg, o)
	if err != nil || !r.Report.OK || r.Lost() < 10 || r.Logs[0].Events+r.Lost() != r.Logs[0].Signed {
		t.Fatalf("%+v %v", r, err)
	}
	a, err := Open(ctx, cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	h, err := a.Ledger.Head(ctx, s.tenant)
	if err != nil || h.Frozen == "" {
		t.Errorf("a log that lacks events goes on: %v", err)
	}
	loss, err := a.OpenEpoch(ctx, s.tenant, "the disk died", func(*ledger.Loss) error { return nil })
	if err != nil || loss.Lost != r.Lost() {
		t.Errorf("%+v %v", loss, err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if n := verified(t, cfg, s.tenant); n != 20 {
		t.Errorf("%d events are left", n)
	}
	// The newest mark says the same as a checkpoint.
	cfg = s.empty(t)
	o.Checkpoints = nil
	if o.Marks, err = os.ReadFile(markPath(s.cfg.Data)); err != nil {
		t.Fatal(err)
	}
	if r, err := Restore(ctx, cfg, o); err != nil || r.Lost() < 10 || !r.Logs[0].Compared {
		t.Errorf("%+v %v", r, err)
	}
}

// refusals are restores that must not come to an end.
func refusals(t *testing.T, s *site, published []byte) {
	t.Helper()
	other := newSite(t)
	forged := bytes.Replace(published, []byte("\n\n"), []byte("\n\n"), 1)
	forged = append(bytes.Clone(forged[:len(forged)-6]), []byte("AAAA=\n")...)
	for what, c := range map[string]struct {
		change func(o *RestoreOptions, cfg *config.Config)
		code   errs.Code
	}{
		"nothing to compare with": {func(o *RestoreOptions, _ *config.Config) { o.Checkpoints = nil }, errs.Invalid},
		"another key":             {func(o *RestoreOptions, _ *config.Config) { o.Identity = other.identity }, errs.Unauthorized},
		"another master key":      {func(o *RestoreOptions, _ *config.Config) { o.MasterKey = other.masterKey }, errs.Unauthorized},
		"no master key":           {func(o *RestoreOptions, _ *config.Config) { o.MasterKey = "" }, errs.Invalid},
		"another log's point":     {func(o *RestoreOptions, _ *config.Config) { o.Checkpoints = other.settled(t, false) }, errs.Conflict},
		"a forged checkpoint":     {func(o *RestoreOptions, _ *config.Config) { o.Checkpoints = forged }, errs.Invalid},
		"no such backup":          {func(o *RestoreOptions, _ *config.Config) { o.Backup = "20200101T000000Z-00000000" }, errs.NotFound},
		"within the data":         {func(o *RestoreOptions, cfg *config.Config) { cfg.Data = filepath.Dir(o.From) }, errs.Conflict},
	} {
		cfg := s.empty(t)
		o := s.options(published)
		c.change(&o, cfg)
		if _, err := Restore(context.Background(), cfg, o); errs.CodeOf(err) != c.code {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := Open(context.Background(), cfg, io.Discard); err == nil {
			t.Errorf("%s: what is there can be opened", what)
		}
	}
}

// TestDamagedBackup changes, removes and swaps what lies in the repository; each is named, and none becomes a directory that can be opened.
func TestDamagedBackup(t *testing.T) {
	s := newSite(t)
	s.record(t, 5)
	published := s.settled(t, true)
	b := s.backUp(t)
	var evidence, working string
	keys, err := backup.ReadIdentities(s.identity)
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenBackups(context.Background(), s.cfg, s.to, false)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := r.Snapshot(context.Background(), "", keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range snapshot.Manifest.Parts {
		switch {
		case strings.Contains(p.Name, "/evidence-"):
			evidence = p.Object
		case strings.Contains(p.Name, "/working-"):
			working = p.Object
		}
	}
	at := func(object string) string { return filepath.Join(s.to, filepath.FromSlash(object)) }
	flip := func(object string) func() error {
		return func() error {
			text, err := os.ReadFile(at(object))
			if err != nil {
				return err
			}
			text[len(text)/2] ^= 1
			return os.WriteFile(at(object), text, 0o600)
		}
	}
	for what, c := range map[string]struct {
		harm func() error
		name string
	}{
		"a bit of the evidence":    {flip(evidence), "evidence-"},
		"a bit of the database":    {flip("backups/" + b.ID + "/database.age"), "part database"},
		"a bit of the manifest":    {flip("backups/" + b.ID + "/manifest.age"), "manifest"},
		"a working copy is gone":   {func() error { return os.Remove(at(working)) }, "working-"},
		"one file for another":     {func() error { return os.Rename(at(evidence), at(working)) }, "segments/"},
		"the database is cut":      {func() error { return os.Truncate(at("backups/"+b.ID+"/database.age"), 900) }, "part database"},
		"everything is empty":      {func() error { return os.Truncate(at(evidence), 0) }, "evidence-"},
		"the summary is not there": {func() error { return os.Remove(at("backups/" + b.ID + "/summary.json")) }, "summary.json"},
	} {
		saved := filepath.Join(t.TempDir(), "saved")
		if err := os.CopyFS(saved, os.DirFS(s.to)); err != nil {
			t.Fatal(err)
		}
		if err := c.harm(); err != nil {
			t.Fatal(err)
		}
		cfg := s.empty(t)
		_, err := Restore(context.Background(), cfg, s.options(published))
		if err == nil || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := Open(context.Background(), cfg, io.Discard); err == nil {
			t.Errorf("%s: what is there can be opened", what)
		}
		if err := errors.Join(os.RemoveAll(s.to), os.Rename(saved, s.to)); err != nil {
			t.Fatal(err)
		}
	}
	// After an attempt that failed, the same directory is taken.
	cfg := s.empty(t)
	o := s.options(published)
	o.MasterKey = s.identity
	if _, err := Restore(context.Background(), cfg, o); err == nil {
		t.Error("restored with something that is no master key")
	}
	if _, err := Restore(context.Background(), cfg, s.options(published)); err != nil {
		t.Error(err)
	}
}

// TestRestoreOfAnotherHistory restores a backup whose log is not the one that was published, though it verifies by itself.
func TestRestoreOfAnotherHistory(t *testing.T) {
	s := newSite(t)
	s.record(t, 3)
	s.settled(t, false)
	b := s.backUp(t)
	s.record(t, 3)
	published := s.settled(t, false)
	s.stop(t)
	// The same log goes on from the backup in another way.
	cfg := s.empty(t)
	o := s.options(nil)
	o.Unchecked, o.Backup = true, b.ID
	if r, err := Restore(context.Background(), cfg, o); err != nil || r.Logs[0].Compared {
		t.Fatal(r, err)
	}
	a, err := Open(context.Background(), cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	fork := &site{App: a, cfg: cfg, tenant: s.tenant, c: newCaller(t, a), to: filepath.Join(t.TempDir(), "b"), recipient: s.recipient, identity: s.identity, masterKey: s.masterKey, events: 100}
	fork.record(t, 10)
	fork.settled(t, false)
	fork.backUp(t)
	fork.stop(t)
	cfg = s.empty(t)
	r, err := Restore(context.Background(), cfg, fork.options(published))
	if err != nil || r.Report.OK {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := Open(context.Background(), cfg, io.Discard); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("a fork can be opened: %v", err)
	}
}

// TestBackupOfObjectStorage backs up an installation on object storage to a bucket, and restores it into another one, and into its own.
func TestBackupOfObjectStorage(t *testing.T) {
	sqldbtest.Each(t, testBackupOfObjectStorage)
}

func testBackupOfObjectStorage(t *testing.T) {
	server := blobtest.Start(t)
	own, target, to := server.Bucket(true, 0), server.Bucket(true, 0), server.Bucket(false, 0)
	s := newSite(t, func(c *config.Config) {
		c.Storage, c.StorageLock, c.StorageRetention = blobtest.URL(own), "governance", 24*time.Hour
		c.StorageAccessKey, c.StorageSecretKey, c.BackupAccessKey, c.BackupSecretKey = server.AccessKey, server.SecretKey, server.AccessKey, server.SecretKey
	})
	s.to = blobtest.URL(to)
	s.record(t, 10)
	published := s.settled(t, true)
	s.backUp(t)
	if _, err := BackUp(context.Background(), s.cfg, BackupOptions{To: s.cfg.Storage, Recipients: []string{s.recipient}}); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("a backup was put into the storage itself: %v", err)
	}
	marked := s.cfg.Database != "" // the high-water mark is in the storage
	forgetful := *s.cfg
	forgetful.Storage = ""
	if _, err := os.Stat(markPath(s.cfg.Data)); marked != (err != nil) {
		t.Errorf("the file of the high-water mark: %v", err)
	}
	s.stop(t)
	if _, _, err := StoredSources(t.Context(), &forgetful); errs.CodeOf(err) != errs.Invalid || !strings.Contains(err.Error(), "--storage") {
		t.Errorf("sealed files are looked for in the directory: %v", err)
	}
	cfg := s.empty(t)
	if _, err := Restore(context.Background(), cfg, s.options(published)); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("restored into a storage that is in use: %v", err)
	}
	cfg.Storage = blobtest.URL(target)
	s.interrupted(t, cfg, published)
	if _, err := Restore(context.Background(), cfg, s.options(published)); err != nil {
		t.Fatal(err)
	}
	if n := verified(t, cfg, s.tenant); n != s.events {
		t.Errorf("%d of %d events", n, s.events)
	}
	cfg = s.empty(t)
	o := s.options(published)
	o.TakeStorage = true
	if _, err := Restore(context.Background(), cfg, o); err != nil {
		t.Fatal(err)
	}
	if n := verified(t, cfg, s.tenant); n != s.events {
		t.Errorf("%d of %d events", n, s.events)
	}
	if !marked {
		return
	}
	// What the restored installation has gone on to sign is known to the storage, though not to the backup.
	a, err := Open(context.Background(), cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	newCaller(t, a).answer(t, actor.System(s.tenant), "POST", "/api/events?wait=checkpoint", purchase)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	cfg = s.empty(t)
	o = s.options(nil)
	o.TakeStorage, o.Unchecked = true, true
	if r, err := Restore(context.Background(), cfg, o); err != nil || r.Logs[0].Lost == 0 {
		t.Errorf("events that the storage's mark covers are missed by nobody: %+v, %v", r, err)
	}
	// Another installation made from the backup takes the storage for somebody else's.
	cfg = s.empty(t)
	cfg.Storage = blobtest.URL(server.Bucket(true, 0))
	if _, err := Restore(context.Background(), cfg, s.options(published)); err != nil {
		t.Fatal(err)
	}
	cfg.Storage = blobtest.URL(own)
	if a, err := Open(context.Background(), cfg, io.Discard); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("%v, %v", a, err)
	}
}

package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/blob"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
)

// bench is a repository in a folder, with keys.
type bench struct {
	*Repository
	dir  string
	to   *Recipients
	keys *Identities
	kms  *crypt.FileKMS
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir()}
	d, err := blob.OpenDir(filepath.Join(b.dir, "repository"))
	if err != nil {
		t.Fatal(err)
	}
	if b.Repository, err = Open(t.Context(), d, true); err != nil {
		t.Fatal(err)
	}
	b.to, b.keys = newKeys(t)
	if b.kms, err = crypt.CreateFileKMS(filepath.Join(b.dir, "master.key")); err != nil {
		t.Fatal(err)
	}
	return b
}

func newKeys(t *testing.T) (*Recipients, *Identities) {
	t.Helper()
	text, recipient, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := ReadIdentities(path)
	if err != nil {
		t.Fatal(err)
	}
	to, err := ParseRecipients([]string{recipient})
	if err != nil {
		t.Fatal(err)
	}
	return to, keys
}

// fill adds files, by content, and a stream that is the backup's own.
func fill(ctx context.Context, w *Writer, texts ...string) error {
	for i, text := range texts {
		sum := sha256.Sum256([]byte(text))
		ref := blob.Ref{Name: fmt.Sprintf("files/%d", i), SHA256: sum[:], Size: int64(len(text))}
		if err := w.AddFile(ctx, ref, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }); err != nil {
			return err
		}
	}
	return w.AddStream(ctx, "own", true, func(to io.Writer) error {
		_, err := io.WriteString(to, strings.Repeat(strings.Join(texts, ","), 100))
		return err
	})
}

// make makes a backup as of a time.
func (b *bench) make(t *testing.T, at time.Time, texts ...string) Summary {
	t.Helper()
	w, ctx, err := b.Begin(t.Context(), b.to)
	if err != nil {
		t.Fatal(err)
	}
	w.Manifest.CreatedAt = at
	if err := fill(ctx, w, texts...); err != nil {
		t.Fatal(err)
	}
	s, err := w.Finish(ctx, b.kms)
	if err = errors.Join(err, w.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *bench) verify(t *testing.T, id string) error {
	t.Helper()
	s, err := b.Snapshot(t.Context(), id, b.keys)
	if err != nil {
		return err
	}
	if err := s.Authentic(t.Context(), b.kms); err != nil {
		return err
	}
	return s.Verify(t.Context(), nil)
}

func count(t *testing.T, r *Repository, prefix string) int {
	t.Helper()
	o, err := r.objects(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	return len(o)
}

var day = time.Date(2026, 3, 1, 3, 30, 0, 0, time.UTC)

// TestPrune keeps what its rules say, with all its parts, and nothing else.
func TestPrune(t *testing.T) {
	b := newBench(t)
	var ids []string
	for i := range 70 { // 1 March to 9 May
		ids = append(ids, b.make(t, day.AddDate(0, 0, i), "for ever", fmt.Sprintf("week %d", i/7)).ID)
	}
	again := b.make(t, day.AddDate(0, 0, 69).Add(time.Hour), "for ever", "again").ID // a second one on the last day
	before := count(t, b.Repository, partsPrefix)
	keep := Keep{Daily: 3, Monthly: 3}
	dry, err := b.Prune(t.Context(), keep, true)
	if err != nil || count(t, b.Repository, partsPrefix) != before {
		t.Fatal(err)
	}
	p, err := b.Prune(t.Context(), keep, false)
	if err != nil {
		t.Fatal(err)
	}
	// The last of March, the last of April, and the last three days, of which the last is May's too.
	want := []string{ids[30], ids[60], ids[67], ids[68], again}
	if fmt.Sprint(p.Kept) != fmt.Sprint(want) || len(p.Removed) != 66 || fmt.Sprint(*dry) != fmt.Sprint(*p) {
		t.Errorf("%v, want %v; dry %v", p.Kept, want, dry)
	}
	for _, id := range want {
		if err := b.verify(t, id); err != nil {
			t.Error(id, err)
		}
	}
	if n := count(t, b.Repository, partsPrefix); n != 5 { // for ever, weeks 4, 8 and 9, again
		t.Errorf("%d parts are left", n)
	}
	if n := count(t, b.Repository, backupsPrefix); n != 3*len(want) {
		t.Errorf("%d objects are left", n)
	}
	if p, err := b.Prune(t.Context(), Keep{Daily: 1}, false); err != nil || fmt.Sprint(p.Kept) != fmt.Sprint([]string{again}) {
		t.Errorf("%+v %v", p, err)
	}
}

// TestInterrupted leaves a backup in the middle as a killed process does, and one that fails: neither counts, and the next goes on with the parts that are there.
func TestInterrupted(t *testing.T) {
	b := newBench(t)
	w, ctx, err := b.Begin(t.Context(), b.to)
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(ctx, w, "one", "two"); err != nil {
		t.Fatal(err)
	}
	// Killed: nobody calls Close. Its lock names a process that is no more.
	if _, _, err := b.Begin(t.Context(), b.to); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("two at once: %v", err)
	}
	if _, err := b.Prune(t.Context(), Keep{Daily: 1}, false); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("pruned beside a backup: %v", err)
	}
	host, _ := os.Hostname()
	dead, err := json.Marshal(lockText{Host: host, Process: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	locks, err := b.objects(t.Context(), locksPrefix)
	if err != nil || len(locks) != 1 {
		t.Fatal(locks, err)
	}
	for name := range locks {
		if err := b.put(t.Context(), name, dead); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Find(t.Context(), ""); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("an interrupted backup counts: %v", err)
	}
	failing, ctx, err := b.Begin(t.Context(), b.to)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk broke")
	err = failing.AddStream(ctx, "own", false, func(io.Writer) error { return broken })
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	sum := sha256.Sum256([]byte("as said"))
	err = failing.AddFile(ctx, blob.Ref{Name: "x", SHA256: sum[:], Size: 7}, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("another")), nil })
	if err == nil || !strings.Contains(err.Error(), "x is damaged") {
		t.Errorf("a damaged file was backed up: %v", err)
	}
	if err := failing.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := count(t, b.Repository, backupsPrefix) + count(t, b.Repository, locksPrefix); n != 0 {
		t.Errorf("%d objects of unfinished backups are left", n)
	}
	s := b.make(t, day, "one", "two", "three")
	if s.NewBytes >= s.Bytes || s.NewBytes < int64(len("three")) {
		t.Errorf("%+v", s)
	}
	if err := b.verify(t, ""); err != nil {
		t.Error(err)
	}
}

// TestLockOfAnotherMachine is held until it is clear that nobody renews it.
func TestLockOfAnotherMachine(t *testing.T) {
	b := newBench(t)
	other := []byte(`{"host":"elsewhere","process":1,"what":"backup"}`)
	if err := b.put(t.Context(), locksPrefix+"other", other); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Begin(t.Context(), b.to); errs.CodeOf(err) != errs.Conflict || !strings.Contains(err.Error(), "elsewhere") {
		t.Error(err)
	}
	path := filepath.Join(b.dir, "repository", "locks", "other")
	old := time.Now().Add(-lockStale - time.Minute)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	b.make(t, day, "x")
}

// TestForgedManifest gives out what somebody can make who may write to the store and knows the public key.
func TestForgedManifest(t *testing.T) {
	b := newBench(t)
	s := b.make(t, day, "x")
	stranger, err := crypt.CreateFileKMS(filepath.Join(t.TempDir(), "k"))
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := b.Snapshot(t.Context(), s.ID, b.keys)
	if err != nil {
		t.Fatal(err)
	}
	store := func(text []byte) {
		t.Helper()
		var sealed bytes.Buffer
		w, err := b.to.encrypt(&sealed)
		if err == nil {
			_, err = w.Write(text)
			err = errors.Join(err, w.Close(), b.put(t.Context(), backupsPrefix+s.ID+"/"+manifestName, sealed.Bytes()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	good, err := snapshot.Manifest.encode(t.Context(), b.kms)
	if err != nil {
		t.Fatal(err)
	}
	store(good)
	if err := b.verify(t, s.ID); err != nil {
		t.Errorf("the same again: %v", err)
	}
	store(bytes.Replace(good, []byte(`"size":1,`), []byte(`"size":2,`), 1))
	if err := b.verify(t, s.ID); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("a changed manifest: %v", err)
	}
	bad, err := snapshot.Manifest.encode(t.Context(), stranger)
	if err != nil {
		t.Fatal(err)
	}
	store(bad)
	if err := b.verify(t, s.ID); errs.CodeOf(err) != errs.Unauthorized {
		t.Errorf("a manifest by somebody else: %v", err)
	}
	store([]byte("nothing"))
	if err := b.verify(t, s.ID); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("no manifest at all: %v", err)
	}
	// The manifest of one backup in the place of another, which would hide that it is older.
	first, second := b.make(t, day, "x"), b.make(t, day.Add(time.Hour), "y")
	old, err := b.read(t.Context(), backupsPrefix+first.ID+"/"+manifestName)
	if err == nil {
		err = b.put(t.Context(), backupsPrefix+second.ID+"/"+manifestName, old)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := b.verify(t, second.ID); !errors.Is(err, ErrDamaged) {
		t.Errorf("an older manifest: %v", err)
	}
}

// TestKeys opens with each of several keys, with no other, and stores parts anew for other recipients.
func TestKeys(t *testing.T) {
	b := newBench(t)
	b.make(t, day, "shared")
	to2, keys2 := newKeys(t)
	first := b.to
	b.to = to2
	s := b.make(t, day.Add(time.Hour), "shared")
	if s.NewBytes != s.Bytes {
		t.Error("a part is shared by backups with different keys")
	}
	if err := b.verify(t, ""); errs.CodeOf(err) != errs.Unauthorized {
		t.Errorf("opened with another key: %v", err)
	}
	b.keys = keys2
	if err := b.verify(t, ""); err != nil {
		t.Error(err)
	}
	if first.id == to2.id {
		t.Error("two sets of recipients have one id")
	}
	for _, texts := range [][]string{nil, {" "}, {"AGE-SECRET-KEY-1QQQ"}, {"ssh-ed25519 AAAA"}} {
		if _, err := ParseRecipients(texts); errs.CodeOf(err) != errs.Invalid || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", texts, err)
		}
	}
	if _, err := b.Snapshot(t.Context(), "../../etc", keys2); errs.CodeOf(err) != errs.Invalid {
		t.Error(err)
	}
}

// TestOpenRefuses takes no store for a repository that is none.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	d, err := blob.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), d, false); errs.CodeOf(err) != errs.NotFound {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), d, true); errs.CodeOf(err) != errs.Conflict {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte("probity/backup/v9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), d, true); errs.CodeOf(err) != errs.Unsupported {
		t.Error(err)
	}
}

package instance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"probity.dev/app"
	"probity.dev/internal/config"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/tlog"
	"probity.dev/verify"
)

// Book remembers everything that a log has told the world: which events it acknowledged, its promises, its checkpoints. It is safe for concurrent use.
type Book struct {
	t    testing.TB
	keys *tlog.Keys
	// Shared says that servers share the high-water mark in an object store, so that there is no file to compare with.
	Shared bool
	// State is the file of the checkpoint that verified last; every later one must extend it.
	State string

	mu          sync.Mutex
	acked       map[ID]Ack
	promises    []*tlog.Promise
	checkpoints map[uint64]tlog.Hash
	size        uint64 // above every acknowledged seq and every signed size
}

// ID is what a producer calls an event.
type ID struct{ Source, Name string }

// Ack is where the log said that an event lies.
type Ack struct {
	Seq  uint64
	Leaf tlog.Hash
}

// NewBook begins the book of a log with the key that its founder was given.
func NewBook(t testing.TB, vkey string) *Book {
	t.Helper()
	keys, err := tlog.ParseKeys(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return &Book{t: t, keys: keys, State: filepath.Join(t.TempDir(), "state"), acked: map[ID]Ack{}, checkpoints: map[uint64]tlog.Hash{}}
}

// Receipt notes what a receipt says about events of one source. A seq or a leaf hash that contradicts an earlier receipt is an error.
func (b *Book) Receipt(source string, r *Receipt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range r.Results {
		if x.Status != "accepted" && x.Status != "duplicate" {
			continue
		}
		id := ID{source, x.ID}
		old, had := b.acked[id]
		if had && (old.Seq != x.Seq || x.Status == "accepted") {
			b.t.Errorf("%v was acknowledged at %d and is %s at %d", id, old.Seq, x.Status, x.Seq)
		}
		if x.Status == "accepted" {
			b.acked[id] = Ack{x.Seq, tlog.Hash(x.LeafHash)}
			b.size = max(b.size, x.Seq+1)
		}
	}
	if r.Accepted == 0 {
		return
	}
	p, err := tlog.OpenPromise([]byte(r.Promise), b.keys)
	if err != nil {
		b.t.Errorf("promise: %v", err)
		return
	}
	if p.First > r.FirstSeq || p.First+p.Count < r.FirstSeq+uint64(r.Accepted) {
		b.t.Errorf("a promise of %d events from %d for a receipt of %d from %d", p.Count, p.First, r.Accepted, r.FirstSeq)
	}
	b.promises = append(b.promises, p)
}

// Checkpoint notes a signed checkpoint. Two roots for one size are a fork.
func (b *Book) Checkpoint(text []byte) {
	c, err := tlog.Open(text, b.keys)
	if err != nil {
		b.t.Errorf("checkpoint: %v", err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, had := b.checkpoints[c.Size]; had && old != c.Root {
		b.t.Errorf("fork: two checkpoints of size %d", c.Size)
	}
	b.checkpoints[c.Size] = c.Root
	b.size = max(b.size, c.Size)
}

// Acked is how many events were acknowledged.
func (b *Book) Acked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.acked)
}

// Seen is how many different checkpoints were seen.
func (b *Book) Seen() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.checkpoints)
}

// Check reads the whole log from a server and compares it with the book: every acknowledged event is at its seq with its leaf hash, every promise is kept, the
// log has every root that was signed, and the high-water mark does not lie ahead of it.
func (b *Book) Check(s *Server) {
	b.t.Helper()
	leaves := s.Leaves()
	found := map[ID]Ack{}
	next := uint64(0)
	s.Masked().Walk("", func(v *View) {
		if v.Seq != next || next >= uint64(len(leaves)) {
			b.t.Fatalf("seq %d comes after %d of %d events", v.Seq, next, len(leaves))
		}
		id := ID{v.Source, v.ID}
		if _, twice := found[id]; twice {
			b.t.Errorf("%v is recorded twice", id)
		}
		found[id] = Ack{v.Seq, leaves[next]}
		next++
	})
	if next != uint64(len(leaves)) {
		b.t.Errorf("a search finds %d of %d events", next, len(leaves))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if uint64(len(leaves)) < b.size {
		b.t.Errorf("the log has %d events; %d were acknowledged or signed for", len(leaves), b.size)
		return
	}
	lost := 0
	for id, want := range b.acked {
		if got, ok := found[id]; !ok || got != want {
			if lost++; lost < 5 {
				b.t.Errorf("%v: acknowledged at %d, found at %v (%v)", id, want.Seq, got.Seq, ok)
			}
		}
	}
	if lost > 0 {
		b.t.Errorf("%d of %d acknowledged events are not where they were promised", lost, len(b.acked))
	}
	for _, p := range b.promises {
		if err := p.Check(leaves[p.First : p.First+p.Count]); err != nil {
			b.t.Error(err)
		}
	}
	b.roots(leaves)
	if !b.Shared {
		b.highWater(s.Dir, uint64(len(leaves)))
	}
}

// roots compares the roots that were signed with those that the leaves have.
func (b *Book) roots(leaves []tlog.Hash) {
	var head tlog.Head
	for _, size := range slices.Sorted(maps.Keys(b.checkpoints)) {
		for head.Size < size {
			head.AppendLeaf(leaves[head.Size])
		}
		if head.Root() != b.checkpoints[size] {
			b.t.Errorf("the checkpoint of size %d has another root than the log", size)
		}
	}
}

func (b *Book) highWater(dir string, size uint64) {
	text, err := os.ReadFile(filepath.Join(dir, "highwater.json"))
	if err != nil {
		b.t.Error(err)
		return
	}
	var marks map[string]struct{ Size uint64 }
	if err := json.Unmarshal(text, &marks); err != nil || len(marks) == 0 {
		b.t.Errorf("high-water mark: %v\n%s", err, text)
	}
	for id, m := range marks {
		if m.Size > size {
			b.t.Errorf("the high-water mark of %s is %d, the log has %d", id, m.Size, size)
		}
	}
}

// Verify verifies a data directory as it lies there, with its working copies, against the founder's key and the checkpoint of the last time. It works on a copy, so that
// what a crash has left is still there for the next server to deal with.
func (b *Book) Verify(dir string) *verify.Report {
	b.t.Helper()
	as := filepath.Join(b.t.TempDir(), "copy")
	CopyDir(b.t, dir, as)
	defer os.RemoveAll(as)
	return VerifyDir(b.t, as, verify.Options{Keys: b.keys, State: b.State})
}

// VerifyStopped is [Book.Verify] for an installation that nobody has open, without a copy.
func (b *Book) VerifyStopped(dir string) *verify.Report {
	b.t.Helper()
	return VerifyDir(b.t, dir, verify.Options{Keys: b.keys, State: b.State})
}

// VerifyDir verifies every log of a data directory with its working copies. The report must be good.
func VerifyDir(t testing.TB, dir string, o verify.Options) *verify.Report {
	t.Helper()
	var log bytes.Buffer
	a := OpenApp(t, dir, &log)
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	sources, err := a.Sources(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Dir(context.Background(), dir, sources, o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK {
		t.Errorf("%s\n%s", r, log.String())
	}
	return r
}

// OpenApp opens a data directory in this process. The caller closes it.
func OpenApp(t testing.TB, dir string, log io.Writer) *app.App {
	t.Helper()
	cfg := config.Defaults()
	cfg.Data = dir
	if address, ok := databases.Load(dir); ok {
		cfg.Database = address.(string)
	}
	a, err := app.Open(context.Background(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// CopyDir copies a data directory with the modes of its files, and the database that goes with it, which must not be open then. Files that vanish meanwhile are left out.
func CopyDir(t testing.TB, from, to string) {
	t.Helper()
	if _, ok := databases.Load(from); ok {
		databases.Store(to, sqldbtest.Clone(t, from, to))
	}
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(at, 0o700)
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(at, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

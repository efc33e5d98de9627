package verify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/evidence/evidencetest"
	"probity.dev/internal/tlog"
)

const origin = "probity.example/00112233aabbccdd/1"

// fake is a stored log that a test can damage.
type fake struct {
	*evidencetest.Log
	log     Log
	leaves  [][]byte
	tiles   map[tlog.TileID][]byte
	hidden  map[uint64]bool  // leaves that are gone
	fail    map[uint64]error // leaves that cannot be read
	working func(i uint64, w *Working)
	noCopy  map[uint64]bool
}

func newFake(t testing.TB, n int) *fake {
	t.Helper()
	l, err := evidencetest.NewLog(origin, n)
	if err != nil {
		t.Fatal(err)
	}
	return wrap(l)
}

func wrap(l *evidencetest.Log) *fake {
	f := &fake{Log: l, tiles: map[tlog.TileID][]byte{}, hidden: map[uint64]bool{}, fail: map[uint64]error{}, noCopy: map[uint64]bool{}}
	for _, e := range l.Events {
		f.leaves = append(f.leaves, bytes.Clone(e.Bytes))
	}
	for id, b := range l.Tiles {
		f.tiles[id] = bytes.Clone(b)
	}
	f.log = Log{Origin: l.Origin, LogID: "00112233aabbccdd", Epoch: 1, Checkpoint: l.Checkpoint(), Stored: uint64(len(l.Events)), Keys: l.VKey}
	return f
}

// rehash makes leaves, tiles and root consistent again, as somebody with write access to everything but the signing key could.
func (f *fake) rehash() {
	tree := tlog.NewTree()
	f.tiles = map[tlog.TileID][]byte{}
	for _, l := range f.leaves {
		for _, w := range tree.Append([]tlog.Hash{tlog.LeafHash(l)}) {
			f.tiles[tlog.TileID{Level: w.Level, Index: w.Index}] = w.Data
		}
	}
	f.Tree = tree
}

func (f *fake) sign() { f.log.Checkpoint = f.Checkpoint() }

type plain struct{ *fake }

func (p plain) Log() Log { return p.log }

func (p plain) Leaves(_ context.Context, first, count uint64, yield func(uint64, []byte) error) error {
	for i := first; i < first+count && i < uint64(len(p.leaves)); i++ {
		if err := p.fail[i]; err != nil {
			return err
		}
		if p.hidden[i] {
			return nil
		}
		if err := yield(i, p.leaves[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p plain) ReadTile(_ context.Context, level uint8, index uint64, width int) ([]byte, error) {
	b := p.tiles[tlog.TileID{Level: level, Index: index}]
	if width*tlog.HashSize > len(b) {
		return nil, errs.New(errs.NotFound, "no such tile")
	}
	return b[:width*tlog.HashSize], nil
}

// opened is a source with working copies.
type opened struct{ plain }

func (o opened) Working(_ context.Context, first, count uint64, yield func(uint64, *Working) error) error {
	for i := first; i < first+count && i < uint64(len(o.Events)); i++ {
		if o.noCopy[i] {
			continue
		}
		if err := yield(i, o.copyOf(i)); err != nil {
			return err
		}
	}
	return nil
}

func (o opened) copyOf(i uint64) *Working {
	e := o.Events[i]
	l := e.Leaf
	period := evidence.Period(l.RecordedAt)
	actor := evidencetest.PersonTag(evidencetest.Actor(int(i)), period)
	w := &Working{
		Nonce: l.Nonce, RecordedAt: l.RecordedAt, OccurredAt: l.OccurredAt, Source: l.Source, Action: l.Action, Category: l.Category, Activity: l.Activity,
		Outcome: l.Outcome, ResourceType: l.ResourceType, Groups: e.Keyed(), TagKeys: [3]*evidence.Hash{&actor},
		Columns: []Column{{"/severity", "info"}, {"/id", fmt.Sprintf("e-%d", i)}, {"/correlation_id", ""}},
	}
	if o.working != nil {
		o.working(i, w)
	}
	return w
}

func keysOf(t testing.TB, vkeys ...string) *tlog.Keys {
	t.Helper()
	k, err := tlog.ParseKeys(strings.Join(vkeys, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func check(t testing.TB, src Source, opt Options) *Report {
	t.Helper()
	r, err := Dir(context.Background(), "test", []Source{src}, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// want fails unless the first problem is of this kind, at this seq (-1: none named), and says this.
func want(t testing.TB, r *Report, kind Kind, seq int64, text string) {
	t.Helper()
	p := r.First()
	if p == nil {
		t.Fatalf("nothing found; want %s", kind)
	}
	got := int64(-1)
	if p.Seq != nil {
		got = int64(*p.Seq)
	}
	if p.Kind != kind || got != seq || !strings.Contains(p.String(), text) {
		t.Errorf("first problem: %s at %d: %s\nwant %s at %d: … %s …\n%s", p.Kind, got, p, kind, seq, text, r)
	}
	if r.OK || !strings.HasPrefix(r.String(), "NOT OK") {
		t.Error("the report calls it OK")
	}
}

func stateFile(t testing.TB, notes ...[]byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "state.txt")
	if err := os.WriteFile(p, bytes.Join(notes, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

package verify

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"probity.dev/internal/evidence"
	"probity.dev/internal/evidence/evidencetest"
	"probity.dev/internal/tlog"
)

func TestIntactLogs(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 1000, 65536, 70000} {
		f := newFake(t, n)
		r := check(t, plain{f}, Options{Keys: keysOf(t, f.VKey), Workers: 3})
		if !r.OK || r.OwnKeys || r.Logs[0].Leaves != uint64(n) || r.Logs[0].Size != uint64(n) {
			t.Fatalf("%d: %s", n, r)
		}
		if want := uint64(n/256 + n/65536); r.Logs[0].Tiles != want {
			t.Errorf("%d: %d tiles compared, want %d", n, r.Logs[0].Tiles, want)
		}
		if b, err := json.Marshal(r); err != nil || !strings.Contains(string(b), `"problems":[]`) {
			t.Errorf("JSON report: %s %v", b, err)
		}
	}
}

func TestUnpublishedTailIsChecked(t *testing.T) {
	f := newFake(t, 700)
	cp := f.log.Checkpoint
	for i := 700; i < 1300; i++ {
		f.Add(evidencetest.Make(i))
	}
	g := wrap(f.Log)
	g.log.Checkpoint = cp
	if r := check(t, plain{g}, Options{}); !r.OK || r.Logs[0].Leaves != 1300 || r.Logs[0].Size != 700 || !r.OwnKeys {
		t.Fatalf("%s", r)
	}
	g.leaves[900][30] ^= 1
	want(t, check(t, plain{g}, Options{}), LeafChanged, 900, "is not the one that was logged")
}

// TestTamperMatrix damages a log in every way and expects the culprit to be named.
func TestTamperMatrix(t *testing.T) {
	const n = 70000
	log, err := evidencetest.NewLog(origin, n)
	if err != nil {
		t.Fatal(err)
	}
	tile := func(level uint8, index uint64) tlog.TileID { return tlog.TileID{Level: level, Index: index} }
	for _, c := range []struct {
		name   string
		damage func(f *fake)
		kind   Kind
		seq    int64
		text   string
	}{
		{"one bit of evidence", func(f *fake) { f.leaves[12345][100] ^= 1 }, LeafChanged, 12345, "tile/0/048"},
		{"one bit in the first record", func(f *fake) { f.leaves[0][30] ^= 0x80 }, LeafChanged, 0, "not the one that was logged"},
		{"one bit in a full tile beyond the last block", func(f *fake) { f.leaves[66000][100] ^= 1 }, LeafChanged, 66000, "not the one that was logged"},
		{"one bit in a level-0 tile", func(f *fake) { f.tiles[tile(0, 7)][5*32+3] ^= 4 }, TileChanged, 7*256 + 5, "the record itself is intact (tile/0/007)"},
		{"one bit in a level-0 tile of the last block", func(f *fake) { f.tiles[tile(0, 258)][0] ^= 4 }, TileChanged, 258 * 256, "the record itself is intact"},
		{"one bit in a level-1 tile", func(f *fake) { f.tiles[tile(1, 0)][9*32] ^= 1 }, TileChanged, 9 * 256, "disagrees with the tile below it (tile/1/000)"},
		{"a lost tile", func(f *fake) { delete(f.tiles, tile(0, 3)) }, TileChanged, 3 * 256, "cannot be read"},
		{"a swapped pair", func(f *fake) { f.leaves[500], f.leaves[900] = f.leaves[900], f.leaves[500] }, LeavesSwapped, 500, "the one with seq 900 have changed places"},
		{"a record gone from the middle", func(f *fake) { f.hidden[4000] = true }, LeafMissing, 4000, "later ones are there"},
		{"a record gone from the newest block", func(f *fake) { f.hidden[69000] = true }, LeafMissing, 69000, "later ones are there"},
		{"a dropped tail", func(f *fake) { f.leaves = f.leaves[:69000] }, TailDropped, 69000, "covers 70000 records, 69000 are stored"},
		{"an unreadable file", func(f *fake) { f.fail[66000] = errors.New("segment 7.parquet: checksum") }, Unreadable, 66000, "7.parquet"},
		{"a record that is no evidence", func(f *fake) { f.leaves[800] = []byte("junk"); f.rehash(); f.sign() }, LeafMalformed, 800, "not valid evidence"},
		{"a clock that went back", func(f *fake) { evidence.Restamp(f.leaves[800], evidencetest.Start); f.rehash(); f.sign() }, TimeOrder, 800, "earlier"},
		{"a clock that went back between blocks", func(f *fake) {
			for i := 65536; i < n; i++ {
				evidence.Restamp(f.leaves[i], evidencetest.Start+int64(i))
			}
			f.rehash()
			f.sign()
		}, TimeOrder, 65536, "earlier"},
		{"a repeated nonce", func(f *fake) { copy(evidence.Nonce(f.leaves[900]), evidence.Nonce(f.leaves[20])); f.rehash(); f.sign() }, NonceRepeated, 900, "seq 20"},
		{"a rewritten log under the old checkpoint", func(f *fake) { f.leaves[300][25] ^= 1; f.rehash() }, RootMismatch, 0, "the checkpoint was replaced or the log rewritten"},
		{"a checkpoint with another root", func(f *fake) {
			f.log.Checkpoint, _ = tlog.Sign(origin, n, tlog.Hash{1}, f.Signer)
		}, RootMismatch, 0, "not with the signed checkpoint"},
		{"a checkpoint signed by somebody else", func(f *fake) {
			skey, _, _ := tlog.KeyFromSeed(origin, make([]byte, 32))
			s, _ := tlog.NewSigner(skey)
			f.log.Checkpoint, _ = tlog.Sign(origin, n, f.Tree.Root(), s)
		}, CheckpointInvalid, -1, "not one that the log's key signed"},
		{"no checkpoint", func(f *fake) { f.log.Checkpoint = nil }, CheckpointInvalid, -1, "no signed checkpoint"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := *log
			f := wrap(&l)
			c.damage(f)
			want(t, check(t, plain{f}, Options{Keys: keysOf(t, f.VKey)}), c.kind, c.seq, c.text)
		})
	}
}

func TestDamageInTheNewestRecordsIsNarrowedDown(t *testing.T) {
	f := newFake(t, 1000)
	// The last partial tile is stored nowhere, so only signed checkpoints bound what changed.
	for _, n := range []int{980, 990} {
		older, err := evidencetest.NewLog(origin, n)
		if err != nil {
			t.Fatal(err)
		}
		f.log.Older = append(f.log.Older, older.Checkpoint())
	}
	f.leaves[985][25] ^= 1
	want(t, check(t, plain{f}, Options{}), RootMismatch, 980, "among seq 980 to 989")
}

func TestStatePinsWhatWasSeen(t *testing.T) {
	old := newFake(t, 600)
	f := newFake(t, 1000)
	keys := keysOf(t, f.VKey)
	path := filepath.Join(t.TempDir(), "state.txt")
	if r := check(t, plain{old}, Options{Keys: keys, State: path}); !r.OK || r.Logs[0].Pinned != 0 {
		t.Fatalf("%s", r)
	}
	if r := check(t, plain{f}, Options{Keys: keys, State: path}); !r.OK || r.Logs[0].Pinned != 600 {
		t.Fatalf("%s", r)
	}
	b, err := os.ReadFile(path)
	if err != nil || string(b) != string(f.log.Checkpoint) {
		t.Fatalf("state is %q, %v", b, err)
	}
	r := check(t, plain{old}, Options{Keys: keys, State: path})
	want(t, r, Rollback, 600, "it has 600 records now and had 1000: an old copy was restored")
	if text := r.String(); strings.Contains(text, "extends") || !strings.Contains(text, "the pinned checkpoint has 1000") {
		t.Errorf("%s", text)
	}
	if again, _ := os.ReadFile(path); string(again) != string(b) {
		t.Error("a failed check changed the state file")
	}
}

func TestForks(t *testing.T) {
	f := newFake(t, 1000)
	state := func() Options { return Options{State: stateFile(t, f.log.Checkpoint)} }
	g := newFake(t, 1500)
	g.leaves[400][25] ^= 1
	g.rehash()
	g.sign() // somebody rewrote history with the signing key
	want(t, check(t, plain{g}, state()), Fork, -1, "its first 1000 records are not those of the pinned checkpoint")
	h := newFake(t, 1000)
	h.leaves[400][25] ^= 1
	h.rehash()
	h.sign()
	want(t, check(t, plain{h}, state()), Fork, -1, "two different checkpoints of 1000 records have been signed")
	// A log that was merely extended is no fork.
	if r := check(t, plain{newFake(t, 1500)}, state()); !r.OK {
		t.Errorf("%s", r)
	}
}

func TestSeveralStoredCheckpoints(t *testing.T) {
	f := newFake(t, 700)
	other, err := evidencetest.NewLog("probity.example/00112233aabbccdd/2", 300)
	if err != nil {
		t.Fatal(err)
	}
	g := wrap(other)
	g.log.Epoch, g.log.Base = 2, 5000
	for i := range g.leaves {
		evidence.Restamp(g.leaves[i], evidencetest.Start+700*evidencetest.Step+int64(i))
	}
	g.rehash()
	g.sign()
	keys := keysOf(t, f.VKey, g.VKey)
	path := filepath.Join(t.TempDir(), "state.txt")
	run := func(logs ...Source) *Report {
		r, err := Dir(context.Background(), "test", logs, Options{Keys: keys, State: path})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := run(plain{f}, plain{g}); !r.OK {
		t.Fatalf("%s", r)
	}
	if r := run(plain{f}, plain{g}); !r.OK || r.Logs[1].Pinned != 300 || r.Logs[0].Pinned != 700 {
		t.Fatalf("%s", r)
	}
	want(t, run(plain{g}), Rollback, -1, "which is not there any more")
	g.leaves[10][80] ^= 1
	want(t, run(plain{f}, plain{g}), LeafChanged, 5010, "")
	g.leaves[10][80] ^= 1
	g.log.Base = 650
	want(t, run(plain{f}, plain{g}), EpochBroken, 650, "begins within the numbers of the one before it")
}

func TestBadStateFiles(t *testing.T) {
	f := newFake(t, 10)
	for _, b := range [][]byte{{}, append(f.log.Checkpoint, f.log.Checkpoint...)} {
		if _, err := Dir(context.Background(), "test", []Source{plain{f}}, Options{State: stateFile(t, b)}); err == nil {
			t.Errorf("state %q was accepted", b)
		}
	}
	g := newFake(t, 10)
	forged := strings.Replace(string(g.log.Checkpoint), "\n10\n", "\n9\n", 1)
	want(t, check(t, plain{g}, Options{State: stateFile(t, []byte(forged))}), CheckpointInvalid, -1, "state file")
}

func TestWorkingCopies(t *testing.T) {
	f := newFake(t, 3000)
	r := check(t, opened{plain{f}}, Options{})
	if !r.OK || r.Logs[0].Working != 3000 {
		t.Fatalf("%s", r)
	}
	other := evidencetest.PersonTag("u6", evidence.Period(evidencetest.Start))
	for name, c := range map[string]struct {
		edit func(w *Working)
		text string
	}{
		"value":      {func(w *Working) { w.Groups[0].Values[0] = "9.99" }, "values are not those committed to"},
		"action":     {func(w *Working) { w.Action = "invoice.read2" }, "action differs"},
		"time":       {func(w *Working) { w.OccurredAt++ }, "occurred_at differs"},
		"outcome":    {func(w *Working) { w.Outcome = "failure" }, "outcome differs"},
		"nonce":      {func(w *Working) { w.Nonce[0]++ }, "nonce differs"},
		"column":     {func(w *Working) { w.Columns[0].Text = "high" }, "search column of /severity differs"},
		"extra":      {func(w *Working) { w.Columns[2].Text = "c-1" }, "search column of /correlation_id differs"},
		"actor":      {func(w *Working) { w.TagKeys[0] = &other }, "actor that it is filed under differs"},
		"resource":   {func(w *Working) { w.ResourceTags, w.ResourceID = &other, "1" }, "resource that it is filed under differs"},
		"two values": {func(w *Working) { w.Groups[2].Paths = evidencetest.Paths("/actor/id", "/subject/type") }, "values are not those committed to"},
		"order":      {func(w *Working) { w.Groups[1], w.Groups[2] = w.Groups[2], w.Groups[1] }, "values are not those committed to"},
		"no fields":  {func(w *Working) { w.Groups[1].Paths, w.Groups[1].Values = nil, nil }, "values are not those committed to"},
		"a value":    {func(w *Working) { w.Groups[1].Values = w.Groups[1].Values[1:] }, "values are not those committed to"},
		"a group":    {func(w *Working) { w.Groups = w.Groups[:2] }, "values are not those committed to"},
		"garbled":    {func(w *Working) { w.Err = errors.New("decryption failed") }, "cannot be opened: decryption failed"},
	} {
		f.working = func(i uint64, w *Working) {
			if i == 1321 {
				c.edit(w)
			}
		}
		r := check(t, opened{plain{f}}, Options{})
		want(t, r, WorkingChanged, 1321, c.text)
		if len(r.Problems) != 1 {
			t.Errorf("%s: %s", name, r)
		}
	}
	f.working = nil
	f.noCopy[2600], f.noCopy[2999], f.noCopy[3] = true, true, true
	f.log.WorkingFrom = 100
	r = check(t, opened{plain{f}}, Options{})
	want(t, r, WorkingMissing, 2600, "the evidence is there")
	if len(r.Problems) != 2 {
		t.Errorf("%s", r)
	}
}

func TestErasedGroupsOfWorkingCopiesVerify(t *testing.T) {
	f := newFake(t, 300)
	f.working = func(i uint64, w *Working) {
		e := f.Events[i]
		w.Groups[1] = evidence.KeyedGroup{Slot: 1, Root: &e.Roots[1]}
		w.TagKeys[0] = nil
	}
	if r := check(t, opened{plain{f}}, Options{}); !r.OK {
		t.Fatalf("%s", r)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f := newFake(t, 70000)
	_, err := Dir(ctx, "test", []Source{plain{f}}, Options{Progress: func(uint64, uint64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestManyProblemsAreBounded(t *testing.T) {
	f := newFake(t, 1024)
	for i := range f.leaves {
		f.leaves[i][100] ^= 1
	}
	r := check(t, plain{f}, Options{})
	want(t, r, LeafChanged, 0, "")
	if len(r.Problems) != MaxProblems || !strings.Contains(r.String(), "and 90 more") {
		t.Errorf("%d problems: %s", len(r.Problems), r)
	}
}

// cpu is the processor time that this process has used, which other load on the machine does not distort much.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func perCore(b *testing.B, events int, f func()) {
	start := cpu()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.N*events)/(cpu()-start).Seconds(), "events/cpu-s")
}

func BenchmarkLog(b *testing.B) {
	f := newFake(b, 3*65536)
	ok := func(b *testing.B, src Source, workers int) func() {
		return func() {
			if r := check(b, src, Options{Workers: workers}); !r.OK {
				b.Fatal(r)
			}
		}
	}
	b.Run("leaves/1", func(b *testing.B) { perCore(b, len(f.leaves), ok(b, plain{f}, 1)) })
	b.Run("leaves/2", func(b *testing.B) { perCore(b, len(f.leaves), ok(b, plain{f}, 2)) })
	b.Run("working/1", func(b *testing.B) { perCore(b, len(f.leaves), ok(b, opened{plain{f}}, 1)) })
}

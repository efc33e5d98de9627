package verify

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/evidence"
	"probity.dev/internal/evidence/bundle"
	"probity.dev/internal/evidence/evidencetest"
	"probity.dev/internal/tlog"
)

// maker builds bundles of a sample log, honest ones unless a test says otherwise.
type maker struct {
	log    *evidencetest.Log
	filter []bundle.Clause
	tags   []bundle.TagKey
	first  uint64
	count  uint64
	masked bool

	inclusion bool
	skip      func(i int) bool // events left out although they match
	extra     func(i int) bool // events put in although they do not match
	leaf      func(i int, b []byte) []byte
	disclose  func(i int, d *evidence.Disclosure)
	view      func(i int, v []byte) []byte
	cp        []byte
	signer    tlog.Signer
}

func (m *maker) match(t testing.TB) *bundle.Matcher {
	t.Helper()
	k, err := bundle.NewMatcher(m.filter, m.tags)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (m *maker) build(t testing.TB) string {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	meta := bundle.Meta{
		CreatedAt: time.Unix(1_780_000_000, 0), Origin: m.log.Origin, LogID: "00112233aabbccdd", Epoch: 1, Checkpoint: m.log.Checkpoint(),
		TreeSize: m.log.Tree.Size(), Filter: m.filter, Tags: m.tags, Masking: "none", Keys: m.log.VKey + "\n",
	}
	if m.cp != nil {
		meta.Checkpoint = m.cp
	}
	if !m.inclusion {
		p, err := tlog.ProveRange(ctx, m.log.Reader(), m.first, m.count, m.log.Tree.Size())
		must(err)
		meta.Range = p
	}
	path := filepath.Join(t.TempDir(), "bundle.zip")
	f, err := os.Create(path)
	must(err)
	w, err := bundle.NewWriter(f, meta)
	must(err)
	match := m.match(t)
	for i := int(m.first); i < int(m.first+m.count); i++ {
		e := m.log.Events[i]
		leaf := bytes.Clone(e.Bytes)
		if m.leaf != nil {
			leaf = m.leaf(i, leaf)
		}
		if !m.inclusion {
			must(w.AddLeaf(leaf))
		}
		var v evidence.View
		must(v.Scan(e.Bytes))
		ok, _ := match.Match(&v)
		if ok && m.skip != nil && m.skip(i) || !ok && (m.extra == nil || !m.extra(i)) {
			continue
		}
		d := e.Whole()
		if m.masked {
			d = e.Masked()
		}
		if m.disclose != nil {
			d.Groups[0].Fields = append([]evidence.Field(nil), d.Groups[0].Fields...)
			m.disclose(i, d)
		}
		view := e.View(m.masked)
		if m.view != nil {
			view = m.view(i, view)
		}
		if m.inclusion {
			p, err := tlog.Inclusion(ctx, m.log.Reader(), uint64(i), m.log.Tree.Size())
			must(err)
			must(w.AddProvenEvent(uint64(i), leaf, p, d, view))
		} else {
			must(w.AddEvent(uint64(i), d, view))
		}
	}
	s := m.signer
	if s == nil {
		s = m.log.Signer
	}
	must(w.Close(s))
	must(f.Close())
	return path
}

func verifyBundle(t testing.TB, path string, opt Options) *Report {
	t.Helper()
	r, err := Bundle(context.Background(), path, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func micros(i int) *int64 {
	v := evidencetest.Start + int64(i)*evidencetest.Step
	return &v
}

func sampleLog(t testing.TB, n int) *evidencetest.Log {
	t.Helper()
	l, err := evidencetest.NewLog(origin, n)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// byAction asks for a time range and an action; the boundary leaves 99 and 900 belong to the range.
func byAction(l *evidencetest.Log) *maker {
	return &maker{log: l, first: 99, count: 802, filter: []bundle.Clause{
		{Kind: bundle.KindTime, Field: "recorded_at", From: micros(100), To: micros(900)},
		{Kind: bundle.KindClear, Field: "action", Values: []string{"invoice.*"}},
	}}
}

// bySubject asks for everything about one person, over two months.
func bySubject(l *evidencetest.Log) *maker {
	m := &maker{log: l, count: uint64(len(l.Events)), filter: []bundle.Clause{{Kind: bundle.KindTag, Field: "subject", Roles: []string{"subject"}, Text: "patient p3"}}}
	seen := map[int]bool{}
	for _, e := range l.Events {
		if p := evidence.Period(e.Leaf.RecordedAt); !seen[p] {
			seen[p] = true
			m.tags = append(m.tags, bundle.TagKey{Clause: 0, Role: "subject", Period: p, Key: evidence.B64(evidencetest.PersonTag("p3", p))})
		}
	}
	return m
}

func TestHonestBundles(t *testing.T) {
	l := sampleLog(t, 6000)
	keys := Options{Keys: keysOf(t, l.VKey)}
	whole := byAction(l)
	r := verifyBundle(t, whole.build(t), keys)
	if !r.OK || r.Bundle.Events != 400 || r.Bundle.Leaves != 802 || r.Bundle.Completeness != "proven" || r.Bundle.Fields != 400*12 || len(r.Bundle.Claimed) != 0 {
		t.Fatalf("%s", r)
	}
	masked := byAction(l)
	masked.masked = true
	r = verifyBundle(t, masked.build(t), keys)
	if !r.OK || r.Bundle.Fields != 400*8 || r.Bundle.Claims != 400 || r.Bundle.Withheld != 800 || r.Bundle.Erased != 400 {
		t.Fatalf("masked: %s", r)
	}
	person := bySubject(l)
	r = verifyBundle(t, person.build(t), keys)
	if !r.OK || r.Bundle.Events != 546 || r.Bundle.Completeness != "proven" || len(r.Bundle.Claimed) != 0 || len(person.tags) != 2 {
		t.Fatalf("by subject: %s", r)
	}
	incl := byAction(l)
	incl.inclusion = true
	r = verifyBundle(t, incl.build(t), keys)
	if !r.OK || r.Bundle.Events != 400 || r.Bundle.Completeness != "claimed" || len(r.Bundle.Claimed) != 1 {
		t.Fatalf("inclusion: %s", r)
	}
	claim := byAction(l)
	claim.filter = append(claim.filter, bundle.Clause{Kind: bundle.KindClaim, Field: "text", Text: "contains refund"})
	claim.skip = func(i int) bool { return i%3 == 0 }
	r = verifyBundle(t, claim.build(t), keys)
	if !r.OK || r.Bundle.Completeness != "claimed" || !strings.Contains(r.String(), "the sender's word: text contains refund") {
		t.Fatalf("claim: %s", r)
	}
	if r = verifyBundle(t, byAction(l).build(t), Options{}); !r.OK || !r.OwnKeys || !strings.Contains(r.String(), "does not show who signed") {
		t.Fatalf("own keys: %s", r)
	}
	empty := byAction(l)
	empty.filter[1].Values = []string{"nothing"}
	if r = verifyBundle(t, empty.build(t), keys); !r.OK || r.Bundle.Events != 0 || r.Bundle.Completeness != "proven" {
		t.Fatalf("empty: %s", r)
	}
}

func TestBundleOverSeveralParts(t *testing.T) {
	l := sampleLog(t, 67_000)
	m := &maker{log: l, first: 1000, count: 65_400, filter: []bundle.Clause{{Kind: bundle.KindClear, Field: "outcome", Values: []string{"denied", "failure"}}}, masked: true}
	path := m.build(t)
	r := verifyBundle(t, path, Options{Keys: keysOf(t, l.VKey), Workers: 2})
	if !r.OK || r.Bundle.Events != 21_800 || r.Bundle.Leaves != 65_400 {
		t.Fatalf("%s", r)
	}
	b, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close() //nolint:errcheck // it was only read
	if b.Parts(bundle.Leaves) != 2 {
		t.Errorf("%d parts of leaves", b.Parts(bundle.Leaves))
	}
	st, _ := os.Stat(path)
	t.Logf("%d events with %d leaves: %d bytes, %.0f leaves/s", r.Bundle.Events, r.Bundle.Leaves, st.Size(), r.EventsPerSecond)
	m.skip = func(i int) bool { return i == 65_801 }
	want(t, verifyBundle(t, m.build(t), Options{}), RowMissing, 65_801, "matches the filter (outcome) and was left out")
}

// TestBundleTamperMatrix has a sender with the signing key cheat in every way.
func TestBundleTamperMatrix(t *testing.T) {
	l := sampleLog(t, 6000)
	forged, _, err := tlog.KeyFromSeed(origin, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	mallory, err := tlog.NewSigner(forged)
	if err != nil {
		t.Fatal(err)
	}
	only := func(n int, f func(d *evidence.Disclosure)) func(int, *evidence.Disclosure) {
		return func(i int, d *evidence.Disclosure) {
			if i == n {
				f(d)
			}
		}
	}
	swap := func(n int, old, new string) func(int, []byte) []byte {
		return func(i int, v []byte) []byte {
			if i == n {
				if !bytes.Contains(v, []byte(old)) {
					t.Fatalf("no %s in %s", old, v)
				}
				return bytes.Replace(v, []byte(old), []byte(new), 1)
			}
			return v
		}
	}
	for _, c := range []struct {
		name  string
		base  func(*evidencetest.Log) *maker
		cheat func(m *maker)
		kind  Kind
		seq   int64
		text  string
	}{
		{"another value in the disclosure", byAction, func(m *maker) {
			m.disclose = only(400, func(d *evidence.Disclosure) { d.Groups[0].Fields[0].Value = "1.00" })
		}, ValueChanged, 400, "not the ones that the leaf commits to"},
		{"another value in the text", byAction, func(m *maker) { m.view = swap(400, "400.50", "1.00") }, ValueChanged, 400, "/changes/0/after shows another value"},
		{"another action in the text", byAction, func(m *maker) { m.view = swap(400, "invoice.update", "invoice.read") }, ValueChanged, 400, "/action differs from the evidence"},
		{"another time in the text", byAction, func(m *maker) { m.view = swap(400, `"recorded_at":"2026`, `"recorded_at":"2025`) }, ValueChanged, 400, "/recorded_at differs"},
		{"an invented value", byAction, func(m *maker) { m.view = swap(400, `"custom":{}`, `"custom":{"vip":true}`) }, ValueChanged, 400, "/custom/vip shows a value that is neither proven nor marked"},
		{"a masked value made up", byAction, func(m *maker) { m.masked = true; m.view = swap(400, "u***", "x***") }, ValueChanged, 400, "/actor/email shows a masked value"},
		{"a claim passed off as proven", byAction, func(m *maker) { m.masked = true; m.view = swap(400, `"/actor/email":"masked",`, "") }, ValueChanged, 400, "/actor/email shows a value that is neither"},
		{"a withheld value shown", byAction, func(m *maker) { m.masked = true; m.view = swap(400, `"name":null`, `"name":"Bob"`) }, ValueChanged, 400, "/actor/name shows a value that is called withheld"},
		{"another event's text", byAction, func(m *maker) { m.view = swap(400, `"seq":400`, `"seq":401`) }, ValueChanged, 400, "/seq differs"},
		{"a row left out (clear field)", byAction, func(m *maker) { m.skip = func(i int) bool { return i == 401 } }, RowMissing, 401, "matches the filter (action) and was left out"},
		{"the last row left out", byAction, func(m *maker) { m.skip = func(i int) bool { return i == 897 } }, RowMissing, 897, "left out"},
		{"a row left out (subject's tag)", bySubject, func(m *maker) { m.skip = func(i int) bool { return i == 11*300+3 } }, RowMissing, 3303, "matches the filter (subject) and was left out"},
		{"a row left out (actor's tag)", bySubject, func(m *maker) {
			m.filter[0].Field, m.filter[0].Roles = "actor", []string{"actor"}
			for i := range m.tags {
				m.tags[i].Role, m.tags[i].Key = "actor", evidence.B64(evidencetest.PersonTag("u5", m.tags[i].Period))
			}
			m.skip = func(i int) bool { return i == 7*100+5 }
		}, RowMissing, 705, "matches the filter (actor) and was left out"},
		{"a row left out (resource's tag)", bySubject, func(m *maker) {
			m.filter[0].Field, m.filter[0].Roles = "resource", []string{"resource"}
			for i := range m.tags {
				m.tags[i].Role, m.tags[i].Key = "resource", evidence.B64(evidencetest.ResourceTag("9", m.tags[i].Period))
			}
			m.skip = func(i int) bool { return i == 13*100+9 }
		}, RowMissing, 1309, "matches the filter (resource) and was left out"},
		{"a month without its tag key", bySubject, func(m *maker) { m.tags = m.tags[:1] }, RowMissing, -1, "no tag key is disclosed for 2026-02"},
		{"a row that does not match", byAction, func(m *maker) { m.extra = func(i int) bool { return i == 402 } }, RowForeign, 402, "does not match the filter"},
		{"the range cut short before the end", byAction, func(m *maker) { m.count -= 10 }, RowMissing, 891, "later records may have been left out"},
		{"the range cut short after the start", byAction, func(m *maker) { m.first, m.count = 110, 791 }, RowMissing, 110, "earlier records may have been left out"},
		{"a changed leaf", byAction, func(m *maker) {
			m.leaf = func(i int, b []byte) []byte {
				if i == 500 {
					b[30] ^= 1
				}
				return b
			}
		}, LeafChanged, 99, "is not that of the signed log"},
		{"two leaves swapped", byAction, func(m *maker) {
			m.leaf = func(i int, b []byte) []byte {
				switch i {
				case 500:
					return l.Events[501].Bytes
				case 501:
					return l.Events[500].Bytes
				}
				return b
			}
		}, LeafChanged, 99, "is not that of the signed log"},
		{"a forged event with its proof", byAction, func(m *maker) {
			m.inclusion = true
			m.leaf = func(i int, b []byte) []byte {
				if i == 400 {
					b[30] ^= 1
				}
				return b
			}
		}, RowForeign, 400, "not in the log at this place"},
		{"another checkpoint", byAction, func(m *maker) { m.cp, _ = tlog.Sign(origin, 6000, tlog.Hash{9}, m.log.Signer) }, LeafChanged, 99, "is not that of the signed log"},
		{"a checkpoint by somebody else", byAction, func(m *maker) { m.cp, _ = tlog.Sign(origin, 6000, m.log.Tree.Root(), mallory) }, CheckpointInvalid, -1, "not one that the log's key signed"},
		{"a manifest by somebody else", byAction, func(m *maker) { m.signer = mallory }, BundleInvalid, -1, "not signed by the log's key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := c.base(l)
			c.cheat(m)
			want(t, verifyBundle(t, m.build(t), Options{Keys: keysOf(t, l.VKey)}), c.kind, c.seq, c.text)
		})
	}
}

func TestASilentMonthIsNamedAsAClaim(t *testing.T) {
	l := sampleLog(t, 6000)
	m := bySubject(l)
	m.tags[1].Key[0] ^= 1 // a wrong key finds nothing: the verifier cannot know, and says so
	r := verifyBundle(t, m.build(t), Options{Keys: keysOf(t, l.VKey)})
	if !r.OK || !strings.Contains(r.String(), "the tag key disclosed for 2026-02 is the right one") {
		t.Errorf("%s", r)
	}
}

func TestBundleAgainstPinnedCheckpoint(t *testing.T) {
	l := sampleLog(t, 1000)
	path := (&maker{log: l, count: 1000}).build(t)
	fork, _ := tlog.Sign(origin, 1000, tlog.Hash{7}, l.Signer)
	want(t, verifyBundle(t, path, Options{State: stateFile(t, fork)}), Fork, -1, "has forked")
	if r := verifyBundle(t, path, Options{State: stateFile(t, l.Checkpoint())}); !r.OK || len(r.Notes) != 0 {
		t.Errorf("%s", r)
	}
	older := sampleLog(t, 10)
	if r := verifyBundle(t, path, Options{State: stateFile(t, older.Checkpoint())}); !r.OK || len(r.Notes) != 1 {
		t.Errorf("%s", r)
	}
}

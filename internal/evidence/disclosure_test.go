package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// event is an event with three groups, as the ledger would hold it.
type event struct {
	leaf   Leaf
	groups [][]Field
	keys   []Hash
	roots  []Hash
}

func fill(b byte) (h Hash) {
	for i := range h {
		h[i] = b
	}
	return h
}

func newEvent(groups ...[]Field) *event {
	e := &event{groups: groups, leaf: Leaf{
		Nonce: [16]byte(bytes.Repeat([]byte{7}, 16)), RecordedAt: 1_760_000_000_000_000, OccurredAt: -5,
		Source: "booking.api", Action: "invoice.update", Category: "data", Activity: "update", Outcome: "success", ResourceType: "invoice",
	}}
	var d Deriver
	for slot, fields := range groups {
		g := DeriveGroup(fill(1), fill(byte(10+slot)))
		key := d.EventKey(g.G, e.leaf.Nonce, uint8(slot))
		var c []Hash
		for _, f := range fields {
			c = append(c, Commit(d.Salt(key, f.Path), f.Path, []byte(f.Value)))
		}
		e.keys = append(e.keys, key)
		e.roots = append(e.roots, GroupRoot(uint8(slot), c))
	}
	e.leaf.FieldsRoot = FieldsRoot(e.roots)
	return e
}

func sampleEvent() *event {
	return newEvent(
		[]Field{{Path: "/correlation_id", Value: `"c-1"`}, {Path: "/severity", Value: `"info"`}},
		[]Field{{Path: "/actor/email", Value: `"ana@example.com"`}, {Path: "/actor/id", Value: `"u1"`}, {Path: "/actor/name", Value: `"A\u006ea \u2028 \"q\""`}},
		[]Field{{Path: "/changes/0/after", Value: `10.50`}, {Path: "/changes/0/before", Value: `null`}},
	)
}

// disclosure shows the first group whole, of the second the id, and nothing of the third.
func (e *event) disclosure() *Disclosure {
	var d Deriver
	return &Disclosure{Groups: []Group{
		WholeGroup(0, e.keys[0], e.groups[0]),
		PartGroup(&d, 1, e.keys[1], e.groups[1], func(p string) bool { return p == "/actor/id" }),
		ClosedGroup(2, StateErased, 2, e.roots[2]),
	}, Claims: []Claim{{Path: "/actor/email", Value: `"a***@example.com"`}}}
}

func TestDisclosureProvesWhatItShows(t *testing.T) {
	e := sampleEvent()
	r, err := e.disclosure().Check(&e.leaf)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Fields {
		got = append(got, f.Path+"="+f.Value)
	}
	want := []string{`/correlation_id="c-1"`, `/severity="info"`, `/actor/id="u1"`}
	if !slices.Equal(got, want) || r.Hidden != 2 || r.Erased != 1 || r.Withheld != 0 {
		t.Errorf("got %v, %s", got, r)
	}
	if v, ok := r.Claim("/actor/email"); !ok || v != `"a***@example.com"` {
		t.Errorf("claim %q", v)
	}
	if _, ok := r.Field("/actor/email"); ok {
		t.Error("a claim counts as proven")
	}
	if strings.Contains(mustJSON(t, e.disclosure()), "ana@") || strings.Contains(mustJSON(t, e.disclosure()), "10.50") {
		t.Error("the disclosure holds a value that it does not show")
	}
}

func mustJSON(t testing.TB, d *Disclosure) string {
	t.Helper()
	b, err := d.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDisclosureSurvivesAnyJSONLibrary(t *testing.T) {
	e := sampleEvent()
	whole := &Disclosure{Groups: []Group{WholeGroup(0, e.keys[0], e.groups[0]), WholeGroup(1, e.keys[1], e.groups[1]), WholeGroup(2, e.keys[2], e.groups[2])}}
	for _, d := range []*Disclosure{e.disclosure(), whole} {
		text := mustJSON(t, d)
		var any map[string]any // what a foreign library would read and write again
		if err := json.Unmarshal([]byte(text), &any); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(any)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{[]byte(text), again} {
			var got Disclosure
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatal(err)
			}
			if mustJSON(t, &got) != text {
				t.Fatalf("changed on the way: %s", b)
			}
			if _, err := got.Check(&e.leaf); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTamperedDisclosuresAreRefused(t *testing.T) {
	for name, change := range map[string]func(d *Disclosure){
		"value of a whole group":   func(d *Disclosure) { d.Groups[0].Fields[0].Value = `"c-2"` },
		"value of an open field":   func(d *Disclosure) { d.Groups[1].Fields[1].Value = `"u2"` },
		"same number, other bytes": func(d *Disclosure) { d.Groups[0].Fields[1].Value = ` "info"` },
		"path":                     func(d *Disclosure) { d.Groups[1].Fields[1].Path = "/actor/ie" },
		"salt":                     func(d *Disclosure) { d.Groups[1].Fields[1].Salt[0] ^= 1 },
		"hidden hash":              func(d *Disclosure) { d.Groups[1].Fields[0].Hash[0] ^= 1 },
		"key":                      func(d *Disclosure) { d.Groups[0].Key[31] ^= 1 },
		"closed root":              func(d *Disclosure) { d.Groups[2].Root[5] ^= 1 },
		"field left out":           func(d *Disclosure) { d.Groups[0].Fields = d.Groups[0].Fields[:1] },
		"hidden field left out":    func(d *Disclosure) { d.Groups[1].Fields = d.Groups[1].Fields[1:] },
		"group left out":           func(d *Disclosure) { d.Groups = d.Groups[:2] },
		"group twice":              func(d *Disclosure) { d.Groups = append(d.Groups, d.Groups[2]) },
		"groups swapped":           func(d *Disclosure) { d.Groups[0], d.Groups[2] = d.Groups[2], d.Groups[0] },
		"slots swapped":            func(d *Disclosure) { d.Groups[0].Slot, d.Groups[1].Slot = 1, 2; d.Groups[2].Slot = 3 },
		"fields swapped":           func(d *Disclosure) { f := d.Groups[0].Fields; f[0], f[1] = f[1], f[0] },
		"unknown state":            func(d *Disclosure) { d.Groups[2].State = "shown" },
		"root and fields":          func(d *Disclosure) { d.Groups[2].Fields = d.Groups[0].Fields },
		"key and salt":             func(d *Disclosure) { d.Groups[0].Fields[0].Salt = d.Groups[0].Key },
		"claim on a proven field":  func(d *Disclosure) { d.Claims[0].Path = "/actor/id" },
		"empty group":              func(d *Disclosure) { d.Groups[0].Fields = nil },
	} {
		e := sampleEvent()
		d := e.disclosure()
		d.Groups[0].Fields = slices.Clone(d.Groups[0].Fields)
		change(d)
		if r, err := d.Check(&e.leaf); err == nil {
			t.Errorf("%s: accepted, %s", name, r)
		}
	}
}

func TestAPathInTwoGroupsIsRefused(t *testing.T) {
	e := newEvent([]Field{{Path: "/a", Value: "1"}}, []Field{{Path: "/a", Value: "2"}})
	d := &Disclosure{Groups: []Group{WholeGroup(0, e.keys[0], e.groups[0]), WholeGroup(1, e.keys[1], e.groups[1])}}
	if _, err := d.Check(&e.leaf); err == nil {
		t.Error("accepted two values for one path")
	}
}

func TestEventWithoutFields(t *testing.T) {
	e := newEvent()
	if _, err := (&Disclosure{}).Check(&e.leaf); err != nil {
		t.Error(err)
	}
	var d Disclosure
	if err := json.Unmarshal([]byte(mustJSON(t, &Disclosure{})), &d); err != nil {
		t.Error(err)
	}
}

func TestDisclosureJSONIsStrict(t *testing.T) {
	for _, bad := range []string{
		`{"groups":[],"extra":1}`, `{"groups":[],"groups":[]}`, `{"groups":[{"slot":256}]}`, `{"groups":[{"slot":0,"root":"AAAA"}]}`,
		`{"groups":[{"slot":0,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB="}]}`, `{"groups":[{"slot":0,"fields":[{"path":"/a","path":"/b"}]}]}`, `[]`,
		`{"groups":[{"slot":0,"fields":[{"path":"/a","value":1}]}]}`, "{\"groups\":[{\"slot\":0,\"fields\":[{\"path\":\"\xff\"}]}]}",
	} {
		var d Disclosure
		if err := d.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
	if _, err := (&Disclosure{Groups: []Group{WholeGroup(0, Hash{}, []Field{{Path: "/a", Value: "\"\xff\""}})}}).AppendJSON(nil); err == nil {
		t.Error("wrote a value that is not UTF-8")
	}
}

func TestDisclosureProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var groups [][]Field
		n := 0
		for range rapid.IntRange(0, 5).Draw(t, "groups") {
			var g []Field
			for range rapid.IntRange(1, 6).Draw(t, "fields") {
				n++
				v, _ := json.Marshal(rapid.String().Draw(t, "value"))
				g = append(g, Field{Path: fmt.Sprintf("/p/%03d%s", n, rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "path")), Value: string(v)})
			}
			groups = append(groups, g)
		}
		e := newEvent(groups...)
		var d Disclosure
		var dr Deriver
		shown := 0
		for i := range groups {
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				d.Groups = append(d.Groups, ClosedGroup(uint8(i), StateWithheld, 0, e.roots[i]))
			case 1:
				d.Groups = append(d.Groups, WholeGroup(uint8(i), e.keys[i], groups[i]))
				shown += len(groups[i])
			default:
				d.Groups = append(d.Groups, PartGroup(&dr, uint8(i), e.keys[i], groups[i], func(string) bool {
					show := rapid.Bool().Draw(t, "show")
					if show {
						shown++
					}
					return show
				}))
			}
		}
		b, err := d.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		var got Disclosure
		if err := got.UnmarshalJSON(b); err != nil {
			t.Fatal(err)
		}
		r, err := got.Check(&e.leaf)
		if err != nil || len(r.Fields) != shown {
			t.Fatalf("%v, %d of %d fields", err, len(r.Fields), shown)
		}
		e.leaf.FieldsRoot[0] ^= 1
		if _, err := got.Check(&e.leaf); err == nil {
			t.Fatal("accepted against another leaf")
		}
	})
}

func TestScanAcceptsWhatDecodeLeafAccepts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clear := rapid.StringMatching(`[a-z0-9_.:/-]{1,40}`)
		l := Leaf{
			Nonce: [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "nonce")), RecordedAt: rapid.Int64Range(1<<32, 1<<62).Draw(t, "rec"),
			OccurredAt: rapid.Int64().Draw(t, "occ"), Source: clear.Draw(t, "source"), Action: clear.Draw(t, "action"), Category: "data", Activity: "read",
			Outcome: "denied", Class: rapid.Uint64Range(0, 3).Draw(t, "class"),
		}
		if rapid.Bool().Draw(t, "typed") {
			l.ResourceType = clear.Draw(t, "type")
		}
		if rapid.Bool().Draw(t, "producer") {
			l.Producer = &Producer{ID: clear.Draw(t, "id"), Boot: rapid.SampledFrom([]string{"", "b1"}).Draw(t, "boot"), Seq: rapid.Uint64().Draw(t, "pseq")}
		}
		b := l.Append(nil)
		same(t, b)
		var v View
		if err := v.Scan(b); err != nil || v.RecordedAt != l.RecordedAt || v.OccurredAt != l.OccurredAt || string(v.Action) != l.Action ||
			string(v.ResourceType) != l.ResourceType || v.Class != l.Class || [16]byte(v.Nonce) != l.Nonce || [16]byte(v.Tags[2]) != l.Tags[2] {
			t.Fatalf("scan differs: %v", err)
		}
		c := bytes.Clone(b)
		c[rapid.IntRange(0, len(c)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		same(t, c)
		same(t, b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")])
		same(t, append(b, 0))
	})
}

// same fails unless Scan and DecodeLeaf agree on whether b is a leaf.
func same(t interface{ Fatalf(string, ...any) }, b []byte) {
	_, slow := DecodeLeaf(b)
	var v View
	if fast := v.Scan(b); (fast == nil) != (slow == nil) {
		t.Fatalf("Scan says %v, DecodeLeaf says %v for %x", fast, slow, b)
	}
}

func FuzzScan(f *testing.F) {
	e := sampleEvent()
	f.Add(e.leaf.Append(nil))
	e.leaf.Producer = &Producer{ID: "p", Seq: 1 << 40}
	e.leaf.Class = 2
	f.Add(e.leaf.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) { same(t, b) })
}

func FuzzDisclosure(f *testing.F) {
	e := sampleEvent()
	f.Add([]byte(mustJSON(f, e.disclosure())))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Disclosure
		if d.UnmarshalJSON(b) != nil {
			return
		}
		r, err := d.Check(&e.leaf)
		if err != nil {
			return
		}
		for _, p := range r.Fields {
			if !slices.ContainsFunc(slices.Concat(e.groups...), func(g Field) bool { return g.Path == p.Path && g.Value == p.Value }) {
				t.Fatalf("proved %s=%s, which was never committed to", p.Path, p.Value)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	e := sampleEvent()
	leaf := e.leaf.Append(nil)
	var v View
	b.SetBytes(int64(len(leaf)))
	for b.Loop() {
		if err := v.Scan(leaf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	e := sampleEvent()
	d := e.disclosure()
	var c Checker
	var r Result
	for b.Loop() {
		if err := c.Check(d, e.leaf.FieldsRoot, &r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(r.Fields)+r.Hidden), "fields")
}

func BenchmarkDisclosureJSON(b *testing.B) {
	e := sampleEvent()
	text := []byte(mustJSON(b, e.disclosure()))
	b.Run("append", func(b *testing.B) {
		d, buf := e.disclosure(), []byte(nil)
		for b.Loop() {
			buf, _ = d.AppendJSON(buf[:0])
		}
	})
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			var d Disclosure
			if err := d.UnmarshalJSON(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

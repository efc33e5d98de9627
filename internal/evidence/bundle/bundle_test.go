package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"probity.dev/internal/evidence"
	"probity.dev/internal/evidence/evidencetest"
	"probity.dev/internal/tlog"
)

const origin = "probity.example/00112233aabbccdd/1"

func makeBundle(t testing.TB, n int, filter []Clause, tags []TagKey) ([]byte, *evidencetest.Log) {
	t.Helper()
	l, err := evidencetest.NewLog(origin, n)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tlog.ProveRange(context.Background(), l.Reader(), 0, uint64(n), uint64(n))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := NewWriter(&out, Meta{
		CreatedAt: time.Unix(1_780_000_000, 0), Origin: origin, LogID: "00112233aabbccdd", Epoch: 1, Checkpoint: l.Checkpoint(), TreeSize: uint64(n),
		Range: p, Filter: filter, Tags: tags, Masking: "none", Keys: l.VKey,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range l.Events {
		if err := w.AddEvent(uint64(i), e.Whole(), e.View(false)); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range l.Events {
		if err := w.AddLeaf(e.Bytes); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(l.Signer); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), l
}

func TestWriteAndRead(t *testing.T) {
	b, l := makeBundle(t, 300, nil, nil)
	r, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := r.Keys()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.CheckSignature(keys); err != nil {
		t.Fatal(err)
	}
	if err := r.CheckFiles(); err != nil {
		t.Fatal(err)
	}
	leaves, err := r.LeafPart(0)
	if err != nil || len(leaves) != 300 || !bytes.Equal(leaves[7], l.Events[7].Bytes) {
		t.Fatalf("%d leaves, %v", len(leaves), err)
	}
	p, err := r.EventPart(0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ {
		e, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Seq != uint64(n) || !bytes.Equal(e.View, l.Events[n].View(false)) {
			t.Fatalf("event %d differs", n)
		}
		var d evidence.Disclosure
		if err := e.Disclosure(&d); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Check(&l.Events[n].Leaf); err != nil {
			t.Fatal(err)
		}
	}
	if n != 300 || r.Manifest.Events != 300 || r.Manifest.Completeness.Kind != Proven {
		t.Errorf("%d events, manifest %+v", n, r.Manifest)
	}
	if again, _ := makeBundle(t, 300, nil, nil); !bytes.Equal(again, b) {
		t.Error("the same bundle made twice differs")
	}
}

func TestManifestIsParsedStrictly(t *testing.T) {
	sum := sha256.Sum256(nil)
	file := func(name string, size int) string {
		return fmt.Sprintf(`{"name":%q,"size":%d,"sha256":%q}`, name, size, hex.EncodeToString(sum[:]))
	}
	base := `{"format":"probity/bundle/v1","created_at":"2026-01-01T00:00:00Z","origin":"o","log_id":"l","epoch":1,"base":0,"tree_size":10,"proof":"range",` +
		`"range":{"first":0,"count":10},"filter":[],"completeness":{"kind":"proven","scope":"","claimed":[]},"events":0,"masking":"","files":[` + file("checkpoint", 5) + `]}`
	if _, err := parseManifest([]byte(base)); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{`bundle/v1`, `bundle/v2`},
		{`"epoch":1`, `"epoch":1,"epoch":2`},
		{`"epoch":1`, `"epoch":1,"extra":2`},
		{`"proof":"range"`, `"proof":"magic"`},
		{`"proof":"range"`, `"proof":"inclusion"`},
		{`"range":{"first":0,"count":10},`, ``},
		{`"count":10`, `"count":11`},
		{`"count":10`, `"count":18446744073709551615`},
		{`"base":0`, `"base":5`},
		{`"base":0`, `"base":18446744073709551615`},
		{`"kind":"proven"`, `"kind":"certain"`},
		{`"filter":[]`, `"filter":[{"kind":"claim","field":"text"}]`},
		{`"filter":[]`, `"filter":[{"kind":"clear","field":"ip","values":["x"]}]`},
		{`"checkpoint"`, `"../checkpoint"`},
		{`"checkpoint"`, `"leaves/000001.bin"`},
		{`"checkpoint"`, `"events/000000.ndjson"`},
		{`"size":5`, `"size":-5`},
		{`"size":5`, `"size":99999999`},
		{`"tree_size":10`, `"tree_size":9223372036854775807`},
	} {
		text := strings.Replace(base, c[0], c[1], 1)
		if text == base {
			t.Fatalf("no %s", c[0])
		}
		if _, err := parseManifest([]byte(text)); err == nil {
			t.Errorf("accepted %s instead of %s", c[1], c[0])
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		p, s string
		want bool
	}{
		{"invoice.*", "invoice.update", true},
		{"invoice.*", "invoice", false},
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"*.read", "patient.read", true},
		{"a*b*c", "axxbyyc", true},
		{"a*b*c", "axxbyy", false},
		{"**", "x", true},
		{"user.login", "user.login", true},
		{"user.login", "user.logins", false},
		{"*a*a*a*a*a*b", strings.Repeat("a", 128), false},
	} {
		if got := glob(c.p, []byte(c.s)); got != c.want {
			t.Errorf("glob(%q, %q) = %v", c.p, c.s, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[ab.]{0,12}`).Draw(t, "s")
		at := rapid.IntRange(0, len(s)).Draw(t, "at")
		end := rapid.IntRange(at, len(s)).Draw(t, "end")
		if p := s[:at] + "*" + s[end:]; !glob(p, []byte(s)) {
			t.Fatalf("%q does not match %q", p, s)
		}
	})
}

func TestMatcher(t *testing.T) {
	e := evidencetest.Make(40)
	period := evidence.Period(e.Leaf.RecordedAt)
	key := func(role, name string, p int) TagKey {
		return TagKey{Role: role, Period: p, Key: evidence.B64(evidencetest.PersonTag(name, p))}
	}
	tag := []Clause{{Kind: KindTag, Field: "person", Roles: []string{"actor", "subject"}}}
	var v evidence.View
	if err := v.Scan(e.Bytes); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		filter []Clause
		keys   []TagKey
		want   bool
	}{
		"nothing asked":        {nil, nil, true},
		"actor":                {tag, []TagKey{key("actor", "u5", period), key("subject", "u5", period)}, true},
		"subject":              {tag, []TagKey{key("actor", "p7", period), key("subject", "p7", period)}, true},
		"one of several":       {tag, []TagKey{key("actor", "u1", period), key("actor", "u5", period)}, true},
		"somebody else":        {tag, []TagKey{key("actor", "u6", period)}, false},
		"key of another month": {tag, []TagKey{key("actor", "u5", period+1)}, false},
		"key for another role": {tag, []TagKey{key("resource", "u5", period)}, false},
		"claims never decide":  {[]Clause{{Kind: KindClaim, Field: "text"}}, nil, true},
		"clear":                {[]Clause{{Kind: KindClear, Field: "action", Values: []string{"x", "invoice.*"}}}, nil, true},
		"other clear":          {[]Clause{{Kind: KindClear, Field: "outcome", Values: []string{"denied"}}}, nil, false},
		"resource type":        {[]Clause{{Kind: KindClear, Field: "resource_type", Values: []string{"invoice"}}}, nil, true},
		"to is exclusive":      {[]Clause{{Kind: KindTime, Field: "recorded_at", To: &v.RecordedAt}}, nil, false},
		"from is inclusive":    {[]Clause{{Kind: KindTime, Field: "recorded_at", From: &v.RecordedAt}}, nil, true},
		"occurred":             {[]Clause{{Kind: KindTime, Field: "occurred_at", From: &v.RecordedAt}}, nil, false},
	} {
		m, err := NewMatcher(c.filter, c.keys)
		if err != nil {
			t.Fatal(err)
		}
		if got, why := m.Match(&v); got != c.want {
			t.Errorf("%s: %v %s", name, got, why)
		}
	}
	if _, err := NewMatcher(nil, []TagKey{key("actor", "u5", 1)}); err == nil {
		t.Error("a key for no clause was accepted")
	}
}

func TestCheckViewRefusesWhatIsNotJSON(t *testing.T) {
	e := evidencetest.Make(4)
	r, err := e.Whole().Check(&e.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	var v evidence.View
	if err := v.Scan(e.Bytes); err != nil {
		t.Fatal(err)
	}
	good := string(e.View(false))
	if err := CheckView([]byte(good), 4, e.Hash, &v, r); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "[]", "null", good + "x", good[:len(good)-1], `{}`, `{"seq":4,"seq":4}`, strings.Replace(good, `"fields_state":{}`, `"fields_state":{"/x":"fine"}`, 1),
		strings.Replace(good, `"fields_state":{}`, `"fields_state":[]`, 1), strings.Replace(good, `"leaf_hash":"`, `"leaf_hash":"0`, 1),
		strings.Replace(good, `"context":{}`, `"context":{"a~/b":[{"c":1}]}`, 1), strings.Replace(good, `"op":"replace"`, `"op":"remove"`, 1),
	} {
		if err := CheckView([]byte(bad), 4, e.Hash, &v, r); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
}

func FuzzReader(f *testing.F) {
	b, _ := makeBundle(f, 3, nil, nil)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		r.Checkpoint() //nolint:errcheck // only crashes matter
		r.RangeProof() //nolint:errcheck
		r.Tags()       //nolint:errcheck
		r.Keys()       //nolint:errcheck
		r.CheckFiles() //nolint:errcheck
		r.LeafPart(0)  //nolint:errcheck
		if p, err := r.EventPart(0); err == nil {
			for {
				if _, err := p.Next(); err != nil {
					break
				}
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	b, _ := makeBundle(f, 3, []Clause{{Kind: KindClear, Field: "source", Values: []string{"*"}}}, nil)
	r, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.ManifestBytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseManifest(b); err == nil && m.Range != nil && m.Range.First-m.Base+m.Range.Count > m.TreeSize {
			t.Fatal("a range beyond the tree was accepted")
		}
	})
}

func FuzzCheckView(f *testing.F) {
	e := evidencetest.Make(4)
	r, err := e.Masked().Check(&e.Leaf)
	if err != nil {
		f.Fatal(err)
	}
	var v evidence.View
	if err := v.Scan(e.Bytes); err != nil {
		f.Fatal(err)
	}
	f.Add(e.View(true))
	f.Fuzz(func(t *testing.T, b []byte) {
		if CheckView(b, 4, e.Hash, &v, r) == nil && bytes.Contains(b, []byte(`"4.51"`)) && !bytes.Contains(b, []byte("sentence")) {
			t.Fatalf("a made-up price passes: %s", b)
		}
	})
}

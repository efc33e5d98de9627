package tlog

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

const testOrigin = "probity.example/0123456789abcdef/1"

func testKey(t testing.TB, name string, fill byte) (Signer, string) {
	t.Helper()
	skey, vkey, err := KeyFromSeed(name, bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

func testKeys(t testing.TB, vkeys ...string) *Keys {
	t.Helper()
	k, err := ParseKeys("# keys\n\n" + strings.Join(vkeys, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestCheckpointRoundTripAndRotation(t *testing.T) {
	oldKey, oldV := testKey(t, testOrigin, 1)
	newKey, newV := testKey(t, testOrigin, 2)
	root := MTH(leafHashes(3))
	both, err := Sign(testOrigin, 3, root, oldKey, newKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, keys := range map[string]*Keys{"old": testKeys(t, oldV), "new": testKeys(t, newV), "both": testKeys(t, oldV, newV, oldV)} {
		cp, err := Open(both, keys)
		if err != nil || cp.Size != 3 || cp.Root != root || cp.Origin != testOrigin || string(cp.Text) != string(both) {
			t.Errorf("%s: %v %v", name, cp, err)
		}
	}
	single, _ := Sign(testOrigin, 3, root, oldKey)
	if _, err := Open(single, testKeys(t, newV)); err == nil {
		t.Error("a checkpoint signed only by an unknown key was accepted")
	}
	for _, bad := range []string{
		strings.Replace(string(single), "\n3\n", "\n4\n", 1), strings.Replace(string(single), testOrigin+"\n", testOrigin+"x\n", 1),
		"", "\n", strings.TrimSuffix(string(single), "\n"), string(single) + "x",
	} {
		if _, err := Open([]byte(bad), testKeys(t, oldV)); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestTextsThatAreNoCheckpointsAreRefusedEvenWhenSigned(t *testing.T) {
	s, v := testKey(t, testOrigin, 1)
	other, otherV := testKey(t, "other.example/log", 3)
	k := testKeys(t, v, otherV)
	root := "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	for _, text := range []string{
		testOrigin + "\n03\n" + root, testOrigin + "\n+3\n" + root, testOrigin + "\n3\n" + root + "extension\n", testOrigin + "\n3\n\n",
		testOrigin + "\n3\nAAAA\n", testOrigin + "\n9223372036854775807\n" + root, testOrigin + "\n-1\n" + root, testOrigin + "/promise\n3\n" + root,
		testOrigin + "\n0\nTju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=\n",
	} {
		b, err := SignNote(text, s)
		if err != nil {
			t.Fatal(err)
		}
		if cp, err := Open(b, k); err == nil {
			t.Errorf("accepted %q as %v", text, cp)
		}
	}
	b, err := SignNote(checkpointText(testOrigin, 0, EmptyRoot), other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(b, k); err == nil {
		t.Error("a key signed for a log that is not its own")
	}
	if _, err := Sign(testOrigin, 0, EmptyRoot, other); err == nil {
		t.Error("signing for another log must fail")
	}
}

func TestKeysAreParsedStrictly(t *testing.T) {
	_, v := testKey(t, testOrigin, 1)
	if id, err := KeyID(v); err != nil || !strings.HasPrefix(id, testOrigin+"+") {
		t.Errorf("key id %q %v", id, err)
	}
	k := testKeys(t, v)
	again, err := ParseKeys(k.String())
	if err != nil || again.String() != k.String() || k.Len() != 1 || k.Names()[0] != testOrigin {
		t.Errorf("keys do not survive a round trip: %v", err)
	}
	for _, bad := range []string{"x", v + "A", strings.Replace(v, "+", "-", 1), "a b+00000000+AAAA"} {
		if _, err := ParseKeys(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
	if _, _, err := KeyFromSeed("name with space", make([]byte, 32)); err == nil {
		t.Error("a name with a space was accepted")
	}
	if _, _, err := GenerateKey("generated.example"); err != nil {
		t.Error(err)
	}
}

func TestPromise(t *testing.T) {
	s, v := testKey(t, testOrigin, 1)
	leaves := leafHashes(7)
	p := &Promise{Origin: testOrigin, First: 41, Count: 7, Root: MTH(leaves), RecordedAt: 1_760_000_000_000_000}
	b, err := p.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenPromise(b, testKeys(t, v))
	if err != nil || *got != *p {
		t.Fatalf("%v %v", got, err)
	}
	if err := got.Check(leaves); err != nil {
		t.Error(err)
	}
	leaves[1], leaves[2] = leaves[2], leaves[1]
	if got.Check(leaves) == nil || got.Check(leaves[:6]) == nil {
		t.Error("other leaves were accepted")
	}
	if _, err := Open(b, testKeys(t, v)); err == nil {
		t.Error("a promise was taken for a checkpoint")
	}
	cp, _ := Sign(testOrigin, 41, EmptyRoot, s)
	if _, err := OpenPromise(cp, testKeys(t, v)); err == nil {
		t.Error("a checkpoint was taken for a promise")
	}
	for _, text := range []string{
		strings.Replace(p.text(), "\n41\n", "\n041\n", 1), strings.Replace(p.text(), "\n7\n", "\n0\n", 1), p.text() + "x\n",
		strings.Replace(p.text(), "\n1760000000000000\n", "\n-1\n", 1),
	} {
		b, err := SignNote(text, s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenPromise(b, testKeys(t, v)); err == nil {
			t.Errorf("accepted %q", text)
		}
	}
	if _, err := (&Promise{Origin: testOrigin}).Sign(s); err == nil {
		t.Error("an empty promise was signed")
	}
}

func TestTlogProof(t *testing.T) {
	s, v := testKey(t, testOrigin, 1)
	g := grow(300, 300)
	cp, _ := Sign(testOrigin, 300, g.tree.Root(), s)
	path, err := Inclusion(context.Background(), g.reader(), 99, 300)
	if err != nil {
		t.Fatal(err)
	}
	text := (&Proof{Index: 99, Path: path, Checkpoint: cp, Extra: []byte("seq 99")}).Marshal()
	p, err := ParseProof(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Verify(g.leaves[99], testKeys(t, v))
	if err != nil || got.Size != 300 || string(p.Extra) != "seq 99" {
		t.Fatalf("%v %v", got, err)
	}
	if _, err := p.Verify(g.leaves[98], testKeys(t, v)); err == nil {
		t.Error("another leaf was accepted")
	}
	for i := range text {
		c := bytes.Clone(text)
		c[i] ^= 1
		p, err := ParseProof(c)
		if err != nil {
			continue
		}
		if _, err := p.Verify(g.leaves[99], testKeys(t, v)); err == nil && string(p.Extra) == "seq 99" {
			t.Fatalf("a flipped bit in byte %d (%q) went unnoticed", i, text[i])
		}
	}
	for _, bad := range []string{"", "c2sp.org/tlog-proof@v1\nindex 01\n\n", strings.Replace(string(text), "\n", "\r\n", 1), strings.Replace(string(text), "\n\n", "\n", 1)} {
		if _, err := ParseProof([]byte(bad)); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestTilePaths(t *testing.T) {
	for path, want := range map[string]Tile{
		"tile/0/000":                     {Width: 256},
		"tile/0/x001/067":                {Index: 1067, Width: 256},
		"tile/7/x001/x234/067.p/255":     {Level: 7, Index: 1234067, Width: 255},
		"tile/entries/x001/x000/000":     {Entries: true, Index: 1000000, Width: 256},
		"tile/entries/999.p/1":           {Entries: true, Index: 999, Width: 1},
		"tile/63/x999/x999/x999/999":     {Level: 63, Index: 999999999999, Width: 256},
		"tile/0/x072/x057/x594/x037/927": {Index: 72057594037927, Width: 256},
	} {
		got, err := ParseTilePath(path)
		if err != nil || got != want || got.Path() != path {
			t.Errorf("%s: %+v %v", path, got, err)
		}
	}
	for _, bad := range []string{
		"", "tile", "tile/", "tile/0", "tile/0/", "tile/0/1", "tile/0/0000", "tile/0/x000/001", "tile/0/001/002", "tile/0/x001", "tile/00/001", "tile/64/001",
		"tile/-1/001", "tile/0/001.p/0", "tile/0/001.p/256", "tile/0/001.p/01", "tile/0/001.p/", "tile/0/001.p/1/", "tile/0/001/", "/tile/0/001", "tile/0/+01",
		"tile/Entries/001", "tile/0/x1/001", "tile/0/0x1", "tile/0/xx01/001", "tile/0/x999/x999/x999/x999/x999/x999/999", "tile/0/001.p/1.p/1", "tile/0/..",
	} {
		if got, err := ParseTilePath(bad); err == nil {
			t.Errorf("accepted %q as %+v", bad, got)
		}
	}
}

func TestEntryBundles(t *testing.T) {
	var b []byte
	var err error
	in := [][]byte{[]byte("a"), {}, bytes.Repeat([]byte("x"), 0xffff)}
	for _, l := range in {
		if b, err = AppendEntry(b, l); err != nil {
			t.Fatal(err)
		}
	}
	out, err := ParseEntries(b, 3)
	if err != nil || len(out) != 3 || string(out[2]) != string(in[2]) || len(out[1]) != 0 {
		t.Fatal(err)
	}
	for _, width := range []int{0, 2, 4, 257} {
		if _, err := ParseEntries(b, width); err == nil {
			t.Errorf("width %d was accepted", width)
		}
	}
	if _, err := AppendEntry(nil, make([]byte, 0x10000)); err == nil {
		t.Error("an oversized leaf was accepted")
	}
}

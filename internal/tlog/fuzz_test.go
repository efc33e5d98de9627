package tlog

import (
	"bytes"
	"testing"
)

func FuzzParseTilePath(f *testing.F) {
	for _, s := range []string{"tile/0/000", "tile/entries/x001/067.p/12", "tile/63/x999/999", "tile/0/x001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if tile, err := ParseTilePath(s); err == nil && tile.Path() != s {
			t.Fatalf("%q is also spelled %q", s, tile.Path())
		}
	})
}

func FuzzParseEntries(f *testing.F) {
	f.Add([]byte{0, 1, 'a', 0, 0}, 2)
	f.Fuzz(func(t *testing.T, b []byte, width int) {
		leaves, err := ParseEntries(b, width)
		if err != nil {
			return
		}
		var again []byte
		for _, l := range leaves {
			if again, err = AppendEntry(again, l); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(again, b) {
			t.Fatal("a bundle has two spellings")
		}
	})
}

func FuzzParseProof(f *testing.F) {
	s, v := testKey(f, testOrigin, 1)
	cp, _ := Sign(testOrigin, 1, LeafHash(nil), s)
	f.Add((&Proof{Checkpoint: cp}).Marshal())
	f.Add((&Proof{Index: 7, Path: make([]Hash, 3), Checkpoint: cp, Extra: []byte("x")}).Marshal())
	k := testKeys(f, v)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseProof(b)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Marshal(), b) {
			t.Fatal("a proof has two spellings")
		}
		if c, err := p.Verify(LeafHash([]byte("never logged")), k); err == nil {
			t.Fatalf("proved a leaf that is not in %v", c)
		}
	})
}

// FuzzSignedTexts parses what would stand under a valid signature.
func FuzzSignedTexts(f *testing.F) {
	f.Add(checkpointText(testOrigin, 5, EmptyRoot))
	f.Add((&Promise{Origin: testOrigin, First: 1, Count: 2, RecordedAt: 3}).text())
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := parseCheckpoint(nil, testOrigin, text); err == nil && checkpointText(c.Origin, c.Size, c.Root) != text {
			t.Fatal("a checkpoint has two spellings")
		}
		if p, err := parsePromise(testOrigin, text); err == nil && p.text() != text {
			t.Fatal("a promise has two spellings")
		}
	})
}

func FuzzOpen(f *testing.F) {
	s, v := testKey(f, testOrigin, 1)
	cp, _ := Sign(testOrigin, 1, EmptyRoot, s)
	f.Add(cp)
	k := testKeys(f, v)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Open(b, k)
		if err == nil && (c.Size != 1 || c.Root != EmptyRoot) {
			t.Fatal("forged")
		}
	})
}

func FuzzUnmarshalHead(f *testing.F) {
	h := grow(300, 300).tree.Head()
	f.Add(MarshalHead(&h))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := UnmarshalHead(b); err == nil {
			h.Root()
			if !bytes.Equal(MarshalHead(h), b) {
				t.Fatal("a head has two encodings")
			}
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	_, v := testKey(f, testOrigin, 1)
	f.Add(v + "\n# comment\n")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKeys(s)
		if err != nil {
			return
		}
		again, err := ParseKeys(k.String())
		if err != nil || again.String() != k.String() {
			t.Fatalf("keys do not survive a round trip: %v", err)
		}
	})
}

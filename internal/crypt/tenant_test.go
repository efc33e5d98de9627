package crypt

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// TestSealedTextsAreTinks opens with Tink what a tenant seals, and the other way round, before and after the keyset gets a new primary key.
func TestSealedTextsAreTinks(t *testing.T) {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	var old []byte
	for round := range 2 {
		own, err := newTenant("t", h)
		if err != nil {
			t.Fatal(err)
		}
		tink, err := aead.New(h)
		if err != nil {
			t.Fatal(err)
		}
		sealed, _ := own.Seal("x|1", []byte("text"))
		if b, err := tink.Decrypt(sealed, []byte("t|x|1")); err != nil || string(b) != "text" {
			t.Errorf("round %d: Tink reads %q (%v)", round, b, err)
		}
		s := own.Sealer()
		sealed = s.Seal([]byte("before"), []byte("x|1"), []byte("text"))[len("before"):]
		if b, err := tink.Decrypt(sealed, []byte("t|x|1")); err != nil || string(b) != "text" || len(sealed) != len("text")+Overhead {
			t.Errorf("round %d: Tink reads %q of %d bytes (%v)", round, b, len(sealed), err)
		}
		theirs, err := tink.Encrypt([]byte("text"), []byte("t|x|1"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range [][]byte{theirs, old} {
			if c == nil {
				continue
			}
			if b, err := own.Open("x|1", c); err != nil || string(b) != "text" {
				t.Errorf("round %d: %q (%v)", round, b, err)
			}
		}
		old = theirs
		m := keyset.NewManagerFromHandle(h)
		id, err := m.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SetPrimary(id); err != nil {
			t.Fatal(err)
		}
		if h, err = m.Handle(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSealedTextOpensOnlyWhereItBelongs(t *testing.T) {
	ctx := context.Background()
	kms, err := CreateFileKMS(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	a, wrapped, err := NewTenant(ctx, kms, "a")
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenTenant(ctx, kms, "a", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := NewTenant(ctx, kms, "b")
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := a.Seal("l", []byte("text"))
	if text, err := again.Open("l", sealed); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := OpenTenant(ctx, kms, "b", wrapped); err == nil {
		t.Error("a keyset opens for another tenant")
	}
	if _, err := a.Open("m", sealed); err == nil {
		t.Error("opens under another label")
	}
	if _, err := b.Open("l", sealed); err == nil {
		t.Error("opens for another tenant")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := a.Open("l", bad); err == nil {
			t.Errorf("opens with byte %d changed", i)
		}
		if _, err := a.Open("l", sealed[:i]); err == nil {
			t.Errorf("opens cut at %d", i)
		}
	}
}

func TestRandomIsNotGivenTwice(t *testing.T) {
	var r Random
	seen := map[[12]byte]bool{}
	for range 1000 {
		var b [12]byte
		r.Read(b[:])
		if seen[b] || b == [12]byte{} {
			t.Fatalf("%x again", b)
		}
		seen[b] = true
	}
	long := make([]byte, 2000)
	r.Read(long)
	if bytes.Count(long, []byte{0}) > 100 {
		t.Error("not random")
	}
}

// TestRotatedKeysetOpensEverything checks that a rotated keyset opens what older ones sealed, seals under its new key, and reaches those who still hold an older one.
func TestRotatedKeysetOpensEverything(t *testing.T) {
	kms, err := CreateFileKMS(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	first, wrapped, err := NewTenant(t.Context(), kms, "t")
	if err != nil {
		t.Fatal(err)
	}
	old, _ := first.Seal("l", []byte("old"))
	other, err := OpenTenant(t.Context(), kms, "t", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	next, rewrapped, err := RotateTenant(t.Context(), kms, "t", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := next.Seal("l", []byte("new"))
	other.OnMissing(func() (*Tenant, error) { asked++; return OpenTenant(t.Context(), kms, "t", rewrapped) })
	for _, holder := range []*Tenant{next, other} {
		for text, c := range map[string][]byte{"old": old, "new": sealed} {
			if b, err := holder.Open("l", c); err != nil || string(b) != text {
				t.Errorf("%q, %v", b, err)
			}
		}
		if primary, keys := holder.Describe(); keys != 2 || primary != fmt.Sprintf("%x", sealed[1:5]) {
			t.Errorf("%s of %d", primary, keys)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	for range 3 { // a text of nobody's does not have the keyset read again and again
		if _, err := other.Open("l", append([]byte{1, 9, 9, 9, 9}, make([]byte, 40)...)); err == nil {
			t.Error("opens a text of nobody's")
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times for a key that is nowhere", asked)
	}
	if _, err := first.Open("l", sealed); err == nil {
		t.Error("an older keyset opens what it has no key for")
	}
	first.Adopt(next)
	if b, err := first.Open("l", sealed); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := RewrapTenant(t.Context(), kms, kms, "other", rewrapped); err == nil {
		t.Error("a keyset is wrapped anew for another tenant")
	}
}

package crypt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"path/filepath"
	"testing"
)

func TestPeekReadsWhatWasSealed(t *testing.T) {
	var key [32]byte
	var iv [12]byte
	rand.Read(key[:])
	rand.Read(iv[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	c, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		plain := make([]byte, n)
		rand.Read(plain)
		sealed := c.Seal(nil, iv[:], plain, []byte("bound"))
		got := Peek([]byte("before"), &key, iv[:], sealed)
		if !bytes.Equal(got, append([]byte("before"), plain...)) {
			t.Fatalf("%d bytes: %x, not %x", n, got, plain)
		}
	}
	for n := range 17 {
		if got := Peek(nil, &key, iv[:], make([]byte, n)); len(got) != 0 {
			t.Fatalf("%d bytes are no text, and yet it says %x", n, got)
		}
	}
}

func TestSealerPeeksAtWhatItSealed(t *testing.T) {
	kms, err := CreateFileKMS(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	tenant, _, err := NewTenant(t.Context(), kms, "t-1")
	if err != nil {
		t.Fatal(err)
	}
	s := tenant.Sealer()
	sealed := s.Seal(nil, []byte("label"), []byte("a secret"))
	got, err := s.Peek(nil, sealed)
	if err != nil || string(got) != "a secret" {
		t.Errorf("%q, %v", got, err)
	}
	sealed[1]++
	if got, err := s.Peek(nil, sealed); err == nil {
		t.Errorf("%q comes from a key that the tenant does not have", got)
	}
}

func BenchmarkPeek(b *testing.B) {
	var key [32]byte
	var buf []byte
	sealed := make([]byte, 60)
	b.ReportAllocs()
	for b.Loop() {
		key[0]++
		buf = Peek(buf[:0], &key, sealed[:12], sealed)
	}
}

package aesgcm

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func sample(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestSameAsTheLibrary compares every length of text and many of additional data with the standard library, and opens what was sealed.
func TestSameAsTheLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s Sealer
	for size := range maxShort + 100 {
		key, nonce := [KeySize]byte(sample(r, KeySize)), [NonceSize]byte(sample(r, NonceSize))
		plain, aad := sample(r, size), sample(r, size%83)
		want := library(&key).Seal([]byte("before"), nonce[:], plain, aad)
		got := s.Seal([]byte("before"), &key, &nonce, plain, aad)
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes with %d bytes of additional data are sealed as %x, not %x", size, len(aad), got, want)
		}
		opened, err := s.Open([]byte("x"), &key, &nonce, got[6:], aad)
		if err != nil || string(opened) != "x"+string(plain) {
			t.Fatalf("%d bytes do not open: %v", size, err)
		}
		if peeked := s.Peek([]byte("x"), &key, &nonce, got[6:]); string(peeked) != "x"+string(plain) {
			t.Fatalf("%d bytes are not what a look at them shows", size)
		}
	}
}

func TestPeekAtNothing(t *testing.T) {
	var s Sealer
	for n := range Overhead + 1 {
		if got := s.Peek([]byte("x"), &[KeySize]byte{}, &[NonceSize]byte{}, make([]byte, n)); string(got) != "x" {
			t.Fatalf("%d bytes are no text, and yet it says %q", n, got)
		}
	}
}

func TestRefusesWhatWasChanged(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var s Sealer
	for size := range 70 {
		key, nonce := [KeySize]byte(sample(r, KeySize)), [NonceSize]byte(sample(r, NonceSize))
		plain, aad := sample(r, size), sample(r, 35)
		sealed := s.Seal(nil, &key, &nonce, plain, aad)
		refused := func(what string, sealed, aad []byte, key [KeySize]byte, nonce [NonceSize]byte) {
			if out, err := s.Open(nil, &key, &nonce, sealed, aad); err == nil || out != nil {
				t.Fatalf("%d bytes open although %s", size, what)
			}
		}
		for i := range sealed {
			sealed[i] ^= 1 << (i % 8)
			refused("a bit of it is another", sealed, aad, key, nonce)
			sealed[i] ^= 1 << (i % 8)
		}
		aad[size%35] ^= 4
		refused("a bit of the additional data is another", sealed, aad, key, nonce)
		aad[size%35] ^= 4
		refused("the key is another", sealed, aad, [KeySize]byte{}, nonce)
		refused("the nonce is another", sealed, aad, key, [NonceSize]byte{})
		refused("its end is missing", sealed[:len(sealed)-1], aad, key, nonce)
		refused("only a part of the tag is there", sealed[:Overhead-1], aad, key, nonce)
		refused("nothing is there", nil, aad, key, nonce)
		if _, err := s.Open(nil, &key, &nonce, sealed, aad); err != nil {
			t.Fatal("the unchanged text does not open")
		}
	}
}

// TestVector is test case 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega, 2005).
func TestVector(t *testing.T) {
	key := [KeySize]byte{0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08, 0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08}
	nonce := [NonceSize]byte{0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88}
	plain := []byte("\xd9\x31\x32\x25\xf8\x84\x06\xe5\xa5\x59\x09\xc5\xaf\xf5\x26\x9a\x86\xa7\xa9\x53\x15\x34\xf7\xda\x2e\x4c\x30\x3d\x8a\x31\x8a\x72" +
		"\x1c\x3c\x0c\x95\x95\x68\x09\x53\x2f\xcf\x0e\x24\x49\xa6\xb5\x25\xb1\x6a\xed\xf5\xaa\x0d\xe6\x57\xba\x63\x7b\x39")
	aad := []byte("\xfe\xed\xfa\xce\xde\xad\xbe\xef\xfe\xed\xfa\xce\xde\xad\xbe\xef\xab\xad\xda\xd2")
	want := []byte("\x52\x2d\xc1\xf0\x99\x56\x7d\x07\xf4\x7f\x37\xa3\x2a\x84\x42\x7d\x64\x3a\x8c\xdc\xbf\xe5\xc0\xc9\x75\x98\xa2\xbd\x25\x55\xd1\xaa" +
		"\x8c\xb0\x8e\x48\x59\x0d\xbb\x3d\xa7\xb0\x8b\x10\x56\x82\x88\x38\xc5\xf6\x1e\x63\x93\xba\x7a\x0a\xbc\xc9\xf6\x62" +
		"\x76\xfc\x6e\xce\x0f\x4e\x17\x68\xcd\xdf\x88\x53\xbb\x2d\x55\x1b")
	var s Sealer
	if got := s.Seal(nil, &key, &nonce, plain, aad); !bytes.Equal(got, want) {
		t.Errorf("sealed as %x", got)
	}
}

func TestAllocatesNothing(t *testing.T) {
	if !accelerated {
		return // the library allocates
	}
	var s Sealer
	key, nonce, aad, plain, dst, opened := [KeySize]byte{1}, [NonceSize]byte{2}, make([]byte, 35), make([]byte, 60), make([]byte, 0, 100), make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		sealed := s.Seal(dst, &key, &nonce, plain, aad)
		if _, err := s.Open(opened, &key, &nonce, sealed, aad); err != nil {
			t.Fatal(err)
		}
		s.Peek(opened, &key, &nonce, sealed)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSeal(b *testing.B) {
	key, nonce, aad, plain, dst := [KeySize]byte{1}, [NonceSize]byte{2}, make([]byte, 35), make([]byte, 40), make([]byte, 0, 200)
	b.Run("short", func(b *testing.B) {
		var s Sealer
		for b.Loop() {
			s.Seal(dst, &key, &nonce, plain, aad)
		}
	})
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			library(&key).Seal(dst, nonce[:], plain, aad)
		}
	})
	b.Run("kept", func(b *testing.B) {
		c := library(&key)
		for b.Loop() {
			c.Seal(dst, nonce[:], plain, aad)
		}
	})
}

package crypt

import (
	"bytes"
	"path/filepath"
	"testing"
)

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
	for n := range 100 {
		secret := bytes.Repeat([]byte{byte(n), 7}, n)
		got, err := s.Peek([]byte("before"), s.Seal(nil, []byte("label"), secret))
		if err != nil || !bytes.Equal(got, append([]byte("before"), secret...)) {
			t.Errorf("%x, %v", got, err)
		}
	}
	sealed := s.Seal(nil, []byte("label"), []byte("a secret"))
	sealed[1]++
	if got, err := s.Peek(nil, sealed); err == nil {
		t.Errorf("%q comes from a key that the tenant does not have", got)
	}
	for n := range Overhead {
		if _, err := s.Peek(nil, sealed[:min(n, len(sealed))]); err == nil {
			t.Errorf("%d bytes are a sealed text", n)
		}
	}
}

package evidence

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"pgregory.net/rapid"
)

// TestHMACIsTheLibrarys compares the allocation-free form with the standard library's.
func TestHMACIsTheLibrarys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		msg := rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "message")
		m := hmac.New(sha256.New, key[:])
		m.Write(msg)
		if got := HMAC(&key, msg); !bytes.Equal(got[:], m.Sum(nil)) {
			t.Fatal("HMAC differs from crypto/hmac")
		}
	})
}

// TestKDF computes the one-step key derivation as SP 800-56C spells it.
func TestKDF(t *testing.T) {
	z := bytes.Repeat([]byte{7}, 96)
	if kdf(z, "info") != sha256.Sum256([]byte("\x00\x00\x00\x01"+string(z)+"info")) {
		t.Error("kdf is not H(counter, z, info)")
	}
}

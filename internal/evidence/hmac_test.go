package evidence

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"pgregory.net/rapid"
)

// TestHMACAndHKDFAreTheLibrarys compares the allocation-free forms with the standard library's.
func TestHMACAndHKDFAreTheLibrarys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		msg := rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "message")
		m := hmac.New(sha256.New, key[:])
		m.Write(msg)
		if got := hmac256(&key, msg); !bytes.Equal(got[:], m.Sum(nil)) {
			t.Fatal("hmac256 differs from crypto/hmac")
		}
		info := rapid.StringN(0, 300, -1).Draw(t, "info")
		want, err := hkdf.Key(sha256.New, msg, nil, info, 32)
		if err != nil {
			t.Fatal(err)
		}
		if got := expand(msg, info); !bytes.Equal(got[:], want) {
			t.Fatal("expand differs from crypto/hkdf")
		}
	})
}

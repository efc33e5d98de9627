package mfa

import (
	"crypto/rand"
	"strings"
)

// RecoveryCodes is how many codes a person gets.
const RecoveryCodes = 10

const (
	codeAlphabet = "abcdefghijkmnpqrstuvwxyz23456789" // 32 characters, none easily mistaken for another
	codeLength   = 16                                 // 80 bits: nobody guesses one, and nobody finds one from its keyed hash
)

// NewRecoveryCodes makes the codes as they are shown: xxxx-xxxx-xxxx-xxxx.
func NewRecoveryCodes() []string {
	out := make([]string, RecoveryCodes)
	for i := range out {
		raw := make([]byte, codeLength)
		rand.Read(raw) // never fails (crypto/rand)
		var b strings.Builder
		for j, c := range raw {
			if j > 0 && j%4 == 0 {
				b.WriteByte('-')
			}
			b.WriteByte(codeAlphabet[c%32])
		}
		out[i] = b.String()
	}
	return out
}

// IsRecoveryCode reports whether what somebody typed looks like a recovery code, and returns the one spelling that is hashed.
func IsRecoveryCode(typed string) (string, bool) {
	code := strings.NewReplacer("-", "", " ", "").Replace(strings.ToLower(strings.TrimSpace(typed)))
	if len(code) != codeLength || strings.Trim(code, codeAlphabet) != "" {
		return "", false
	}
	return code, true
}

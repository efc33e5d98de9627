package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// Key is an API key as its owner sees it. The secret is shown once, when the key is made, and cannot be had again.
type Key struct {
	ID       string
	TenantID string
	Name     string
	// Prefix is the public part, such as "pk_7h2k9qxw".
	Prefix string
	Scopes []string // permissions
	// Sources the key may write as, globs; nil for any.
	Sources    []string
	CreatedBy  string // an account's id, "" for the system
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero for never
	RevokedAt  time.Time // zero while it is valid
	LastUsedAt time.Time // zero when never used; up to a minute late
	// OldUntil is until when the secret works that the key had before it was rotated; zero when there is none.
	OldUntil time.Time
}

// The text of an API key: pk_ID_SECRET, where ID is 8 characters of base 32 and SECRET 32 random bytes in base64url.
const (
	keyIDLength     = 8
	keySecretLength = 43
	// maxOverlap is for how long two secrets of a key may work.
	maxOverlap  = 30 * 24 * time.Hour
	keyLength   = 3 + keyIDLength + 1 + keySecretLength
	keyAlphabet = "abcdefghijkmnpqrstuvwxyz23456789" // 32 characters, none easily mistaken for another
)

// newKeyText makes a key and returns its whole text, its prefix and the hash that is stored.
func newKeyText() (text, prefix string, hash []byte) {
	id := make([]byte, keyIDLength)
	rand.Read(id) // never fails (crypto/rand)
	for i := range id {
		id[i] = keyAlphabet[id[i]%32]
	}
	prefix = "pk_" + string(id)
	text, hash = newSecretText(prefix)
	return text, prefix, hash
}

// newSecretText makes a secret for a key and returns the key's whole text and the hash that is stored.
func newSecretText(prefix string) (text string, hash []byte) {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails (crypto/rand)
	text = prefix + "_" + base64.RawURLEncoding.EncodeToString(secret)
	return text, hashToken(text)
}

// splitKey returns the prefix of a well-formed key.
func splitKey(text string) (prefix string, ok bool) {
	if len(text) != keyLength || !strings.HasPrefix(text, "pk_") || text[3+keyIDLength] != '_' {
		return "", false
	}
	for _, c := range []byte(text[3 : 3+keyIDLength]) {
		if strings.IndexByte(keyAlphabet, c) < 0 {
			return "", false
		}
	}
	return text[:3+keyIDLength], true
}

// hashToken is what is stored of keys and session tokens. They hold 256 random bits, so a plain hash cannot be searched.
func hashToken(text string) []byte {
	h := sha256.Sum256([]byte(text))
	return h[:]
}

const (
	maxKeyName    = 100
	maxKeySources = 50
)

var sourceGlob = regexp.MustCompile(`^[a-z0-9_.:/*-]{1,128}$`)

// checkKey applies the rules for a new key. A key never gets a permission that its maker does not have.
func checkKey(name string, scopes, sources []string, expires, now time.Time, maker actor.Principal) error {
	if n := utf8.RuneCountInString(strings.TrimSpace(name)); n == 0 || n > maxKeyName {
		return errs.Field("/name", "required", "Give the key a name of 1 to %d characters.", maxKeyName)
	}
	if len(scopes) == 0 {
		return errs.Field("/scopes", "required", "Give the key at least one permission.")
	}
	for _, s := range scopes {
		if !slices.Contains(actor.Permissions(), s) {
			return errs.Field("/scopes", "not_allowed", "The permissions are %s.", strings.Join(actor.Permissions(), ", "))
		}
	}
	if err := mayGive(scopes, maker); err != nil {
		return err
	}
	if len(sources) > maxKeySources {
		return errs.Field("/sources", "too_many", "A key is bound to at most %d sources.", maxKeySources)
	}
	for _, s := range sources {
		if !sourceGlob.MatchString(s) {
			return errs.Field("/sources", "wrong_format", "A source is 1 to 128 of a-z, 0-9 and _.:/- with * for any run of them.")
		}
	}
	if !expires.IsZero() && !expires.After(now) {
		return errs.Field("/expires_at", "too_early", "The expiry must be in the future.")
	}
	return nil
}

// mayGive refuses to hand out permissions that the one who does it does not have.
func mayGive(scopes []string, maker actor.Principal) error {
	for _, s := range scopes {
		if !maker.Can(s) {
			err := errs.Field("/scopes", "not_allowed", "You cannot give %s, because you do not have it.", s)
			err.Code = errs.Forbidden
			return err
		}
	}
	return nil
}

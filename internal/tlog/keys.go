package tlog

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"probity.dev/internal/errs"
)

// Signer signs notes (Ed25519, golang.org/x/mod/sumdb/note).
type Signer = note.Signer

// GenerateKey makes a log key. name is the log's origin. skey is secret; vkey is what verifiers need.
func GenerateKey(name string) (skey, vkey string, err error) {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails
	return KeyFromSeed(name, seed)
}

// KeyFromSeed makes the log key of a 32-byte Ed25519 seed.
func KeyFromSeed(name string, seed []byte) (skey, vkey string, err error) {
	if len(seed) != ed25519.SeedSize {
		return "", "", errs.New(errs.Invalid, "an Ed25519 seed has %d bytes, not %d", ed25519.SeedSize, len(seed))
	}
	pub := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	vkey, err = note.NewEd25519VerifierKey(name, pub)
	if err != nil {
		return "", "", errs.Wrap(errs.Invalid, err, "no log key for this name")
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return "", "", errs.Wrap(errs.Invalid, err, "%q cannot be the name of a log", name)
	}
	skey = fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, v.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{1}, seed...)))
	return skey, vkey, nil
}

// NewSigner parses a secret key.
func NewSigner(skey string) (Signer, error) {
	s, err := note.NewSigner(skey)
	if err != nil {
		return nil, errs.New(errs.Invalid, "this is not a log's secret key") // the cause might quote it
	}
	return s, nil
}

// Keys is a set of verifier keys, of one log or several, retired ones included. The zero value is empty.
type Keys struct {
	list []note.Verifier
	text []string
}

// ParseKeys parses verifier keys, one a line; empty lines and lines that start with # are skipped.
func ParseKeys(text string) (*Keys, error) {
	k := &Keys{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := k.Add(line); err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "line %d of the keys is not a verifier key", i+1)
		}
	}
	return k, nil
}

// Add adds a verifier key; adding one twice changes nothing.
func (k *Keys) Add(vkey string) error {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "this is not a verifier key")
	}
	for i, o := range k.list {
		if o.Name() == v.Name() && o.KeyHash() == v.KeyHash() {
			if k.text[i] == vkey {
				return nil
			}
			return errs.New(errs.Invalid, "two different verifier keys have the same name and key hash")
		}
	}
	k.list, k.text = append(k.list, v), append(k.text, vkey)
	return nil
}

// Verifier implements note.Verifiers.
func (k *Keys) Verifier(name string, hash uint32) (note.Verifier, error) {
	for _, v := range k.list {
		if v.Name() == name && v.KeyHash() == hash {
			return v, nil
		}
	}
	return nil, &note.UnknownVerifierError{Name: name, KeyHash: hash}
}

// Len is the number of keys.
func (k *Keys) Len() int { return len(k.list) }

// Names returns the distinct key names, which are the origins of the logs, in the order they were added.
func (k *Keys) Names() []string {
	var out []string
	seen := map[string]bool{}
	for _, v := range k.list {
		if !seen[v.Name()] {
			seen[v.Name()] = true
			out = append(out, v.Name())
		}
	}
	return out
}

// String formats the keys as [ParseKeys] reads them.
func (k *Keys) String() string {
	if len(k.text) == 0 {
		return ""
	}
	return strings.Join(k.text, "\n") + "\n"
}

// KeyID is the name and hash of a verifier key as people compare them: name+01234567.
func KeyID(vkey string) (string, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return "", errs.Wrap(errs.Invalid, err, "this is not a verifier key")
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v.KeyHash())
	return fmt.Sprintf("%s+%x", v.Name(), b), nil
}

// SignNote signs a text with the log's keys. Every text that a log key signs starts with the origin, for a checkpoint, or the origin
// and "/" and what it is, so that none can be taken for another.
func SignNote(text string, signers ...Signer) ([]byte, error) {
	if len(signers) == 0 {
		return nil, errs.New(errs.Internal, "a note needs a signer")
	}
	b, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "signing failed")
	}
	return b, nil
}

// maxNote bounds a signed text that we are willing to parse.
const maxNote = 64 << 10

// OpenNote checks a signed text and returns it: its first line must be an origin followed by suffix, and a key named like that
// origin must have signed it. Signatures by keys that k does not hold are ignored.
func OpenNote(signed []byte, suffix string, k *Keys) (origin, text string, err error) {
	if len(signed) > maxNote {
		return "", "", errs.New(errs.Invalid, "signed note of %d bytes is too long", len(signed))
	}
	n, err := note.Open(signed, k)
	if err != nil {
		return "", "", errs.Wrap(errs.Invalid, err, "signature check failed")
	}
	line, _, _ := strings.Cut(n.Text, "\n")
	origin, ok := strings.CutSuffix(line, suffix)
	if !ok || origin == "" {
		return "", "", errs.New(errs.Invalid, "signed note is not what it should be (first line %q)", line)
	}
	for _, s := range n.Sigs {
		if s.Name == origin {
			return origin, n.Text, nil
		}
	}
	return "", "", errs.New(errs.Invalid, "note of %q is not signed by a key of that name", origin)
}

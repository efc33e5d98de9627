package person

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync/atomic"

	"probity.dev/internal/evidence"
)

// Identity is what an event says about one of its persons. Namespace, Type and ID identify; Name and Email describe.
type Identity struct {
	Namespace string
	Type      string
	ID        string
	Name      string
	Email     string
}

// key is the identifying part of an Identity.
type key struct{ namespace, typ, id string }

func (i Identity) key() key { return key{i.Namespace, i.Type, i.ID} }

// Person is a directory entry as encoding needs it.
type Person struct {
	Handle     int64
	Secret     evidence.Hash
	Generation int64
	entry      *entry
}

// entry is the cached state of a directory entry. It is shared by all submissions that name the person. There may be a quarter of a million of
// them, so it holds no more than encoding needs.
type entry struct {
	handle     int64
	secret     evidence.Hash
	generation int64
	key        key
	at         scopeID
	// fresh is the identity of an entry that the tables do not have yet; nil later, when it is read from there.
	fresh atomic.Pointer[Identity]
	// persisted is false until a transaction that inserted the entry has committed.
	persisted atomic.Bool
	// display is a digest of the identity stored last, so that a changed name or e-mail is noticed.
	display atomic.Uint64
	// profiles counts the stored profiles; recent is the one used last, which most events of a person have again.
	profiles atomic.Int32
	recent   atomic.Int64
}

// scopeID is where an entry stands in the table of identifiers: the look-up of its id and its scope.
type scopeID struct {
	lookup [16]byte
	scope  [8]byte
}

func (e *entry) person() Person {
	return Person{Handle: e.handle, Secret: e.secret, Generation: e.generation, entry: e}
}

func newHandle() int64 {
	var b [8]byte
	for {
		rand.Read(b[:]) //nolint:errcheck // never fails
		// 53 bits: every JSON reader keeps such a number exact.
		if h := int64(binary.BigEndian.Uint64(b[:]) >> 11); h > 0 {
			return h
		}
	}
}

// lookup is the blind index of an identifier or alias under the tenant's directory key.
func (d *Directory) lookup(kind string, parts ...string) []byte {
	m := hmac.New(sha256.New, d.key[:])
	var n [4]byte
	for _, p := range append([]string{kind}, parts...) {
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		m.Write(n[:])
		m.Write([]byte(p))
	}
	return m.Sum(nil)[:16]
}

// fold is how identifiers and e-mails are compared by people: without regard to case and surrounding space.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func displayDigest(i Identity) uint64 {
	h := sha256.New()
	for _, p := range []string{i.Type, i.ID, i.Name, i.Email} {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

package person

import (
	"strings"
	"sync"
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

// Person is a directory entry as encoding needs it.
type Person struct {
	Handle     int64
	Secret     evidence.Hash
	Generation int64
	entry      *entry
}

// entry is the cached state of a directory entry. It is shared by all submissions that name the person. There may be a quarter of a million of
// them, so it holds no more than encoding needs, and few pointers.
type entry struct {
	handle     int64
	number     int64
	generation int64
	secret     evidence.Hash
	// text is namespace, type and id without a gap, and typeAt and idAt where the latter two begin. It is empty when the entry was read by its handle.
	text         string
	typeAt, idAt uint32
	// unsaved is set until the entry is persisted.
	unsaved atomic.Pointer[unsaved]
	// persisted is false until a transaction that inserted the entry has committed.
	persisted atomic.Bool
	// added counts the profiles beyond the first that were added since the entry was read.
	added atomic.Int32
	// display is a digest of name and e-mail as last stored, so that a changed one is noticed.
	display atomic.Uint64
	// recent is the number of the profile used last, which most events of a person have again, and check the digest of its body, mixed with the number:
	// the two are not written at once.
	recent, check atomic.Uint64
	// month holds the keys used last.
	month atomic.Pointer[monthKeys]
}

// unsaved is what is known of a person who is not stored yet.
type unsaved struct {
	identity Identity
	scope    [lookupSize]byte
	// owner is the batch that made the entry, and listed whether that batch has it among its persons; both are for the goroutine of the batch.
	owner  uint64
	listed bool
	// foreign is how often persons of other processes had been taken up when nobody with this identity was found.
	foreign uint64

	mu sync.Mutex
	// profile is the body of the person's first profile, if any. It is fixed, like all the rest, when record has been made.
	profile []byte
	// record is what is stored, and entries its part of the index, the same for all batches that name the person before one of them has committed.
	record, entries []byte
}

func (e *entry) person() Person {
	return Person{Handle: e.handle, Secret: e.secret, Generation: e.generation, entry: e}
}

// is reports whether the entry has this namespace, type and id.
func (e *entry) is(id *Identity) bool {
	t := e.text
	return len(t) == len(id.Namespace)+len(id.Type)+len(id.ID) && int(e.typeAt) == len(id.Namespace) && int(e.idAt) == len(id.Namespace)+len(id.Type) &&
		t[:e.typeAt] == id.Namespace && t[e.typeAt:e.idAt] == id.Type && t[e.idAt:] == id.ID
}

// name copies the identity out of the event that it was read from, which must not stay in memory for its sake, and makes the entry answer to it.
func (e *entry) name(id *Identity) Identity {
	all := strings.Join([]string{id.Namespace, id.Type, id.ID, id.Name, id.Email}, "")
	a := len(id.Namespace)
	b := a + len(id.Type)
	c := b + len(id.ID)
	d := c + len(id.Name)
	e.text, e.typeAt, e.idAt = all[:c], uint32(a), uint32(b)
	return Identity{Namespace: all[:a], Type: all[a:b], ID: all[b:c], Name: all[c:d], Email: all[d:]}
}

// mixed ties a body's digest to a profile's number.
func mixed(digest, number uint64) uint64 { return digest ^ number*0x9e3779b97f4a7c15 }

func (e *entry) use(digest uint64, number int64) {
	e.check.Store(mixed(digest, uint64(number)))
	e.recent.Store(uint64(number))
}

// used returns the number of the profile used last if its body has this digest, 0 otherwise.
func (e *entry) used(digest uint64) int64 {
	if n := e.recent.Load(); n != 0 && e.check.Load() == mixed(digest, n) {
		return int64(n)
	}
	return 0
}

// fold is how identifiers and e-mails are compared by people: without regard to case and surrounding space.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// Sizes of what Seal adds, in bytes.
const (
	prefixSize = 5
	ivSize     = 12
	tagSize    = 16
	// Overhead is how much longer a sealed text is than the text.
	Overhead = prefixSize + ivSize + tagSize
)

// Tenant seals the secrets of one tenant under the tenant's own keyset. It is safe for concurrent use.
//
// A sealed text is what Tink's AES-GCM makes: the byte 1, the id of the key (4 bytes, big-endian), a random IV of 12 bytes, the ciphertext and
// its tag of 16. The primary key seals; the id names the key that opens, so keys can be added and retired. The ciphers are the standard library's,
// made once: a directory of persons seals and opens tens of thousands of secrets a second, for which Tink's layers are too dear.
type Tenant struct {
	id   string
	keys atomic.Pointer[tenantKeys]

	// missing is asked for the keyset again when a text names a key that is not in it; see [Tenant.OnMissing].
	missing func() (*Tenant, error)
	askMu   sync.Mutex
	asked   time.Time
}

// tenantKeys are the keys of a keyset; they never change.
type tenantKeys struct {
	primary *tenantKey
	byID    map[uint32]*tenantKey
}

type tenantKey struct {
	prefix [prefixSize]byte
	block  cipher.Block
	aead   cipher.AEAD
}

func newTenant(id string, h *keyset.Handle) (*Tenant, error) {
	t, keys := &Tenant{id: id}, &tenantKeys{byID: map[uint32]*tenantKey{}}
	for i := range h.Len() {
		e, err := h.Entry(i)
		if err != nil {
			return nil, err
		}
		if e.KeyStatus() != keyset.Enabled {
			continue
		}
		k, ok := e.Key().(*aesgcm.Key)
		if !ok || len(k.OutputPrefix()) != prefixSize {
			return nil, fmt.Errorf("the keyset of tenant %s holds a key of another kind than AES-GCM with a prefix", id)
		}
		block, err := aes.NewCipher(k.KeyBytes().Data(insecuresecretdataaccess.Token{}))
		if err != nil {
			return nil, err
		}
		tk := &tenantKey{prefix: [prefixSize]byte(k.OutputPrefix()), block: block}
		if tk.aead, err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
		keys.byID[e.KeyID()] = tk
		if e.IsPrimary() {
			keys.primary = tk
		}
	}
	if keys.primary == nil {
		return nil, fmt.Errorf("the keyset of tenant %s has no primary key", id)
	}
	t.keys.Store(keys)
	return t, nil
}

// Adopt takes the keys of a newer keyset of the same tenant. What is being sealed meanwhile is sealed under the one or the other.
func (t *Tenant) Adopt(newer *Tenant) { t.keys.Store(newer.keys.Load()) }

// OnMissing sets what is asked, once a second at most, for the newest keyset when a text names a key that this one lacks: another server may have rotated the keyset. It MUST be set
// before the tenant is used.
func (t *Tenant) OnMissing(ask func() (*Tenant, error)) { t.missing = ask }

// renew asks for the newest keyset; it reports whether there may be other keys now.
func (t *Tenant) renew() bool {
	if t.missing == nil {
		return false
	}
	t.askMu.Lock()
	defer t.askMu.Unlock()
	if time.Since(t.asked) < time.Second {
		return true // somebody else has just asked
	}
	t.asked = time.Now()
	newer, err := t.missing()
	if err != nil {
		return false
	}
	t.Adopt(newer)
	return true
}

// Seal encrypts b and binds it to the tenant and to label, which names what it is ("person|42").
func (t *Tenant) Seal(label string, b []byte) ([]byte, error) {
	var iv [ivSize]byte
	rand.Read(iv[:]) //nolint:errcheck // crypto/rand.Read never fails: it ends the program instead
	return t.seal(nil, iv[:], b, t.bind(nil, []byte(label))), nil
}

// Open decrypts what Seal returned for the same label.
func (t *Tenant) Open(label string, sealed []byte) ([]byte, error) {
	return t.open(nil, sealed, t.bind(nil, []byte(label)))
}

// bind makes the additional data of a text.
func (t *Tenant) bind(dst, label []byte) []byte {
	return append(append(append(dst, t.id...), '|'), label...)
}

func (t *Tenant) seal(dst, iv, b, aad []byte) []byte {
	k := t.keys.Load().primary
	dst = append(append(dst, k.prefix[:]...), iv...)
	return k.aead.Seal(dst, iv, b, aad)
}

// errSealed says no more: which of label, tenant, key and text is wrong cannot be known.
var errSealed = errors.New("a sealed text does not open under the tenant's keys")

func (t *Tenant) open(dst, sealed, aad []byte) ([]byte, error) {
	k := t.keyOf(sealed)
	if k == nil {
		return nil, errSealed
	}
	out, err := k.aead.Open(dst, sealed[prefixSize:prefixSize+ivSize], sealed[prefixSize+ivSize:], aad)
	if err != nil {
		return nil, errSealed
	}
	return out, nil
}

// keyOf returns the key that a sealed text names, nil when there is none.
func (t *Tenant) keyOf(sealed []byte) *tenantKey {
	if len(sealed) < Overhead {
		return nil
	}
	id := binary.BigEndian.Uint32(sealed[1:])
	k := t.keys.Load().byID[id]
	if k == nil && sealed[0] == 1 && t.renew() {
		k = t.keys.Load().byID[id]
	}
	if k == nil || k.prefix != [prefixSize]byte(sealed[:prefixSize]) {
		return nil
	}
	return k
}

// Sealer seals and opens many texts of a tenant without allocating for each. It is not safe for concurrent use.
type Sealer struct {
	// Random is where IVs come from; callers may use it for what they seal.
	Random Random

	t   *Tenant
	aad []byte
	iv  [ivSize]byte
}

// Sealer returns a new Sealer.
func (t *Tenant) Sealer() *Sealer { return &Sealer{t: t} }

// Seal appends b, encrypted and bound to label, to dst. It adds Overhead bytes.
func (s *Sealer) Seal(dst, label, b []byte) []byte {
	s.aad = s.t.bind(s.aad[:0], label)
	s.Random.Read(s.iv[:])
	return s.t.seal(dst, s.iv[:], b, s.aad)
}

// Open appends the text that was sealed with this label to dst.
func (s *Sealer) Open(dst, label, sealed []byte) ([]byte, error) {
	s.aad = s.t.bind(s.aad[:0], label)
	return s.t.open(dst, sealed, s.aad)
}

package export

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"hash"
	"strconv"

	"probity.dev/ledger/event"
)

// Pseudonyms names persons by a keyed hash: the same person gets the same name in every export of a tenant, and nobody without the
// tenant's key can tell who it is, not even by trying every e-mail address. It is not safe for concurrent use.
type Pseudonyms struct {
	key   []byte
	mac   hash.Hash
	buf   []byte
	sum   []byte
	cache map[int64]string
}

// pseudonymCache bounds the names that are kept, so that an export of millions of persons stays in bounded memory.
const pseudonymCache = 1 << 16

var pseudonymText = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// NewPseudonyms returns the pseudonyms of one tenant under its secret key, which should be 32 random bytes and must never change.
func NewPseudonyms(key []byte) *Pseudonyms {
	return &Pseudonyms{key: key, mac: hmac.New(sha256.New, key), cache: map[int64]string{}}
}

// Person returns the pseudonym of the person with this handle.
func (p *Pseudonyms) Person(handle int64) string {
	if s, ok := p.cache[handle]; ok {
		return s
	}
	if len(p.cache) >= pseudonymCache {
		clear(p.cache)
	}
	p.buf = strconv.AppendInt(append(p.buf[:0], "handle\x00"...), handle, 10)
	s := p.name()
	p.cache[handle] = s
	return s
}

// ID returns the pseudonym of an identifier that has no handle, such as a system account.
func (p *Pseudonyms) ID(typ, id string) string {
	p.buf = append(append(append(append(p.buf[:0], "id\x00"...), typ...), 0), id...)
	return p.name()
}

// Actor returns the pseudonym of an event's actor, or "" when the event has none or the reader may not know.
func (p *Pseudonyms) Actor(r *event.Record) string {
	if r.ActorHandle != 0 {
		return p.Person(r.ActorHandle)
	}
	f, ok := r.Field("/actor/id")
	if !ok || f.Value == nil {
		return ""
	}
	return p.ID(r.Text("/actor/type"), r.Text("/actor/id"))
}

// name returns "p_" and 80 bits of the hash: short enough to read aloud, and a tenant of a million persons meets a collision with a
// probability below 10^-12.
func (p *Pseudonyms) name() string {
	p.mac.Reset()
	p.mac.Write(p.buf)
	p.sum = p.mac.Sum(p.sum[:0])
	return "p_" + pseudonymText.EncodeToString(p.sum[:10])
}

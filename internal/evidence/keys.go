package evidence

import (
	"crypto/sha256"
	"encoding/binary"
)

// What keys are derived for.
const (
	infoOwners  = "probity/owners/v1"
	infoGroup   = "probity/group/v1"
	infoEncrypt = "probity/encrypt/v1"
	infoTag     = "probity/tag/v1"
)

// GroupKeys are the keys of one set of owners in one period (ledger/DESIGN.md §4).
type GroupKeys struct {
	// G derives the salts of every event's group with these owners in the period.
	G     Hash
	group Hash // K_group, from which the others follow
}

// DeriveGroup derives the keys of a group from the period's secret and its owners' secrets, which must be sorted by handle. No
// owners means the tenant.
func DeriveGroup(period Hash, owners ...Hash) GroupKeys {
	var stack [32 * 4]byte
	z := append(stack[:0], period[:]...)
	for i := range owners {
		z = append(z, owners[i][:]...)
	}
	k := GroupKeys{group: kdf(z, infoOwners)}
	k.G = kdf(k.group[:], infoGroup)
	return k
}

// Enc returns K_enc, the AES-256-GCM key of the group's values.
func (k *GroupKeys) Enc() Hash { return kdf(k.group[:], infoEncrypt) }

// Tag returns K_tag of the person in the period. It has a meaning for a group of one owner only.
func (k *GroupKeys) Tag() Hash { return kdf(k.group[:], infoTag) }

// PersonTagKey derives K_tag of a person in a period.
func PersonTagKey(period, person Hash) Hash {
	k := DeriveGroup(period, person)
	return k.Tag()
}

// ResourceTags derives the secret of a period from which the K_tag of every resource that stands for nobody follows.
func ResourceTags(period Hash) Hash { return kdf(period[:], infoTag) }

// ResourceTagKey returns K_tag of a resource that stands for nobody, under the secret of [ResourceTags]. Type and id of more than 65,535 bytes are a caller's error.
func (d *Deriver) ResourceTagKey(tags Hash, typ, id string) Hash {
	d.start(domainResource, &tags)
	d.buf = append(binary.BigEndian.AppendUint16(d.buf, uint16(len(typ))), typ...)
	d.buf = append(binary.BigEndian.AppendUint16(d.buf, uint16(len(id))), id...)
	return sha256.Sum256(d.buf)
}

// kdf is the one-step key derivation of NIST SP 800-56C rev. 2, §4.1, with SHA-256 and 32 bytes of output: H(u32(1) ‖ z ‖ info). z is a multiple of 32 bytes long,
// and nothing but secrets.
func kdf(z []byte, info string) Hash {
	var stack [192]byte
	b := append(append(stack[:0], 0, 0, 0, 1), z...)
	return sha256.Sum256(append(b, info...))
}

// Deriver computes K_event, salts and tags without allocating. It is not safe for concurrent use; its zero value is ready.
//
// Each is SHA-256 over a domain byte, a random key of 32 bytes and a message that no other message is a prefix of, nearly always within one block. Without
// prefixes among the messages, hashing behind the key is a pseudo-random function (Coron, Dodis, Malinaud, Puniya, "Merkle-Damgård Revisited", CRYPTO 2005), and takes
// one compression where HMAC takes four.
type Deriver struct{ buf []byte }

// EventKey returns K_event of the group in a slot of the event with this nonce.
func (d *Deriver) EventKey(g Hash, nonce [16]byte, slot uint8) Hash {
	d.start(domainEvent, &g)
	d.buf = append(append(d.buf, nonce[:]...), slot)
	return sha256.Sum256(d.buf)
}

// Salt returns the salt of a path under K_event. A path longer than 65,535 bytes is a caller's error.
func (d *Deriver) Salt(event Hash, path string) Hash {
	d.start(domainSalt, &event)
	d.buf = append(binary.BigEndian.AppendUint16(d.buf, uint16(len(path))), path...)
	return sha256.Sum256(d.buf)
}

// Tag returns the search tag of a role under K_tag.
func (d *Deriver) Tag(tagKey Hash, nonce [16]byte, role uint8) [16]byte {
	d.start(domainTag, &tagKey)
	d.buf = append(append(d.buf, nonce[:]...), role)
	h := sha256.Sum256(d.buf)
	return [16]byte(h[:16])
}

func (d *Deriver) start(domain byte, key *Hash) {
	d.buf = append(append(d.buf[:0], domain), key[:]...)
}

// AAD returns the additional data of a group's ciphertext: log id, nonce, slot.
func AAD(dst []byte, logID string, nonce [16]byte, slot uint8) []byte {
	dst = binary.BigEndian.AppendUint16(dst[:0], uint16(len(logID)))
	dst = append(dst, logID...)
	dst = append(dst, nonce[:]...)
	return append(dst, slot)
}

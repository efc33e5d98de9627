package evidence

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// GroupKeys are the keys of one set of owners in one period (ledger/DESIGN.md §4).
type GroupKeys struct {
	// G derives the salts of every event's group with these owners in the period.
	G Hash
	// Enc is the AES-256-GCM key of their values.
	Enc Hash
}

// DeriveGroup derives the keys of a group from the period's secret and its owners' secrets, which must be sorted by handle. No
// owners means the tenant.
func DeriveGroup(period Hash, owners ...Hash) GroupKeys {
	ikm := secretInput(period, owners)
	return GroupKeys{G: expand(ikm, "probity/group/v1"), Enc: expand(ikm, "probity/encrypt/v1")}
}

// PersonTagKey derives K_tag of a person in a period.
func PersonTagKey(period, person Hash) Hash {
	return expand(secretInput(period, []Hash{person}), "probity/tag/person/v1")
}

// ResourceTagKey derives K_tag of a resource that stands for nobody in a period.
func ResourceTagKey(period Hash, typ, id string) Hash {
	info := append([]byte("probity/tag/resource/v1\x00"), byte(len(typ)>>8), byte(len(typ)))
	info = append(append(info, typ...), id...)
	return expand(period[:], string(info))
}

func secretInput(period Hash, owners []Hash) []byte {
	ikm := append(make([]byte, 0, 32*(1+len(owners))), period[:]...)
	for i := range owners {
		ikm = append(ikm, owners[i][:]...)
	}
	return ikm
}

func expand(ikm []byte, info string) Hash {
	b, err := hkdf.Key(sha256.New, ikm, nil, info, 32)
	if err != nil {
		panic(err) // only for an output longer than HKDF allows
	}
	return Hash(b)
}

// Deriver computes K_event, salts and tags without allocating. It is not safe for concurrent use.
type Deriver struct {
	mac  hash.Hash
	key  Hash
	sum  []byte
	buf  []byte
	live bool
}

func (d *Deriver) hmac(key Hash, msg []byte) Hash {
	if !d.live || d.key != key {
		d.mac, d.key, d.live = hmac.New(sha256.New, key[:]), key, true
	} else {
		d.mac.Reset()
	}
	d.mac.Write(msg)
	d.sum = d.mac.Sum(d.sum[:0])
	return Hash(d.sum)
}

// EventKey returns K_event of the group in a slot of the event with this nonce.
func (d *Deriver) EventKey(g Hash, nonce [16]byte, slot uint8) Hash {
	d.buf = append(append(d.buf[:0], nonce[:]...), slot)
	return d.hmac(g, d.buf)
}

// Salt returns the salt of a path under K_event.
func (d *Deriver) Salt(event Hash, path string) Hash {
	d.buf = append(d.buf[:0], path...)
	return d.hmac(event, d.buf)
}

// Tag returns the search tag of a role under K_tag.
func (d *Deriver) Tag(tagKey Hash, nonce [16]byte, role uint8) [16]byte {
	d.buf = append(append(d.buf[:0], nonce[:]...), role)
	h := d.hmac(tagKey, d.buf)
	return [16]byte(h[:16])
}

// AAD returns the additional data of a group's ciphertext: log id, nonce, slot.
func AAD(dst []byte, logID string, nonce [16]byte, slot uint8) []byte {
	dst = binary.BigEndian.AppendUint16(dst[:0], uint16(len(logID)))
	dst = append(dst, logID...)
	dst = append(dst, nonce[:]...)
	return append(dst, slot)
}

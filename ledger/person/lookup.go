package person

import (
	"context"
	"encoding/binary"
	"slices"
)

// lookup is the blind index of an identifier or alias under the tenant's directory key.
func (d *Directory) lookup(kind string, parts ...string) [lookupSize]byte {
	var stack [192]byte
	b := appendPart(stack[:0], kind)
	for _, p := range parts {
		b = appendPart(b, p)
	}
	return d.mac.Sum(b)
}

func appendPart(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// scope is the blind index of a whole identifier. The first half is stored; it is never zero.
func (d *Directory) scope(id *Identity) [lookupSize]byte {
	l := d.lookup("scope", id.Namespace, id.Type, id.ID)
	l[7] |= 1
	return l
}

// Address returns the handle of a network address: a keyed hash instead of a random number, because addresses are many, have no secret of their own (their
// value belongs to whoever used them) and need nothing stored. A collision, of 62 bits, would only show an event too many.
func (d *Directory) Address(ip string) int64 {
	l := d.lookup("address", fold(ip))
	return int64(binary.BigEndian.Uint64(l[:])>>2) | 1
}

// maxFound bounds the persons that one identifier or e-mail stands for.
const maxFound = 1000

// Find returns the handles that an identifier or e-mail stands for, in any namespace.
func (d *Directory) Find(ctx context.Context, term string) (out []int64, err error) {
	id, email := d.lookup("id", fold(term)), d.lookup("email", fold(term))
	err = d.records(ctx, d.index.byLookup(id, email, maxFound), func(_ int64, r *record) error {
		if r.has(id) || r.has(email) {
			out = append(out, r.handle)
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

package ledger

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
)

// askTags asks the event's tree for the search tags of the roles that somebody fills, and gives the others random ones.
func (enc *encoder) askTags(leaf *evidence.Leaf, ev *event.Event) {
	for role, keys := range enc.single {
		switch {
		case keys != nil:
			enc.tree.Tag(uint8(role), &keys.tag)
		case role == evidence.RoleResource && ev.Resource.ID != "":
			key := enc.derive.ResourceTagKey(enc.resources, ev.Resource.Type, ev.Resource.ID)
			enc.tree.Tag(uint8(role), &key)
		default:
			leaf.Tags[role] = enc.random16()
		}
	}
}

// prints returns the keyed fingerprints of the event's identity and of its content as the producer sent it: SHA-256 behind the tenant's key, over parts with their
// lengths in front. They stay in the database, where the full hash would only take room.
func (enc *encoder) prints(t *tenant, ev *event.Event) (print, digest uint64) {
	key := len(t.dedupe.key)
	b := appendPart(append(append(enc.plain[:0], t.dedupe.key[:]...), 'i'), ev.Source)
	b = appendPart(b, ev.ID)
	sum := sha256.Sum256(b)
	print = binary.BigEndian.Uint64(sum[:])
	b = appendPart(appendPart(appendPart(append(b[:key], 'c'), ev.Action), ev.Outcome.Status), ev.Resource.Type)
	if !ev.Undated {
		b = binary.BigEndian.AppendUint64(b, uint64(ev.OccurredAt.UnixMicro()))
	}
	for i := range enc.fields {
		b = appendPart(appendPart(b, enc.fields[i].Path), enc.fields[i].Value)
	}
	enc.plain = b
	sum = sha256.Sum256(b)
	return print, binary.BigEndian.Uint64(sum[:])
}

func appendPart[T string | []byte | jsontext.Value](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

package ledger

import (
	"encoding/binary"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
)

// askTags asks the tree for the search tags of the roles that somebody fills, and gives the others random ones.
func (enc *encoder) askTags(tags *[3][16]byte, ev *event.Event) {
	for role, keys := range enc.single {
		switch {
		case keys != nil:
			enc.tree.Tag(uint8(role), &keys.Tag)
		case role == evidence.RoleResource && ev.Resource.ID != "":
			enc.tree.ResourceTag(&enc.resources, ev.Resource.Type, ev.Resource.ID)
		default:
			tags[role] = enc.random16()
		}
	}
}

// unhashed is an encoded leaf that lacks its hashes.
type unhashed struct {
	leaf  []byte
	class uint64
	event int // in the tree
	tags  [3][16]byte
}

// hash computes the hashes of the events encoded since the last time and puts them into the leaves.
func (enc *encoder) hash() {
	enc.tree.Hash()
	for i := range enc.unhashed {
		u := &enc.unhashed[i]
		root := enc.tree.Root(u.event)
		enc.tree.Tags(u.event, &u.tags)
		evidence.PutHashes(u.leaf, u.class, &root, &u.tags)
	}
	enc.tree.Reset()
	clear(enc.unhashed) // the encoder must not keep the leaves in memory
	enc.unhashed = enc.unhashed[:0]
}

// prints returns the keyed fingerprints of the event's identity and of its content as the producer sent it, over parts with their lengths in front.
func (enc *encoder) prints(t *tenant, ev *event.Event) (print, digest uint64) {
	b := appendPart(append(enc.plain[:0], 'i'), ev.Source)
	b = appendPart(b, ev.ID)
	print = t.dedupe.fingerprint(&enc.print, b)
	b = appendPart(appendPart(appendPart(append(b[:0], 'c'), ev.Action), ev.Outcome.Status), ev.Resource.Type)
	if !ev.Undated {
		b = binary.BigEndian.AppendUint64(b, uint64(ev.OccurredAt.UnixMicro()))
	}
	for i := range enc.fields {
		b = appendPart(appendPart(b, enc.fields[i].Path), enc.fields[i].Value)
	}
	enc.plain = b
	return print, t.dedupe.fingerprint(&enc.print, b)
}

func appendPart[T string | []byte | jsontext.Value](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

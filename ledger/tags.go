package ledger

import (
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
			enc.tree.Tag(uint8(role), &keys.Tag)
		case role == evidence.RoleResource && ev.Resource.ID != "":
			key := enc.derive.ResourceTagKey(enc.resources, ev.Resource.Type, ev.Resource.ID)
			enc.tree.Tag(uint8(role), &key)
		default:
			leaf.Tags[role] = enc.random16()
		}
	}
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

package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
)

// tags asks the event's tree for the search tags of the roles that somebody fills, and gives the others random ones.
func (l *Ledger) tags(ctx context.Context, t *tenant, enc *encoder, leaf *evidence.Leaf, ev *event.Event, who persons, period periodID) error {
	for role, h := range [...]int64{who.actor.Handle, who.subject.Handle, who.resource.Handle} {
		var key evidence.Hash
		var err error
		switch {
		case h != 0:
			key, err = t.personTag(ctx, l.db, period, h)
		case role == evidence.RoleResource && ev.Resource.ID != "":
			key = enc.derive.ResourceTagKey(enc.resources, ev.Resource.Type, ev.Resource.ID)
		default:
			leaf.Tags[role] = enc.random16()
			continue
		}
		if err != nil {
			return err
		}
		enc.tree.Tag(uint8(role), &key)
	}
	return nil
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

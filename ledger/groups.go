package ledger

import (
	"encoding/binary"

	"probity.dev/internal/aesgcm"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
	"probity.dev/ledger/segment"
)

// groups adds every field to the event's tree, seals the personal ones, and fills the row's shape and values.
func (l *Ledger) groups(t *tenant, enc *encoder, b *person.Batch, row *segment.Row, who *persons) {
	enc.shape = enc.shape[:0]
	start := len(enc.arena)
	enc.sealed = enc.sealed[:0]
	slot := uint8(1)
	enc.spare(row)
	for g := range enc.order {
		idx := enc.order[g]
		if len(idx) == 0 {
			continue
		}
		keys, s := enc.own, uint8(0)
		if g > 0 {
			s = slot
			slot++
			keys = enc.keysOf(g, who)
		}
		enc.tree.Derived(s, &keys.G)
		for _, i := range idx {
			enc.tree.Field(enc.fields[i].Path, enc.fields[i].Value)
		}
		enc.describe(g, idx)
		if g == 0 {
			continue
		}
		if enc.profile = enc.pack(enc.profile[:0], idx, 'p'); len(enc.profile) > 0 {
			l.pin(t, enc, b, row, who, event.Owners(g-1), idx)
		}
		if enc.plain = enc.pack(enc.plain[:0], idx, 's'); len(enc.plain) > 0 {
			enc.seal(keys, t.logID, row.Nonce, s)
		}
	}
	enc.arena = enc.pack(enc.arena, enc.order[0], 'c')
	row.Clear = enc.arena[start:len(enc.arena):len(enc.arena)]
	start = len(enc.arena)
	enc.arena = append(enc.arena, enc.sealed...)
	row.Sealed = enc.arena[start:len(enc.arena):len(enc.arena)]
	row.Shape = enc.intern()
}

// singles finds the keys of each person of the event: nearly every event needs them for a group or a tag.
func (enc *encoder) singles(who *persons, period periodID) {
	enc.single = [3]*person.Keys{}
	for i, p := range [...]*person.Person{&who.actor, &who.subject, &who.resource} {
		if p.Handle != 0 {
			enc.single[i] = p.Keys(period.period, period.class, &enc.secret)
		}
	}
}

// keysOf returns the keys of group g, whose owners are some of the event's persons.
func (enc *encoder) keysOf(g int, who *persons) *person.Keys {
	o := event.Owners(g - 1)
	switch o {
	case 0:
		return enc.own
	case event.OwnerActor:
		return enc.single[0]
	case event.OwnerSubject:
		return enc.single[1]
	case event.OwnerResource:
		return enc.single[2]
	}
	var secrets [3]evidence.Hash
	n := 0
	for _, h := range who.handles(o) {
		if h != 0 {
			secrets[n] = *who.secret(h)
			n++
		}
	}
	keys := evidence.DeriveGroup(enc.secret, secrets[:n]...)
	enc.shared[g] = person.KeysOf(&keys, n == 1)
	return &enc.shared[g]
}

func (who *persons) handles(o event.Owners) [3]int64 {
	var h [3]int64
	for i, bit := range [...]event.Owners{event.OwnerActor, event.OwnerSubject, event.OwnerResource} {
		if o&bit != 0 {
			h[i] = who.handle(bit)
		}
	}
	return owners(h[:]...)
}

// pin stores the repeating values of a single owner as a profile. The actor's number goes into the row's own column, the others in front of the clear values.
// When the owner has too many profiles, the values are sealed with the event instead.
func (l *Ledger) pin(t *tenant, enc *encoder, b *person.Batch, row *segment.Row, who *persons, o event.Owners, idx []int) {
	p := &who.actor
	switch o {
	case event.OwnerSubject:
		p = &who.subject
	case event.OwnerResource:
		p = &who.resource
	}
	id := t.people.Profile(b, *p, enc.profile)
	if id == 0 {
		for _, i := range idx {
			enc.part[i] = 's'
		}
		enc.redescribe(idx)
		return
	}
	if o == event.OwnerActor {
		row.Profile = id
	} else {
		enc.arena = binary.BigEndian.AppendUint64(enc.arena, uint64(id))
	}
}

// pack appends the values of the fields kept in part, each with its length.
func (enc *encoder) pack(dst []byte, idx []int, part byte) []byte {
	for _, i := range idx {
		if enc.part[i] == part {
			v := enc.fields[i].Value
			dst = binary.AppendUvarint(dst, uint64(len(v)))
			dst = append(dst, v...)
		}
	}
	return dst
}

func (enc *encoder) seal(keys *person.Keys, logID string, nonce [16]byte, slot uint8) {
	enc.aad = evidence.AAD(enc.aad, logID, nonce, slot)
	enc.sealed = binary.AppendUvarint(enc.sealed, uint64(len(enc.plain)+aesgcm.Overhead))
	enc.sealed = enc.gcm.Seal(enc.sealed, (*[32]byte)(&keys.Enc), (*[12]byte)(nonce[:]), enc.plain, enc.aad)
}

// describe appends a group to the shape.
func (enc *encoder) describe(g int, idx []int) {
	if len(enc.shape) > 0 {
		enc.shape = append(enc.shape, ';')
	}
	if g == 0 {
		enc.shape = append(enc.shape, '-')
	} else {
		enc.shape = append(enc.shape, '0'+byte(g-1))
	}
	for _, i := range idx {
		f := &enc.fields[i]
		enc.shape = append(append(enc.shape, ' ', enc.part[i]), f.Path...)
		if f.Category != "" {
			enc.shape = append(append(enc.shape, '='), f.Category...)
		}
	}
}

// redescribe replaces the last group of the shape after its parts changed.
func (enc *encoder) redescribe(idx []int) {
	i := len(enc.shape)
	for i > 0 && enc.shape[i-1] != ';' {
		i--
	}
	g := int(enc.shape[i]-'0') + 1
	enc.shape = enc.shape[:max(0, i-1)]
	enc.describe(g, idx)
}

// intern returns the shape as a string, the same one for equal shapes.
func (enc *encoder) intern() string {
	if s, ok := enc.shapes[string(enc.shape)]; ok {
		return s
	}
	if len(enc.shapes) >= 4096 {
		clear(enc.shapes)
	}
	s := string(enc.shape)
	enc.shapes[s] = s
	return s
}

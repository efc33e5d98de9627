package ledger

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
	"probity.dev/ledger/segment"
)

// CategoryUnknown is the data category of text that nobody vouches for; a masker treats it as personal.
const CategoryUnknown = "unknown"

// encoded is an event ready to be committed: nothing but its seq and recorded_at is missing.
type encoded struct {
	leaf    []byte
	row     segment.Row
	print   uint64 // of (source, id), keyed
	undated bool   // the producer gave no time
	digest  uint64 // of the content, keyed; equal for a retry
}

// The groups an event can have: slot 0, and one sealed group per set of owners.
const maxGroups = 1 + 8

// encoder holds the scratch space of one encoding goroutine.
type encoder struct {
	fields  []event.Field
	part    []byte  // of each field
	group   []uint8 // of each field
	order   [maxGroups][]int
	hashes  []evidence.Hash
	roots   []evidence.Hash
	derive  evidence.Deriver
	shape   []byte
	plain   []byte
	profile []byte
	aad     []byte
	arena   []byte
	shapes  map[string]string
	mac     hash.Hash
	macOf   *tenant
	sum     [32]byte
}

var encoders = sync.Pool{New: func() any { return &encoder{shapes: map[string]string{}} }}

// persons are the directory entries of one event.
type persons struct {
	actor, subject, resource person.Person
	ip                       int64        // handle of the address
	owners                   event.Owners // who is present, each person once
}

// encode builds the evidence and the working copy of a normalised event for the given period. What the directory must store is added to b.
func (l *Ledger) encode(ctx context.Context, t *tenant, enc *encoder, b *person.Batch, ev *event.Event, period periodID) (encoded, error) {
	var out encoded
	who, err := l.resolve(ctx, t, b, ev)
	if err != nil {
		return out, err
	}
	enc.fields = ev.Flatten(enc.fields[:0])
	if len(enc.fields) > event.MaxFields {
		return out, errs.Field("/data", "too_many_fields", "the event has more than %d fields", event.MaxFields)
	}
	l.assign(t, enc, ev, who)

	var nonce [16]byte
	rand.Read(nonce[:]) //nolint:errcheck // never fails
	row := &out.row
	*row = segment.Row{OccurredAt: ev.OccurredAt.UnixMicro(), Source: ev.Source, Action: ev.Action, Category: ev.Category, Activity: ev.Activity,
		Outcome: ev.Outcome.Status, Severity: ev.Severity, ResourceType: ev.Resource.Type, EventID: ev.ID, CorrelationID: ev.CorrelationID,
		Actor: who.actor.Handle, Subject: who.subject.Handle, Resource: who.resource.Handle, IP: who.ip, Nonce: nonce}
	if who.resource.Handle == 0 {
		row.ResourceID = l.searchableID(ev)
	}
	root, err := l.groups(ctx, t, enc, b, row, who, period)
	if err != nil {
		return out, err
	}
	leaf := evidence.Leaf{Nonce: nonce, RecordedAt: 1 << 40, OccurredAt: row.OccurredAt, Source: ev.Source, Action: ev.Action, Category: ev.Category,
		Activity: ev.Activity, Outcome: ev.Outcome.Status, ResourceType: ev.Resource.Type, FieldsRoot: root, Class: period.class}
	if p := ev.Producer; p != nil {
		leaf.Producer = &evidence.Producer{ID: p.ID, Boot: p.Boot, Seq: p.Seq}
	}
	if err := l.tags(ctx, t, enc, &leaf, ev, who, period); err != nil {
		return out, err
	}
	start := len(enc.arena)
	enc.arena = leaf.Append(enc.arena)
	out.leaf = enc.arena[start:len(enc.arena):len(enc.arena)]
	if len(out.leaf) > evidence.MaxLeaf {
		return out, errs.New(errs.TooLarge, "the event's evidence is larger than %d bytes", evidence.MaxLeaf)
	}
	out.undated = ev.Undated
	out.print, out.digest = enc.prints(t, ev)
	return out, nil
}

// searchableID is the resource id as it may stand in clear in the working copy; an id that looks personal is found by opening the rows instead.
func (l *Ledger) searchableID(ev *event.Event) string {
	if ev.Resource.ID == "" || l.opt.Classifier.Suspicious(ev.Resource.ID) {
		return ""
	}
	return ev.Resource.ID
}

// resolve looks up the event's persons in the directory. An actor with an id has an entry whatever its type, so that it is searched like any other.
func (l *Ledger) resolve(ctx context.Context, t *tenant, b *person.Batch, ev *event.Event) (who persons, err error) {
	if id := ev.Actor.ID; id != "" || ev.Actor.Email != "" {
		if id == "" {
			id = ev.Actor.Email
		}
		if who.actor, err = t.people.Resolve(ctx, b, person.Identity{Namespace: ev.Source, Type: ev.Actor.Type, ID: id, Name: ev.Actor.Name, Email: ev.Actor.Email}); err != nil {
			return who, err
		}
		who.owners |= event.OwnerActor
	}
	if s := ev.Subject; s != nil && s.ID != "" {
		if who.subject, err = t.people.Resolve(ctx, b, person.Identity{Namespace: ev.Source, Type: s.Type, ID: s.ID, Name: s.Name}); err != nil {
			return who, err
		}
		if who.subject.Handle != who.actor.Handle {
			who.owners |= event.OwnerSubject
		}
	}
	if r := ev.Resource; r.ID != "" && l.opt.Classifier.PersonType(r.Type) {
		if who.resource, err = t.people.Resolve(ctx, b, person.Identity{Namespace: ev.Source, Type: r.Type, ID: r.ID, Name: r.Name}); err != nil {
			return who, err
		}
		if who.resource.Handle != who.actor.Handle && who.resource.Handle != who.subject.Handle {
			who.owners |= event.OwnerResource
		}
	}
	if ip := ev.Context.IP; ip != "" {
		who.ip = t.people.Address(ip)
	}
	return who, err
}

// own maps one owner bit to the bit that stands for the same person in the event.
func (who *persons) own(o event.Owners) event.Owners {
	var out event.Owners
	for _, bit := range [...]event.Owners{event.OwnerActor, event.OwnerSubject, event.OwnerResource} {
		if o&bit == 0 {
			continue
		}
		h := who.handle(bit)
		switch {
		case h == 0:
		case h == who.actor.Handle:
			out |= event.OwnerActor
		case h == who.subject.Handle:
			out |= event.OwnerSubject
		default:
			out |= event.OwnerResource
		}
	}
	return out
}

func (who *persons) handle(bit event.Owners) int64 {
	switch bit {
	case event.OwnerActor:
		return who.actor.Handle
	case event.OwnerSubject:
		return who.subject.Handle
	default:
		return who.resource.Handle
	}
}

// data is the owner of personal values that the event does not attribute itself: its subject, else the person it is about, else the actor.
func (who *persons) data() event.Owners {
	switch {
	case who.subject.Handle != 0 && who.resource.Handle != 0:
		return who.own(event.OwnerSubject | event.OwnerResource)
	case who.subject.Handle != 0:
		return who.own(event.OwnerSubject)
	case who.resource.Handle != 0:
		return who.own(event.OwnerResource)
	}
	return who.own(event.OwnerActor)
}

// assign decides each field's group, part and category.
func (l *Ledger) assign(t *tenant, enc *encoder, ev *event.Event, who persons) {
	enc.part, enc.group = enc.part[:0], enc.group[:0]
	for i := range enc.order {
		enc.order[i] = enc.order[i][:0]
	}
	for i := range enc.fields {
		f := &enc.fields[i]
		owners, sealed := l.ownersOf(t, ev, f, who)
		group, part := uint8(0), byte('c')
		if sealed {
			group, part = 1+uint8(owners), 's'
			if single(owners) && repeats(f.Path) {
				part = 'p'
			}
		}
		f.Owners = owners
		enc.group, enc.part = append(enc.group, group), append(enc.part, part)
		enc.order[group] = append(enc.order[group], i)
	}
}

func single(o event.Owners) bool {
	return o == event.OwnerActor || o == event.OwnerSubject || o == event.OwnerResource
}

// repeats reports whether a path's value is usually the same for all events of its owner, so that it is kept in the owner's profile.
func repeats(path string) bool {
	switch path {
	case "/actor/email", "/actor/id", "/actor/name", "/actor/roles", "/actor/type", "/context/device", "/context/user_agent",
		"/subject/id", "/subject/name", "/subject/type", "/resource/id", "/resource/name":
		return true
	}
	return false
}

// ownersOf classifies a field and says whose secret protects it; sealed false means operational data, kept in clear.
func (l *Ledger) ownersOf(t *tenant, ev *event.Event, f *event.Field, who persons) (owners event.Owners, sealed bool) {
	c := l.classify(t, ev, f)
	f.Category = c.Category
	path := f.Path
	switch {
	case strings.HasPrefix(path, "/actor/") && who.actor.Handle != 0:
		return event.OwnerActor, true
	case strings.HasPrefix(path, "/subject/") && who.subject.Handle != 0:
		return who.own(event.OwnerSubject), true
	case strings.HasPrefix(path, "/resource/") && who.resource.Handle != 0:
		return who.own(event.OwnerResource), true
	case c.Kind == event.Operational:
		return 0, false
	case c.Kind == event.Personal && strings.HasPrefix(path, "/context/"):
		if who.actor.Handle != 0 {
			return event.OwnerActor, true
		}
		return who.data(), true
	case c.Kind == event.Personal:
		return who.data(), true
	}
	if f.Category == "" {
		f.Category = CategoryUnknown
	}
	return who.owners, true
}

func (l *Ledger) classify(t *tenant, ev *event.Event, f *event.Field) event.Class {
	if name, ok := strings.CutPrefix(f.Path, "/custom/"); ok {
		if d := t.settings.Load().custom(name); d != nil {
			return d.class()
		}
	}
	for _, p := range ev.Personal {
		if p == f.Path || strings.HasPrefix(f.Path, p) && len(f.Path) > len(p) && f.Path[len(p)] == '/' {
			c := l.opt.Classifier.Classify(ev.Action, f.Path, f.Value)
			if c.Category == "" {
				c.Category = "user"
			}
			c.Kind = event.Personal
			return c
		}
	}
	if n, member, ok := changeMember(f.Path); ok && n < len(ev.Changes) && (member == "before" || member == "after") {
		return l.opt.Classifier.ClassifyChange(ev.Action, ev.Changes[n].Path, f.Value)
	}
	return l.opt.Classifier.Classify(ev.Action, f.Path, f.Value)
}

// changeMember splits "/changes/3/after" into 3 and "after".
func changeMember(path string) (n int, member string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/changes/")
	if !ok {
		return 0, "", false
	}
	i := 0
	for ; i < len(rest) && rest[i] >= '0' && rest[i] <= '9'; i++ {
		n = n*10 + int(rest[i]-'0')
	}
	if i == 0 || i >= len(rest) || rest[i] != '/' {
		return 0, "", false
	}
	return n, rest[i+1:], true
}

// groups commits to every field, seals the personal ones, fills the row's shape and values, and returns fields_root.
func (l *Ledger) groups(ctx context.Context, t *tenant, enc *encoder, b *person.Batch, row *segment.Row, who persons, period periodID) (evidence.Hash, error) {
	enc.roots, enc.shape = enc.roots[:0], enc.shape[:0]
	start := len(enc.arena)
	var sealed []byte
	slot := uint8(1)
	enc.spare(row)
	for g := range enc.order {
		idx := enc.order[g]
		if len(idx) == 0 {
			continue
		}
		id := groupID{periodID: period}
		s := uint8(0)
		if g > 0 {
			s = slot
			slot++
			id.owners = who.handles(event.Owners(g - 1))
		}
		keys, err := t.groupKeys(ctx, l.db, id)
		if err != nil {
			return evidence.Hash{}, err
		}
		enc.commitGroup(keys, row.Nonce, s, idx)
		enc.describe(g, idx)
		if g == 0 {
			continue
		}
		if enc.profile = enc.pack(enc.profile[:0], idx, 'p'); len(enc.profile) > 0 {
			l.pin(t, enc, b, row, who, event.Owners(g-1), idx)
		}
		if enc.plain = enc.pack(enc.plain[:0], idx, 's'); len(enc.plain) > 0 {
			sealed = enc.seal(sealed, keys, t.logID, row.Nonce, s)
		}
	}
	enc.arena = enc.pack(enc.arena, enc.order[0], 'c')
	row.Clear = enc.arena[start:len(enc.arena):len(enc.arena)]
	row.Sealed = sealed
	row.Shape = enc.intern()
	return evidence.FieldsRoot(enc.roots), nil
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

func (enc *encoder) commitGroup(keys *groupCipher, nonce [16]byte, slot uint8, idx []int) {
	key := enc.derive.EventKey(keys.g, nonce, slot)
	enc.hashes = enc.hashes[:0]
	for _, i := range idx {
		f := &enc.fields[i]
		enc.hashes = append(enc.hashes, evidence.Commit(enc.derive.Salt(key, f.Path), f.Path, f.Value))
	}
	enc.roots = append(enc.roots, evidence.GroupRoot(slot, enc.hashes))
}

// pin stores the repeating values of a single owner as a profile. The actor's number goes into the row's own column, the others in front of the clear values.
// When the owner has too many profiles, the values are sealed with the event instead.
func (l *Ledger) pin(t *tenant, enc *encoder, b *person.Batch, row *segment.Row, who persons, o event.Owners, idx []int) {
	p := who.actor
	switch o {
	case event.OwnerSubject:
		p = who.subject
	case event.OwnerResource:
		p = who.resource
	}
	id := t.people.Profile(b, p, enc.profile)
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

func (enc *encoder) seal(dst []byte, keys *groupCipher, logID string, nonce [16]byte, slot uint8) []byte {
	enc.aad = evidence.AAD(enc.aad, logID, nonce, slot)
	dst = binary.AppendUvarint(dst, uint64(len(enc.plain)+keys.aead.Overhead()))
	return keys.aead.Seal(dst, nonce[:12], enc.plain, enc.aad)
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

// tags fills the leaf's search tags.
func (l *Ledger) tags(ctx context.Context, t *tenant, enc *encoder, leaf *evidence.Leaf, ev *event.Event, who persons, period periodID) error {
	for role, h := range [...]int64{who.actor.Handle, who.subject.Handle, who.resource.Handle} {
		var key evidence.Hash
		var err error
		switch {
		case h != 0:
			key, err = t.personTag(ctx, l.db, period, h)
		case role == evidence.RoleResource && ev.Resource.ID != "":
			var s evidence.Hash
			s, err = t.period(ctx, l.db, period)
			key = evidence.ResourceTagKey(s, ev.Resource.Type, ev.Resource.ID)
		default:
			rand.Read(leaf.Tags[role][:]) //nolint:errcheck // never fails
			continue
		}
		if err != nil {
			return err
		}
		leaf.Tags[role] = enc.derive.Tag(key, leaf.Nonce, uint8(role))
	}
	return nil
}

// prints returns the keyed fingerprints of the event's identity and of its content as the producer sent it.
func (enc *encoder) prints(t *tenant, ev *event.Event) (print, digest uint64) {
	if enc.macOf != t {
		enc.mac, enc.macOf = hmac.New(sha256.New, t.dedupe.key[:]), t
	}
	b := appendPart(enc.plain[:0], ev.Source)
	print = enc.keyed(appendPart(b, ev.ID))
	b = appendPart(appendPart(appendPart(b[:0], ev.Action), ev.Outcome.Status), ev.Resource.Type)
	if !ev.Undated {
		b = binary.BigEndian.AppendUint64(b, uint64(ev.OccurredAt.UnixMicro()))
	}
	for i := range enc.fields {
		b = appendPart(appendPart(b, enc.fields[i].Path), enc.fields[i].Value)
	}
	enc.plain = b
	return print, enc.keyed(b)
}

func appendPart[T string | []byte | jsontext.Value](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (enc *encoder) keyed(b []byte) uint64 {
	enc.mac.Reset()
	enc.mac.Write(b)
	return binary.BigEndian.Uint64(enc.mac.Sum(enc.sum[:0]))
}

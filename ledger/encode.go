package ledger

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"

	"probity.dev/internal/aesgcm"
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

// encoder holds the scratch space of one encoding goroutine, and what the events of its submission share.
type encoder struct {
	secret    evidence.Hash // of the period
	own       *person.Keys  // of the tenant in the period
	resources evidence.Hash // see evidence.ResourceTags

	single [3]*person.Keys        // of the event's actor, subject and resource alone; nil for nobody
	shared [maxGroups]person.Keys // of the event's groups with several owners
	gcm    aesgcm.Sealer
	print  printScratch

	fields  []event.Field
	part    []byte  // of each field
	group   []uint8 // of each field
	order   [maxGroups][]int
	shape   []byte
	plain   []byte
	sealed  []byte
	profile []byte
	aad     []byte
	arena   []byte
	random  []byte
	shapes  map[string]string

	tree     evidence.Tree
	unhashed []unhashed
}

// arenaBytes is about what an event needs of the arena: leaf, clear values and ciphertext.
const arenaBytes = 512

// begin prepares for the events of one submission.
func (enc *encoder) begin(ctx context.Context, l *Ledger, t *tenant, period periodID, events int) error {
	s, err := t.period(ctx, l.db, period)
	if err != nil {
		return err
	}
	enc.tree.Reset()
	enc.unhashed = enc.unhashed[:0]
	enc.secret, enc.resources = s, evidence.ResourceTags(s)
	enc.own, err = t.groupKeys(ctx, l.db, groupID{periodID: period})
	enc.arena = make([]byte, 0, events*arenaBytes)
	return err
}

// random16 returns 16 random bytes, which become public.
func (enc *encoder) random16() (b [16]byte) {
	if len(enc.random) < len(b) {
		enc.random = append(enc.random[:0], make([]byte, 1024)...)
		rand.Read(enc.random) //nolint:errcheck // never fails
	}
	n := len(enc.random) - len(b)
	copy(b[:], enc.random[n:])
	enc.random = enc.random[:n]
	return b
}

var encoders = sync.Pool{New: func() any { return &encoder{shapes: map[string]string{}} }}

// persons are the directory entries of one event.
type persons struct {
	actor, subject, resource person.Person
	ip                       int64        // handle of the address
	owners                   event.Owners // who is present, each person once
}

// encode builds the evidence and the working copy of a normalised event for the given period. What the directory must store is added to b. The leaf lacks its hashes until
// [encoder.hash] is called, which is worth it for several events at a time.
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
	l.assign(t, enc, ev, &who)

	nonce := enc.random16()
	row := &out.row
	*row = segment.Row{OccurredAt: ev.OccurredAt.UnixMicro(), Source: ev.Source, Action: ev.Action, Category: ev.Category, Activity: ev.Activity,
		Outcome: ev.Outcome.Status, Severity: ev.Severity, ResourceType: ev.Resource.Type, EventID: ev.ID, CorrelationID: ev.CorrelationID,
		Actor: who.actor.Handle, Subject: who.subject.Handle, Resource: who.resource.Handle, IP: who.ip, Nonce: nonce}
	if who.resource.Handle == 0 {
		row.ResourceID = l.searchableID(ev)
	}
	enc.singles(&who, period)
	number := enc.tree.Event(nonce)
	l.groups(t, enc, b, row, &who)
	leaf := evidence.Leaf{Nonce: nonce, RecordedAt: 1 << 40, OccurredAt: row.OccurredAt, Source: ev.Source, Action: ev.Action, Category: ev.Category,
		Activity: ev.Activity, Outcome: ev.Outcome.Status, ResourceType: ev.Resource.Type, Class: period.class}
	if p := ev.Producer; p != nil {
		leaf.Producer = &evidence.Producer{ID: p.ID, Boot: p.Boot, Seq: p.Seq}
	}
	start := len(enc.arena)
	enc.arena = leaf.Append(enc.arena)
	out.leaf = enc.arena[start:len(enc.arena):len(enc.arena)]
	if len(out.leaf) > evidence.MaxLeaf {
		return out, errs.New(errs.TooLarge, "the event's evidence is larger than %d bytes", evidence.MaxLeaf)
	}
	u := unhashed{leaf: out.leaf, class: leaf.Class, event: number}
	enc.askTags(&u.tags, ev)
	enc.unhashed = append(enc.unhashed, u)
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

// secret returns the secret of the person with this handle, who is one of these.
func (who *persons) secret(handle int64) *evidence.Hash {
	switch handle {
	case who.actor.Handle:
		return &who.actor.Secret
	case who.subject.Handle:
		return &who.subject.Secret
	default:
		return &who.resource.Secret
	}
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
func (l *Ledger) assign(t *tenant, enc *encoder, ev *event.Event, who *persons) {
	enc.part, enc.group = enc.part[:0], enc.group[:0]
	for i := range enc.order {
		enc.order[i] = enc.order[i][:0]
	}
	rules := l.rules.read(ev.Action)
	subject, resource, data := who.own(event.OwnerSubject), who.own(event.OwnerResource), who.data()
	for i := range enc.fields {
		f := &enc.fields[i]
		r, c := l.classify(t, &rules, ev, f)
		f.Category = c.Category
		owners, sealed := event.Owners(0), true
		switch {
		case r.area == inActor && who.actor.Handle != 0:
			owners = event.OwnerActor
		case r.area == inSubject && who.subject.Handle != 0:
			owners = subject
		case r.area == inResource && who.resource.Handle != 0:
			owners = resource
		case c.Kind == event.Operational: // kept in clear
			sealed = false
		case c.Kind == event.Personal && r.area == inContext && who.actor.Handle != 0:
			owners = event.OwnerActor
		case c.Kind == event.Personal:
			owners = data
		default:
			owners = who.owners
			if f.Category == "" {
				f.Category = CategoryUnknown
			}
		}
		group, part := uint8(0), byte('c')
		if sealed {
			group, part = 1+uint8(owners), 's'
			if r.repeats && single(owners) {
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

// classify returns what the path of a field says and what its value holds.
func (l *Ledger) classify(t *tenant, rules *reading, ev *event.Event, f *event.Field) (*fieldRule, event.Class) {
	change, path := "", f.Path
	if n, member, ok := changeMember(f.Path); ok && n < len(ev.Changes) && (member == "before" || member == "after") {
		change = ev.Changes[n].Path
		path = change
	}
	r := rules.find(f.Path, change)
	if name, ok := strings.CutPrefix(f.Path, "/custom/"); ok {
		if d := t.settings.Load().custom(name); d != nil {
			return r, d.class()
		}
	}
	for _, p := range ev.Personal {
		if p == f.Path || strings.HasPrefix(f.Path, p) && len(f.Path) > len(p) && f.Path[len(p)] == '/' {
			c := l.opt.Classifier.Classify(ev.Action, f.Path, f.Value)
			if c.Category == "" {
				c.Category = "user"
			}
			c.Kind = event.Personal
			return r, c
		}
	}
	return r, r.rule.Class(ev.Action, path, f.Value)
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

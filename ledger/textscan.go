package ledger

import (
	"bytes"
	"context"
	"sync"

	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// textScan is the sieve of a search for a text: it tells which rows are worth opening. Those it keeps are opened, checked and masked like any others, and only then
// it is decided whether the text occurs in them; so what it keeps too much costs time and nothing else. It leaves out no event whose text matches and whose
// working copy is undamaged. Of damage in a row that it leaves out nobody learns here; verification is for that.
//
// It is quick because it asks the index of names in which profiles the text can be, makes no records, decrypts without checking tags (see [aesgcm.Sealer.Peek]), derives the
// keys of many rows together, looks at each profile once, and leaves encrypted what the reader sees the same whatever it is.
type textScan struct {
	l      *Ledger
	t      *tenant
	mask   event.Foreseer // nil shows everything
	needle *needle
	free   sync.Pool // *textWorker

	mu    sync.RWMutex
	plans map[planKey]*textPlan
	sifts map[string]*person.Sift // by what is to be done with a profile
	texts *person.Texts           // nil when it is not known, or nobody has asked
	asked bool
}

// sieve returns the sieve for the conditions of a search, nil when all rows must be opened: there is no text to look for, or what the reader sees is not known before.
func (l *Ledger) sieve(t *tenant, mask event.Masker, post *postFilter) query.Sieve {
	if post == nil || post.text == "" {
		return nil
	}
	f, ok := mask.(event.Foreseer)
	if mask != nil && !ok {
		return nil
	}
	return l.newTextScan(t, f, post.text).sift
}

func (l *Ledger) newTextScan(t *tenant, mask event.Foreseer, text string) *textScan {
	s := &textScan{l: l, t: t, mask: mask, needle: newNeedle(text), plans: map[planKey]*textPlan{}, sifts: map[string]*person.Sift{}}
	s.free.New = func() any { return &textWorker{s: s, numbers: t.people.Numbers(), plans: map[string][2]*textPlan{}} }
	return s
}

// sift implements [query.Sieve].
func (s *textScan) sift(ctx context.Context, rows []segment.Row, keep []bool) error {
	w := s.free.Get().(*textWorker)
	defer s.free.Put(w)
	return w.sift(ctx, rows, keep)
}

// textPlan says where the text may be in rows of a shape.
type textPlan struct {
	shape *shape
	// always says that every row is worth opening.
	always bool
	// columns says which of repeatedColumns stand for fields.
	columns [len(repeatedColumns)]bool
	groups  []textGroup
}

// repeatedColumns are the paths of the fields that a column of the row may stand for.
var repeatedColumns = [...]string{"/id", "/correlation_id", "/resource/id", "/severity"}

// textGroup is what a search needs of an encrypted group of a shape.
type textGroup struct {
	*shapeGroup
	profiles *person.Sift // nil when nothing in the profile can match
	sealed   textPart
}

// textPart is the values of a group that lie together.
type textPart struct {
	fields []textField
	// any says that one of the fields can match; whole that all of them are shown as they are, so that the text may be looked for in all at once; made that the mask may make the text
	// of a value in which it does not occur.
	any, whole, made bool
}

type textField struct {
	*shapeField
	look look
}

// look says what is to be done with a value.
type look uint8

const (
	lookNever  look = iota // the reader sees the same whatever it is, and not the text
	lookAsIs               // the reader sees it
	lookMasked             // the reader sees what the mask makes of it
)

func (s *textScan) planOf(shape *shape, person bool) *textPlan {
	k := planKey{shape, person}
	s.mu.RLock()
	p, ok := s.plans[k]
	s.mu.RUnlock()
	if ok {
		return p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.plans) >= maxShapes {
		clear(s.plans)
	}
	p = &textPlan{shape: shape}
	for i := range shape.groups {
		if g := &shape.groups[i]; g.clear {
			s.planClear(p, g)
		} else {
			p.groups = append(p.groups, s.planGroup(p, g, person))
		}
	}
	s.plans[k] = p
	return p
}

func (s *textScan) planClear(p *textPlan, g *shapeGroup) {
	for i := range g.fields {
		f := &g.fields[i]
		p.always = p.always || s.mask != nil && !s.mask.Shows(f.path, f.category)
		for c, path := range repeatedColumns {
			p.columns[c] = p.columns[c] || f.part == 'r' && path == f.path
		}
	}
}

func (s *textScan) planGroup(p *textPlan, g *shapeGroup, person bool) textGroup {
	out := textGroup{shapeGroup: g}
	profile := textPart{whole: true}
	out.sealed.whole = true
	for i := range g.fields {
		f := textField{&g.fields[i], lookAsIs}
		part := &out.sealed
		if f.part == 'p' {
			part = &profile
		}
		if s.mask != nil {
			f.look = s.lookAt(p, f.shapeField, person)
			part.made = part.made || f.look == lookMasked && s.mask.Makes(f.path, f.category, person, s.needle.text)
		}
		part.fields = append(part.fields, f)
		part.any, part.whole = part.any || f.look != lookNever, part.whole && f.look == lookAsIs
	}
	if profile.any {
		if out.profiles = s.siftOf(g, &profile, person); out.profiles == nil {
			p.always = true
		}
	}
	return out
}

// lookAt says what is to be done with values that the mask decides on.
func (s *textScan) lookAt(p *textPlan, f *shapeField, person bool) look {
	if s.mask.Keeps(f.path, f.category, person) {
		return lookAsIs
	}
	if v, _, ok := s.mask.Foresee(f.path, f.category, event.AlwaysText(f.path), person); ok {
		p.always = p.always || s.needle.in(v)
		return lookNever
	}
	return lookMasked
}

// maxSifts bounds the memory of profiles: rows with profiles of yet another layout are opened.
const maxSifts = 64

// siftOf returns the sieve for profiles of a layout.
func (s *textScan) siftOf(g *shapeGroup, part *textPart, resource bool) *person.Sift {
	var layout []byte
	if !part.whole {
		layout = append(layout, '-', byte('0'+g.owners))
		if resource {
			layout[0] = '+'
		}
		for _, f := range part.fields {
			layout = append(append(append(append(layout, ' '), f.path...), '='), f.category...)
		}
	}
	sift, ok := s.sifts[string(layout)]
	if ok || len(s.sifts) >= maxSifts {
		return sift
	}
	var texts *person.Texts
	if !part.made {
		texts = s.textsOf()
	}
	if part.whole {
		sift = s.t.people.Sift(func(_ int64, body []byte) bool { return s.needle.in(body) }, texts, true)
	} else {
		masks := sync.Pool{New: func() any { return new(maskedText) }}
		sift = s.t.people.Sift(func(handle int64, body []byte) bool {
			m := masks.Get().(*maskedText)
			defer masks.Put(m)
			if !part.made && !s.inOrEscaped(body) {
				return false
			}
			// Every path of the profile stands for its owner.
			m.record = event.Record{ActorHandle: handle, SubjectHandle: handle}
			if resource {
				m.record.ResourceHandle = handle
			}
			return m.in(s, g, part.fields, body)
		}, texts, false)
	}
	s.sifts[string(layout)] = sift
	return sift
}

// textsOf asks once in which profiles the text occurs, or might if it were not for escapes. The caller holds the lock.
func (s *textScan) textsOf() *person.Texts {
	if !s.asked {
		s.asked, s.texts = true, s.t.people.Texts(s.needle.text, s.inOrEscaped)
	}
	return s.texts
}

// inOrEscaped reports whether the text occurs in packed values, or what is made of them is not foreseen (see [event.Foreseer.Makes]).
func (s *textScan) inOrEscaped(packed []byte) bool {
	return s.needle.in(packed) || s.mask != nil && bytes.IndexByte(packed, '\\') >= 0
}

// maskedText looks for the text in what the reader sees of values. It is not safe for concurrent use.
type maskedText struct {
	record event.Record // its handles are the caller's to set
	field  [1]event.Field
}

// in looks through packed values of a group. What does not decode may match.
func (m *maskedText) in(s *textScan, g *shapeGroup, fields []textField, packed []byte) bool {
	for _, f := range fields {
		v, ok := take(&packed)
		if !ok {
			return true
		}
		switch f.look {
		case lookNever:
			continue
		case lookMasked:
			m.field[0] = event.Field{Path: f.path, Category: f.category, Owners: g.owners, State: event.Opened, Value: v}
			m.record.Fields = m.field[:]
			s.mask.MaskField(&m.record, 0)
			v = m.field[0].Value
		}
		if s.needle.in(v) {
			return true
		}
	}
	return false
}

package export

import (
	"cmp"
	"slices"
	"time"

	"probity.dev/ledger/event"
)

// maxKeys bounds the distinct keys that a tally counts apart; further ones are counted together under [OtherKey].
const maxKeys = 50_000

// OtherKey collects what a tally no longer counts apart.
const OtherKey = "(others)"

// Tally counts the records of an export for its [Summary]. It is not safe for concurrent use.
type Tally struct {
	loc        *time.Location
	pseudonyms *Pseudonyms
	rows       int64
	first      uint64
	last       uint64
	action     map[string]*Count
	outcome    map[string]*Count
	handle     map[int64]*Count
	actor      map[string]*Count
	day        map[int64]*Day
	dayStart   int64 // bounds in microseconds of the day that today counts
	dayEnd     int64
	today      *Day
}

// NewTally returns an empty tally. Days are those of loc (UTC when nil); actors are named by pseudonyms, or left out when nil.
func NewTally(loc *time.Location, pseudonyms *Pseudonyms) *Tally {
	if loc == nil {
		loc = time.UTC
	}
	return &Tally{loc: loc, pseudonyms: pseudonyms, action: map[string]*Count{}, outcome: map[string]*Count{},
		handle: map[int64]*Count{}, actor: map[string]*Count{}, day: map[int64]*Day{}}
}

// Add counts one record.
func (t *Tally) Add(r *event.Record) {
	if t.rows == 0 {
		t.first, t.last = r.Seq, r.Seq
	}
	t.first, t.last = min(t.first, r.Seq), max(t.last, r.Seq)
	t.rows++
	failed := int64(0)
	if r.Outcome != "success" {
		failed = 1
	}
	bump(t.action, r.Action, failed)
	bump(t.outcome, r.Outcome, failed)
	t.addActor(r, failed)
	d := t.dayOf(r.OccurredAt)
	d.Count++
	d.Failures += failed
}

func bump(m map[string]*Count, key string, failed int64) {
	c := m[key]
	if c == nil {
		if len(m) >= maxKeys {
			key = OtherKey
			c = m[key]
		}
		if c == nil {
			c = &Count{Key: key}
			m[key] = c
		}
	}
	c.Count++
	c.Failures += failed
}

func (t *Tally) addActor(r *event.Record, failed int64) {
	if t.pseudonyms == nil {
		return
	}
	if r.ActorHandle != 0 {
		c := t.handle[r.ActorHandle]
		if c == nil && len(t.handle) < maxKeys {
			c = &Count{Key: t.pseudonyms.Person(r.ActorHandle)}
			t.handle[r.ActorHandle] = c
		}
		if c != nil {
			c.Count++
			c.Failures += failed
			return
		}
		bump(t.actor, OtherKey, failed)
		return
	}
	name := t.pseudonyms.Actor(r)
	if name == "" {
		name = "(nobody)"
	}
	bump(t.actor, name, failed)
}

// dayOf returns the counter of the calendar day of at. Events come nearly in order, so the day is looked up once a day.
func (t *Tally) dayOf(at time.Time) *Day {
	micros := at.UnixMicro()
	if t.today != nil && micros >= t.dayStart && micros < t.dayEnd {
		return t.today
	}
	y, m, d := at.In(t.loc).Date()
	t.dayStart = time.Date(y, m, d, 0, 0, 0, 0, t.loc).UnixMicro()
	t.dayEnd = time.Date(y, m, d+1, 0, 0, 0, 0, t.loc).UnixMicro()
	date := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	t.today = t.day[date.Unix()]
	if t.today == nil {
		t.today = &Day{Date: date}
		if len(t.day) < maxKeys {
			t.day[date.Unix()] = t.today
		}
	}
	return t.today
}

// Summary returns what was counted so far.
func (t *Tally) Summary() Summary {
	s := Summary{Rows: t.rows, FirstSeq: t.first, LastSeq: t.last, ByAction: sorted(t.action), ByOutcome: sorted(t.outcome)}
	for _, c := range t.handle {
		s.ByActor = append(s.ByActor, *c)
	}
	s.ByActor = sortCounts(append(s.ByActor, sorted(t.actor)...))
	for _, d := range t.day {
		s.ByDay = append(s.ByDay, *d)
	}
	slices.SortFunc(s.ByDay, func(a, b Day) int { return a.Date.Compare(b.Date) })
	return s
}

func sorted(m map[string]*Count) []Count {
	list := make([]Count, 0, len(m))
	for _, c := range m {
		list = append(list, *c)
	}
	return sortCounts(list)
}

func sortCounts(list []Count) []Count {
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key))
	})
	return list
}

package load

import (
	"encoding/binary"
	"time"
)

// writer makes the events of one batch.
type writer struct {
	g   *Generator
	r   rng
	out []byte
	// corr is the operation that this and the next few events belong to.
	corr     uint64
	corrLeft int
}

// occurred returns event i's time in microseconds since 1970.
func (w *writer) occurred(i int) int64 {
	c := &w.g.cfg
	start, span := c.Start.UnixMicro(), float64(c.End.Sub(c.Start).Microseconds())
	if c.Spread {
		return start + int64(float64(w.r.next()>>11)/(1<<53)*span)
	}
	return start + int64(float64(i)/float64(c.Events)*span) + int64(w.r.below(5_000_000))
}

func (w *writer) event(i int) Event {
	r := &w.r
	e := Event{OccurredAt: w.occurred(i) / 1000 * 1000} // milliseconds, as in the JSON
	binary.BigEndian.PutUint64(e.ID[:8], r.next())
	binary.BigEndian.PutUint64(e.ID[8:], r.next())
	e.ID[6], e.ID[8] = e.ID[6]&0x0f|0x40, e.ID[8]&0x3f|0x80
	if w.g.cfg.V7 {
		ms := uint64(e.OccurredAt / 1000)
		binary.BigEndian.PutUint32(e.ID[:4], uint32(ms>>16))
		binary.BigEndian.PutUint16(e.ID[4:6], uint16(ms))
		e.ID[6] = e.ID[6]&0x0f | 0x70
	}

	a := &w.g.actors[w.g.zipf[r.below(len(w.g.zipf))]]
	ti := typeOf[r.below(len(typeOf))]
	vi := verbOf[r.below(len(verbOf))]
	t, v := &types[ti], &verbs[vi]
	perType := Resources / len(types)
	u := uint64(r.below(perType))
	if r.next()&3 == 0 { // a quarter of the work is on the most recent tenth
		u /= 10
	}
	num := int(u)*len(types) + int(ti)
	e.Actor, e.Action, e.ResourceType, e.ResourceID = a.id, actions[ti][vi], t.name, w.g.resources[num]
	e.Outcome = "success"
	if r.below(10) == 0 {
		e.Outcome = "failure"
		if r.next()&1 == 0 {
			e.Outcome = "denied"
		}
	}
	w.head(&e, a, int(ti))
	w.about(t, num)
	if v.change {
		w.changes(t)
	}
	w.context(a)
	w.tail(&e)
	return e
}

func (w *writer) str(s string) { w.out = append(w.out, s...) }

func (w *writer) num(n uint64, width int) { w.out = appendPadded(w.out, n, width) }

func (w *writer) head(e *Event, a *actor, ti int) {
	w.str(`{"id":"`)
	w.out = appendUUID(w.out, e.ID)
	w.str(`","source":"`)
	w.str(sources[ti*len(sources)/len(types)])
	w.str(`","action":"`)
	w.str(e.Action)
	w.str(`","occurred_at":"`)
	w.out = appendTime(w.out, e.OccurredAt)
	w.str(`","actor":`)
	w.out = append(w.out, a.fragment...)
	w.str(`,"resource":{"type":"`)
	w.str(e.ResourceType)
	w.str(`","id":"`)
	w.str(e.ResourceID)
	w.str(`"}`)
}

// about names the person whose data the resource is: always the same one.
func (w *writer) about(t *kind, num int) {
	if t.subject == "" {
		return
	}
	client := uint64(num) * 0x9e3779b97f4a7c15 >> 20 % Clients
	w.str(`,"subject":{"type":"`)
	w.str(t.subject)
	w.str(`","id":"c-`)
	w.num(client, 6)
	w.str(`"}`)
}

func (w *writer) changes(t *kind) {
	w.str(`,"changes":[{"path":"`)
	w.str(t.path)
	w.str(`","op":"replace","before":`)
	w.value(t)
	w.str(`,"after":`)
	w.value(t)
	if w.r.next()&1 == 0 {
		w.str(`},{"path":"/version","op":"replace","before":`)
		n := uint64(1 + w.r.below(60))
		w.num(n, 1)
		w.str(`,"after":`)
		w.num(n+1, 1)
	}
	w.str(`}]`)
}

func (w *writer) value(t *kind) {
	n := w.r.below(100_000)
	if t.money {
		w.num(uint64(n/100), 1)
		w.str(".")
		w.num(uint64(n%100), 2)
		return
	}
	switch t.path {
	case "/phone":
		w.str(`"+351 9`)
		w.num(w.r.next()%100_000_000, 8)
	case "/email":
		w.str(`"someone`)
		w.num(uint64(n), 1)
		w.str(`@example.org`)
	default:
		w.str(`"`)
		w.str(channels[n&3])
		w.str("-")
		w.num(uint64(n), 1)
	}
	w.str(`"`)
}

func (w *writer) context(a *actor) {
	r := &w.r
	w.str(`,"context":{"ip":"`)
	n := r.next()
	switch n & 3 {
	case 0, 1, 2: // one of the offices
		w.str("10.")
		w.num(n>>8&15, 1)
		w.str(".")
		w.num(n>>16&15, 1)
		w.str(".")
		w.num(n>>24&15+1, 1)
	default: // at home, always the same address
		h := (uint64(len(a.fragment))*31 + uint64(a.id[len(a.id)-1])) * 2654435761
		for _, c := range []byte(a.id) {
			h = (h ^ uint64(c)) * 1099511628211
		}
		w.str("100.")
		w.num(64+h>>8&63, 1)
		w.str(".")
		w.num(h>>16&255, 1)
		w.str(".")
		w.num(h>>24&255, 1)
	}
	w.str(`","user_agent":"`)
	w.str(agents[a.agent])
	if n>>40&1 != 0 {
		w.str(`","request_id":"req_`)
		w.out = appendHex(w.out, r.next())
	}
	w.str(`"}`)
}

func (w *writer) tail(e *Event) {
	r := &w.r
	w.str(`,"outcome":{"status":"`)
	w.str(e.Outcome)
	if e.Outcome != "success" {
		w.str(`","reason":"`)
		w.str(failures[r.below(len(failures))])
	}
	w.str(`"}`)
	if w.corrLeft == 0 {
		w.corr, w.corrLeft = r.next(), 1+r.below(4)
	}
	w.corrLeft--
	w.str(`,"correlation_id":"op-`)
	w.out = appendHex(w.out, w.corr)[:len(w.out)+10] // ten digits are plenty
	w.str(`"`)
	needle := r.below(NeedleEvery) == 0
	if needle || r.below(10) < 3 {
		w.str(`,"reason":"`)
		if needle {
			w.str("Claim handed over for " + Needle + " to insurer, file ")
		} else {
			w.str(reasons[r.below(len(reasons))])
		}
		w.num(r.next()%1_000_000, 6)
		w.str(`"`)
	}
	w.str(`,"data":{"channel":"`)
	w.str(channels[r.below(len(channels))])
	w.str(`","duration_ms":`)
	w.num(uint64(3+r.below(900)), 1)
	w.str(`,"locale":"`)
	w.str(locales[r.below(len(locales))])
	w.str(`"}}`)
}

func appendPadded(b []byte, n uint64, width int) []byte {
	var tmp [20]byte
	i := len(tmp)
	for n >= 10 || width > 1 {
		i--
		tmp[i] = byte('0' + n%10)
		n /= 10
		width--
	}
	i--
	tmp[i] = byte('0' + n)
	return append(b, tmp[i:]...)
}

const hexDigits = "0123456789abcdef"

func appendHex(b []byte, n uint64) []byte {
	for s := 60; s >= 0; s -= 4 {
		b = append(b, hexDigits[n>>s&15])
	}
	return b
}

func appendUUID(b []byte, id [16]byte) []byte {
	for i, c := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

// appendTime writes microseconds since 1970 as RFC 3339 with milliseconds, the precision most producers have.
func appendTime(b []byte, us int64) []byte {
	t := time.UnixMicro(us).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(appendPadded(b, uint64(year), 4), '-')
	b = append(appendTwo(b, int(month)), '-')
	b = append(appendTwo(b, day), 'T')
	b = append(appendTwo(b, hour), ':')
	b = append(appendTwo(b, minute), ':')
	b = append(appendTwo(b, second), '.')
	return append(appendPadded(b, uint64(t.Nanosecond()/1_000_000), 3), 'Z')
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

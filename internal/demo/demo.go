package demo

import (
	"math/rand/v2"
	"time"
)

// Generator makes the events of a demo one after the other. It is not safe for concurrent use.
type Generator struct {
	r     *rand.Rand
	cast  *cast
	n     int // events in all
	done  int
	plain int // events that were not planted
	time  cursor
	// ahead counts the ordinary events so far; it drives the clock.
	ahead int
	// flows are operations that still have steps to come, earliest first (a heap).
	flows []flow
	// planted are the incidents that are still to come, earliest first.
	planted []plant
	facts   []Fact

	arena arena
	draft draft
	out   []byte
	last  int64
	// counters number resources.
	appointments, orders, invoices, recordings, keys, documents, exports int
}

// New returns the generator of n events over the months before now. At least 1,000 events make sense; with fewer than 20,000 the
// incidents are smaller.
func New(seed uint64, now time.Time, months, n int) *Generator {
	now = now.UTC().Truncate(time.Second)
	start := now.AddDate(0, -max(months, 1), 0)
	g := &Generator{r: rand.New(rand.NewPCG(seed, 0x70726f62697479)), n: max(n, 0)}
	g.cast = newCast(g.r, n)
	g.time = cursor{rhythm: newRhythm(start, now)}
	g.plant()
	g.plain = g.n - len(g.planted)
	return g
}

// Len returns how many events there are in all.
func (g *Generator) Len() int { return g.n }

// Next returns the next event, in memory that stays valid until the next call, and false when there is none.
func (g *Generator) Next() ([]byte, bool) {
	if g.done >= g.n {
		return nil, false
	}
	g.arena.reset()
	g.draft = draft{changes: g.draft.changes[:0]}
	at := int64(1 << 62)
	if g.ahead < g.plain {
		at = g.time.at((float64(g.ahead) + g.r.Float64()) / float64(g.plain))
	}
	if len(g.planted) > 0 && (g.planted[0].at <= at || g.ahead >= g.plain) {
		p := g.planted[0]
		g.planted = g.planted[1:]
		at = p.at
		p.make(g, &g.draft)
	} else {
		g.ahead++
		g.step(&g.draft)
	}
	g.last = max(g.last, at) // jitter does not turn the order round
	g.out = g.write(g.out[:0], g.last, &g.draft)
	g.done++
	return g.out, true
}

// flow is an operation of several steps: an appointment from booking to invoice, an order from cart to refund.
type flow struct {
	due         int // the ordinary event before which the next step does not come
	kind        func(g *Generator, d *draft, f *flow) (more bool)
	step        int
	staff, with *person
	corr        uint64
	number      int
	amount      int
}

// step makes the next ordinary event: one that an operation waits for, or the first of a new operation.
func (g *Generator) step(d *draft) {
	var f flow
	if p := g.newcomer(); p != nil {
		d.corr, d.session = g.r.Uint64(), true
		g.join(d, p)
		return
	}
	if len(g.flows) > 0 && g.flows[0].due <= g.ahead {
		f = g.pop()
	} else {
		f = g.begin()
	}
	d.corr, d.session = f.corr, true
	more := f.kind(g, d, &f)
	if more {
		f.step++
		f.due = g.ahead + 1 + g.r.IntN(12)
		g.push(f)
	}
}

// begin draws a new operation. The clinic is busiest; the service grows.
func (g *Generator) begin() flow {
	f := flow{corr: g.r.Uint64()}
	switch n := g.r.IntN(1000); {
	case n < 190:
		f.kind = (*Generator).appointment
	case n < 290:
		f.kind = (*Generator).chart
	case n < 330:
		f.kind = (*Generator).consent
	case n < 380:
		f.kind = (*Generator).recording
	case n < 430:
		f.kind = (*Generator).patientChange
	case n < 600:
		f.kind = (*Generator).order
	case n < 640:
		f.kind = (*Generator).price
	case n < 680:
		f.kind = (*Generator).stock
	case n < 830:
		f.kind = (*Generator).visit
	case n < 930:
		f.kind = (*Generator).document
	case n < 960:
		f.kind = (*Generator).credentials
	default:
		f.kind = (*Generator).administration
	}
	return f
}

// client draws one of the people who have joined so far; those who joined early come more often.
func (g *Generator) client(p *pool) *person {
	u := g.r.Float64()
	if g.r.IntN(5) < 2 { // regulars
		u *= u
	}
	return p.people[int(u*float64(p.joined))]
}

func (g *Generator) push(f flow) {
	g.flows = append(g.flows, f)
	for i := len(g.flows) - 1; i > 0; {
		up := (i - 1) / 2
		if g.flows[up].due <= g.flows[i].due {
			break
		}
		g.flows[up], g.flows[i] = g.flows[i], g.flows[up]
		i = up
	}
}

func (g *Generator) pop() flow {
	top := g.flows[0]
	end := len(g.flows) - 1
	g.flows[0] = g.flows[end]
	g.flows = g.flows[:end]
	for i := 0; ; {
		least := 2*i + 1
		if least >= end {
			return top
		}
		if least+1 < end && g.flows[least+1].due < g.flows[least].due {
			least++
		}
		if g.flows[i].due <= g.flows[least].due {
			return top
		}
		g.flows[i], g.flows[least] = g.flows[least], g.flows[i]
		i = least
	}
}

package demo

import (
	"fmt"
	"slices"
	"time"
)

// Fact is something that was planted, as a question that a search can answer.
type Fact struct {
	// Name identifies the fact; Story tells it in a sentence.
	Name, Story string
	// Filter holds the query parameters of a search that finds exactly the planted events, and no others. Times are given as
	// from and to, on the events' own clock (time=occurred).
	Filter map[string]string
	// Count is how many events the search finds.
	Count int
	// First and Last are the times of the first and the last of them.
	First, Last time.Time
}

// Known returns the planted facts. It is the same before, during and after generating.
func (g *Generator) Known() []Fact { return slices.Clone(g.facts) }

// plant is an event that will be put among the others.
type plant struct {
	at   int64
	make func(g *Generator, d *draft)
}

// plant prepares all incidents. It takes numbers of the generator's, so it must stay the first user of them after the cast.
func (g *Generator) plant() {
	scale := func(n int) int { return max(1, min(n, n*g.n/20_000)) }
	if g.n < 1000 {
		return
	}
	g.plantPrices(scale(23))
	g.plantNightExport(scale(38))
	g.plantBruteForce(scale(412))
	g.plantDepartures(scale(9))
	g.plantHistory(scale(57))
	g.plantColdChain(scale(7))
	slices.SortStableFunc(g.planted, func(a, b plant) int { return int(min(max(a.at-b.at, -1), 1)) })
}

// add plants n events from start on, with gap (± half) between them, and records the fact.
func (g *Generator) add(f Fact, n int, start time.Time, gap time.Duration, event func(g *Generator, d *draft, i int)) {
	at := start.UnixMicro()
	times := make([]int64, 0, n)
	for i := range n {
		g.planted = append(g.planted, plant{at, func(g *Generator, d *draft) { event(g, d, i) }})
		times = append(times, at)
		at += int64(float64(gap.Microseconds()) * (0.5 + g.r.Float64()))
	}
	f.Count, f.First, f.Last = n, time.UnixMicro(times[0]).UTC(), time.UnixMicro(times[n-1]).UTC()
	g.facts = append(g.facts, f)
}

// during adds the hours around a fact to its filter.
func during(filter map[string]string, from time.Time, d time.Duration) map[string]string {
	filter["time"], filter["from"], filter["to"] = "occurred", from.Format(time.RFC3339), from.Add(d).Format(time.RFC3339)
	return filter
}

// plantPrices: Bob sells at a tenth of the price to a friend and puts it back; over four months.
func (g *Generator) plantPrices(n int) {
	bob := g.cast.bob
	start := g.time.weekday(0.62, 17)
	g.add(Fact{
		Name:   "price-tampering",
		Story:  "Bob Marsh of the shop changed prices that only managers change, the haircut from 50.00 to 10.00 and back",
		Filter: map[string]string{"actor": bob.email, "action": "price.update"},
	}, n, start, 100*24*time.Hour/time.Duration(n), func(g *Generator, d *draft, i int) {
		p := products[0]
		d.source, d.action, d.actor, d.session = "shop.backoffice", "price.update", bob, true
		d.resType, d.resID, d.resName, d.severity = "product", p.id, p.name, "notice"
		if i%2 == 0 {
			d.alter("/price", raw("50.00"), raw("10.00"))
			d.reason = "Customer is a friend, will correct later"
		} else {
			d.alter("/price", raw("10.00"), raw("50.00"))
		}
	})
}

// plantNightExport: one receptionist takes patient files out at three in the morning.
func (g *Generator) plantNightExport(n int) {
	who := g.cast.night
	start := g.time.weekday(0.8, 3)
	filter := during(map[string]string{"actor": who.email, "action": "patient.export"}, start, 2*time.Hour)
	g.add(Fact{
		Name:   "night-export",
		Story:  fmt.Sprintf("Ivo Ramalho of the clinic's reception exported patient files at 3 AM on %s", start.Format(time.DateOnly)),
		Filter: filter,
	}, n, start.Add(4*time.Minute), time.Minute, func(g *Generator, d *draft, i int) {
		p := g.cast.patients.people[(i*131+7)%g.cast.patients.existing]
		d.source, d.action, d.actor, d.session, d.corr = "clinic.records", "patient.export", who, true, 0x3a3a3a3a3a3a3a3a
		d.resType, d.resID, d.resName, d.subject = "patient", p.id, p.name, p
		d.severity, d.ip = "high", "203.0.113.19"
		d.data = g.arena.object("format", "csv", "rows", 200+g.r.IntN(800), "destination", "usb")
	})
}

// plantBruteForce: an address tries passwords on an administrator, and gets in.
func (g *Generator) plantBruteForce(n int) {
	victim := g.cast.victim
	const from = "203.0.113.66"
	start := g.time.weekday(0.9, 22)
	login := func(d *draft) {
		d.source, d.action, d.actor = "saas.auth", "session.login", victim
		d.resType, d.resID, d.ip, d.agent = "session", "sess-"+victim.id, from, "python-requests/2.32.5"
		d.geo = raw(`{"country":"ZZ","city":"unknown"}`)
	}
	g.add(Fact{
		Name:   "brute-force",
		Story:  "an address in 203.0.113.0/24 tried passwords on an administrator's account within minutes",
		Filter: map[string]string{"ip": from, "action": "session.login", "outcome": "failure"},
	}, n, start, 700*time.Millisecond, func(g *Generator, d *draft, i int) {
		login(d)
		d.status, d.why, d.severity = "failure", "wrong password", "medium"
		d.data = g.arena.object("method", "password", "attempt", i+1)
	})
	entry := g.facts[len(g.facts)-1].Last.Add(9 * time.Second)
	g.add(Fact{
		Name:   "break-in",
		Story:  "the same address then signed in",
		Filter: map[string]string{"ip": from, "action": "session.login", "outcome": "success"},
	}, 1, entry, time.Second, func(g *Generator, d *draft, _ int) {
		login(d)
		d.severity = "critical"
		d.data = g.arena.object("method", "password", "mfa", "none")
	})
}

// plantDepartures: an administrator deletes projects on the last day at work.
func (g *Generator) plantDepartures(n int) {
	who := g.cast.leaver
	start := g.time.weekday(0.45, 18)
	g.add(Fact{
		Name:   "departing-admin",
		Story:  "Dana Whitlock deleted projects on the last afternoon",
		Filter: map[string]string{"actor": who.email, "action": "project.delete"},
	}, n, start, 40*time.Second, func(g *Generator, d *draft, i int) {
		d.source, d.action, d.actor, d.session, d.severity = "saas.admin", "project.delete", who, true, "high"
		d.resType, d.resID, d.resName = "project", g.arena.id("PRJ", 900+i), titles[i%len(titles)]
		d.changes = append(d.changes, change{"/name", "remove", g.arena.str(titles[i%len(titles)]), nil})
	})
}

// plantHistory: one patient whose every event is known, over the whole span.
func (g *Generator) plantHistory(n int) {
	p := g.cast.traced
	start, span := g.time.start.Add(26*time.Hour), time.Duration(len(g.time.cum)-1)*time.Hour-72*time.Hour
	g.add(Fact{
		Name:   "one-patient",
		Story:  p.name + " is the subject of a known number of events over the whole time",
		Filter: map[string]string{"subject": "patient/" + p.id},
	}, n, start, span/time.Duration(n)*2/3, func(g *Generator, d *draft, i int) {
		who := g.cast.clinicians[i%7]
		d.source, d.action, d.actor, d.session = "clinic.records", "record.read", who, true
		d.resType, d.resID, d.subject = "record", "R-"+p.id, p
		if i%5 == 4 {
			d.action = "record.update"
			d.alter("/diagnosis", g.arena.str(diagnoses[i%len(diagnoses)]), g.arena.str(diagnoses[(i+1)%len(diagnoses)]))
			d.reason = "Call from " + p.name + ", " + p.phone
		}
	})
}

// plantColdChain: a rare phrase in free text.
func (g *Generator) plantColdChain(n int) {
	start := g.time.weekday(0.3, 11)
	g.add(Fact{
		Name:   "free-text",
		Story:  "some reasons mention a broken thermometer",
		Filter: map[string]string{"text": "broken thermometer"},
	}, n, start, 30*24*time.Hour/time.Duration(n), func(g *Generator, d *draft, i int) {
		d.source, d.action, d.actor, d.session = "clinic.records", "vaccine.discard", g.cast.clinicians[20+i], true
		d.resType, d.resID = "vaccine", g.arena.id("VAC", 40+i)
		d.reason = "Fridge above 8 °C, broken thermometer, batch discarded"
	})
}

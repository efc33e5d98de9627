package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// person is somebody, or something, who acts or is acted upon. The JSON fragments are prepared once, since each is used in
// dozens of events.
type person struct {
	kind    string // type of subject, and of actor unless it is a client
	id      string
	name    string
	email   string
	phone   string
	address string
	locale  string
	roles   []string
	// agent and ips are where this person usually works from.
	agent string
	ips   [2]string

	actorJSON   []byte // {"type":…,"id":…,"name":…,"email":…,"roles":[…]}
	subjectJSON []byte // {"type":…,"id":…,"name":…}
}

// cast holds everybody who appears in a demo.
type cast struct {
	clinicians, reception []*person // of the clinic
	sales, managers       []*person // of the shop
	members, admins       []*person // of the software service
	patients, customers   *pool
	users                 *pool // end users of the service

	reminder, scribe, billing, apiKey, anonymous *person
	// Known people of the planted facts.
	bob, night, leaver, victim, traced *person
}

// How many people there are, whatever the number of events: enough for a search by part of a name to need a search.
const (
	numClinicians = 140
	numReception  = 60
	numSales      = 80
	numManagers   = 20
	numMembers    = 110
	numAdmins     = 15
	numPatients   = 9000
	numCustomers  = 8000
	numUsers      = 3000
)

// pool is a kind of clients, of whom the first joined have joined so far.
type pool struct {
	people           []*person
	existing, joined int
}

func newCast(r *rand.Rand, n int) *cast {
	m := &maker{r: r, seen: make(map[string]int)}
	c := &cast{
		clinicians: m.staff(numClinicians, "clinic", "clinician"),
		reception:  m.staff(numReception, "clinic", "reception"),
		sales:      m.staff(numSales, "shop", "sales"),
		managers:   m.staff(numManagers, "shop", "manager"),
		members:    m.staff(numMembers, "saas", "member"),
		admins:     m.staff(numAdmins, "saas", "admin"),
		patients:   m.clients(numPatients, n, "patient", "PT"),
		customers:  m.clients(numCustomers, n, "customer", "CU"),
		users:      m.clients(numUsers, n, "user", "US"),
	}
	c.reminder = m.machine("service_account", "svc-reminder", "Reminder service")
	c.billing = m.machine("service_account", "svc-billing", "Billing run")
	c.scribe = m.machine("agent", "agent-scribe", "Scribe")
	c.apiKey = m.machine("api_key", "pk-live-7Q2M", "Warehouse import")
	c.anonymous = m.machine("anonymous", "", "")
	c.bob = m.named("user", "shop-staff-bob", "Bob Marsh", "bob.marsh@example.com", "sales")
	c.night = m.named("user", "clinic-staff-ivo", "Ivo Ramalho", "ivo.ramalho@example.org", "reception")
	c.leaver = m.named("user", "saas-staff-dana", "Dana Whitlock", "dana.whitlock@example.net", "admin")
	c.victim = m.named("user", "saas-staff-hye", "남궁 혜진", "hyejin.namgung@example.net", "admin")
	c.traced = m.named("patient", "PT-777001", "Zoë Ångström-Nguyễn", "zoe.angstrom-nguyen@example.com")
	// They also do what everybody in their place does.
	c.sales, c.reception, c.admins = append(c.sales, c.bob), append(c.reception, c.night), append(c.admins, c.victim)
	return c
}

type maker struct {
	r    *rand.Rand
	seen map[string]int
}

var domains = []string{"example.com", "example.org", "example.net"}

var agents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
	"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
	"ClinicTablet/4.12.1 (iPadOS 18.6)",
	"TillApp/2.9.0 (Android 14)",
}

// draw makes up one human being.
func (m *maker) draw() *person {
	w := m.r.IntN(1000)
	c := &cultures[0]
	for i := range cultures {
		if w < cultures[i].weight {
			c = &cultures[i]
			break
		}
		w -= cultures[i].weight
	}
	given, givenRoman := split(pick(m.r, c.given))
	family, familyRoman := split(pick(m.r, c.family))
	name := given + c.glue + family
	if c.familyFirst {
		name = family + c.glue + given
	}
	mail := strings.ReplaceAll(givenRoman+"."+familyRoman, " ", "")
	m.seen[mail]++
	if n := m.seen[mail]; n > 1 {
		mail = fmt.Sprintf("%s%d", mail, n)
	}
	phone := []byte(c.dial + " " + c.digits)
	for i := len(c.dial) + 3; i < len(phone); i++ { // the first digits of the pattern are the operator's
		if phone[i] == '0' {
			phone[i] = byte('0' + m.r.IntN(10))
		}
	}
	p := &person{
		name: name, email: mail + "@" + pick(m.r, domains), phone: string(phone), locale: c.locale,
		address: fmt.Sprintf("%s %d, %s", pick(m.r, c.streets), 1+m.r.IntN(180), pick(m.r, c.cities)),
	}
	m.place(p)
	return p
}

// place gives p the addresses and the device that it usually works from.
func (m *maker) place(p *person) {
	p.agent = pick(m.r, agents)
	p.ips[0] = fmt.Sprintf("10.%d.%d.%d", 20+m.r.IntN(4), m.r.IntN(8), 1+m.r.IntN(250))
	if m.r.IntN(2) == 0 {
		p.ips[1] = fmt.Sprintf("2001:db8:%x:%x::%x", m.r.IntN(1<<16), m.r.IntN(1<<16), 1+m.r.IntN(1<<12))
	} else {
		p.ips[1] = fmt.Sprintf("%s%d", pick(m.r, []string{"192.0.2.", "198.51.100."}), 1+m.r.IntN(254))
	}
}

func (m *maker) staff(n int, unit, role string) []*person {
	out := make([]*person, n)
	for i := range out {
		p := m.draw()
		p.kind, p.id, p.roles = "user", fmt.Sprintf("%s-%s-%03d", unit, role, i+1), []string{role}
		p.prepare()
		out[i] = p
	}
	return out
}

// clients makes num people of a kind, of whom most join during the n events of a demo; but no more than that one event in ten
// is somebody joining.
func (m *maker) clients(num, n int, kind, prefix string) *pool {
	out := make([]*person, num)
	for i := range out {
		p := m.draw()
		p.kind, p.id = kind, fmt.Sprintf("%s-%06d", prefix, 100001+i)
		p.ips[0] = p.ips[1] // clients are not in the office
		p.prepare()
		out[i] = p
	}
	coming := min(num*9/10, n/10*num/(numPatients+numCustomers+numUsers))
	return &pool{people: out, existing: num - coming, joined: num - coming}
}

// newcomer returns the pool that somebody should join now, or nil.
func (g *Generator) newcomer() *pool {
	for _, p := range []*pool{g.cast.patients, g.cast.customers, g.cast.users} {
		if p.joined < p.existing+int(float64(len(p.people)-p.existing)*float64(g.ahead)/float64(g.plain)) {
			return p
		}
	}
	return nil
}

func (m *maker) machine(kind, id, name string) *person {
	p := &person{kind: kind, id: id, name: name, ips: [2]string{"10.20.0.5", "10.20.0.6"}, agent: "probity-demo/1.0"}
	p.prepare()
	return p
}

func (m *maker) named(kind, id, name, email string, roles ...string) *person {
	p := m.draw()
	p.kind, p.id, p.name, p.email, p.roles = kind, id, name, email, roles
	p.prepare()
	return p
}

// prepare makes the JSON of p as an actor and as a subject. Whoever acts with an account of their own is a user, patients and
// customers too.
func (p *person) prepare() {
	who := append([]byte(nil), `"`...)
	if p.id != "" {
		who = appendString(append(who, `,"id":`...), p.id)
	}
	if p.name != "" {
		who = appendString(append(who, `,"name":`...), p.name)
	}
	p.subjectJSON = append(append([]byte(`{"type":"`+p.kind), who...), '}')
	acts := p.kind
	if acts == "patient" || acts == "customer" {
		acts = "user"
	}
	b := append([]byte(`{"type":"`+acts), who...)
	if p.email != "" {
		b = appendString(append(b, `,"email":`...), p.email)
	}
	for i, role := range p.roles {
		b = append(b, [2]string{`,"roles":["`, `","`}[min(i, 1)]...)
		b = append(b, role...)
	}
	if len(p.roles) > 0 {
		b = append(b, `"]`...)
	}
	p.actorJSON = append(b, '}')
}

func pick[T any](r *rand.Rand, s []T) T { return s[r.IntN(len(s))] }

package demo

// The software service: sign-ins, documents, credentials, administration.

var (
	roles    = []string{"viewer", "editor", "billing", "support", "admin"}
	titles   = []string{"Q3 forecast", "Onboarding plan", "Budget 2026", "設計メモ", "Протокол встречи", "Roadmap", "خطة التسويق", "Liste de prix"}
	settings = []string{"session_timeout", "allowed_domains", "mfa_required", "retention_days", "webhook_url"}
	places   = []string{`{"country":"PT","city":"Lisboa"}`, `{"country":"GB","city":"London"}`, `{"country":"DE","city":"München"}`, `{"country":"JP","city":"東京"}`}
	denials  = []string{"wrong password", "wrong password", "wrong password", "one-time code expired", "account locked"}
)

func (g *Generator) member() *person {
	if g.r.IntN(3) == 0 {
		return g.client(g.cast.users)
	}
	return g.cast.members[g.r.IntN(len(g.cast.members))]
}

func (g *Generator) admin() *person { return g.cast.admins[g.r.IntN(len(g.cast.admins))] }

// visit: somebody signs in, perhaps at the second attempt, and later signs out.
func (g *Generator) visit(d *draft, f *flow) bool {
	a := &g.arena
	if f.step == 0 {
		f.staff = g.member()
		if g.r.IntN(4) == 0 {
			f.staff = g.clinician()
		}
	}
	d.source, d.actor, d.resType, d.resID = "saas.auth", f.staff, "session", "sess-"+f.staff.id
	switch {
	case f.step == 0 && g.r.IntN(5) == 0:
		d.action, d.status, d.why = "session.login", "failure", pick(g.r, denials)
		d.severity = "low"
		d.data = a.object("method", "password", "attempt", 1)
		return true
	case f.step <= 1 && f.amount == 0:
		f.amount = 1
		d.action, d.geo = "session.login", raw(places[len(f.staff.id)%len(places)])
		d.data = a.object("method", "password", "mfa", pick(g.r, []string{"totp", "webauthn", "none"}))
		return g.r.IntN(2) == 0
	default:
		d.action = "session.logout"
		return false
	}
}

// document: created, edited, shared, now and then deleted.
func (g *Generator) document(d *draft, f *flow) bool {
	a := &g.arena
	if f.step == 0 {
		f.staff, f.number = g.member(), g.r.IntN(g.documents+2)
		if f.number > g.documents {
			g.documents = f.number
		}
		if g.r.IntN(3) == 0 {
			g.documents++
			f.number = g.documents
		}
	}
	d.source, d.actor, d.resType = "saas.docs", f.staff, "document"
	d.resID, d.resName = a.id("DOC", f.number), titles[f.number%len(titles)]
	switch n := g.r.IntN(20); {
	case f.step == 0 && f.number == g.documents:
		d.action = "document.create"
		d.data = a.object("bytes", 1000+g.r.IntN(900000), "folder", "shared", "labels", a.raw(`["internal","draft"]`))
	case n < 9:
		d.action = "document.read"
	case n < 15:
		d.action = "document.update"
		d.alter("/revision", a.int(f.step+1), a.int(f.step+2))
	case n < 19:
		d.action = "document.share"
		with := g.client(g.cast.users)
		d.changes = append(d.changes, change{"/shared_with/-", "add", nil, a.str(with.email)})
	default:
		d.action, d.reason = "document.delete", "Tidying up"
		return false
	}
	return g.r.IntN(2) == 0
}

// credentials: API keys are made, used and revoked; second factors enabled.
func (g *Generator) credentials(d *draft, f *flow) bool {
	a := &g.arena
	if f.step == 0 {
		g.keys++
		f.number, f.staff = g.keys, g.member()
	}
	d.source, d.actor, d.resType, d.resID = "saas.auth", f.staff, "api_key", a.id("KEY", f.number)
	switch {
	case f.step == 0 && g.r.IntN(3) == 0:
		d.action, d.resType, d.resID = "mfa.enable", "user", f.staff.id
		d.data = a.object("factor", "totp")
		return false
	case f.step == 0:
		d.action = "api_key.create"
		d.data = a.object("scopes", a.raw(`["read","write"]`), "expires_days", 90, "label", titles[f.number%len(titles)])
		return true
	default:
		d.action, d.severity = "api_key.revoke", "notice"
		return false
	}
}

// administration: roles, settings, invitations, exports, projects.
func (g *Generator) administration(d *draft, f *flow) bool {
	a := &g.arena
	d.source, d.actor = "saas.admin", g.admin()
	who := g.member()
	switch g.r.IntN(6) {
	case 0:
		d.action, d.severity = "role.grant", "notice"
		d.resType, d.resID, d.subject = "user", who.id, who
		d.changes = append(d.changes, change{"/roles/-", "add", nil, a.str(roles[g.r.IntN(4)])})
		d.reason = "Ticket SUP-" + a.id("2", g.r.IntN(90000))
	case 1:
		d.action, d.severity = "role.revoke", "notice"
		d.resType, d.resID, d.subject = "user", who.id, who
		d.changes = append(d.changes, change{"/roles/0", "remove", a.str(pick(g.r, roles)), nil})
	case 2:
		d.action, d.resType = "setting.update", "setting"
		d.resID = pick(g.r, settings)
		d.alter("/value", a.int(g.r.IntN(90)), a.int(g.r.IntN(90)))
	case 3:
		d.action, d.resType, d.resID = "user.invite", "user", who.id
		d.data = a.object("email", who.email, "role", pick(g.r, roles), "message", "Welcome, "+who.name)
	case 4:
		g.exports++
		d.action, d.resType, d.resID = "export.create", "export", a.id("EXP", g.exports)
		d.data = a.object("format", "csv", "rows", 10+g.r.IntN(4000), "filter", a.object("project", "alpha", "since", "2025-01-01"))
	default:
		g.documents++
		d.action, d.resType, d.resID = "project.update", "project", a.id("PRJ", g.r.IntN(60))
		d.alter("/name", a.str(pick(g.r, titles)), a.str(pick(g.r, titles)))
	}
	return false
}

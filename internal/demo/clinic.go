package demo

// The clinic: appointments, records, consents, recordings.

var (
	treatments = []string{"Consultation", "Physiotherapy", "Vaccination", "Blood test", "Dental check", "Ultrasound", "Counselling", "Follow-up"}
	diagnoses  = []string{"J06.9 acute upper respiratory infection", "M54.5 low back pain", "I10 essential hypertension", "E11.9 type 2 diabetes",
		"F41.1 generalised anxiety", "K21.0 reflux", "L20.9 atopic dermatitis", "R51 headache"}
	bloodTypes   = []string{"A+", "A-", "B+", "O+", "O-", "AB+"}
	medicines    = []string{"Amoxicillin 500 mg", "Ibuprofen 400 mg", "Metformin 850 mg", "Ramipril 5 mg", "Sertraline 50 mg"}
	lookReasons  = []string{"Preparing today's consultation", "Patient phoned about results", "Second opinion asked by colleague", "Billing query", "Récapitulatif avant opération", "定期健診の準備"}
	consentTypes = []string{"treatment", "research", "marketing_email", "audio_recording", "data_sharing_insurer"}
)

func (g *Generator) clinician() *person { return g.cast.clinicians[g.r.IntN(len(g.cast.clinicians))] }
func (g *Generator) reception() *person { return g.cast.reception[g.r.IntN(len(g.cast.reception))] }

// appointment: booked, reminded of, attended, written up, billed.
func (g *Generator) appointment(d *draft, f *flow) bool {
	a := &g.arena
	if f.step == 0 {
		g.appointments++
		f.number, f.with, f.staff = g.appointments, g.client(g.cast.patients), g.clinician()
		f.amount = 2500 + 500*g.r.IntN(30)
	}
	id := a.id("APT", f.number)
	d.source, d.resType, d.resID, d.subject = "clinic.booking", "appointment", id, f.with
	treatment := treatments[f.number%len(treatments)]
	switch f.step {
	case 0:
		d.action, d.actor, d.resName = "appointment.create", g.reception(), treatment
		if g.r.IntN(3) == 0 {
			d.actor = f.with
		}
		if g.r.IntN(40) == 0 {
			d.status, d.why = "failure", "slot already taken"
			return false
		}
		d.data = a.object("room", 1+g.r.IntN(24), "treatment", treatment, "clinician", f.staff.id, "minutes", 15*(1+g.r.IntN(4)), "channel", "desk")
		return true
	case 1:
		d.source, d.action, d.actor = "clinic.notify", "notification.send", g.cast.reminder
		d.resType, d.resID = "notification", a.id("NTF", f.number)
		d.data = a.object("channel", "sms", "to", f.with.phone, "appointment", id)
		return true
	case 2:
		d.action, d.actor = "appointment.update", g.reception()
		if g.r.IntN(9) == 0 {
			d.action, d.reason = "appointment.cancel", "Cancelled by phone: "+f.with.name
			d.alter("/status", a.str("booked"), a.str("cancelled"))
			return false
		}
		d.alter("/status", a.str("booked"), a.str("arrived"))
		return true
	case 3:
		g.readRecord(d, f.staff, f.with)
		return true
	case 4:
		d.source, d.action, d.actor = "clinic.records", "record.update", f.staff
		d.resType, d.resID = "record", "R-"+f.with.id
		d.alter("/diagnosis", a.str(pick(g.r, diagnoses)), a.str(pick(g.r, diagnoses)))
		d.alter("/vitals", a.object("systolic", 105+g.r.IntN(50), "diastolic", 60+g.r.IntN(35), "pulse", 55+g.r.IntN(50)),
			a.object("systolic", 105+g.r.IntN(50), "diastolic", 60+g.r.IntN(35), "pulse", 55+g.r.IntN(50)))
		return true
	case 5:
		if g.r.IntN(2) == 0 {
			d.source, d.action, d.actor = "clinic.records", "prescription.create", f.staff
			d.resType, d.resID = "prescription", a.id("RX", f.number)
			d.data = a.object("medicine", pick(g.r, medicines), "days", 5+g.r.IntN(25), "repeat", g.r.IntN(3) == 0)
			return true
		}
		fallthrough
	default:
		g.invoices++
		d.source, d.action, d.actor = "clinic.billing", "invoice.create", g.cast.billing
		d.resType, d.resID = "invoice", a.id("INV", g.invoices)
		d.data = a.object("total", a.cents(f.amount), "currency", "EUR", "lines", 1+g.r.IntN(3), "appointment", id,
			"address", f.with.address)
		return false
	}
}

func (g *Generator) readRecord(d *draft, who, patient *person) {
	d.source, d.action, d.actor = "clinic.records", "record.read", who
	d.resType, d.resID, d.subject = "record", "R-"+patient.id, patient
	if g.r.IntN(3) == 0 {
		d.reason = pick(g.r, lookReasons)
	}
	if g.r.IntN(60) == 0 {
		d.status, d.why, d.severity = "denied", "not on the care team", "medium"
	}
	d.data = g.arena.object("sections", g.arena.raw(`["history","medication","labs"]`), "printed", g.r.IntN(30) == 0)
}

// chart: somebody looks at a record, perhaps at several.
func (g *Generator) chart(d *draft, f *flow) bool {
	if f.step == 0 {
		f.staff = g.clinician()
	}
	g.readRecord(d, f.staff, g.client(g.cast.patients))
	if g.r.IntN(4) == 0 {
		d.action, d.resType = "lab_result.read", "lab_result"
		d.resID = g.arena.id("LAB", g.r.IntN(400000))
	}
	return g.r.IntN(3) > 0
}

// consent: given, later perhaps withdrawn.
func (g *Generator) consent(d *draft, f *flow) bool {
	a := &g.arena
	if f.step == 0 {
		f.with, f.number = g.client(g.cast.patients), g.r.IntN(len(consentTypes))
	}
	typ := consentTypes[f.number]
	d.source, d.actor, d.subject = "clinic.consent", f.with, f.with
	d.resType, d.resID = "consent", "C-"+f.with.id+"-"+typ
	if f.step == 0 {
		d.action = "consent.grant"
		d.alter("/state", raw("null"), a.str("given"))
		d.data = a.object("type", typ, "notice_version", "2025-06", "language", f.with.locale, "signature", "tablet")
		return g.r.IntN(4) == 0
	}
	d.action, d.reason = "consent.revoke", "I no longer agree. "+f.with.name
	d.alter("/state", a.str("given"), a.str("withdrawn"))
	return false
}

// recording: an agent records and transcribes on behalf of a clinician, who approves the note.
func (g *Generator) recording(d *draft, f *flow) bool {
	a := &g.arena
	if f.step == 0 {
		g.recordings++
		f.number, f.with, f.staff, f.amount = g.recordings, g.client(g.cast.patients), g.clinician(), 120+g.r.IntN(2400)
	}
	id := a.id("AUD", f.number)
	d.source, d.subject, d.actor = "clinic.scribe", f.with, f.staff
	d.resType, d.resID = "recording", id
	switch f.step {
	case 0:
		d.action = "recording.start"
		d.data = a.object("device", "ClinicTablet", "consent", "C-"+f.with.id+"-audio_recording")
	case 1:
		d.action, d.actor, d.onBehalf = "recording.create", g.cast.scribe, f.staff
		d.data = a.object("seconds", f.amount, "codec", "opus", "bytes", f.amount*4100, "sha256", a.hash(g.r.Uint64(), g.r.Uint64()))
	case 2:
		d.action, d.actor, d.onBehalf = "transcript.create", g.cast.scribe, f.staff
		d.resType, d.resID = "transcript", a.id("TRN", f.number)
		d.data = a.object("words", f.amount*2, "language", f.with.locale, "model", "scribe-2", "excerpt", "Patient "+f.with.name+" reports improvement")
	default:
		d.action, d.resType, d.resID = "note.approve", "note", a.id("NTE", f.number)
		d.alter("/state", a.str("draft"), a.str("approved"))
	}
	return f.step < 3
}

// patientChange: master data of a patient.
func (g *Generator) patientChange(d *draft, f *flow) bool {
	a := &g.arena
	p := g.client(g.cast.patients)
	d.source, d.actor, d.subject = "clinic.records", g.reception(), p
	d.resType, d.resID, d.resName = "patient", p.id, p.name
	switch g.r.IntN(4) {
	case 0:
		d.action = "patient.update"
		d.alter("/address", a.str(g.client(g.cast.patients).address), a.str(p.address))
		d.reason = "Moved house"
	case 1:
		d.action = "patient.update"
		d.alter("/phone", a.str(g.client(g.cast.patients).phone), a.str(p.phone))
	case 2:
		d.action = "patient.update"
		d.alter("/emergency_contact", raw("null"), a.object("name", g.client(g.cast.patients).name, "phone", g.client(g.cast.patients).phone, "relation", "partner"))
	default:
		d.action, d.reason = "patient.read", pick(g.r, lookReasons)
	}
	return false
}

// join registers the next client of a kind.
func (g *Generator) join(d *draft, p *pool) {
	a, who := &g.arena, p.people[p.joined]
	p.joined++
	d.action, d.actor, d.subject = who.kind+".create", who, who
	d.resType, d.resID, d.resName = who.kind, who.id, who.name
	d.changes = append(d.changes, change{"/name", "add", nil, a.str(who.name)}, change{"/email", "add", nil, a.str(who.email)},
		change{"/phone", "add", nil, a.str(who.phone)}, change{"/locale", "add", nil, a.str(who.locale)})
	switch p {
	case g.cast.patients:
		d.source, d.actor = "clinic.records", g.reception()
		d.changes = append(d.changes, change{"/address", "add", nil, a.str(who.address)}, change{"/blood_type", "add", nil, a.str(pick(g.r, bloodTypes))})
	case g.cast.customers:
		d.source = "shop.web"
		d.changes = append(d.changes, change{"/address", "add", nil, a.str(who.address)})
		d.data = a.object("newsletter", g.r.IntN(3) == 0)
	default:
		d.source = "saas.auth"
		d.data = a.object("plan", pick(g.r, []string{"free", "team", "business"}), "invited", g.r.IntN(2) == 0)
	}
}

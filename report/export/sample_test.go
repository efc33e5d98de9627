package export

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/ledger/event"
)

// record makes the record that a reader with every right would get back for an event.
func record(t testing.TB, seq uint64, at time.Time, text string) *event.Record {
	t.Helper()
	e, err := event.Parse([]byte(text))
	if err == nil {
		err = e.Normalise(at)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	r := &event.Record{Seq: seq, ID: e.ID, RecordedAt: at, OccurredAt: e.OccurredAt, Source: e.Source, Action: e.Action, Category: e.Category,
		Activity: e.Activity, Outcome: e.Outcome.Status, Severity: e.Severity, ResourceType: e.Resource.Type, ResourceID: e.Resource.ID,
		CorrelationID: e.CorrelationID}
	for _, f := range e.Flatten(nil) {
		f.Value = append(jsontext.Value(nil), f.Value...)
		r.Fields = append(r.Fields, f)
	}
	if e.Actor.ID != "" {
		h := sha256.Sum256([]byte(e.Actor.ID))
		r.ActorHandle = int64(binary.BigEndian.Uint64(h[:]) >> 1)
	}
	h := sha256.Sum256([]byte(text))
	r.LeafHash = h[:]
	return r
}

// set changes what the reader sees of a field.
func set(r *event.Record, path string, s event.State, value string) {
	for i := range r.Fields {
		if r.Fields[i].Path == path {
			r.Fields[i].State = s
			r.Fields[i].Value = nil
			if value != "" {
				r.Fields[i].Value = jsontext.Value(value)
			}
		}
	}
}

var day0 = time.Date(2026, 3, 14, 9, 26, 53, 589793000, time.UTC)

// specimens are a few events that between them show everything an encoder must handle.
func specimens(t testing.TB) []*event.Record {
	texts := []string{
		`{"id":"e-1","source":"billing.api","action":"invoice.update","occurred_at":"2026-03-14T09:26:50Z","actor":{"type":"user","id":"u-17","name":"Bob Müller","email":"bob@example.com","roles":["manager","finance"]},"resource":{"type":"invoice","id":"42","name":"Haircut"},"changes":[{"path":"/price","before":50,"after":-10},{"path":"/note","op":"add","after":"say \"hi\", then\nleave"}],"context":{"ip":"203.0.113.9","user_agent":"Mozilla/5.0 (X11; Linux x86_64)","session_id":"s-9","request_id":"r-1","forwarded_for":["203.0.113.9","10.0.0.1"],"geo":{"country":"DE"}},"outcome":{"status":"success"},"correlation_id":"c-7","reason":"=cmd|' /C calc'!A0","custom":{"cost_centre":"-5","weight":-5},"data":{"amount":-10.50,"nested":{"a":1,"b":[true,null]},"flag":false}}`,
		`{"id":"e-2","source":"auth.sso","action":"user.login","occurred_at":"2026-03-14T09:26:51Z","actor":{"type":"user","id":"u-18","email":"ana@example.com"},"context":{"ip":"2001:db8::7"},"outcome":{"status":"failure","reason":"wrong password"},"severity":"medium"}`,
		`{"id":"e-3","source":"admin.console","action":"role.grant","category":"access","activity":"grant","occurred_at":"2026-03-14T09:26:52Z","actor":{"type":"service_account","id":"svc-sync"},"resource":{"type":"user","id":"u-18","name":"Ana"},"subject":{"type":"patient","id":"p-3","name":"李小龙"},"outcome":{"status":"denied","reason":"needs approval"},"severity":"high"}`,
		`{"id":"e-4","source":"settings","action":"retention.update","category":"config","activity":"update","occurred_at":"2026-03-14T09:26:53Z","actor":{"type":"system","id":"scheduler"},"resource":{"type":"policy","id":"ret-1"},"changes":[{"path":"/months","before":6,"after":24},{"path":"/a","after":1},{"path":"/b","after":2},{"path":"/c","after":3},{"path":"/d","after":4},{"path":"/e","after":5},{"path":"/f","after":6},{"path":"/g","after":7},{"path":"/h","after":8},{"path":"/i","after":9},{"path":"/j","before":{"deep":[1,2]},"after":null}]}`,
		`{"id":"e-5","source":"core","action":"thing.other","occurred_at":"2026-03-15T00:00:00.000001Z"}`,
	}
	var list []*event.Record
	for i, text := range texts {
		list = append(list, record(t, uint64(1000+i), day0.Add(time.Duration(i)*time.Second), text))
	}
	set(list[1], "/actor/email", event.Masked, `"a**@example.com"`)
	set(list[1], "/context/ip", event.Masked, `"2001:db8::x"`)
	set(list[2], "/subject/name", event.Erased, "")
	set(list[2], "/actor/id", event.Withheld, "")
	list[4].LeafHash = nil
	return list
}

var (
	sampleFirst = []string{"Ana", "Bilal", "Chiara", "Dmitri", "Elif", "Fumiko", "Göran", "Hanna", "Ivan", "Joana", "Κώστας", "Łukasz"}
	sampleLast  = []string{"Almeida", "Brandt", "Ćosić", "Dubois", "Eriksson", "Fischer", "García", "Иванова", "Jensen", "Kaya"}
	sampleVerbs = []struct{ action, typ, sentence string }{
		{"patient.read", "patient", ""}, {"appointment.create", "appointment", ""}, {"appointment.update", "appointment", ""},
		{"invoice.update", "invoice", ""}, {"invoice.export", "invoice", ""}, {"user.login", "", ""}, {"user.logout", "", ""},
		{"prescription.create", "prescription", ""}, {"document.share", "document", ""}, {"order.refund", "order", ""},
		{"role.grant", "role", ""}, {"settings.update", "settings", ""}, {"report.read", "report", ""}, {"note.delete", "note", ""},
	}
)

// crowd makes n realistic events over a number of days.
func crowd(t testing.TB, n, days int) []*event.Record {
	rng := rand.New(rand.NewPCG(7, 11))
	list := make([]*event.Record, 0, n)
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	for i := range n {
		at := start.Add(time.Duration(float64(days*24) * float64(time.Hour) * (float64(i) + rng.Float64()) / float64(n)))
		v := sampleVerbs[int(float64(len(sampleVerbs))*rng.Float64()*rng.Float64())]
		who := int(40 * rng.Float64() * rng.Float64())
		name := sampleFirst[who%len(sampleFirst)] + " " + sampleLast[who%len(sampleLast)]
		outcome, reason := "success", ""
		if p := rng.Float64(); p < 0.05 {
			outcome, reason = "failure", "upstream timeout"
		} else if p < 0.08 {
			outcome, reason = "denied", "missing permission"
		}
		resource, change := "", ""
		if v.typ != "" {
			id := rng.IntN(9000) + 1000
			resource = fmt.Sprintf(`,"resource":{"type":%q,"id":"%d","name":"%s %d"}`, v.typ, id, v.typ, id)
		}
		if v.action == "invoice.update" {
			change = fmt.Sprintf(`,"changes":[{"path":"/amount","before":%d,"after":%d}]`, rng.IntN(500), rng.IntN(500))
		}
		list = append(list, record(t, uint64(i), at, fmt.Sprintf(
			`{"id":"e-%d","source":"clinic.api","action":%q,"occurred_at":%q,"actor":{"type":"user","id":"u-%d","name":%q,"email":"u%d@example.com"}%s%s,"context":{"ip":"10.0.%d.%d","user_agent":"Mozilla/5.0"},"outcome":{"status":%q,"reason":%q},"data":{"branch":"north","room":%d}}`,
			i, v.action, at.Format(time.RFC3339Nano), who, name, who, resource, change, rng.IntN(4), rng.IntN(250), outcome, reason, rng.IntN(30))))
	}
	return list
}

var testKey = []byte("0123456789abcdef0123456789abcdef")

func testMeta() Meta {
	return Meta{Title: "Access to patient records, first quarter", Tenant: "Klinik am Fluss GmbH", RequestedBy: "p_7kq2m9x4z8a3b5c6",
		FilterWords: []string{"occurred from 2026-01-01, before 2026-04-01", "action is patient.* or appointment.* or invoice.*", "outcome is success or failure or denied"},
		GeneratedAt: time.Date(2026, 4, 2, 7, 30, 0, 0, time.UTC), Masking: "personal fields masked for role auditor",
		From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
		Log: LogInfo{Origin: "audit.example.com/5f0c2a7be1d94438/1", Size: 1234567, Root: "q1X1cG6ZbB1n0ZP8w0b3m1m0nD3E2i6s0a3k5n1rZ2c=",
			SignedAt:   time.Date(2026, 4, 2, 7, 29, 59, 0, time.UTC),
			Checkpoint: "audit.example.com/5f0c2a7be1d94438/1\n1234567\nq1X1cG6ZbB1n0ZP8w0b3m1m0nD3E2i6s0a3k5n1rZ2c=\n\n— audit.example.com/5f0c2a7be1d94438/1 Wv2mUeP0Zk0xw9wQn5p9F1n2v3b4n5m6q7w8e9r0t1y2u3i4o5p6a7s8d9f0g1h2j3k4l5z6x7c8v9b0n1m2==\n",
			VKey:       "audit.example.com/5f0c2a7be1d94438/1+5bfda651+AS0bWk3vN6c8q2m4r7t9y1u3i5o7p9a1s3d5f7g9h1j3"}}
}

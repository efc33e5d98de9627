package masking

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/ledger/event"
)

var testKey = [32]byte{1, 2, 3}

func field(path, category, value string) event.Field {
	f := event.Field{Path: path, Category: category, Value: jsontext.Value(value)}
	if category != "" {
		f.State = event.Opened
	}
	return f
}

// sample is an event with everything that a policy speaks about, fields sorted by path.
func sample() *event.Record {
	r := &event.Record{Seq: 7, ID: "e-1", Action: "client.update", ResourceType: "client", ResourceID: "c-9", CorrelationID: "req-1",
		ActorHandle: 41, SubjectHandle: 42, ResourceHandle: 42, IPHandle: 43}
	r.Fields = []event.Field{
		field("/actor/email", "user.contact.email", `"ana@example.com"`),
		field("/actor/id", "user.unique_id", `"u-1"`),
		field("/actor/name", "user.name", `"Ana Horvat"`),
		{Path: "/actor/roles", Value: jsontext.Value(`["reception","admin"]`), State: event.Opened},
		field("/changes/0/after", "user.contact.phone_number", `"+1 (555) 123-4567"`),
		field("/changes/0/before", "user.contact.phone_number", `null`),
		field("/changes/0/path", "", `"/phone"`),
		{Path: "/changes/1/after", Value: jsontext.Value(`"prefers the quiet room"`), State: event.Opened},
		field("/context/forwarded_for", "user.device.ip_address", `["203.0.113.77","2001:db8:1:2::7"]`),
		field("/context/geo", "user.location.imprecise", `{"city":"Zagreb"}`),
		field("/context/ip", "user.device.ip_address", `"203.0.113.77"`),
		field("/context/user_agent", "user.device", `"Mozilla/5.0"`),
		field("/data/card", "user.financial.credit_card", `4111111111111111`),
		field("/data/dob", "user.demographic.date_of_birth", `"1984-05-31"`),
		field("/data/password", "user.authorization.credentials", `"hunter22"`),
		field("/data/price", "", `49.9`),
		field("/resource/id", "user.unique_id", `"c-9"`),
		field("/subject/id", "user.unique_id", `"c-9"`),
		field("/subject/name", "user.name", `"Vesna Kovač"`),
	}
	return r
}

func show(r *event.Record) map[string]string {
	out := map[string]string{}
	for _, f := range r.Fields {
		out[f.Path] = string(f.Value)
	}
	return out
}

func TestAuditorSeesEveryPersonalValueMasked(t *testing.T) {
	r := sample()
	New(Builtin(), testKey).For("auditor", true).Mask(r) // asking to see everything does not help
	got := show(r)
	for path, want := range map[string]string{
		"/actor/email": `"a•••@e•••.com"`, "/actor/roles": `["reception","admin"]`, "/changes/0/after": `"+1 555-****"`,
		"/changes/0/before": `null`, "/changes/0/path": `"/phone"`, "/changes/1/after": ``, "/context/forwarded_for": `["203.0.113.0/24","2001:db8:1::/48"]`,
		"/context/geo": ``, "/context/ip": `"203.0.113.0/24"`, "/context/user_agent": `"•••"`, "/data/card": `"•••• 1111"`, "/data/dob": `"1984"`,
		"/data/password": ``, "/data/price": `49.9`,
	} {
		if got[path] != want {
			t.Errorf("%s became %s, want %s", path, got[path], want)
		}
	}
	for _, f := range r.Fields {
		if (f.Value == nil) != (f.State == event.Withheld) {
			t.Errorf("%s has state %d and value %s", f.Path, f.State, f.Value)
		}
	}
	if a, b := got["/actor/id"], got["/actor/name"]; a != b || !strings.HasPrefix(a, `"u_`) {
		t.Errorf("the actor's id and name have pseudonyms %s and %s, want one", a, b)
	}
	if a, b := got["/subject/name"], got["/resource/id"]; a != b || a == got["/actor/id"] {
		t.Errorf("the subject's name and the resource's id are the same person's, and got %s and %s", a, b)
	}
	if want := strings.Trim(got["/resource/id"], `"`); r.ResourceID != want {
		t.Errorf("ResourceID still says %q, want %q", r.ResourceID, want)
	}
}

func TestAdminSeesEverythingButCredentials(t *testing.T) {
	e := New(Builtin(), testKey)
	r := sample()
	e.For("admin", true).Mask(r)
	for i, f := range sample().Fields {
		if f.Path == "/data/password" {
			if r.Fields[i].Value != nil || r.Fields[i].State != event.Withheld {
				t.Error("an admin is shown a password")
			}
		} else if !bytes.Equal(r.Fields[i].Value, f.Value) || r.Fields[i].State != f.State {
			t.Errorf("%s was changed to %s for an admin", f.Path, r.Fields[i].Value)
		}
	}
	masked, auditors := sample(), sample()
	e.For("admin", false).Mask(masked)
	e.For("auditor", false).Mask(auditors)
	if fmt.Sprint(show(masked)) != fmt.Sprint(show(auditors)) {
		t.Error("an admin who asks for the masked view sees something else than an auditor")
	}
}

func TestWritersAndStrangersSeeNothing(t *testing.T) {
	for _, role := range []string{"writer", "nobody", ""} {
		r := sample()
		New(Builtin(), testKey).For(role, true).Mask(r)
		for _, f := range r.Fields {
			if f.Value != nil || f.State != event.Withheld {
				t.Errorf("role %q sees %s", role, f.Path)
			}
		}
		if r.ActorHandle != 0 || r.ResourceID != "" || r.ID != "" {
			t.Errorf("role %q sees identifiers outside the fields", role)
		}
	}
}

func TestErasedAndWithheldFieldsStaySo(t *testing.T) {
	r := &event.Record{Fields: []event.Field{{Path: "/a", State: event.Erased, Category: "user.name"}, {Path: "/b", State: event.Withheld, Category: "user"}}}
	New(Builtin(), testKey).For("admin", true).Mask(r)
	if r.Fields[0].State != event.Erased || r.Fields[1].State != event.Withheld {
		t.Errorf("states became %d and %d", r.Fields[0].State, r.Fields[1].State)
	}
}

func TestAnonymisedExports(t *testing.T) {
	e := New(Builtin(), testKey)
	r := sample()
	e.Export("admin", true, Pseudonymise).Mask(r)
	got := show(r)
	if !strings.HasPrefix(got["/actor/name"], `"u_`) || !strings.HasPrefix(got["/actor/email"], `"u_`) || got["/changes/1/after"] != "" || got["/data/dob"] != `"1984"` {
		t.Errorf("pseudonymised: %v", got)
	}
	if r.ActorHandle == 0 {
		t.Error("a pseudonymised export still says which rows are about the same person")
	}
	r = sample()
	e.Export("admin", true, DropNames).Mask(r)
	got = show(r)
	if got["/actor/name"] != "" || got["/actor/id"] != "" || got["/actor/email"] != "" || r.ActorHandle != 0 || r.IPHandle != 0 || r.ResourceID != "" {
		t.Errorf("names were not dropped: %v", got)
	}
	if got["/data/price"] != "49.9" {
		t.Error("dropping names must leave operational data")
	}
	r = sample()
	e.Export("auditor", false, Pseudonymise).Mask(r)
	if got = show(r); got["/data/card"] != "" || got["/context/geo"] != "" {
		t.Errorf("the stronger of two masks did not win: %v", got)
	}
	r = sample()
	e.Export("admin", true, "mispelt").Mask(r)
	if show(r)["/actor/name"] != "" {
		t.Error("an unknown mode must remove as much as the strongest")
	}
}

func TestPseudonymsAreStablePerKey(t *testing.T) {
	name := func(key [32]byte, handle int64) string {
		r := &event.Record{ActorHandle: handle, Fields: []event.Field{field("/actor/name", "user.name", `"Ana Horvat"`)}}
		New(Builtin(), key).For("auditor", false).Mask(r)
		return string(r.Fields[0].Value)
	}
	if name(testKey, 5) != name(testKey, 5) || name(testKey, 0) != name(testKey, 0) {
		t.Error("a pseudonym changes from one engine to the next")
	}
	if name(testKey, 5) == name([32]byte{9}, 5) || name(testKey, 0) == name([32]byte{9}, 0) || name(testKey, 5) == name(testKey, 6) || name(testKey, 5) == name(testKey, 0) {
		t.Error("pseudonyms of different tenants or people are equal")
	}
}

func TestTextMaskReplacesWhatIsFound(t *testing.T) {
	find := func(s string, yield func(int, int, string)) {
		if i := strings.Index(s, "Ana"); i >= 0 {
			yield(i, i+3, "user.name")
		}
	}
	p := Policy{Roles: map[string]Role{"scribe": {Unknown: Text, Default: Text}}}
	r := &event.Record{Fields: []event.Field{{Path: "/reason", Value: jsontext.Value(`"call \"Ana\" back"`), State: event.Opened}}}
	New(p, testKey, WithFinder(find)).For("scribe", false).Mask(r)
	if got := string(r.Fields[0].Value); got != `"call \"•••\" back"` {
		t.Errorf("got %s", got)
	}
	r.Fields[0] = event.Field{Path: "/reason", Value: jsontext.Value(`"call Ana"`), State: event.Opened}
	New(p, testKey).For("scribe", false).Mask(r)
	if r.Fields[0].State != event.Withheld {
		t.Error("without a finder, text must be withheld")
	}
}

func TestPolicyFile(t *testing.T) {
	p, err := ParsePolicy([]byte("roles:\n  reception:\n    default: withhold\n    unknown: withhold\n    categories: {user.name: show, user.contact: redact, user.contact.phone_number: phone}\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := sample()
	New(p, testKey).For("reception", false).Mask(r)
	got := show(r)
	if got["/actor/name"] != `"Ana Horvat"` || got["/actor/email"] != `"•••"` || got["/changes/0/after"] != `"+1 555-****"` || got["/data/card"] != "" {
		t.Errorf("reception sees %v", got)
	}
	if _, ok := p.Roles["auditor"]; !ok {
		t.Error("a role that the file does not name lost its built-in policy")
	}
	for _, bad := range []string{
		"roles: {x: {categories: {user.name: blur}}}",
		"roles: {x: {categories: {colour: redact}}}",
		"roles: {x: {categories: {user.authorization.credentials: show}}}",
		"roles: {x: {colour: red}}",
		"roles: [",
	} {
		if _, err := ParsePolicy([]byte(bad)); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	m := New(Builtin(), testKey).For("auditor", false)
	want := func() string { r := sample(); m.Mask(r); return fmt.Sprint(show(r)) }()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				r := sample()
				m.Mask(r)
				if fmt.Sprint(show(r)) != want {
					t.Error("a concurrent reader saw something else")
				}
			}
		})
	}
	wg.Wait()
}

// FuzzMask checks, for every mask and any JSON value: the result is JSON or withheld, and nothing of four characters or more that is
// withheld, redacted or replaced by a pseudonym can be found in it.
func FuzzMask(f *testing.F) {
	for _, s := range []string{`"ana@example.com"`, `"+1 555 123 4567"`, `["a","b"]`, `{"a":"secret"}`, `4111111111111111`, `null`, `true`, `"a\u0041\n"`, `[[1]]`, `"\ud83d\ude00 x"`,
		`"555x1"`, `"1.2.3.4"`, `"::1"`, `"1984-01-02"`, `[]`, `["","Ba",""]`, `""`, `-1.5e9`} {
		f.Add([]byte(s))
	}
	engines := New(Builtin(), testKey)
	f.Fuzz(func(t *testing.T, b []byte) {
		if !jsontext.Value(b).IsValid() {
			return
		}
		v := jsontext.Value(b)
		if v.Compact() != nil {
			return
		}
		for m := Withhold; m < maskCount; m++ {
			if m == Show || m == Text {
				continue
			}
			out := engines.render(m, 0, v)
			if out != nil && !json.Valid(out) {
				t.Fatalf("%s of %s is not JSON: %s", m, v, out)
			}
			if m == Redact || m == Pseudonym || m == Hash || m == Withhold || m == Drop {
				noTrace(t, m, v, out)
			}
		}
	})
}

// noTrace reports a run of four or more characters of a value that can be found in its rendering. Pseudonyms are random, so that
// only runs with something else than hex digits count, and a null stays one.
func noTrace(t *testing.T, m Mask, v, out jsontext.Value) {
	t.Helper()
	if string(out) == "null" || strings.ContainsAny(string(v), "•_") || bytes.Contains(v, []byte("null")) {
		return
	}
	runes := []rune(string(v))
	for i := 0; i+4 <= len(runes); i++ {
		w := string(runes[i : i+4])
		if !utf8.ValidString(w) || strings.Trim(w, "0123456789abcdef") == "" || strings.ContainsAny(w, "\",[]") {
			continue
		}
		if strings.Contains(string(out), w) {
			t.Fatalf("%s left %q of %s in %s", m, w, v, out)
		}
	}
}

func BenchmarkMask(b *testing.B) {
	for _, role := range []string{"auditor", "admin"} {
		b.Run(role, func(b *testing.B) {
			m := New(Builtin(), testKey).For(role, role == "admin")
			source := make([]*event.Record, 512)
			for i := range source {
				r := sample()
				r.Fields = slices.DeleteFunc(r.Fields, func(f event.Field) bool {
					switch f.Path {
					case "/context/forwarded_for", "/context/geo", "/data/card", "/data/dob", "/data/password", "/resource/id", "/subject/name":
						return true
					}
					return false
				})
				r.ActorHandle, r.SubjectHandle = int64(i%200+1), int64(i+1000)
				r.Fields[0].Value = jsontext.Value(fmt.Sprintf(`"user%d@example.com"`, i%200))
				r.Fields[1].Value = jsontext.Value(fmt.Sprintf(`"u-%d"`, i%200))
				source[i] = r
			}
			fields := make([]event.Field, 0, 32)
			b.ReportAllocs()
			var r event.Record
			for i := 0; b.Loop(); i++ {
				r = *source[i%len(source)]
				r.Fields = append(fields[:0], r.Fields...)
				m.Mask(&r)
			}
			b.ReportMetric(float64(len(source[0].Fields)), "fields/record")
		})
	}
}

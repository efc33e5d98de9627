package mfa_test

import (
	"encoding/json"
	"testing"
	"time"

	"probity.dev/access/mfa"
	"probity.dev/access/mfa/mfatest"
	"probity.dev/internal/errs"
)

const site = "https://audit.example"

func newPasskeys(t *testing.T, url string, now func() time.Time) *mfa.Passkeys {
	t.Helper()
	p, err := mfa.NewPasskeys(url, "Probity", []byte("0123456789abcdef0123456789abcdef"), now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSites(t *testing.T) {
	for url, want := range map[string]bool{"": false, "https://audit.example": true, "https://audit.example:8443": true, "http://audit.example": false, "http://localhost:8780": true,
		"https://192.0.2.7": false, "https://[2001:db8::1]": false, "http://127.0.0.1:8780": false, "not an address": false} {
		if got := newPasskeys(t, url, time.Now) != nil; got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
}

// enrolled makes a passkey.
func enrolled(t *testing.T, p *mfa.Passkeys, d *mfatest.Device, who mfa.Person) *mfa.Passkey {
	t.Helper()
	options, err := p.AskNew(who, "enrol|1")
	if err != nil {
		t.Fatal(err)
	}
	k, asked, err := p.New(who, "enrol|1", d.Create(t, options))
	if err != nil || len(asked.Challenge) != 32 {
		t.Fatal(err)
	}
	raw, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if k, err = mfa.ParsePasskey(raw); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestPasskey(t *testing.T) {
	now := time.Now()
	p := newPasskeys(t, site, func() time.Time { return now })
	d := mfatest.New(site)
	who := mfa.Person{ID: "person-1", Name: "Ana", Email: "ana@acme.example"}
	who.Passkeys = []*mfa.Passkey{enrolled(t, p, d, who)}
	ask := func(subject string, alone bool) json.RawMessage {
		t.Helper()
		options, err := p.Ask(subject, who.Passkeys, alone)
		if err != nil {
			t.Fatal(err)
		}
		return options
	}
	k, _, err := p.Check(who, "a", false, d.Get(t, ask("a", false)))
	if err != nil || k.Count() != 1 {
		t.Fatal(err)
	}
	who.Passkeys[0] = k
	refused := map[string]func() json.RawMessage{
		"another subject": func() json.RawMessage { return d.Get(t, ask("b", false)) },
		"another origin": func() json.RawMessage {
			x := *d
			x.Origin = "https://audit.example.evil.example"
			return x.Get(t, ask("a", false))
		},
		"another port":        func() json.RawMessage { x := *d; x.Origin = site + ":444"; return x.Get(t, ask("a", false)) },
		"plain http":          func() json.RawMessage { x := *d; x.Origin = "http://audit.example"; return x.Get(t, ask("a", false)) },
		"another rp":          func() json.RawMessage { x := *d; x.RPID = "evil.example"; return x.Get(t, ask("a", false)) },
		"a count that stands": func() json.RawMessage { x := *d; x.Count = 0; return x.Get(t, ask("a", false)) },
		"no presence":         func() json.RawMessage { x := *d; x.Absent = true; return x.Get(t, ask("a", false)) },
		"another's key": func() json.RawMessage {
			x := mfatest.New(site)
			x.ID = d.ID
			x.Handle = d.Handle
			return x.Get(t, ask("a", false))
		},
		"an unknown passkey": func() json.RawMessage { x := mfatest.New(site); x.Handle = d.Handle; return x.Get(t, ask("a", false)) },
		"another person":     func() json.RawMessage { x := *d; x.Handle = []byte("person-2"); return x.Get(t, ask("a", false)) },
		"a registration": func() json.RawMessage {
			o, _ := p.AskNew(who, "a")
			x := *d
			x.Type = "webauthn.create"
			return x.Get(t, o)
		},
		"nonsense": func() json.RawMessage {
			return json.RawMessage(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`)
		},
		"a made-up challenge": func() json.RawMessage {
			return d.Get(t, json.RawMessage(`{"challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`))
		},
	}
	for what, answer := range refused {
		if _, _, err := p.Check(who, "a", false, answer()); errs.CodeOf(err) != errs.Unauthorized {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Alone, the device must have recognised the person.
	x := *d
	x.Unverified = true
	x.Count = 50
	if _, _, err := p.Check(who, "a", true, x.Get(t, ask("a", true))); errs.CodeOf(err) != errs.Unauthorized {
		t.Error("a passkey that knows nobody signs in alone:", err)
	}
	if _, _, err := p.Check(who, "a", false, x.Get(t, ask("a", false))); err != nil {
		t.Error("as a second factor it does:", err)
	}
	old := ask("a", false)
	now = now.Add(5 * time.Minute)
	if _, _, err := p.Check(who, "a", false, d.Get(t, old)); errs.CodeOf(err) != errs.Unauthorized {
		t.Error("an old challenge is answered:", err)
	}
}

func TestRegistrationIsBound(t *testing.T) {
	p := newPasskeys(t, site, time.Now)
	who := mfa.Person{ID: "person-1", Name: "Ana", Email: "ana@acme.example"}
	options, err := p.AskNew(who, "enrol|1")
	if err != nil {
		t.Fatal(err)
	}
	for what, d := range map[string]*mfatest.Device{"another origin": mfatest.New("https://evil.example"), "another rp": {RPID: "evil.example", Origin: site}} {
		if d.RPID == "" {
			d.RPID = "audit.example"
		}
		if _, _, err := p.New(who, "enrol|1", d.Create(t, options)); errs.CodeOf(err) != errs.Unauthorized {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := p.New(who, "enrol|2", mfatest.New(site).Create(t, options)); errs.CodeOf(err) != errs.Unauthorized {
		t.Error("another enrolment:", err)
	}
}

package event

import "testing"

func TestSentence(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{sample, "User 'Bob' changed 'Haircut' price from $50 to $10"},
		{`{"action":"service.update","actor":{"name":"Bob"},"resource":{"type":"service","name":"Haircut"},"changes":[{"path":"price","before":50,"after":10}]}`,
			"User 'Bob' changed 'Haircut' price from 50 to 10"},
		{`{"action":"service.update","actor":{"name":"Bob"},"resource":{"type":"service","id":"7"},"changes":[{"path":"/price","before":{"amount":"50.00","currency":"EUR"},"after":{"amount":10,"currency":"CHF"}}]}`,
			"User 'Bob' changed service '7' price from €50.00 to 10 CHF"},
		{`{"action":"service.update","actor":{"name":"Bob"},"resource":{"type":"service","id":"7"},"data":{"currency":"GBP"},"changes":[{"path":"unitPriceCents","before":5000,"after":5}]}`,
			"User 'Bob' changed service '7' unit price cents from £50.00 to £0.05"},
		{`{"action":"invoice.create","actor":{"id":"u1"},"resource":{"type":"invoice","id":"INV-1"}}`, "User 'u1' created invoice 'INV-1'"},
		{`{"action":"user.login","actor":{"name":"Ana"},"context":{"ip":"203.0.113.9"}}`, "User 'Ana' signed in from 203.0.113.9"},
		{`{"action":"user.login","actor":{"name":"Ana"},"outcome":{"status":"failure","reason":"wrong password"}}`, "User 'Ana' failed to sign in: wrong password"},
		{`{"action":"record.delete","actor":{"type":"api_key","id":"k1"},"resource":{"type":"record","id":"9"},"outcome":{"status":"denied"}}`,
			"API key 'k1' was not allowed to delete record '9'"},
		{`{"action":"record.view","actor":{"name":"Dr Lee"},"resource":{"type":"clinical_note","id":"n9"},"subject":{"type":"patient","id":"p7","name":"Ana Silva"}}`,
			"User 'Dr Lee' viewed clinical note 'n9' of patient 'Ana Silva'"},
		{`{"action":"client.update","actor":{"name":"Bob"},"resource":{"type":"client","name":"Cy"},"changes":[{"path":"a","before":1},{"path":"/b/0","after":2},{"path":"c_d"},{"path":"e"},{"path":"f"}]}`,
			"User 'Bob' changed a, b, c d and 2 more fields of 'Cy'"},
		{`{"action":"client.update","actor":{"name":"Bob"},"resource":{"type":"client","name":"Cy"},"changes":[{"path":"phone","before":null,"after":"+1 555"},{"path":"email","after":"x"}]}`,
			"User 'Bob' changed phone and email of 'Cy'"},
		{`{"action":"client.update","actor":{"name":"Bob"},"resource":{"type":"client","name":"Cy"},"changes":[{"path":"phone","before":null,"after":"+1 555"}]}`,
			"User 'Bob' changed 'Cy' phone from nothing to '+1 555'"},
		{`{"action":"retention.run","actor":{"type":"system"}}`, "The system ran retention"},
		{`{"action":"ssh.invalid_user","activity":"other"}`, "Anonymous user performed ssh.invalid_user"},
		{`{"action":"report.export","actor":{"name":"Bob"},"resource":{"type":"report","name":"Q3"}}`, "User 'Bob' exported report 'Q3'"},
		{`{"action":"a.read","actor":{"name":"Eve\n\u0000 said 'hi'"},"resource":{"type":"x","id":"\u202e"}}`, "User 'Eve \x00 said 'hi'' viewed x '\u202e'"},
	} {
		e := mustParse(t, c.in)
		e.Source = "app"
		if err := e.Normalise(now); err != nil {
			t.Fatal(err)
		}
		if got := record(e).Sentence(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestSentenceTemplates(t *testing.T) {
	r := record(mustNormal(t, sample))
	got := r.SentenceWith(Templates{"service.update": "{actor} repriced {resource}{none} in {/data/branch/city} ({outcome}, {action}): {changes}. {reason}{unclosed"})
	want := "User 'Bob' repriced 'Haircut' in Lisbon (success, service.update): 'Haircut' price from $50 to $10. {unclosed"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

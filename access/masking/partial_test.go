package masking

import (
	"testing"

	"pgregory.net/rapid"
)

func TestPartialMasks(t *testing.T) {
	for _, c := range []struct {
		mask     func(string) string
		in, want string
	}{
		{email, "ana@example.com", "a•••@e•••.com"},
		{email, "š.horvat@pošta.hr", "š•••@p•••.hr"},
		{email, "a@example.com", "•••@e•••.com"},
		{email, "ana@example.verylongtop", "a•••@e•••"},
		{email, "ana@localhost", "a•••@•••"},
		{email, "not an address", "•••"},
		{phone, "+1 (555) 123-4567", "+1 555-****"},
		{phone, "+15551234567", "+1 555-****"},
		{phone, "15551234567", "+1 555-****"},
		{phone, "555-123-4567", "555-****"},
		{phone, "0041 71 526 99 04", "+41 71-****"},
		{phone, "+385 91 234 5678", "+385 91-****"},
		{phone, "555-123-4567x89", "555-****"},
		{phone, "123 4567", "•••"},
		{phone, "call me", "•••"},
		{phone, "", "•••"},
		{cardLast4, "4111 1111 1111 1111", "•••• 1111"},
		{cardLast4, "1234", "•••"},
		{initials, "Ana Horvat", "A.H."},
		{initials, "ana-marija horvat", "A.M.H."},
		{initials, "Žarko", "Ž."},
		{initials, "X", "•••"},
		{initials, "12345", "•••"},
		{ipPrefix, "203.0.113.77", "203.0.113.0/24"},
		{ipPrefix, "2001:db8:1:2::7", "2001:db8:1::/48"},
		{ipPrefix, "::ffff:203.0.113.77", "203.0.113.0/24"},
		{ipPrefix, "fe80::1%eth0", "fe80::/48"},
		{ipPrefix, "ec2.amazonaws.com", "•••"},
		{year, "1984-05-31", "1984"},
		{year, "1984-05-31T00:00:00Z", "1984"},
		{year, "31.05.1984", "1984"},
		{year, "5/31/1984", "1984"},
		{year, "born in 1984", "•••"},
		{year, "1984", "•••"},
	} {
		if got := c.mask(c.in); got != c.want {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
	}
}

// TestNetworksOfUsualAddresses compares the short way for IPv4 addresses with the way that knows all addresses.
func TestNetworksOfUsualAddresses(t *testing.T) {
	short := 0
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,3}){2,4}`), rapid.StringMatching(`(1?[0-9]{1,2}\.){3}(25[0-9]|[1-9])`), rapid.StringMatching(`[0-9."a:]{6,16}`)).Draw(t, "in")
		if got := network4([]byte(`"` + in + `"`)); got != nil {
			short++
			if want := `"` + ipPrefix(in) + `"`; string(got) != want {
				t.Fatalf("%s: %s, want %s", in, got, want)
			}
		}
	})
	if short < 10 {
		t.Fatalf("only %d addresses went the short way", short)
	}
	if got := network4([]byte(`"203.0.113.77"`)); string(got) != `"203.0.113.0/24"` {
		t.Fatal(string(got))
	}
}

package field

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// luhnDigit returns the digit that completes d.
func luhnDigit(d string) string {
	for c := '0'; c <= '9'; c++ {
		if luhn(d + string(c)) {
			return string(c)
		}
	}
	return ""
}

func digitsGen(n int) *rapid.Generator[string] {
	return rapid.StringMatching(fmt.Sprintf("[0-9]{%d}", n))
}

func TestGeneratedCards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom([]struct {
			prefix string
			length int
		}{{"4", 16}, {"4", 13}, {"4", 19}, {"34", 15}, {"37", 15}, {"51", 16}, {"55", 16}, {"2221", 16}, {"2720", 16}, {"300", 14}, {"36", 14}, {"6011", 16},
			{"65", 16}, {"3528", 16}, {"62", 16}, {"5018", 16}, {"6304", 16}, {"1800", 15}}).Draw(t, "issuer")
		d := c.prefix + digitsGen(c.length-len(c.prefix)-1).Draw(t, "digits")
		d += luhnDigit(d)
		written := d
		if c.length == 16 && rapid.Bool().Draw(t, "grouped") {
			written = d[:4] + " " + d[4:8] + " " + d[8:12] + " " + d[12:]
		}
		if got := identify(written); got != CreditCard {
			t.Fatalf("%s is %q", written, got)
		}
		before := rapid.SampledFrom([]string{"paid with ", "", "no. ", "(", "card: "}).Draw(t, "before")
		text := before + written + rapid.SampledFrom([]string{" today", "", ".", ")", ", 12/27"}).Draw(t, "after")
		if !foundExactly(text, len(before), len(before)+len(written), CreditCard) {
			t.Fatalf("not found in %q: %v", text, Find(text))
		}
		i := rapid.IntRange(0, len(d)-1).Draw(t, "at")
		wrong := d[:i] + string('0'+(d[i]-'0'+1)%10) + d[i+1:]
		if luhn(wrong) {
			t.Fatalf("a wrong digit in %s was not noticed", wrong)
		}
	})
}

func foundExactly(text string, start, end int, category string) bool {
	for _, s := range Find(text) {
		if s.Start == start && s.End == end && s.Category == category {
			return true
		}
	}
	return false
}

// withIBANDigits completes country and account with the two check digits.
func withIBANDigits(country, account string) string {
	for i := 2; i < 99; i++ {
		if s := fmt.Sprintf("%s%02d%s", country, i, account); mod97(s) {
			return s
		}
	}
	return ""
}

func TestGeneratedIBANs(t *testing.T) {
	countries := make([]string, 0, len(ibanLengths))
	for c := range ibanLengths {
		countries = append(countries, c)
	}
	rapid.Check(t, func(t *rapid.T) {
		country := rapid.SampledFrom(countries).Draw(t, "country")
		n := ibanLengths[country] - 4
		iban := withIBANDigits(country, rapid.StringMatching(fmt.Sprintf("[A-Z0-9]{%d}", n)).Draw(t, "account"))
		written := iban
		if rapid.Bool().Draw(t, "grouped") {
			var parts []string
			for s := iban; s != ""; s = s[min(4, len(s)):] {
				parts = append(parts, s[:min(4, len(s))])
			}
			written = strings.Join(parts, " ")
		}
		text := "from " + written + ", please"
		if !foundExactly(text, 5, 5+len(written), BankAccount) {
			t.Fatalf("not found in %q: %v", text, Find(text))
		}
		i := rapid.IntRange(4, len(iban)-1).Draw(t, "at")
		if isDigit(iban[i]) && isIBAN(iban[:i]+string('0'+(iban[i]-'0'+1)%10)+iban[i+1:]) {
			t.Fatal("a wrong digit was not noticed")
		}
	})
}

func TestGeneratedAddressesOfNetworks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")
		four := fmt.Sprintf("%d.%d.%d.%d", b[0], b[1], b[2], b[3])
		six := fmt.Sprintf("%x:%x:%x:%x:%x:%x:%x:1%x", b[0], b[1], int(b[2])<<8|int(b[3]), b[4], b[5], b[6], b[7], b[8]&15)
		mac := fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5])
		for s, want := range map[string]string{four: IPAddress, six: IPAddress, mac: DeviceID} {
			if got := identify(s); got != want {
				t.Fatalf("%s is %q", s, got)
			}
			if text := "from " + s + " at noon"; !foundExactly(text, 5, 5+len(s), want) {
				t.Fatalf("not found in %q: %v", text, Find(text))
			}
		}
	})
	for _, s := range []string{"1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "10:34:22", "::", "a::b::c", "12345::1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "std::move",
		"00:1b:44:11:3a", "00-1b:44-11-3a-b7", ":1:2:3:4:5:6:7"} {
		if got := identify(s); got != "" {
			t.Errorf("%s is %q", s, got)
		}
	}
}

// Numbers that the issuing authorities, or the standards that define the check digits, publish as examples.
func TestNationalNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		check      func(string) bool
		yes, wrong []string
	}{
		"aadhaar": {aadhaar, []string{"234123412346", "499118665246"}, []string{"234123412347", "134123412346", "23412341234"}},
		"bsn":     {bsn, []string{"111222333", "123456782"}, []string{"123456789", "000000000", "12345678"}},
		"pesel":   {pesel, []string{"44051401359", "02070803628"}, []string{"44051401358", "44131401359"}},
		"tax id":  {germanTaxID, []string{"86095742719", "65929970489"}, []string{"86095742718", "12345678901", "06095742719"}},
		"nir":     {nir, []string{"255081416802538", "253072B07300470"}, []string{"255081416802539", "955081416802538", "255131416802538"}},
		"dni":     {dni, []string{"12345678Z", "X1234567L", "z1234567r"}, []string{"12345678A", "W1234567L"}},
		"nino":    {nino, []string{"AB123456C", "jg103759a"}, []string{"QQ123456C", "AB123456E", "BG123456A", "AO123456A"}},
		"pan":     {pan, []string{"ABCPE1234F", "AAACB1234C"}, []string{"ABCDE1234F", "ABCP11234F", "ABCPE12345"}},
		"ssn":     {ssn, []string{"078051120", "987651234"}, []string{"000121234", "666121234", "123001234", "123450000", "900121234"}},
		"nhs":     {nhs, []string{"9434765919", "4505577104"}, []string{"9434765918"}},
	} {
		for _, s := range c.yes {
			if !c.check(s) {
				t.Errorf("%s %s is refused", name, s)
			}
		}
		for _, s := range c.wrong {
			if c.check(s) {
				t.Errorf("%s %s is accepted", name, s)
			}
		}
	}
}

func TestFind(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"mail ana@example.com.", "[ana@example.com user.contact.email]"},
		{"Write to <Ana.H+x@mail.example.co.uk>, or call (415) 555-2671 x12!", "[Ana.H+x@mail.example.co.uk user.contact.email][(415) 555-2671 x12 user.contact.phone_number]"},
		{"Dear Mrs. Kovač, thanks", "[Kovač user.name]"},
		{"db at postgres://root:hunter2@db.local:5432/x", "[root:hunter2 user.authorization.credentials]"},
		{"Authorization: Bearer abcdefgh1234567890 was logged", "[Bearer abcdefgh1234567890 user.authorization.credentials]"},
		{"born 31.05.1984 in Split", "[31.05.1984 user.demographic.date_of_birth]"},
		{"due 31.05.2026, version 1.2.3, 10:34:22, order 555123", ""},
		{"NI number AB 12 34 56 C and NIE X1234567L", "[AB 12 34 56 C user.government_id.national_identification_number][X1234567L user.government_id.national_identification_number]"},
		{"id 550e8400-e29b-41d4-a716-446655440000 ok", ""},
		{"sent to Ilica 1, on 2026-01-01", ""},
		{"lives at 12 High Street, London", "[12 High Street, London user.contact.address]"},
		{"My name is Ana Horvat and I paid $1,234.56", "[Ana Horvat user.name]"},
		{"", ""},
	} {
		var got strings.Builder
		for _, s := range Find(c.text) {
			fmt.Fprintf(&got, "[%s %s]", c.text[s.Start:s.End], s.Category)
		}
		if got.String() != c.want {
			t.Errorf("in %q found %s, want %s", c.text, got.String(), c.want)
		}
		n := 0
		Each(c.text, func(start, end int, _ string) { n++ })
		if n != len(Find(c.text)) {
			t.Errorf("Each and Find differ on %q", c.text)
		}
	}
}

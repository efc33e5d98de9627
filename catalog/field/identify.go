package field

import "strings"

// A shape counts what a short text is made of; it lets most texts be told apart without parsing them.
type shape struct {
	digits, letters, spaces, colons, dots, dashes, ats, commas, pluses, parens, slashes, other int
}

func shapeOf(s string) (sh shape) {
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			sh.digits++
		case isLetter(c):
			sh.letters++
		case c == ' ':
			sh.spaces++
		case c == ':':
			sh.colons++
		case c == '.':
			sh.dots++
		case c == '-':
			sh.dashes++
		case c == '@':
			sh.ats++
		case c == ',':
			sh.commas++
		case c == '+':
			sh.pluses++
		case c == '(' || c == ')':
			sh.parens++
		case c == '/':
			sh.slashes++
		default:
			sh.other++
		}
	}
	return sh
}

// identify says which personal identifier the whole text is, or "".
func identify(s string) string {
	if len(s) < 5 || len(s) > 254 {
		return ""
	}
	if c := secretPrefix(s); c {
		return Credentials
	}
	return identifyShaped(s, shapeOf(s))
}

func identifyShaped(s string, sh shape) string {
	switch {
	case sh.ats > 0:
		if sh.ats == 1 && isEmail(s) {
			return Email
		}
		return ""
	case len(s) > 64 || sh.digits == 0 && sh.colons < 2:
		return ""
	case sh.colons >= 2 && sh.spaces == 0:
		if isMAC(s) {
			return DeviceID
		}
		if isIPv6(s) {
			return IPAddress
		}
		return ""
	case sh.letters == 0:
		return identifyNumber(s, sh)
	case sh.dashes == 5 && isMAC(s):
		return DeviceID
	case sh.other == 0 && sh.colons+sh.ats+sh.commas+sh.slashes+sh.parens+sh.pluses == 0 && sh.digits >= 4:
		return identifyAlnum(s)
	}
	return ""
}

// identifyNumber looks at a text without letters.
func identifyNumber(s string, sh shape) string {
	if sh.dots == 3 && sh.digits <= 12 && isIPv4(s) {
		return IPAddress
	}
	if sh.commas == 1 && sh.dots == 2 && isCoordinates(s) {
		return Precise
	}
	if sh.other > 0 || sh.commas > 0 || sh.slashes > 0 || sh.digits < 7 || sh.digits > 19 {
		return ""
	}
	var buf [19]byte
	d := digitsOf(buf[:0], s)
	digits := string(d)
	switch {
	case isSSN(s, digits):
		return NationalID
	case s[0] == '+':
		if isE164(digits) {
			return Phone
		}
		return ""
	case sh.pluses > 0:
		return ""
	case isCard(digits) && cardGroups(s):
		return CreditCard
	case sh.parens == 0 && sh.dots == 0 && nationalNumber(s, digits):
		return NationalID
	case nationalPhone(s, digits):
		return Phone
	}
	return ""
}

// nationalNumber knows the numbers that carry a check digit. The eleven-test alone lets one number in eleven pass, so that a
// bare match is a reason to encrypt, never a proof.
func nationalNumber(s, digits string) bool {
	switch len(digits) {
	case 9:
		return len(s) == 9 && bsn(digits)
	case 10:
		return groups(s, 3, 3, 4) && strings.IndexByte(s, '-') < 0 && nhs(digits)
	case 11:
		return pesel(digits) || germanTaxID(digits)
	case 12:
		return (len(s) == 12 || groups(s, 4, 4, 4)) && aadhaar(digits)
	case 15:
		return nir(digits)
	}
	return false
}

// identifyAlnum looks at letters and digits with spaces, dots and dashes between them.
func identifyAlnum(s string) string {
	var buf [34]byte
	t := buf[:0]
	for i := range len(s) {
		if c := s[i]; isAlnum(c) {
			if len(t) == len(buf) {
				return ""
			}
			t = append(t, c)
		}
	}
	c := string(t)
	switch {
	case isIBAN(c):
		return BankAccount
	case len(c) == 9 && (dni(c) || nino(c)), len(c) == 10 && len(s) == 10 && pan(c), len(c) == 15 && nir(c):
		return NationalID
	}
	return ""
}

func digitsOf(dst []byte, s string) []byte {
	for i := range len(s) {
		if isDigit(s[i]) {
			dst = append(dst, s[i])
		}
	}
	return dst
}

// groups reports whether s is groups of digits of the given lengths with one space or dash between them.
func groups(s string, lengths ...int) bool {
	i := 0
	for g, n := range lengths {
		if g > 0 {
			if i >= len(s) || s[i] != ' ' && s[i] != '-' {
				return false
			}
			i++
		}
		if i+n > len(s) || !allDigits(s[i:i+n]) {
			return false
		}
		i += n
	}
	return i == len(s)
}

// isSSN wants the number written with its dashes (or spaces): nine bare digits may be anything.
func isSSN(s, digits string) bool {
	return len(s) == 11 && len(digits) == 9 && s[3] == s[6] && groups(s, 3, 2, 4) && ssn(digits)
}

// ibanLengths is the length of the IBAN of each country (SWIFT IBAN registry).
var ibanLengths = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22,
	"CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22,
	"GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30,
	"KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20,
	"MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
	"RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26,
	"UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}

// isIBAN takes an IBAN without spaces.
func isIBAN(c string) bool {
	if len(c) < 15 || len(c) > 34 || !isLetter(c[0]) || !isLetter(c[1]) || !isDigit(c[2]) || !isDigit(c[3]) {
		return false
	}
	country := [2]byte{c[0] &^ 0x20, c[1] &^ 0x20}
	return ibanLengths[string(country[:])] == len(c) && mod97(c)
}

// isE164 takes the digits after the plus sign: a calling code that exists and 7 to 15 digits in all (ITU-T E.164).
func isE164(d string) bool {
	return len(d) >= 8 && len(d) <= 15 && callingCode(d) > 0
}

// callingCode returns the length of the country calling code that d starts with, 0 when there is none.
func callingCode(d string) int {
	if d[0] == '1' || d[0] == '7' {
		return 1
	}
	if len(d) < 3 || d[0] == '0' {
		return 0
	}
	switch number(d[:2]) {
	case 20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62, 63, 64, 65, 66,
		81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98:
		return 2
	case 28, 83, 89:
		return 0
	}
	return 3
}

// nationalPhone accepts numbers that are written the way people write phone numbers; a bare run of digits is not one.
func nationalPhone(s, digits string) bool {
	n := len(digits)
	if n < 9 || n > 12 || allDigits(s) {
		return false
	}
	switch {
	case s[0] == '(':
		return strings.IndexByte(s, ')') > 1
	case n == 10 && (grouped(s, 3, 3, 4)):
		return true
	case n == 11 && s[0] == '1' && grouped(s, 1, 3, 3, 4):
		return true
	case s[0] == '0':
		return groupCount(s) >= 3 || groupCount(s) == 2 && n >= 10
	}
	return false
}

// grouped is groups with dots allowed too.
func grouped(s string, lengths ...int) bool {
	if strings.IndexByte(s, '.') < 0 {
		return groups(s, lengths...)
	}
	return groups(strings.ReplaceAll(s, ".", " "), lengths...)
}

func groupCount(s string) int {
	n := 0
	for i := range len(s) {
		if isDigit(s[i]) && (i == 0 || !isDigit(s[i-1])) {
			n++
		}
	}
	return n
}

// isEmail accepts what mail systems in use accept: an unquoted local part, a domain with a dot and a top level of two letters at
// least. Letters outside ASCII are allowed (RFC 6531).
func isEmail(s string) bool {
	at := strings.IndexByte(s, '@')
	if at < 1 || at > 64 || len(s)-at < 5 || s[0] == '.' || s[at-1] == '.' {
		return false
	}
	for i := range at {
		if !localByte(s[i]) {
			return false
		}
	}
	return isDomain(s[at+1:])
}

func localByte(c byte) bool {
	return isAlnum(c) || c >= 0x80 || strings.IndexByte(".!#$%&'*+/=?^_`{|}~-", c) >= 0
}

func isDomain(s string) bool {
	label, last := 0, 0
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == '.' {
			if label == 0 || label > 63 || s[i-1] == '-' || s[i-label] == '-' {
				return false
			}
			if i < len(s) {
				last = i + 1
			}
			label = 0
			continue
		}
		if c := s[i]; !isAlnum(c) && c != '-' && c < 0x80 {
			return false
		}
		label++
	}
	top := s[last:]
	return last > 0 && len(top) >= 2 && !isDigit(top[0])
}

func isIPv4(s string) bool {
	part, n, octets := 0, 0, 0
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == '.' {
			if n == 0 || part > 255 {
				return false
			}
			octets++
			part, n = 0, 0
			continue
		}
		if !isDigit(s[i]) || n == 3 || n > 0 && part == 0 {
			return false
		}
		part = part*10 + int(s[i]-'0')
		n++
	}
	return octets == 4
}

// isIPv6 accepts RFC 4291 text, with a zone or an embedded IPv4 address. At least one digit and two groups are wanted, so that
// "::" in program text is not an address.
func isIPv6(s string) bool {
	if z := strings.IndexByte(s, '%'); z > 0 {
		s = s[:z]
	}
	if len(s) < 4 || len(s) > 45 {
		return false
	}
	groups, run, double, digits := 0, 0, false, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isHex(c):
			if run++; run > 4 {
				return false
			}
			if isDigit(c) {
				digits++
			}
		case c == ':':
			if run > 0 {
				groups++
			}
			if run == 0 && i > 0 && s[i-1] == ':' {
				if double {
					return false
				}
				double = true
			} else if run == 0 && i > 0 || i == 0 && s[1] != ':' {
				return false
			}
			run = 0
		case c == '.':
			start := i - run
			if !isIPv4(s[start:]) {
				return false
			}
			groups += 2
			return digits > 0 && (groups == 8 || double && groups < 8)
		default:
			return false
		}
	}
	if run > 0 {
		groups++
	} else if !double || s[len(s)-2] != ':' {
		return false
	}
	return digits > 0 && (groups == 8 || double && groups >= 2 && groups < 8)
}

func isMAC(s string) bool {
	if len(s) != 17 || s[2] != ':' && s[2] != '-' {
		return false
	}
	for i := range 17 {
		if i%3 == 2 {
			if s[i] != s[2] {
				return false
			}
		} else if !isHex(s[i]) {
			return false
		}
	}
	return true
}

// isCoordinates: latitude, comma, longitude in decimal degrees, three decimals at least.
func isCoordinates(s string) bool {
	a, b, ok := strings.Cut(s, ",")
	return ok && isDegrees(a, 90) && isDegrees(strings.TrimPrefix(b, " "), 180)
}

func isDegrees(s string, limit int) bool {
	s = strings.TrimPrefix(s, "-")
	whole, fraction, ok := strings.Cut(s, ".")
	return ok && len(whole) <= 3 && allDigits(whole) && len(fraction) >= 3 && allDigits(fraction) && number(whole) <= limit
}

// secretPrefix knows the beginnings of tokens and keys that well-known issuers mark as such.
func secretPrefix(s string) bool {
	if len(s) < 16 {
		return false
	}
	switch s[0] {
	case 'e':
		return strings.HasPrefix(s, "eyJ") && strings.Count(s, ".") == 2 && oneWord(s) // a JWT
	case 'g':
		return hasAnyPrefix(s, "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-") && oneWord(s)
	case 's':
		return hasAnyPrefix(s, "sk_live_", "sk_test_", "sk-") && oneWord(s)
	case 'r':
		return hasAnyPrefix(s, "rk_live_", "rk_test_") && oneWord(s)
	case 'p':
		return strings.HasPrefix(s, "pk_") && len(s) >= 24 && oneWord(s)
	case 'x':
		return hasAnyPrefix(s, "xoxb-", "xoxp-", "xoxa-", "xoxs-") && oneWord(s)
	case 'B', 'b':
		return hasAnyPrefix(s, "Bearer ", "bearer ", "Basic ", "basic ") && len(s) >= 20 && oneWord(s[strings.IndexByte(s, ' ')+1:])
	case '-':
		return strings.HasPrefix(s, "-----BEGIN ") && strings.Contains(s, "PRIVATE KEY")
	case 'A':
		return hasAnyPrefix(s, "AGE-SECRET-KEY-", "AIza") && oneWord(s)
	case 'w':
		return strings.HasPrefix(s, "whsec_")
	}
	return false
}

// accessKeyID knows the id of an AWS access key. It opens nothing by itself, but says whose key was used, whatever the field is called.
func accessKeyID(s string) bool {
	if len(s) < 16 || len(s) > 32 || s[1:4] != "KIA" && s[1:4] != "SIA" || s[0] != 'A' {
		return false
	}
	for i := 4; i < len(s); i++ {
		if c := s[i]; !isDigit(c) && (c < 'A' || c > 'Z') && c != '_' {
			return false
		}
	}
	return true
}

func oneWord(s string) bool { return strings.IndexByte(s, ' ') < 0 }

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

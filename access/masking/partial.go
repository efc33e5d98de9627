package masking

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// email shows "a•••@e•••.com".
func email(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 {
		return dots
	}
	local, domain := s[:at], s[at+1:]
	out := dots
	if first, n := utf8.DecodeRuneInString(local); n < len(local) && unicode.IsLetter(first) {
		out = string(first) + dots
	}
	dot := strings.LastIndexByte(domain, '.')
	if dot < 1 {
		return out + "@" + dots
	}
	out += "@"
	if first, n := utf8.DecodeRuneInString(domain); n < dot && unicode.IsLetter(first) {
		out += string(first)
	}
	out += dots
	if top := domain[dot+1:]; isTopLevel(top) {
		out += "." + top
	}
	return out
}

// isTopLevel: two to six letters; longer ones could be most of a name.
func isTopLevel(s string) bool {
	if len(s) < 2 || len(s) > 6 {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// phone shows the country and area code: "+1 555-****", "555-****". Six digits at least stay hidden.
func phone(s string) string {
	digits := make([]byte, 0, 16)
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		case c == ' ', c == '-', c == '.', c == '(', c == ')', c == '/', c == '+' && len(digits) == 0:
		case c == 'x' && len(digits) >= 7:
			s = s[:i] // an extension says nothing about the place
		default:
			return dots
		}
		if i >= len(s) {
			break
		}
	}
	if len(digits) > 18 {
		return dots
	}
	d, prefix := string(digits), ""
	switch {
	case strings.HasPrefix(strings.TrimLeft(s, " ("), "+"):
	case strings.HasPrefix(d, "00"):
		d = d[2:]
	case len(d) == 11 && d[0] == '1':
	default:
		return nationalPrefix(d, "")
	}
	n := callingCode(d)
	if n == 0 || len(d) < n+6 {
		return dots
	}
	prefix = "+" + d[:n] + " "
	return nationalPrefix(d[n:], prefix)
}

func nationalPrefix(d, prefix string) string {
	keep := 0
	switch n := len(d); {
	case n >= 10:
		keep = 3
	case n >= 9:
		keep = 2
	}
	if keep == 0 && prefix == "" {
		return dots
	}
	if keep == 0 {
		return prefix + "****"
	}
	return prefix + d[:keep] + "-****"
}

// callingCode returns the length of the E.164 country code at the start of d: 1 and 7 stand alone, the listed ones have two digits,
// all others three.
func callingCode(d string) int {
	if len(d) < 4 || d[0] == '0' {
		return 0
	}
	if d[0] == '1' || d[0] == '7' {
		return 1
	}
	const two = " 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 "
	if strings.Contains(two, " "+d[:2]+" ") {
		return 2
	}
	return 3
}

// cardLast4 shows the last four of at least twelve digits.
func cardLast4(s string) string {
	n, last := 0, ""
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			n++
			last += string(c)
			if len(last) > 4 {
				last = last[1:]
			}
		case c != ' ' && c != '-':
			return dots
		}
	}
	if n < 12 || n > 19 {
		return dots
	}
	return "•••• " + last
}

// initials shows the first letter of up to three words.
func initials(s string) string {
	out, n := "", 0
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '-' || r == '\t' || r == '\n' }) {
		r, size := utf8.DecodeRuneInString(w)
		if !unicode.IsLetter(r) || size == len(w) && n == 0 {
			continue
		}
		if n++; n > 3 {
			break
		}
		out += string(unicode.ToUpper(r)) + "."
	}
	if out == "" {
		return dots
	}
	return out
}

// ipPrefix shows the network: the first 24 bits of IPv4, the first 48 of IPv6.
func ipPrefix(s string) string {
	if s == "" || s[0] > 'f' {
		return dots
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return dots
	}
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return dots
	}
	return p.String()
}

// network4 is ipPrefix for the JSON of an IPv4 address in its usual form, nil for anything else. Most events have one, and making it takes less time than
// finding it among what was made before.
func network4(v []byte) []byte {
	if len(v) < len(`"0.0.0.0"`) || len(v) > len(`"255.255.255.255"`) || v[0] != '"' || v[len(v)-1] != '"' {
		return nil
	}
	octet, dots, from, last := 0, 0, 1, 0
	for i := 1; i < len(v); i++ {
		c := v[i]
		if c >= '0' && c <= '9' {
			if octet = octet*10 + int(c-'0'); octet > 255 || i > from && v[from] == '0' {
				return nil
			}
			continue
		}
		switch {
		case i == from:
			return nil
		case c == '.' && dots < 3:
			dots, last = dots+1, i
		case c != '"' || dots != 3 || i != len(v)-1:
			return nil
		}
		octet, from = 0, i+1
	}
	return append(append(make([]byte, 0, last+len(`.0/24"`)), v[:last+1]...), `0/24"`...)
}

// year shows the year of a date that is written as 1984-05-31, 31.05.1984, 5/31/1984 or the like, alone or with a time.
func year(s string) string {
	if len(s) < 8 || len(s) > 40 {
		return dots
	}
	fields := strings.FieldsFunc(s, func(r rune) bool { return r == '-' || r == '/' || r == '.' || r == 'T' || r == ' ' })
	if len(fields) < 3 {
		return dots
	}
	for _, f := range [2]string{fields[0], fields[2]} {
		if len(f) == 4 && isYear(f) && smallNumber(fields[1]) && (smallNumber(fields[0]) || smallNumber(fields[2])) {
			return f
		}
	}
	return dots
}

func isYear(s string) bool {
	return (s[0] == '1' && (s[1] == '8' || s[1] == '9') || s[0] == '2' && (s[1] == '0' || s[1] == '1')) && s[2]-'0' < 10 && s[3]-'0' < 10
}

func smallNumber(s string) bool {
	if len(s) == 0 || len(s) > 2 {
		return false
	}
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

package field

import "strings"

// maxGroups is how many groups of digits are looked at together.
const maxGroups = 8

// A run is a stretch of groups of digits with single separators between them, as numbers are written for people.
type run struct {
	start, end [maxGroups]int
	n          int
}

// numeric reads what begins with a digit, a plus sign or a parenthesis, and returns where to go on.
func (f *finder) numeric(i int) int {
	if isDigit(f.s[i]) {
		if end := f.hexColons(i); end > i {
			return end
		}
		if f.idWithLetters(i) {
			return f.last.End
		}
	}
	r := f.run(i)
	if r.n == 0 {
		return i + 1
	}
	for first := 0; first < r.n; first++ {
		start := r.start[first]
		if start > 0 && (f.s[start-1] == '(' || f.s[start-1] == '+') {
			if end := f.longest(&r, first, start-1); end > 0 {
				return end
			}
		}
		if end := f.longest(&r, first, start); end > 0 {
			return end
		}
	}
	return r.end[r.n-1]
}

// longest tries the groups from first on, from start, the most of them first. It returns the end of what it found, or 0.
func (f *finder) longest(r *run, first, start int) int {
	for last := r.n - 1; last >= first; last-- {
		if cat, end := f.number(start, r.end[last], last-first+1); cat != "" {
			f.add(start, end, cat)
			return end
		}
	}
	return 0
}

// idWithLetters reads a Spanish DNI, or a French NIR of Corsica, which begin with digits.
func (f *finder) idWithLetters(i int) bool {
	j, letters := i, 0
	for j < len(f.s) && isAlnum(f.s[j]) {
		if isLetter(f.s[j]) {
			letters++
		}
		j++
	}
	if letters != 1 || f.wordAt(j) {
		return false
	}
	t := f.s[i:j]
	if len(t) == 9 && dni(t) || len(t) == 15 && nir(t) {
		f.add(i, j, NationalID)
		return true
	}
	return false
}

func (f *finder) run(i int) (r run) {
	open := false
	if f.s[i] == '+' {
		i++
	}
	for r.n < maxGroups && i < len(f.s) {
		if f.s[i] == '(' && !open {
			open = true
			i++
		}
		start := i
		for i < len(f.s) && isDigit(f.s[i]) {
			i++
		}
		if i == start {
			return r
		}
		if f.wordAt(i) && f.s[i] != 'x' {
			return r // digits that are part of a word, such as "5th"
		}
		r.start[r.n], r.end[r.n] = start, i
		r.n++
		if i < len(f.s) && f.s[i] == ')' && open {
			open = false
			i++
		}
		if i+1 >= len(f.s) {
			return r
		}
		if c := f.s[i]; (c == ' ' || c == '-' || c == '.' || c == '/') && (isDigit(f.s[i+1]) || f.s[i+1] == '(') {
			i++
		} else if !isDigit(c) && c != '(' {
			return r
		}
	}
	return r
}

// number says what the digits between start and end are, and where they really end.
func (f *finder) number(start, end, groupsIn int) (string, int) {
	s := f.s[start:end]
	if len(s) < 4 || len(s) > 32 {
		return "", end
	}
	var buf [24]byte
	n := 0
	for i := range len(s) {
		if isDigit(s[i]) {
			if n == len(buf) {
				return "", end
			}
			buf[n] = s[i]
			n++
		}
	}
	digits := string(buf[:n])
	if groupsIn == 4 && isIPv4(s) {
		if end+1 < len(f.s) && f.s[end] == '.' && isDigit(f.s[end+1]) {
			return "", end
		}
		return IPAddress, end
	}
	switch {
	case isSSN(s, digits):
		return NationalID, end
	case n >= 13 && isCard(digits) && cardGroups(s):
		return CreditCard, end
	case n == 12 && groups(s, 4, 4, 4) && aadhaar(digits):
		return NationalID, end
	}
	if f.context {
		if cat := f.named(start, s, digits); cat != "" {
			return cat, end
		}
	}
	if isDate(s) {
		return "", end
	}
	return f.phone(start, end, s, digits, groupsIn)
}

// phone decides about a telephone number and takes its extension along.
func (f *finder) phone(start, end int, s, digits string, groupsIn int) (string, int) {
	switch {
	case s[0] == '+':
		if !isE164(digits) && !(len(digits) <= 16 && strings.Contains(s, "(0)") && callingCode(digits) > 0) {
			return "", end
		}
	case strings.HasPrefix(s, "00") && groupsIn >= 3 && len(digits) >= 10 && len(digits) <= 17 && callingCode(digits[2:]) > 0:
	case !strings.Contains(s, "/") && consistent(s) && nationalPhone(s, digits):
	case f.context && len(digits) >= 7 && len(digits) <= 13 && f.near(start, end, phoneWords) && !f.near(start, end, notPhoneWords):
	default:
		return "", end
	}
	ext := end
	if ext+2 < len(f.s) && f.s[ext] == ' ' && f.s[ext+1] == 'x' {
		ext++
	}
	if ext+1 < len(f.s) && f.s[ext] == 'x' && isDigit(f.s[ext+1]) {
		for end = ext + 1; end < len(f.s) && isDigit(f.s[end]); {
			end++
		}
	}
	return Phone, end
}

// consistent reports whether the separators between the digits are of one kind, apart from those around a parenthesis.
func consistent(s string) bool {
	var sep byte
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case isDigit(c) || c == '(' || c == ')':
		case s[i-1] == ')':
		case sep == 0:
			sep = c
		case c != sep:
			return false
		}
	}
	return true
}

// isDate: 2024-01-31, 31.01.2024, 1/31/2024 and the like, alone or followed by more groups.
func isDate(s string) bool {
	var g [3]int
	n, k, i := 0, 0, 0
	var sep byte
	for ; i <= len(s) && k < 3; i++ {
		if i < len(s) && isDigit(s[i]) {
			n++
			continue
		}
		if n == 0 || n > 4 {
			return false
		}
		g[k], n = n, 0
		if k++; k == 3 {
			if i < len(s) && s[i] == sep {
				return false // a fourth group: a telephone number
			}
			break
		}
		if i == len(s) || s[i] != '-' && s[i] != '/' && s[i] != '.' || sep != 0 && s[i] != sep {
			return false
		}
		sep = s[i]
	}
	if k < 3 {
		return false
	}
	return g[0] == 4 && g[1] <= 2 && g[2] <= 2 || g[0] <= 2 && g[1] <= 2 && (g[2] == 4 || g[2] == 2 && sep != '-')
}

// named believes weak formats that the words before them announce.
func (f *finder) named(start int, s, digits string) string {
	n := len(digits)
	before := f.before(start, 40)
	switch {
	case isMaestro(digits) && cardGroups(s) && has(before, "card", "maestro", "cc "):
		return CreditCard
	case n >= 13 && n <= 19 && luhn(digits) && cardGroups(s) && has(before, "card", "cc "):
		return CreditCard
	case n == 9 && ssn(digits) && has(before, "ssn", "social security"):
		return NationalID
	case n >= 8 && n <= 15 && has(before, "tax id", "national id", "aadhaar", "aadhar", "pesel", "bsn", "steuer", "nhs", "insurance number", "id number"):
		if n == 12 && aadhaar(digits) || n == 11 && (pesel(digits) || germanTaxID(digits)) || n == 9 && bsn(digits) || n == 10 && nhs(digits) || n == 15 && nir(digits) {
			return NationalID
		}
	case has(before, "passport n", "passport:", "passport #"):
		return Passport
	case n >= 5 && has(before, "license n", "licence n", "license is", "licence is", "license:", "licence:", "license #", "licence #"):
		return DrivingLicence
	case n >= 5 && has(before, "mrn", "medical record", "patient number", "patient id"):
		return HealthRecord
	case n >= 4 && n <= 10 && has(f.before(start, 18), "zip code", "zip:", "zip is", "postal code", "postcode", "plz"):
		return PostalCode
	case isDate(s) && has(before, "born", "birth", "dob", "birthday"):
		return BirthDate
	}
	return ""
}

var phoneWords = []string{"phone", "tel.", "tel:", "tel ", "telephone", "mobile", "cell", "fax", "call ", "dial", "desk", "office", "whatsapp", "sms",
	"text me", "reach me", "answering at", "messages to", "message on", "ring me", "handy", "contact number"}

var notPhoneWords = []string{"order", "invoice", "ticket", "card", "account", "iban", "zip", "tracking", "amount", "version"}

// near reports whether one of the words stands shortly before start, on the same line or the one above, or right after end.
func (f *finder) near(start, end int, words []string) bool {
	return has(f.before(start, 32), words...) || has(lower(f.s[end:min(len(f.s), end+9)]), words...)
}

// before returns the lower-cased text before a position.
func (f *finder) before(start, n int) string {
	return lower(f.s[max(0, start-n):start])
}

func lower(s string) string { return strings.ToLower(s) }

func has(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

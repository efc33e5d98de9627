package field

import (
	"slices"
	"strings"
)

// Span is a stretch of text that holds personal data: bytes Start to End (exclusive), and its data category.
type Span struct {
	Start, End int
	Category   string
}

// maxFind is the longest text that is searched for names and addresses, in bytes; the formats are found in texts of any length.
const maxFind = 64 << 10

// Find returns the personal data in a text, in order and without overlaps: e-mail addresses, telephone, card, account and national
// numbers, network addresses, secrets, and, where the words around them give them away, names, street addresses, postal codes and
// dates of birth. It works without a dictionary of all names, so that it misses names in free prose; what must not be shown is
// therefore withheld as a whole, and Find is for readers who may see the rest.
func Find(text string) []Span {
	f := finder{s: text, context: true}
	f.formats()
	if len(text) <= maxFind {
		f.prose()
	}
	return f.resolved()
}

// Each calls yield for every span of [Find], for callers that do not want to depend on the type.
func Each(text string, yield func(start, end int, category string)) {
	for _, s := range Find(text) {
		yield(s.Start, s.End, s.Category)
	}
}

// personalIn returns the category of the first personal identifier inside a short text, or "". It allocates nothing.
func personalIn(s string) string {
	if plainID(s) {
		return ""
	}
	if secretPrefix(s) {
		return Credentials
	}
	f := finder{s: s, first: true}
	f.formats()
	return f.last.Category
}

// suspicious implements [Classifier.Suspicious].
func suspicious(s string) bool {
	digits, at := 0, false
	for i := range len(s) {
		if isDigit(s[i]) {
			digits++
		}
		at = at || s[i] == '@'
	}
	if at || digits < 4 {
		return at && personalIn(s) != ""
	}
	if personalIn(s) != "" {
		return true
	}
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) || i > 0 && isAlnum(s[i-1]) {
			continue
		}
		if i >= 24 && isUUIDAt(s, i-24) {
			continue // the last part of a UUID
		}
		n := i
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		if n-i >= 9 && (n == len(s) || !isHex(s[n])) {
			return true
		}
	}
	return false
}

func isUUIDAt(s string, i int) bool {
	return i >= 0 && i+36 <= len(s) && isUUID(s[i:i+36])
}

// A finder collects spans. With context it also believes weaker formats when the words around them name them; with first it stops
// at the first span.
type finder struct {
	s       string
	spans   []Span
	last    Span
	context bool
	first   bool
}

func (f *finder) add(start, end int, category string) {
	f.last = Span{start, end, category}
	if !f.first {
		f.spans = append(f.spans, f.last)
	}
}

func (f *finder) done() bool { return f.first && f.last.End > 0 }

// wordAt reports whether the byte at i belongs to a word.
func (f *finder) wordAt(i int) bool {
	if i < 0 || i >= len(f.s) {
		return false
	}
	return isAlnum(f.s[i]) || f.s[i] >= 0x80
}

// formats finds everything that has a format of its own.
func (f *finder) formats() {
	for i := 0; i < len(f.s) && !f.done(); {
		c := f.s[i]
		switch {
		case c == '@':
			i = f.email(i)
		case isHex(c) && !f.wordAt(i-1) && isUUIDAt(f.s, i):
			i += 36
		case isDigit(c) || c == '+' || c == '(':
			if f.wordAt(i-1) || c != '(' && i > 0 && f.s[i-1] == '_' {
				i++
				continue
			}
			i = f.numeric(i)
		case isLetter(c) || c == ':':
			if f.wordAt(i-1) && c != ':' {
				i++
				continue
			}
			i = f.word(i)
		case c == '-' && strings.HasPrefix(f.s[i:], "-----BEGIN "):
			i = f.pem(i)
		default:
			i++
		}
	}
}

// email reads the address around the at sign at i.
func (f *finder) email(i int) int {
	start := i
	for start > 0 && i-start < 64 && localByte(f.s[start-1]) && !strings.ContainsRune("=/'`{|}?!", rune(f.s[start-1])) {
		start--
	}
	for start < i && (f.s[start] == '.' || f.s[start] == '-' && start+1 < i) {
		start++
	}
	end := i + 1
	for end < len(f.s) && end-i < 254 && (isAlnum(f.s[end]) || f.s[end] == '-' || f.s[end] == '.' || f.s[end] >= 0x80) {
		end++
	}
	for end > i+1 && (f.s[end-1] == '.' || f.s[end-1] == '-') {
		end--
	}
	if isEmail(f.s[start:end]) {
		f.add(start, end, Email)
		return end
	}
	return i + 1
}

// word reads what begins with a letter: secrets, addresses of networks, account and national numbers.
func (f *finder) word(i int) int {
	if end := f.hexColons(i); end > i {
		return end
	}
	j := i
	digits := 0
	for j < len(f.s) && isAlnum(f.s[j]) {
		if isDigit(f.s[j]) {
			digits++
		}
		j++
	}
	if j == i {
		return i + 1
	}
	if strings.HasPrefix(f.s[j:], "://") {
		return f.url(j + 3)
	}
	if f.secret(i) {
		return f.last.End
	}
	if digits == 0 && !(j-i == 2 && j < len(f.s) && f.s[j] == ' ') || f.wordAt(j) {
		return j
	}
	if end := f.iban(i); end > i {
		return end
	}
	if t := f.s[i:j]; len(t) == 9 && (dni(t) || nino(t)) || len(t) == 10 && pan(t) && digits == 4 {
		f.add(i, j, NationalID)
	}
	if j-i == 2 && digits == 0 && j+9 <= len(f.s) { // QQ 12 34 56 C
		if end := j + 11; end <= len(f.s) && !f.wordAt(end) {
			t := strings.ReplaceAll(f.s[i:end], " ", "")
			if len(t) == 9 && nino(t) {
				f.add(i, end, NationalID)
				return end
			}
		}
	}
	return j
}

// secret reads a token with a well-known beginning.
func (f *finder) secret(i int) bool {
	switch f.s[i] {
	case 'e', 'g', 's', 'r', 'p', 'x', 'B', 'b', 'A', 'w':
	default:
		return false
	}
	end := i
	for end < len(f.s) && f.s[end] > ' ' && f.s[end] != '"' && f.s[end] != ',' && f.s[end] != ';' && f.s[end] != '\'' {
		end++
	}
	if (f.s[i]|0x20 == 'b') && end-i <= 6 && end < len(f.s) {
		end++
		for end < len(f.s) && f.s[end] > ' ' {
			end++
		}
	}
	if !secretPrefix(f.s[i:end]) {
		return false
	}
	f.add(i, end, Credentials)
	return true
}

func (f *finder) pem(i int) int {
	end := len(f.s)
	if j := strings.Index(f.s[i:], "-----END"); j > 0 {
		if k := strings.IndexByte(f.s[i+j:], '\n'); k > 0 {
			end = i + j + k
		}
	}
	if secretPrefix(f.s[i:end]) {
		f.add(i, end, Credentials)
		return end
	}
	return i + 11
}

// url finds credentials in the authority of a URL whose scheme ends before i.
func (f *finder) url(i int) int {
	end := i
	at, colon := -1, -1
	for end < len(f.s) && f.s[end] > ' ' && f.s[end] != '/' && f.s[end] != '?' && f.s[end] != '"' && f.s[end] != '\'' && f.s[end] != '<' {
		switch f.s[end] {
		case '@':
			at = end
		case ':':
			if colon < 0 {
				colon = end
			}
		}
		end++
	}
	if at > i && colon > i && colon < at {
		f.add(i, at, Credentials)
		return at + 1
	}
	return i
}

// iban reads an IBAN, written as one word or in groups of four.
func (f *finder) iban(i int) int {
	if i+15 > len(f.s) || !isLetter(f.s[i]) || !isLetter(f.s[i+1]) || !isDigit(f.s[i+2]) || !isDigit(f.s[i+3]) {
		return i
	}
	var buf [34]byte
	country := [2]byte{f.s[i] &^ 0x20, f.s[i+1] &^ 0x20}
	want := ibanLengths[string(country[:])]
	n, j := 0, i
	for ; j < len(f.s) && n < want; j++ {
		if c := f.s[j]; isAlnum(c) {
			buf[n] = c
			n++
		} else if c != ' ' && c != '-' || n%4 != 0 {
			return i
		}
	}
	if n == 0 || n < want || f.wordAt(j) || !mod97(string(buf[:n])) {
		return i
	}
	f.add(i, j, BankAccount)
	return j
}

// hexColons reads an IPv6 or MAC address.
func (f *finder) hexColons(i int) int {
	end, colons := i, 0
	for end < len(f.s) && end-i < 46 && (isHex(f.s[end]) || f.s[end] == ':' || f.s[end] == '.' && colons > 1) {
		if f.s[end] == ':' {
			colons++
		}
		end++
	}
	if colons == 0 && end+15 <= len(f.s) && end-i == 2 && f.s[end] == '-' && isMAC(f.s[i:i+17]) && !f.wordAt(i+17) {
		f.add(i, i+17, DeviceID)
		return i + 17
	}
	if colons < 2 {
		return i
	}
	for end > i && (f.s[end-1] == '.' || f.s[end-1] == ':' && f.s[end-2] != ':') {
		end--
	}
	if f.wordAt(end) {
		return i
	}
	switch t := f.s[i:end]; {
	case isMAC(t):
		f.add(i, end, DeviceID)
	case isIPv6(t):
		f.add(i, end, IPAddress)
	default:
		return i
	}
	return end
}

// priority orders categories for overlaps: what is recognised more surely wins.
func priority(category string) int {
	switch category {
	case Credentials:
		return 9
	case Email, CreditCard, BankAccount, IPAddress, DeviceID:
		return 8
	case NationalID, Passport, DrivingLicence, HealthRecord:
		return 7
	case Phone, BirthDate:
		return 6
	case Address:
		return 5
	case PostalCode:
		return 4
	case Name:
		return 3
	}
	return 1
}

// resolved sorts the spans and drops those that overlap better ones.
func (f *finder) resolved() []Span {
	slices.SortStableFunc(f.spans, func(a, b Span) int {
		if p := priority(b.Category) - priority(a.Category); p != 0 {
			return p
		}
		return (b.End - b.Start) - (a.End - a.Start)
	})
	var kept []Span
	for _, s := range f.spans {
		if s.Start < s.End && !slices.ContainsFunc(kept, func(k Span) bool { return s.Start < k.End && k.Start < s.End }) {
			kept = append(kept, s)
		}
	}
	slices.SortFunc(kept, func(a, b Span) int { return a.Start - b.Start })
	return kept
}

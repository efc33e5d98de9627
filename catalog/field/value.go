package field

import (
	"strings"
	"unsafe"

	"probity.dev/ledger/event"
)

// A manner is how a value is judged once its name has been.
type manner uint8

const (
	byValue    manner = iota // the name says nothing: only recognisably impersonal values are operational
	fixed                    // the name (or the catalogue) decides alone
	asToken                  // the name is operational; the value must be a short token or number without anything personal
	asText                   // as asToken, up to a line of text: the name of a product, a plan, a role
	asID                     // an identifier of a thing: one word, nothing personal in it
	asLooseID                // an identifier of something unknown: must look made by a machine
	asCode                   // a reason code: every word in it is a technical word
	asUserText               // free text: always unknown unless it is an identifier as a whole
)

// A decision is what the name of a field says.
type decision struct {
	manner manner
	class  event.Class // when fixed
}

const (
	maxToken = 64  // bytes of an operational token
	maxLine  = 160 // bytes of an operational line of text
	maxWords = 5
)

// text views b as a string without copying it. The result must not outlive the call that was given b.
func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// judge classifies a JSON value under a decision.
func (c *Classifier) judge(d decision, action, path string, value []byte) event.Class {
	if d.manner == fixed {
		if len(value) > 1 && (value[0] == '{' || value[0] == '[') && (d.class.Kind == event.Personal || isChanges(path)) {
			return c.judgeComposite(d, action, path, value) // a credential may hide in it
		}
		return d.class
	}
	if len(value) == 0 {
		return unknown
	}
	switch value[0] {
	case '"':
		if len(value) < 2 {
			return unknown
		}
		return judgeString(d.manner, text(value[1:len(value)-1]))
	case '{', '[':
		return c.judgeComposite(d, action, path, value)
	case 't', 'f', 'n':
		return operational
	}
	return judgeNumber(d.manner, text(value))
}

// judgeString takes the raw content of a JSON string. A backslash makes it unknown: nothing that is recognised here needs one.
func judgeString(m manner, s string) event.Class {
	if s == "" {
		return operational
	}
	switch m {
	case asToken:
		if isTimestamp(s) {
			return operational
		}
		return judgePlain(s, maxToken)
	case asText:
		return judgePlain(s, maxLine)
	case asID:
		return judgeID(s)
	case asLooseID:
		if machineMade(s) || accessKeyID(s) {
			return judgeID(s)
		}
	case asCode:
		if isTechnical(s) {
			return operational
		}
		return unknown
	case byValue:
		if isImpersonal(s) {
			return operational
		}
	}
	if cat := identify(s); cat != "" {
		return personal(cat)
	}
	return unknown
}

// judgePlain accepts a short plain text in which nothing looks personal.
func judgePlain(s string, limit int) event.Class {
	if len(s) > limit {
		return unknown
	}
	words, digits, at, letters := 1, 0, false, 0
	for i := range len(s) {
		switch c := s[i]; {
		case isLetter(c):
			letters++
		case isDigit(c):
			digits++
		case c == ' ':
			words++
		case c == '@':
			at = true
		case c == '_' || c == '.' || c == '/' || c == ':' || c == '+' || c == '-' || c == '%' || c == ',' || c == '$' || c == '#' || c == '&' ||
			c == '(' || c == ')' || c == '*' || c == '=' || c == '<' || c == '>':
		case limit == maxLine && (c >= 0x80 || c == '\'' || c == '!' || c == '?'):
		default:
			return unknown
		}
	}
	if at || limit == maxToken && words > maxWords {
		return identifiedOr(s, unknown)
	}
	if accessKeyID(s) {
		return personal(UniqueID)
	}
	if digits < 4 {
		return operational
	}
	if digits >= 9 && letters == 0 && !isAmount(s) {
		return identifiedOr(s, unknown)
	}
	if cat := personalIn(s); cat != "" {
		return personal(cat)
	}
	return operational
}

func identifiedOr(s string, other event.Class) event.Class {
	if cat := identify(s); cat != "" {
		return personal(cat)
	}
	return other
}

// judgeID accepts one word of any length that identifiers have. Bare digits are refused only when they are a card number: the
// other check digits are too weak to tell a national number from an order number.
func judgeID(s string) event.Class {
	if len(s) > event.MaxID {
		return unknown
	}
	if isUUID(s) {
		return operational
	}
	digits, at := 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			digits++
		case c == '@':
			at = true
		case c <= ' ' || c == '\\' || c >= 0x7f:
			return unknown
		}
	}
	switch {
	case at:
		return identifiedOr(s, unknown)
	case accessKeyID(s):
		return personal(UniqueID)
	case digits < 4:
		return operational
	case digits == len(s):
		if isCard(s) {
			return personal(CreditCard)
		}
		return operational
	}
	if cat := personalIn(s); cat != "" {
		return personal(cat)
	}
	return operational
}

// judgeNumber takes the text of a JSON number. Numbers with fewer than nine digits identify nobody by themselves.
func judgeNumber(m manner, s string) event.Class {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			digits++
		case c == '.' || c == 'e' || c == 'E':
			return operational
		}
	}
	if digits < 9 || m == asID {
		if m == asID && digits >= 13 && isCard(s) {
			return personal(CreditCard)
		}
		return operational
	}
	if s[0] == '-' || isEpoch(s) {
		return operational
	}
	if isCard(s) {
		return personal(CreditCard)
	}
	if m == asToken || m == asText || m == asLooseID {
		return operational // an amount, a size, a count
	}
	if nationalNumber(s, s) {
		return personal(NationalID)
	}
	return unknown
}

// isEpoch: seconds, milliseconds, microseconds or nanoseconds since 1970, from 2001 to 2033. Later numbers could be telephone or
// card numbers, so they are left unknown.
func isEpoch(s string) bool {
	switch len(s) {
	case 10, 13, 16, 19:
		return s[0] == '1'
	}
	return false
}

// isImpersonal recognises values that name nobody whatever field they are in.
func isImpersonal(s string) bool {
	if len(s) > 128 {
		return false
	}
	return isTimestamp(s) || isUUID(s) || isSemver(s) || isHexDigest(s)
}

// isTimestamp: an ISO 8601 date, or a date and time with an optional fraction and zone.
func isTimestamp(s string) bool {
	if len(s) < 10 || len(s) > 35 || s[4] != '-' || s[7] != '-' || !allDigits(s[:4]) || !allDigits(s[5:7]) || !allDigits(s[8:10]) {
		return false
	}
	if len(s) == 10 {
		return true
	}
	if s[10] != 'T' && s[10] != 't' && s[10] != ' ' || len(s) < 16 || s[13] != ':' || !allDigits(s[11:13]) || !allDigits(s[14:16]) {
		return false
	}
	for i := 16; i < len(s); i++ {
		if c := s[i]; !isDigit(c) && c != ':' && c != '.' && c != 'Z' && c != 'z' && c != '+' && c != '-' {
			return false
		}
	}
	return true
}

func isUUID(s string) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	for i := range 36 {
		if !inUUID[s[i]] {
			return false
		}
	}
	return strings.Count(s, "-") == 4
}

// inUUID are the bytes of a UUID's text.
var inUUID = func() (t [256]bool) {
	for c := range t {
		t[c] = isHex(byte(c)) || c == '-'
	}
	return t
}()

// isSemver: an optional v, two or three numbers of up to six digits, and a pre-release of lower-case words and digits.
func isSemver(s string) bool {
	if s[0] == 'v' {
		s = s[1:]
	}
	if len(s) > 32 {
		return false
	}
	numbers, run := 0, 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && isDigit(s[i]) {
			run++
			continue
		}
		if run == 0 || run > 6 {
			return false
		}
		numbers, run = numbers+1, 0
		if i == len(s) {
			break
		}
		if s[i] == '-' || s[i] == '+' {
			return numbers == 3 && isPrerelease(s[i+1:])
		}
		if s[i] != '.' {
			return false
		}
	}
	return numbers == 3 || numbers == 2 && len(s) <= 7
}

func isPrerelease(s string) bool {
	return hasAnyPrefix(s, "alpha", "beta", "rc", "dev", "pre", "snapshot", "build")
}

// isHexDigest: MD5, SHA-1, SHA-256, SHA-384 or SHA-512 in hex, optionally after "sha256:" and the like.
func isHexDigest(s string) bool {
	if len(s) > 7 && s[0] == 's' && (s[:7] == "sha256:" || s[:7] == "sha512:" || s[:7] == "sha384:") {
		s = s[7:]
	}
	switch len(s) {
	case 32, 40, 64, 96, 128:
	default:
		return false
	}
	digits := 0
	for i := range len(s) {
		if !isHex(s[i]) {
			return false
		}
		if isDigit(s[i]) {
			digits++
		}
	}
	return digits < len(s)
}

// isAmount: digits with thousands separators and decimals, signs and currency marks.
func isAmount(s string) bool {
	point := false
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
		case c == '.' || c == ',':
			point = true
		case c == '$' || c == '%' || (c == '-' || c == '+') && i == 0:
		default:
			return false
		}
	}
	return point
}

// machineMade reports whether an identifier looks generated: a UUID, a digest, a number, or a short prefix and a part with
// digits in it such as "INV-2026-0042", "inv_8f3k2a9" or "ord-1001".
func machineMade(s string) bool {
	if isUUID(s) || isHexDigest(s) {
		return true
	}
	if len(s) > 64 {
		return false
	}
	digits, prefix := 0, 0
	for i := range len(s) {
		c := s[i]
		switch {
		case isDigit(c):
			digits++
		case isLetter(c):
			if digits == 0 && i == prefix {
				prefix++
			}
		case c != '-' && c != '_' && c != ':' && c != '/' && c != '.' && c != '#':
			return false
		}
	}
	if digits == len(s) {
		return digits < 9
	}
	return digits >= 2 && prefix <= 6 && (digits*2 >= len(s)-prefix || digits >= 4)
}

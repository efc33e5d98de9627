package masking

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"probity.dev/internal/errs"
)

// Mask is a way of showing a value.
type Mask uint8

// The masks, from the one that shows everything to the ones that show nothing. A value to which a mask does not apply, such as an
// e-mail mask on something that is no address, is redacted.
const (
	// Withhold shows nothing: the field is marked as withheld. It is the zero value, so that what nobody decided stays hidden.
	Withhold Mask = iota
	// Show shows the value.
	Show
	// Text shows a text with the personal data found in it replaced; without a finder it withholds.
	Text
	// Year shows the year of a date.
	Year
	// IPPrefix shows the first 24 bits of an IPv4 address, the first 48 of an IPv6 address.
	IPPrefix
	// Phone shows country and area code: "+1 555-****".
	Phone
	// Email shows the first letters and the top level: "a•••@e•••.com".
	Email
	// CardLast4 shows the last four digits: "•••• 4242".
	CardLast4
	// Initials shows "A.H." for "Ana Horvat".
	Initials
	// Pseudonym shows a stable name in place of a person, the same one for all identifiers of a person whom the event names.
	Pseudonym
	// Hash shows a stable name in place of a value: equal values have equal names, within a tenant.
	Hash
	// Redact shows that there is a value: "•••".
	Redact
	// Drop withholds a field in an anonymised export, and with it every handle that would tie rows of a person together.
	Drop
	maskCount
)

var maskNames = [maskCount]string{"withhold", "show", "text", "year", "ip_prefix", "phone", "email", "card_last4", "initials", "pseudonym", "hash", "redact", "drop"}

// Masks returns the names of the masks, from the one that shows most to those that show nothing.
func Masks() []string {
	out := make([]string, maskCount)
	for m, at := range strengths {
		out[at] = maskNames[m]
	}
	return out
}

// strengths order the masks by how little they show; of two, the stronger applies.
var strengths = [maskCount]uint8{Withhold: 11, Show: 0, Text: 1, Year: 2, IPPrefix: 3, Phone: 4, Email: 5, CardLast4: 6, Initials: 7, Pseudonym: 8, Hash: 9, Redact: 10, Drop: 12}

func stronger(a, b Mask) Mask {
	if strengths[b] > strengths[a] {
		return b
	}
	return a
}

func weaker(a, b Mask) Mask {
	if strengths[b] < strengths[a] {
		return b
	}
	return a
}

// made bounds what a mask writes that need not be in the value, beside punctuation: the length of a run of letters and digits, and which of these a run of two and more consists of. Year
// and Email show stretches of the value, with punctuation between them.
var made = [maskCount]struct {
	longest int
	of      string
}{
	IPPrefix: {4, hexadecimal}, Phone: {4, digits}, CardLast4: {4, digits}, Initials: {1, ""}, Pseudonym: {12, hexadecimal}, Hash: {12, hexadecimal},
}

const (
	digits      = "0123456789"
	hexadecimal = digits + "abcdef"
)

// makes reports whether the rendering of a JSON value without escapes may hold a text in lower case that the value does not hold. It may say so of a text that no rendering holds.
func (m Mask) makes(folded string) bool {
	switch {
	case m == Show, m == Withhold, m == Drop:
		return false
	case m >= maskCount, m == Text: // what is left out of a text brings together what stood apart
		return true
	case strings.ContainsAny(folded, `"[],`+dots):
		return true
	case m == Year, m == Email:
		return false
	}
	for run := range strings.FieldsFuncSeq(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if n := utf8.RuneCountInString(run); n > made[m].longest || n > 1 && strings.Trim(run, made[m].of) != "" {
			return false
		}
	}
	return true
}

// String returns the mask's name in policy files.
func (m Mask) String() string {
	if m < maskCount {
		return maskNames[m]
	}
	return fmt.Sprintf("mask(%d)", uint8(m))
}

// MarshalText returns the mask's name.
func (m Mask) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a mask's name.
func (m *Mask) UnmarshalText(text []byte) error {
	for i, name := range maskNames {
		if name == string(text) {
			*m = Mask(i)
			return nil
		}
	}
	return errs.New(errs.Invalid, "There is no such mask; use one of %q.", maskNames)
}

package masking

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/evidence"
)

// Sizes of the memory of renderings: readers see the same people, addresses and devices over and over. It holds masked text and
// keyed hashes of what was masked, never the values.
const (
	renderingSlots = 1 << 14
	maxRemembered  = 512 // bytes of a value, and of its rendering
)

type renderings [renderingSlots]atomic.Pointer[rendering]

type rendering struct {
	key  uint64
	mask Mask
	out  jsontext.Value
}

// redacted is the rendering of a value that is there and not shown.
var redacted = jsontext.Value(`"•••"`)

const dots = "•••"

// render returns the masked JSON of a value, or nil when it must be withheld.
func (e *Engine) render(mask Mask, person int64, v jsontext.Value) jsontext.Value {
	if mask == Redact && len(v) > 0 && v[0] != '[' && v[0] != '{' && v[0] != 'n' {
		return redacted
	}
	if person != 0 && len(v) > 0 && v[0] == '"' {
		return e.personName(person)
	}
	if mask == IPPrefix {
		if out := network4(v); out != nil {
			return out
		}
	}
	if len(v) > maxRemembered || mask == Text {
		return e.renderNow(mask, v)
	}
	key := maphash.Bytes(e.seed, v)
	at := (key ^ key>>29 ^ uint64(mask)*0x85eb) & (renderingSlots - 1)
	for _, i := range [2]uint64{at, at ^ 1} {
		if r := e.made[i].Load(); r != nil && r.key == key && r.mask == mask {
			return r.out
		}
	}
	out := e.renderNow(mask, v)
	if len(out) <= maxRemembered {
		if e.made[at].Load() != nil && e.made[at^1].Load() == nil {
			at ^= 1
		}
		e.made[at].Store(&rendering{key, mask, out})
	}
	return out
}

// renderNow masks a JSON value: scalars as text, arrays element by element. Objects and what lies deeper are withheld, since their
// members may be anything.
func (e *Engine) renderNow(mask Mask, v jsontext.Value) jsontext.Value {
	v = bytes.TrimSpace(v)
	if len(v) == 0 {
		return nil
	}
	switch v[0] {
	case '[':
		return e.renderArray(mask, v)
	case '{':
		return nil
	case 'n':
		return jsontext.Value("null")
	case 't', 'f':
		return redacted
	case '"':
		s, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return nil
		}
		return e.quote(mask, string(s))
	}
	return e.quote(mask, string(v))
}

func (e *Engine) quote(mask Mask, s string) jsontext.Value {
	masked, ok := e.text(mask, s)
	if !ok {
		return nil
	}
	out, err := jsontext.AppendQuote(nil, masked)
	if err != nil {
		return nil
	}
	return out
}

func (e *Engine) renderArray(mask Mask, v jsontext.Value) jsontext.Value {
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := dec.ReadToken(); err != nil {
		return nil
	}
	out := []byte{'['}
	for dec.PeekKind() != ']' {
		elem, err := dec.ReadValue()
		if err != nil || elem[0] == '{' || elem[0] == '[' {
			return nil
		}
		masked := e.renderNow(mask, elem)
		if masked == nil {
			return nil
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, masked...)
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil
	}
	return append(out, ']')
}

// text masks a text; false means that it must be withheld.
func (e *Engine) text(mask Mask, s string) (string, bool) {
	switch mask {
	case Text:
		return e.replaceFound(s)
	case Year:
		return year(s), true
	case IPPrefix:
		return ipPrefix(s), true
	case Phone:
		return phone(s), true
	case Email:
		return email(s), true
	case CardLast4:
		return cardLast4(s), true
	case Initials:
		return initials(s), true
	case Pseudonym, Hash:
		return e.valueName(s), true
	case Redact:
		return dots, true
	}
	return "", false
}

// A pseudonym is "u_" and 48 bits of HMAC-SHA256 over the person's handle, or over the value when the event names no person:
// with a million persons, the chance that any two share one is about 0.2 %.
const (
	personDomain = "probity/mask/person/v1\x00"
	valueDomain  = "probity/mask/value/v1\x00"
)

// personName returns the pseudonym of a person as JSON. It is remembered, because id and name of a person are the same pseudonym.
func (e *Engine) personName(person int64) jsontext.Value {
	const named = maskCount // no value is rendered with it
	key := uint64(person)
	at := key * 0x9e3779b97f4a7c15 >> 32 & (renderingSlots - 1)
	if r := e.made[at].Load(); r != nil && r.key == key && r.mask == named {
		return r.out
	}
	out := e.newPersonName(person)
	e.made[at].Store(&rendering{key, named, out})
	return out
}

func (e *Engine) newPersonName(person int64) jsontext.Value {
	var stack [len(personDomain) + 8]byte
	mac := evidence.HMAC(&e.key, binary.BigEndian.AppendUint64(append(stack[:0], personDomain...), uint64(person)))
	out := append(make([]byte, 0, len(`"u_"`)+12), `"u_`...)
	return append(hex.AppendEncode(out, mac[:6]), '"')
}

// valueName returns the pseudonym of a value.
func (e *Engine) valueName(s string) string {
	mac := evidence.HMAC(&e.key, append([]byte(valueDomain), s...))
	return "u_" + hex.EncodeToString(mac[:6])
}

// replaceFound replaces the personal data in a text.
func (e *Engine) replaceFound(s string) (string, bool) {
	if e.find == nil {
		return "", false
	}
	out := make([]byte, 0, len(s))
	last := 0
	e.find(s, func(start, end int, _ string) {
		if start < last || end > len(s) || end < start {
			return
		}
		out = append(append(out, s[last:start]...), dots...)
		last = end
	})
	return string(append(out, s[last:]...)), true
}

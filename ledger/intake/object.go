package intake

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/ledger/event"
)

// object is a JSON object whose members are looked up by name. Its values are valid and compact.
type object []event.Member

func (o object) get(name string) jsontext.Value {
	for i := range o {
		if o[i].Name == name {
			return o[i].Value
		}
	}
	return nil
}

// text returns a member that is a string.
func (o object) text(name string) string {
	if v := o.get(name); len(v) > 0 && v[0] == '"' {
		return event.Text(v)
	}
	return ""
}

// scalar returns a member that is a string, number or boolean, as text.
func (o object) scalar(name string) string {
	if v := o.get(name); len(v) > 0 && v[0] != '{' && v[0] != '[' && v[0] != 'n' {
		return event.Text(v)
	}
	return ""
}

func (o object) object(name string) object { return event.Members(o.get(name)) }

func (o object) int(name string) (int64, bool) {
	n, err := strconv.ParseInt(o.scalar(name), 10, 64)
	return n, err == nil
}

// path follows names through nested objects.
func (o object) path(names ...string) string {
	for _, n := range names[:len(names)-1] {
		o = o.object(n)
	}
	return o.scalar(names[len(names)-1])
}

// without returns the members whose names are not listed.
func (o object) without(names ...string) []event.Member {
	out := make([]event.Member, 0, len(o))
next:
	for i := range o {
		for _, n := range names {
			if o[i].Name == n {
				continue next
			}
		}
		out = append(out, o[i])
	}
	return out
}

// quote returns a text as JSON; bytes that are not UTF-8 become U+FFFD.
func quote(s string) jsontext.Value {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		b, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return b
}

// add appends a text member when it is not empty, under another name when the name is taken.
func add(list []event.Member, name, value string) []event.Member {
	if value == "" {
		return list
	}
	return addValue(list, name, quote(value))
}

func addValue(list []event.Member, name string, v jsontext.Value) []event.Member {
	base := name
	for k := 2; object(list).get(name) != nil; k++ {
		name = base + "_" + strconv.Itoa(k)
	}
	return append(list, event.Member{Name: name, Value: v})
}

// bag collects members under unique names in linear time, for lists whose length the sender decides.
type bag struct {
	list []event.Member
	seen map[string]bool
}

func newBag(list []event.Member) *bag {
	b := &bag{list: list, seen: make(map[string]bool, len(list)+8)}
	for i := range list {
		b.seen[list[i].Name] = true
	}
	return b
}

func (b *bag) add(name string, v jsontext.Value) {
	base := name
	for k := 2; b.seen[name]; k++ {
		name = base + "_" + strconv.Itoa(k)
	}
	b.seen[name] = true
	b.list = append(b.list, event.Member{Name: name, Value: v})
}

// clear makes a clear string of any text: lower-cased, "_" for what the alphabet lacks, cut at the limit. "" stays "".
func clear(s string) string {
	if c, ok := event.ClearString(s); ok {
		return c
	}
	s = strings.TrimSpace(s)
	b := make([]byte, 0, min(len(s), event.MaxClear))
	for _, r := range s {
		if len(b) == event.MaxClear {
			break
		}
		switch {
		case r >= 'A' && r <= 'Z':
			b = append(b, byte(r)+'a'-'A')
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == ':', r == '/', r == '-':
			b = append(b, byte(r))
		default:
			b = append(b, '_')
		}
	}
	return string(b)
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// text makes a text that came from outside JSON valid UTF-8, and identifiers free of NUL.
func validText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// json renders the object.
func (o object) json() jsontext.Value {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, quote(m.Name)...), ':'), m.Value...)
	}
	return append(b, '}')
}

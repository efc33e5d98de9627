package event

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// changed is one change as a sentence tells it.
type changed struct {
	// path names what changed: a JSON text that holds a path, or, with raw, whatever can be said of the change.
	path          Field
	named, raw    bool
	before, after Field
	had, has      bool
}

// toldChanges is how many changes a sentence names.
const toldChanges = 3

// told returns the first few changes and how many there are.
func (n *narrator) told(list *[toldChanges]changed) (total int) {
	if len(n.changes) == 0 {
		return 0
	}
	if f := n.changes[0]; f.Path == "/changes" {
		if f.Value == nil || f.State > Opened || f.Value[0] != '[' {
			return 0
		}
		array(f.Value, 0, func(i, v int) int {
			end := skipValue(f.Value, v)
			if i < len(list) {
				list[i] = wholeChange(Field{Value: f.Value[v:end]})
			}
			total++
			return end
		})
		return total
	}
	for i := range MaxChanges {
		p := &changePath[i]
		var c changed
		if f := n.change(p.whole); f != nil {
			c = wholeChange(*f)
		} else if f := n.change(p.path); f != nil {
			c.path, c.named = *f, true
			if f := n.change(p.before); f != nil {
				c.before, c.had = *f, true
			}
			if f := n.change(p.after); f != nil {
				c.after, c.has = *f, true
			}
		} else {
			break
		}
		if i < len(list) {
			list[i] = c
		}
		total++
	}
	return total
}

// change returns the field of a change at a path.
func (n *narrator) change(path string) *Field {
	for i := range n.changes {
		if n.changes[i].Path == path {
			return &n.changes[i]
		}
	}
	return nil
}

func wholeChange(f Field) changed {
	if f.State > Opened || !isObject(f.Value) {
		return changed{path: f, named: true, raw: true}
	}
	var c changed
	for _, m := range Members(f.Value) {
		switch m.Name {
		case "path":
			c.path, c.named = Field{Value: m.Value}, true
		case "before":
			c.before, c.had = Field{Value: m.Value}, true
		case "after":
			c.after, c.has = Field{Value: m.Value}, true
		}
	}
	return c
}

// appendTo appends the name of what changed.
func (c *changed) appendTo(dst []byte) []byte {
	switch {
	case !c.named:
		return dst
	case c.raw || c.path.State > Opened:
		return append(dst, said(&c.path)...)
	}
	return appendFieldName(dst, plainBytes(c.path.Value))
}

// appendFieldName makes words of a change's path: the last part that is not an index.
func appendFieldName(dst, path []byte) []byte {
	for len(path) > 0 {
		i := bytes.LastIndexAny(path, "/.")
		part := path[i+1:]
		path = path[:max(i, 0)]
		if len(part) == 0 || isIndex(part) {
			continue
		}
		from := len(dst)
		dst = appendWords(dst, string(part))
		if len(dst)-from > 60 { // words are ASCII
			dst = append(dst[:from+60], "…"...)
		}
		return dst
	}
	return append(dst, "a value"...)
}

func isIndex(s []byte) bool {
	if s[0] > '9' {
		return false
	}
	_, err := strconv.Atoi(string(s))
	return err == nil
}

// whatChanged tells one change in full and names the fields of several.
func (n *narrator) whatChanged() {
	var list [toldChanges]changed
	total := n.told(&list)
	start := len(n.b)
	switch total {
	case 0:
		n.thing("", false)
		return
	case 1:
		if n.thing("", false) {
			n.b = append(n.b, ' ')
		}
		n.oneChange(&list[0])
		n.b = append(n.b[:start], bytes.TrimSpace(n.b[start:])...)
		return
	}
	names := min(total, toldChanges)
	for i := range names {
		switch {
		case i > 0 && i == total-1:
			n.str(" and ")
		case i > 0:
			n.str(", ")
		}
		n.b = list[i].appendTo(n.b)
	}
	if more := total - names; more > 0 {
		n.str(" and ")
		n.b = strconv.AppendInt(n.b, int64(more), 10)
		n.str(" more field")
		if more > 1 {
			n.str("s")
		}
	}
	n.thing(" of ", false)
}

func (n *narrator) oneChange(c *changed) {
	from := len(n.b)
	n.b = c.appendTo(n.b)
	var v values
	if name := n.b[from:]; moneyName(name) {
		v.currency, v.cents = n.currency(), bytes.HasSuffix(name, []byte(" cents"))
	}
	switch {
	case c.had && c.has:
		n.str(" from ")
		n.b = v.append(n.b, &c.before)
		n.str(" to ")
		n.b = v.append(n.b, &c.after)
	case c.has:
		n.str(" to ")
		n.b = v.append(n.b, &c.after)
	case c.had:
		n.str(" (was ")
		n.b = v.append(n.b, &c.before)
		n.str(")")
	}
}

// values says how the values of a change are written.
type values struct {
	currency string // "" when they are no money
	cents    bool
}

func (v *values) append(dst []byte, f *Field) []byte {
	if f.State > Opened || f.Value == nil {
		return append(dst, said(f)...)
	}
	switch f.Value[0] {
	case 'n':
		return append(dst, "nothing"...)
	case '"':
		s := plainBytes(f.Value)
		switch {
		case v.currency != "" && decimal(s):
			return appendMoney(dst, s, v.currency)
		case len(s) == 0:
			return append(dst, "''"...)
		case !wordlike(s):
			return appendName(dst, s)
		}
		return append(dst, s...)
	case '{':
		if out, ok := appendAmount(dst, f.Value); ok {
			return out
		}
		return appendShort(dst, f.Value, 80)
	case '[':
		return appendShort(dst, f.Value, 80)
	}
	if v.currency == "" || !decimal(f.Value) {
		return append(dst, f.Value...)
	}
	if v.cents {
		return appendMoney(dst, fromCents(f.Value), v.currency)
	}
	return appendMoney(dst, f.Value, v.currency)
}

// wordlike reports whether a text needs no quotes within a sentence.
func wordlike(s []byte) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' && c != ':' && c != '/' && c < 0x80 {
			return false
		}
	}
	return len(s) <= 40
}

// appendAmount renders an object that holds an amount and a currency.
func appendAmount(dst []byte, v jsontext.Value) ([]byte, bool) {
	var n, currency []byte
	list := Members(v)
	for _, m := range list {
		switch strings.ToLower(m.Name) {
		case "amount", "value":
			n = plainBytes(m.Value)
		case "currency", "currency_code", "currencycode":
			currency = plainBytes(m.Value)
		}
	}
	if len(list) > 3 || !decimal(n) || !currencyCode(currency) {
		return dst, false
	}
	return appendMoney(dst, n, strings.ToUpper(string(currency))), true
}

var moneyWords = map[string]bool{
	"price": true, "amount": true, "cost": true, "fee": true, "total": true, "subtotal": true, "balance": true, "charge": true, "deposit": true,
	"refund": true, "tax": true, "salary": true, "rent": true, "budget": true, "limit": false, "payment": true, "revenue": true, "cents": true, "tip": true,
	"premium": true, "copay": true, "wage": true, "payout": true,
}

func moneyName(name []byte) bool {
	for w := range bytes.FieldsSeq(name) {
		if moneyWords[string(w)] {
			return true
		}
	}
	return false
}

// currency returns the event's currency code, when it names one.
func (n *narrator) currency() string {
	for _, p := range [...]string{"/data/currency", "/custom/currency", "/data/currency_code", "/custom/currency_code"} {
		if f, ok := n.r.Field(p); ok {
			if c := plainBytes(f.Value); currencyCode(c) {
				return strings.ToUpper(string(c))
			}
		}
	}
	return ""
}

func currencyCode(s []byte) bool {
	if len(s) != 3 {
		return false
	}
	for _, c := range s {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

var symbols = map[string]string{"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "CAD": "CA$", "AUD": "A$", "CNY": "CN¥", "KRW": "₩", "ILS": "₪", "NZD": "NZ$"}

// appendMoney appends an amount of a currency, whose code is in capitals.
func appendMoney(dst, n []byte, currency string) []byte {
	symbol, ok := symbols[currency]
	if !ok {
		return append(append(append(dst, n...), ' '), currency...)
	}
	if n[0] == '-' {
		dst, n = append(dst, '-'), n[1:]
	}
	return append(append(dst, symbol...), n...)
}

// decimal reports whether s is a plain decimal number.
func decimal(s []byte) bool {
	digits, dots := 0, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] >= '0' && s[i] <= '9':
			digits++
		case s[i] == '.':
			dots++
		case s[i] != '-' || i > 0:
			return false
		}
	}
	return digits > 0 && dots <= 1 && len(s) <= 24
}

func fromCents(n []byte) []byte {
	if bytes.IndexByte(n, '.') >= 0 {
		return n
	}
	out := make([]byte, 0, len(n)+4)
	if n[0] == '-' {
		out, n = append(out, '-'), n[1:]
	}
	for range 3 - len(n) {
		out = append(out, '0')
	}
	out = append(out, n...)
	at := len(out) - 2
	return append(append(out[:at:at], '.'), out[at:]...)
}

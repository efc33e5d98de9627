package event

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// changed is one change as a sentence tells it.
type changed struct {
	name          string
	before, after Field
	had, has      bool
}

func (r *Record) hasChanges() bool {
	if _, ok := r.Field("/changes"); ok {
		return true
	}
	from, to := r.under("/changes/")
	return from < to
}

// told returns the first few changes and how many there are.
func (r *Record) told(limit int) (list []changed, total int) {
	if f, ok := r.Field("/changes"); ok {
		if f.Value == nil || f.State > Opened || f.Value[0] != '[' {
			return nil, 0
		}
		array(f.Value, 0, func(i, v int) int {
			end := skipValue(f.Value, v)
			if total++; i < limit {
				list = append(list, wholeChange(Field{Value: f.Value[v:end]}))
			}
			return end
		})
		return list, total
	}
	for i := range MaxChanges {
		p := &changePath[i]
		var c changed
		if f, ok := r.Field(p.whole); ok {
			c = wholeChange(f)
		} else if f, ok := r.Field(p.path); ok {
			c.name = fieldName(f)
			c.before, c.had = r.Field(p.before)
			c.after, c.has = r.Field(p.after)
		} else {
			break
		}
		if total++; i < limit {
			list = append(list, c)
		}
	}
	return list, total
}

func wholeChange(f Field) changed {
	if f.State > Opened || !isObject(f.Value) {
		return changed{name: sayField(f)}
	}
	var c changed
	for _, m := range Members(f.Value) {
		switch m.Name {
		case "path":
			c.name = fieldName(Field{Value: m.Value})
		case "before":
			c.before, c.had = Field{Value: m.Value}, true
		case "after":
			c.after, c.has = Field{Value: m.Value}, true
		}
	}
	return c
}

// fieldName makes words of a change's path: the last part that is not an index.
func fieldName(f Field) string {
	if f.State > Opened {
		return sayField(f)
	}
	parts := strings.FieldsFunc(plain(f.Value), func(c rune) bool { return c == '/' || c == '.' })
	for i := len(parts) - 1; i >= 0; i-- {
		if _, err := strconv.Atoi(parts[i]); err != nil {
			return shorten(humanise(parts[i]), 60)
		}
	}
	return "a value"
}

// changesPhrase tells one change in full and names the fields of several.
func (r *Record) changesPhrase() string {
	list, total := r.told(3)
	thing := r.thing(false)
	switch {
	case total == 0:
		return thing
	case total == 1:
		return strings.TrimSpace(thing + " " + r.oneChange(list[0]))
	}
	var names []string
	for _, c := range list {
		names = append(names, c.name)
	}
	s := strings.Join(names, ", ")
	switch {
	case total > len(names):
		more := total - len(names)
		s += " and " + strconv.Itoa(more) + " more field"
		if more > 1 {
			s += "s"
		}
	case len(names) > 1:
		s = strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	}
	if thing != "" {
		s += " of " + thing
	}
	return s
}

func (r *Record) oneChange(c changed) string {
	currency := ""
	if moneyName(c.name) {
		currency = r.currency()
	}
	before, after := sayValue(c.before, c.name, currency), sayValue(c.after, c.name, currency)
	switch {
	case c.had && c.has:
		return c.name + " from " + before + " to " + after
	case c.has:
		return c.name + " to " + after
	case c.had:
		return c.name + " (was " + before + ")"
	}
	return c.name
}

func sayValue(f Field, name, currency string) string {
	if f.State > Opened || f.Value == nil {
		return sayField(f)
	}
	switch f.Value[0] {
	case 'n':
		return "nothing"
	case '"':
		s := plain(f.Value)
		if currency != "" && decimal(s) {
			return money(s, currency)
		}
		if s == "" {
			return "''"
		}
		if !wordlike(s) {
			return quoteName(s)
		}
		return s
	case '{':
		if m, ok := amount(f.Value); ok {
			return m
		}
		return shorten(string(f.Value), 80)
	case '[':
		return shorten(string(f.Value), 80)
	}
	n := string(f.Value)
	if currency == "" || !decimal(n) {
		return n
	}
	if strings.HasSuffix(name, " cents") {
		return money(fromCents(n), currency)
	}
	return money(n, currency)
}

// wordlike reports whether a text needs no quotes within a sentence.
func wordlike(s string) bool {
	return len(s) <= 40 && strings.IndexFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' && c != ':' && c != '/' && c < 0x80
	}) < 0
}

// amount renders an object that holds an amount and a currency.
func amount(v jsontext.Value) (string, bool) {
	var n, currency string
	list := Members(v)
	for _, m := range list {
		switch strings.ToLower(m.Name) {
		case "amount", "value":
			n = plain(m.Value)
		case "currency", "currency_code", "currencycode":
			currency = plain(m.Value)
		}
	}
	if len(list) > 3 || !decimal(n) || !currencyCode(currency) {
		return "", false
	}
	return money(n, currency), true
}

var moneyWords = map[string]bool{
	"price": true, "amount": true, "cost": true, "fee": true, "total": true, "subtotal": true, "balance": true, "charge": true, "deposit": true,
	"refund": true, "tax": true, "salary": true, "rent": true, "budget": true, "limit": false, "payment": true, "revenue": true, "cents": true, "tip": true,
	"premium": true, "copay": true, "wage": true, "payout": true,
}

func moneyName(name string) bool {
	for _, w := range strings.Fields(name) {
		if moneyWords[w] {
			return true
		}
	}
	return false
}

// currency returns the event's currency code, when it names one.
func (r *Record) currency() string {
	for _, p := range [...]string{"/data/currency", "/custom/currency", "/data/currency_code", "/custom/currency_code"} {
		if c := r.Text(p); currencyCode(c) {
			return strings.ToUpper(c)
		}
	}
	return ""
}

func currencyCode(s string) bool {
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

func money(n, currency string) string {
	currency = strings.ToUpper(currency)
	symbol, ok := symbols[currency]
	if !ok {
		return n + " " + currency
	}
	if n[0] == '-' {
		return "-" + symbol + n[1:]
	}
	return symbol + n
}

// decimal reports whether s is a plain decimal number.
func decimal(s string) bool {
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

func fromCents(n string) string {
	sign := ""
	if n[0] == '-' {
		sign, n = "-", n[1:]
	}
	if strings.IndexByte(n, '.') >= 0 {
		return sign + n
	}
	for len(n) < 3 {
		n = "0" + n
	}
	return sign + n[:len(n)-2] + "." + n[len(n)-2:]
}

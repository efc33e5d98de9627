package demo

import "strconv"

// appendString writes s as a JSON string. s must be valid UTF-8; what must be escaped is.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}

// raw is JSON text that goes into an event as it is.
type raw []byte

// arena holds the JSON values of one event. What it returned stays valid until reset, even when it grows.
type arena struct{ buf []byte }

func (a *arena) reset() { a.buf = a.buf[:0] }

func (a *arena) keep(from int) raw { return raw(a.buf[from:len(a.buf):len(a.buf)]) }

// str returns the parts, joined, as a JSON string.
func (a *arena) str(parts ...string) raw {
	from := len(a.buf)
	if len(parts) == 1 {
		a.buf = appendString(a.buf, parts[0])
		return a.keep(from)
	}
	a.buf = append(a.buf, '"')
	for _, p := range parts {
		at := len(a.buf)
		a.buf = appendString(a.buf, p)
		copy(a.buf[at:], a.buf[at+1:len(a.buf)-1]) // without its quotes
		a.buf = a.buf[:len(a.buf)-2]
	}
	a.buf = append(a.buf, '"')
	return a.keep(from)
}

func (a *arena) int(n int) raw {
	from := len(a.buf)
	a.buf = strconv.AppendInt(a.buf, int64(n), 10)
	return a.keep(from)
}

// cents writes an amount of money with two decimals.
func (a *arena) cents(n int) raw {
	from := len(a.buf)
	a.buf = strconv.AppendInt(a.buf, int64(n/100), 10)
	a.buf = append(a.buf, '.', byte('0'+n/10%10), byte('0'+n%10))
	return a.keep(from)
}

// id joins prefix and a number of at least six digits; it is not JSON.
func (a *arena) id(prefix string, n int) string {
	var tmp [32]byte
	b := append(append(tmp[:0], prefix...), '-')
	for limit := 100000; limit > n && limit > 1; limit /= 10 {
		b = append(b, '0')
	}
	return string(strconv.AppendInt(b, int64(n), 10))
}

// object writes members given as name, value, name, value.
func (a *arena) object(members ...any) raw {
	from := len(a.buf)
	b := append(a.buf, '{')
	for i := 0; i+1 < len(members); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, members[i].(string)), ':')
		switch v := members[i+1].(type) {
		case string:
			b = appendString(b, v)
		case int:
			b = strconv.AppendInt(b, int64(v), 10)
		case bool:
			b = strconv.AppendBool(b, v)
		case raw:
			b = append(b, v...)
		default:
			panic("demo: a value of a kind that objects do not take")
		}
	}
	a.buf = append(b, '}')
	return a.keep(from)
}

// raw returns JSON text that is a constant of this package.
func (a *arena) raw(s string) raw {
	from := len(a.buf)
	a.buf = append(a.buf, s...)
	return a.keep(from)
}

// list returns the values as a JSON array.
func (a *arena) list(values ...raw) raw {
	from := len(a.buf)
	a.buf = append(a.buf, '[')
	for i, v := range values {
		if i > 0 {
			a.buf = append(a.buf, ',')
		}
		a.buf = append(a.buf, v...)
	}
	a.buf = append(a.buf, ']')
	return a.keep(from)
}

// hash writes two numbers as 64 hexadecimal digits, the look of a SHA-256.
func (a *arena) hash(x, y uint64) raw {
	from := len(a.buf)
	b := append(a.buf, '"')
	for _, n := range [...]uint64{x, y, x * 0x9e3779b97f4a7c15, y * 0xd1342543de82ef95} {
		b = appendHex(b, n)
	}
	a.buf = append(b, '"')
	return a.keep(from)
}

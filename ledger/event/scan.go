package event

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// The functions of this file walk JSON text that is already known to be valid, so they look for ends only. For text that is not, see [reader].

// skipString returns the index after the string that starts at b[i], and whether it holds an escape.
func skipString(b []byte, i int) (end int, escaped bool) {
	for i++; i+8 <= len(b); i += 8 { // eight bytes together, see plainRun
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^ones*'"', x^ones*'\\'
		if m := ((quote-ones)&^quote | (slash-ones)&^slash) & highs; m != 0 {
			i += bits.TrailingZeros64(m) / 8
			break
		}
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1, false
		case '\\':
			return skipEscaped(b, i)
		}
	}
	return len(b), false
}

func skipEscaped(b []byte, j int) (end int, escaped bool) {
	for ; j < len(b); j++ {
		switch b[j] {
		case '\\':
			j++
		case '"':
			return j + 1, true
		}
	}
	return len(b), true
}

// skipValue returns the index after the value that starts at b[i].
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		end, _ := skipString(b, i)
		return end
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				i, _ = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
				if depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return len(b)
	default:
		return skipScalar(b, i)
	}
}

func skipScalar(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\t', '\n', '\r', ':':
			return i
		}
		i++
	}
	return i
}

// compact appends src to dst without the whitespace between tokens. It reports the offset in src of the first value that is
// nested too deeply, or of the first number that no 64-bit float can hold, and which of the two it is.
func compact(dst, src []byte) (out []byte, bad int, why fault) {
	depth, start := 0, 0
	for i := 0; i < len(src); {
		switch c := src[i]; c {
		case '"':
			i, _ = skipString(src, i)
			continue
		case '{', '[':
			if depth++; depth > MaxDepth {
				return dst, i, tooDeep
			}
		case '}', ']':
			depth--
		case ' ', '\t', '\n', '\r':
			dst = append(dst, src[start:i]...)
			for i < len(src) && (src[i] == ' ' || src[i] == '\t' || src[i] == '\n' || src[i] == '\r') {
				i++
			}
			start = i
			continue
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			end := skipScalar(src, i)
			if overflows(src[i:end]) {
				return dst, i, tooLarge
			}
			i = end
			continue
		}
		i++
	}
	return append(dst, src[start:]...), -1, 0
}

type fault uint8

const (
	tooDeep fault = iota + 1
	tooLarge
)

// overflows reports whether a number's magnitude is beyond a 64-bit float: 1e999 has no value that readers would agree on.
func overflows(num []byte) bool {
	if len(num) < 300 && bytes.IndexByte(num, 'e') < 0 && bytes.IndexByte(num, 'E') < 0 {
		return false
	}
	_, err := strconv.ParseFloat(string(num), 64)
	return err != nil
}

// object calls f for each member of the compact object that starts at b[i]. f gets the position of the
// name without quotes and of the value, and returns the index after the value.
func object(b []byte, i int, f func(name text, value int) (end int)) {
	i++
	for b[i] != '}' {
		if b[i] == ',' {
			i++
		}
		end, esc := skipString(b, i)
		i = f(text{i + 1, end - 1, esc}, end+1)
	}
}

// array is object for an array; f gets the index of the element.
func array(b []byte, i int, f func(n, value int) (end int)) {
	i++
	for n := 0; b[i] != ']'; n++ {
		if b[i] == ',' {
			i++
		}
		i = f(n, i)
	}
}

// text is the position of a string's content, without its quotes.
type text struct {
	off, end int
	escaped  bool
}

// Members returns the members of a JSON object that is valid and compact, as values of this package are, in order. Values alias v.
// It is nil for anything else.
func Members(v jsontext.Value) []Member {
	if len(v) < 2 || v[0] != '{' {
		return nil
	}
	var out []Member
	object(v, 0, func(n text, val int) int {
		end := skipValue(v, val)
		out = append(out, Member{Name: unquoted(v, n), Value: v[val:end:end]})
		return end
	})
	return out
}

func unquoted(b []byte, t text) string {
	if !t.escaped {
		return string(b[t.off:t.end])
	}
	out, err := jsontext.AppendUnquote(nil, b[t.off-1:t.end+1])
	if err != nil {
		return ""
	}
	return string(out)
}

// Elements returns the elements of a JSON array that is valid and compact, as values of this package are. They alias v. It is nil for
// anything else.
func Elements(v jsontext.Value) []jsontext.Value {
	if len(v) < 2 || v[0] != '[' {
		return nil
	}
	var out []jsontext.Value
	array(v, 0, func(_, val int) int {
		end := skipValue(v, val)
		out = append(out, v[val:end:end])
		return end
	})
	return out
}

// Text returns the content of a JSON string, or the JSON text of any other value.
func Text(v jsontext.Value) string { return plain(v) }

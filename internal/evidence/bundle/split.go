package bundle

import "github.com/go-json-experiment/json/jsontext"

// The functions of this file take JSON apart that is known to be valid, without looking at it twice. Members and elements alias v.

type member struct {
	name  string
	value jsontext.Value
}

// object calls f for each member of a valid JSON object.
func object(v []byte, f func(m member) error) error {
	i := space(v, 1)
	for v[i] != '}' {
		end := skip(v, i)
		m := member{name: unquote(v[i:end])}
		i = space(v, space(v, end)+1) // past the colon
		end = skip(v, i)
		m.value = v[i:end:end]
		if err := f(m); err != nil {
			return err
		}
		if i = space(v, end); v[i] == ',' {
			i = space(v, i+1)
		}
	}
	return nil
}

// elements calls f for each element of a valid JSON array.
func elements(v []byte, f func(e jsontext.Value) error) error {
	i := space(v, 1)
	for v[i] != ']' {
		end := skip(v, i)
		if err := f(v[i:end:end]); err != nil {
			return err
		}
		if i = space(v, end); v[i] == ',' {
			i = space(v, i+1)
		}
	}
	return nil
}

func space(v []byte, i int) int {
	for v[i] == ' ' || v[i] == '\n' || v[i] == '\t' || v[i] == '\r' {
		i++
	}
	return i
}

// skip returns the end of the value that starts at i.
func skip(v []byte, i int) int {
	depth := 0
	for ; i < len(v); i++ {
		switch v[i] {
		case '"':
			for i++; v[i] != '"'; i++ {
				if v[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
			if depth < 0 {
				return i
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

func unquote(v []byte) string {
	for _, c := range v {
		if c == '\\' {
			b, _ := jsontext.AppendUnquote(nil, v) // valid
			return string(b)
		}
	}
	return string(v[1 : len(v)-1])
}

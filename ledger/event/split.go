package event

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
)

// Split cuts a request body into the JSON texts of its events: one object, an array of objects, or {"events": […]} (member atomic is
// left to the caller). The texts alias body and are not checked, so that one that is wrong does not take its neighbours along; only the list
// around them must be sound.
func Split(body []byte) ([]jsontext.Value, error) {
	b := bytes.TrimLeft(body, " \t\r\n")
	if len(b) == 0 {
		return nil, errs.New(errs.Invalid, "the body is empty; send an event, an array of events or {\"events\": […]}")
	}
	switch b[0] {
	case '[':
		return splitArray(b)
	case '{':
		if list, ok := eventsMember(b); ok {
			return splitArray(list)
		}
		return []jsontext.Value{bytes.TrimRight(b, " \t\r\n")}, nil
	}
	return nil, errs.New(errs.Invalid, "the body is not a JSON object or array")
}

// eventsMember finds the value of {"events": …} when that is the object's first member and the object holds nothing else but it.
func eventsMember(b []byte) ([]byte, bool) {
	i := skipSpace(b, 1)
	const name = `"events"`
	if !bytes.HasPrefix(b[i:], []byte(name)) {
		return nil, false
	}
	i = skipSpace(b, i+len(name))
	if i >= len(b) || b[i] != ':' {
		return nil, false
	}
	i = skipSpace(b, i+1)
	if i >= len(b) || b[i] != '[' {
		return nil, false
	}
	end := bytes.TrimRight(b, " \t\r\n")
	if end[len(end)-1] != '}' {
		return nil, false
	}
	return end[i : len(end)-1], true
}

func splitArray(b []byte) ([]jsontext.Value, error) {
	broken := errs.New(errs.Invalid, "the list of events is not valid JSON: after each event comes a comma or the closing bracket")
	var out []jsontext.Value
	i := skipSpace(b, 1)
	if i < len(b) && b[i] == ']' {
		return out, trailing(b[i+1:])
	}
	for {
		if i >= len(b) || b[i] == ',' || b[i] == ']' {
			return nil, broken
		}
		end := skipValue(b, i)
		if end <= i {
			return nil, broken
		}
		out = append(out, jsontext.Value(b[i:end:end]))
		i = skipSpace(b, end)
		switch {
		case i < len(b) && b[i] == ',':
			i = skipSpace(b, i+1)
		case i < len(b) && b[i] == ']':
			return out, trailing(b[i+1:])
		default:
			return nil, broken
		}
	}
}

func trailing(b []byte) error {
	if len(bytes.Trim(b, " \t\r\n")) > 0 {
		return errs.New(errs.Invalid, "something follows the list of events")
	}
	return nil
}

// skipSpace returns the index of the first byte from i on that is not white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

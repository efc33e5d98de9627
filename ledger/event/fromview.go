package event

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
)

// serverMembers are what [Record.AppendJSON] adds to the wire form at the top, and below actor, resource and subject.
var serverMembers = map[string]bool{"seq": true, "recorded_at": true, "sentence": true, "fields_state": true, "leaf_hash": true}

// FromView turns what [Record.AppendJSON] wrote for a reader who sees everything back into the wire form, as [Record.AppendEvent] would have written it: what the server adds is left out, and so are values that are
// erased. Verbatim values keep their spelling.
func FromView(view []byte) ([]byte, error) {
	members, err := membersOf(view)
	if err != nil {
		return nil, err
	}
	gone := map[string]bool{}
	for _, m := range members {
		if m.Name != "fields_state" {
			continue
		}
		states, err := membersOf(m.Value)
		if err != nil {
			return nil, err
		}
		for _, s := range states {
			gone[s.Name] = string(s.Value) != `"masked"`
		}
	}
	out := []byte{'{'}
	for _, m := range members {
		switch {
		case serverMembers[m.Name], gone["/"+m.Name], (m.Name == "resource" || m.Name == "subject") && string(m.Value) == "null":
			continue
		case m.Name == "changes":
			m.Value, err = producersChanges(m.Value)
		case len(m.Value) > 0 && m.Value[0] == '{':
			m.Value, err = producersObject(m, gone)
		}
		if err != nil {
			return nil, err
		}
		if out, err = appendMember(out, m); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// producersObject leaves handles and erased values out of a member that is an object.
func producersObject(m Member, gone map[string]bool) (jsontext.Value, error) {
	inner, err := membersOf(m.Value)
	if err != nil {
		return nil, err
	}
	refers := m.Name == "actor" || m.Name == "resource" || m.Name == "subject"
	out := []byte{'{'}
	for _, x := range inner {
		if refers && x.Name == "handle" || gone["/"+m.Name+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(x.Name)] {
			continue
		}
		if out, err = appendMember(out, x); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// producersChanges leaves out the operation that a view adds where none was given.
func producersChanges(v jsontext.Value) (jsontext.Value, error) {
	if string(v) == "[]" {
		return v, nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := d.ReadToken(); err != nil || v[0] != '[' {
		return v, nil //nolint:nilerr // kept as it is, as the log did
	}
	out := []byte{'['}
	for d.PeekKind() != ']' {
		c, err := d.ReadValue()
		if err != nil {
			return nil, notView(err)
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if c.Kind() != '{' {
			out = append(out, c...)
			continue
		}
		inner, err := membersOf(c)
		if err != nil {
			return nil, err
		}
		one := []byte{'{'}
		for _, x := range inner {
			if x.Name == "op" && string(x.Value) == `"replace"` {
				continue
			}
			if one, err = appendMember(one, x); err != nil {
				return nil, err
			}
		}
		out = append(append(out, one...), '}')
	}
	return append(out, ']'), nil
}

func appendMember(b []byte, m Member) ([]byte, error) {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b, err := jsontext.AppendQuote(b, m.Name)
	if err != nil {
		return nil, notView(err)
	}
	return append(append(b, ':'), m.Value...), nil
}

// membersOf splits an object into its members, verbatim and in their order.
func membersOf(text []byte) ([]Member, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, notView(err)
	}
	var out []Member
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, notView(err)
		}
		m := Member{Name: name.String()}
		value, err := d.ReadValue()
		if err != nil {
			return nil, notView(err)
		}
		m.Value = value.Clone()
		out = append(out, m)
	}
	return out, nil
}

func notView(err error) error {
	return errs.Wrap(errs.Invalid, err, "this is not an event as the log shows it")
}

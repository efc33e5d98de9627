package ledger

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

var customName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

func (f *CustomField) compile() error {
	if !customName.MatchString(f.Name) {
		return errs.Field("/items/name", "invalid", "a field's name is a lower-case letter followed by up to 62 letters, digits or underscores")
	}
	if !slices.Contains([]string{"string", "integer", "number", "boolean", "date", "datetime", "enum"}, f.Type) {
		return errs.Field("/items/type", "invalid", "the type is string, integer, number, boolean, date, datetime or enum")
	}
	if (f.Type == "enum") != (len(f.Enum) > 0) {
		return errs.Field("/items/enum", "invalid", "an enum field, and no other, lists its values")
	}
	if f.Pattern == "" {
		return nil
	}
	if f.Type != "string" || len(f.Pattern) > 500 {
		return errs.Field("/items/pattern", "invalid", "only a string field has a pattern, of 500 characters at most")
	}
	re, err := regexp.Compile(`^(?:` + f.Pattern + `)$`)
	if err != nil {
		return errs.Field("/items/pattern", "invalid", "the pattern is not a valid regular expression (RE2 syntax)")
	}
	f.re = re
	return nil
}

// class is how values of the field are kept.
func (f *CustomField) class() event.Class {
	if !f.Personal {
		return event.Class{Category: f.Category, Kind: event.Operational}
	}
	if f.Category == "" {
		return event.Class{Category: "user", Kind: event.Personal}
	}
	return event.Class{Category: f.Category, Kind: event.Personal}
}

// custom returns the definition of a custom field, or nil.
func (s *Settings) custom(name string) *CustomField {
	for i := range s.Custom {
		if s.Custom[i].Name == name {
			return &s.Custom[i]
		}
	}
	return nil
}

// checkCustom validates an event's custom fields against the tenant's definitions.
func (s *Settings) checkCustom(e *event.Event) error {
	var wrong []errs.FieldError
	for _, m := range e.Custom {
		i := slices.IndexFunc(s.Custom, func(f CustomField) bool { return f.Name == m.Name })
		if i < 0 {
			wrong = append(wrong, errs.FieldError{Pointer: "/custom/" + m.Name, Code: "unknown", Detail: "no such custom field is defined; define it in the settings or send it under data"})
			continue
		}
		if d := s.Custom[i].mismatch(m.Value); d != "" {
			wrong = append(wrong, errs.FieldError{Pointer: "/custom/" + m.Name, Code: "invalid", Detail: d})
		}
	}
	if e.Category != "governance" {
		for _, f := range s.Custom {
			if f.Required && !slices.ContainsFunc(e.Custom, func(m event.Member) bool { return m.Name == f.Name }) {
				wrong = append(wrong, errs.FieldError{Pointer: "/custom/" + f.Name, Code: "required", Detail: "this custom field is required"})
			}
		}
	}
	if len(wrong) > 0 {
		return &errs.Error{Code: errs.Invalid, Message: "the event's custom fields are not valid", Fields: wrong}
	}
	return nil
}

// mismatch says why a value does not fit the field; "" when it does.
func (f *CustomField) mismatch(v jsontext.Value) string {
	kind := v.Kind()
	text := ""
	if kind == '"' {
		b, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return "this is not valid text"
		}
		text = string(b)
	}
	ok := false
	switch f.Type {
	case "string":
		ok = kind == '"' && (f.re == nil || f.re.MatchString(text))
	case "enum":
		ok = kind == '"' && slices.Contains(f.Enum, text)
	case "boolean":
		ok = kind == 't' || kind == 'f'
	case "number":
		ok = kind == '0'
	case "integer":
		ok = kind == '0' && !strings.ContainsAny(string(v), ".eE")
	case "date":
		_, err := time.Parse(time.DateOnly, text)
		ok = kind == '"' && err == nil
	case "datetime":
		_, err := time.Parse(time.RFC3339Nano, text)
		ok = kind == '"' && err == nil
	}
	switch {
	case ok:
		return ""
	case f.re != nil && kind == '"':
		return "this does not match the field's pattern"
	case f.Type == "enum":
		return "this is not one of the field's values"
	}
	return "this is not a valid " + f.Type
}

package bundle

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
)

const timeLayout = "2006-01-02T15:04:05.000000Z"

// CheckView checks that an event's view says nothing but what its leaf and its disclosure prove, or what fields_state marks as a claim.
// Three things in a view are the sender's word always: the sentence, the handles, and the op "replace" of a change without one.
func CheckView(view []byte, seq uint64, leafHash evidence.Hash, v *evidence.View, r *evidence.Result) error {
	c := viewChecker{seq: seq, v: v, r: r}
	if !jsontext.Value(view).IsValid() || len(view) == 0 || view[0] != '{' {
		return c.fail("", "is not a JSON object")
	}
	var members []member
	object(view, func(m member) error { //nolint:errcheck // the callback returns none
		members = append(members, m)
		return nil
	})
	for _, m := range members {
		if m.name == "fields_state" {
			if err := c.states(m.value); err != nil {
				return err
			}
		}
	}
	named := false
	for _, m := range members {
		var err error
		switch m.name {
		case "fields_state", "sentence":
			continue
		case "seq":
			named = true
			err = c.same("/seq", m.value, strconv.FormatUint(seq, 10))
		case "leaf_hash":
			err = c.same("/leaf_hash", m.value, `"`+base64.StdEncoding.EncodeToString(leafHash[:])+`"`)
		default:
			err = c.value("/"+m.name, m.value)
		}
		if err != nil {
			return err
		}
	}
	if !named {
		return c.fail("/seq", "is missing")
	}
	return nil
}

type viewChecker struct {
	seq   uint64
	v     *evidence.View
	r     *evidence.Result
	state map[string]string
}

func (c *viewChecker) fail(path, what string) error {
	if path != "" {
		path = " at " + path
	}
	return errs.New(errs.Invalid, "the text of event %d%s %s", c.seq, path, what)
}

func (c *viewChecker) same(path string, got jsontext.Value, want string) error {
	if string(got) != want {
		return c.fail(path, "differs from the evidence")
	}
	return nil
}

func (c *viewChecker) states(v jsontext.Value) error {
	if v[0] != '{' {
		return c.fail("/fields_state", "is malformed")
	}
	return object(v, func(m member) error {
		switch s := string(m.value); s {
		case `"masked"`, `"withheld"`, `"erased"`:
			if c.state == nil {
				c.state = map[string]string{}
			}
			c.state[m.name] = s[1 : len(s)-1]
		default:
			return c.fail("/fields_state", "has an unknown state")
		}
		if _, proven := c.r.Field(m.name); proven {
			return c.fail(m.name, "is called masked or withheld, yet it is disclosed")
		}
		return nil
	})
}

// clear is what the leaf says about a path in clear.
func (c *viewChecker) clear(path string) (string, bool) {
	quoted := func(b []byte) (string, bool) { return `"` + string(b) + `"`, true } // clear strings need no escaping
	micros := func(t int64) (string, bool) { return time.UnixMicro(t).UTC().Format(`"` + timeLayout + `"`), true }
	switch path {
	case "/recorded_at":
		return micros(c.v.RecordedAt)
	case "/occurred_at":
		return micros(c.v.OccurredAt)
	case "/source":
		return quoted(c.v.Source)
	case "/action":
		return quoted(c.v.Action)
	case "/category":
		return quoted(c.v.Category)
	case "/activity":
		return quoted(c.v.Activity)
	case "/outcome/status":
		return quoted(c.v.Outcome)
	case "/resource/type":
		return quoted(c.v.ResourceType)
	}
	return "", false
}

func (c *viewChecker) value(path string, got jsontext.Value) error {
	if want, ok := c.clear(path); ok {
		return c.same(path, got, want)
	}
	if want, ok := c.r.Field(path); ok {
		if string(got) != want {
			return c.fail(path, "shows another value than the one disclosed")
		}
		return nil
	}
	switch c.state[path] {
	case "masked":
		if want, ok := c.r.Claim(path); !ok || string(got) != want {
			return c.fail(path, "shows a masked value that the disclosure does not claim")
		}
		return nil
	case "withheld", "erased":
		if string(got) != "null" {
			return c.fail(path, "shows a value that is called withheld or erased")
		}
		return nil
	}
	switch got[0] {
	case 'n': // absent
		return nil
	case '{':
		return object(got, func(m member) error {
			if m.name == "handle" && (path == "/actor" || path == "/subject" || path == "/resource") {
				return nil
			}
			return c.value(path+"/"+escape(m.name), m.value)
		})
	case '[':
		return c.array(path, got)
	}
	if string(got) == `"replace"` && strings.HasPrefix(path, "/changes/") && strings.HasSuffix(path, "/op") {
		return nil
	}
	return c.fail(path, "shows a value that is neither proven nor marked as a claim")
}

func (c *viewChecker) array(path string, v jsontext.Value) error {
	i := 0
	return elements(v, func(e jsontext.Value) error {
		err := c.value(path+"/"+strconv.Itoa(i), e)
		i++
		return err
	})
}

func escape(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

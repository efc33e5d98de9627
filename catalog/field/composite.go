package field

import (
	"bytes"
	"strings"

	"probity.dev/ledger/event"
)

// maxScan is the largest JSON object or array, in bytes, whose members are looked at; a larger one is unknown.
const maxScan = 16 << 10

// judgeComposite classifies an object or array by everything in it: operational only when every member is; credentials when any
// member is one; personal with its category when all personal members agree; unknown as soon as something is.
func (c *Classifier) judgeComposite(d decision, action, path string, value []byte) event.Class {
	plain := d.manner == fixed && bytes.IndexByte(value, '{') < 0
	if plain || len(value) > maxScan {
		return d.class // the zero class, unknown, unless the name decided
	}
	w := walker{c: c, action: action, path: path, s: text(value)}
	w.value(d, 0)
	switch {
	case w.bad:
		return d.class
	case w.secret:
		return event.Class{Category: Credentials, Kind: w.kindOfSecret()}
	case d.manner == fixed:
		return d.class
	case w.unknown:
		return unknown
	case w.category != "":
		return personal(w.category)
	}
	return operational
}

// A walker reads JSON that has been validated before; on anything unexpected it gives up, which means unknown.
type walker struct {
	c        *Classifier
	action   string
	path     string
	s        string
	i        int
	unknown  bool
	secret   bool
	bad      bool
	category string
}

func (w *walker) kindOfSecret() event.Kind {
	if w.unknown {
		return event.Unknown
	}
	return event.Personal
}

func (w *walker) note(c event.Class) {
	switch {
	case c.Category == Credentials:
		w.secret = true
	case c.Kind == event.Unknown:
		w.unknown = true
	case c.Kind == event.Personal && (w.category == "" || w.category == c.Category):
		w.category = c.Category
	case c.Kind == event.Personal:
		w.category = User
	}
}

func (w *walker) space() {
	for w.i < len(w.s) && w.s[w.i] <= ' ' {
		w.i++
	}
}

// value reads one value under the decision of its name.
func (w *walker) value(d decision, depth int) {
	w.space()
	if w.i >= len(w.s) || depth > event.MaxDepth {
		w.bad = true
		return
	}
	start := w.i
	switch w.s[w.i] {
	case '{':
		if d.manner == fixed {
			w.note(d.class)
		}
		w.object(d, depth)
	case '[':
		w.array(d, depth)
	case '"':
		s, ok := w.str()
		if !ok {
			return
		}
		if d.manner == fixed {
			w.note(d.class)
		} else {
			w.note(judgeString(d.manner, s))
		}
	default:
		for w.i < len(w.s) && w.s[w.i] != ',' && w.s[w.i] != '}' && w.s[w.i] != ']' && w.s[w.i] > ' ' {
			w.i++
		}
		if start == w.i {
			w.bad = true
			return
		}
		switch {
		case d.manner == fixed:
			w.note(d.class)
		case w.s[start] != 't' && w.s[start] != 'f' && w.s[start] != 'n':
			w.note(judgeNumber(d.manner, w.s[start:w.i]))
		}
	}
}

func (w *walker) array(d decision, depth int) {
	w.i++
	for first := true; !w.bad; first = false {
		w.space()
		if w.i < len(w.s) && w.s[w.i] == ']' {
			w.i++
			return
		}
		if !first && !w.eat(',') {
			return
		}
		w.value(d, depth+1)
	}
}

func (w *walker) object(d decision, depth int) {
	w.i++
	for first := true; !w.bad; first = false {
		w.space()
		if w.i < len(w.s) && w.s[w.i] == '}' {
			w.i++
			return
		}
		if !first && !w.eat(',') {
			return
		}
		w.space()
		name, ok := w.str()
		if !ok {
			return
		}
		w.space()
		if !w.eat(':') {
			return
		}
		if name == "path" && isChanges(w.path) {
			w.changedPath()
		}
		w.value(w.member(d, name), depth+1)
	}
}

// isChanges reports whether a field holds changes with their own paths inside.
func isChanges(path string) bool { return strings.HasPrefix(path, "/changes") }

// changedPath looks ahead at the path of a change: the values beside it are credentials when it names one.
func (w *walker) changedPath() {
	ahead := *w
	ahead.space()
	if s, ok := ahead.str(); ok {
		d := w.c.decide(w.action, s, changeMember)
		w.secret = w.secret || d.class.Category == Credentials
	}
}

// member decides about a member of an object: a credential is one wherever it stands; otherwise a personal parent covers its
// members, unless they say more precisely what they are.
func (w *walker) member(outer decision, name string) decision {
	if !plainName(name) {
		w.unknown = true // a member named after a value, such as an e-mail address
		return decision{manner: byValue}
	}
	d := w.c.decide(w.action, w.path, name)
	if outer.manner == fixed && !(d.manner == fixed && d.class.Kind == event.Personal) {
		return outer
	}
	if outer.manner == asUserText && d.manner != fixed {
		return decision{manner: byValue}
	}
	return d
}

// plainName reports whether a member name looks like one that a program declares.
func plainName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			digits++
		case isLetter(c) || c == '_' || c == '-' || c == '.' || c == ':' || c == '/' || c == '$':
		default:
			return false
		}
	}
	return digits < 5
}

func (w *walker) eat(c byte) bool {
	w.space()
	if w.i < len(w.s) && w.s[w.i] == c {
		w.i++
		return true
	}
	w.bad = true
	return false
}

// str reads a string and returns its raw content.
func (w *walker) str() (string, bool) {
	if w.i >= len(w.s) || w.s[w.i] != '"' {
		w.bad = true
		return "", false
	}
	start := w.i + 1
	for i := start; ; {
		j := strings.IndexByte(w.s[i:], '"')
		if j < 0 {
			w.bad = true
			return "", false
		}
		i += j
		back := i
		for back > start && w.s[back-1] == '\\' {
			back--
		}
		if (i-back)%2 == 0 {
			w.i = i + 1
			return w.s[start:i], true
		}
		i++
	}
}

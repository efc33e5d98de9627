package field

import (
	"strings"

	"probity.dev/ledger/event"
)

// byName decides from the name of a field: the last segment that is not an index, read in the light of the segments above it and
// of the object that the action is about (given for changes, whose paths are relative to that object).
func byName(segments []string, object string) decision {
	key, above := keyOf(segments)
	words := splitWords(key)
	d := wordsSay(words, above, object)
	if d.manner == fixed && d.class.Kind == event.Personal {
		return d
	}
	for i := len(above) - 1; i >= 0; i-- {
		if cat := covers(splitWords(above[i])); cat != "" {
			return decision{manner: fixed, class: personal(cat)}
		}
	}
	return d
}

// keyOf returns the last segment that is not an index, and the ones above it.
func keyOf(segments []string) (string, []string) {
	for i := len(segments) - 1; i >= 0; i-- {
		if !allDigits(segments[i]) && segments[i] != "-" {
			return segments[i], segments[:i]
		}
	}
	return "", nil
}

// ofPerson decides about members of /actor and /subject that the envelope does not define.
func ofPerson(segments []string, role string) decision {
	return byName(append([]string{role}, segments...), "user")
}

func wordsSay(words, above []string, object string) decision {
	if len(words) == 0 {
		return decision{}
	}
	last, before := words[len(words)-1], ""
	if len(words) > 1 {
		before = words[len(words)-2]
	}
	d, found := longestPhrase(words)
	if found && d.sensitive {
		return d.decision
	}
	if found && d.length > 1 && d.end == len(words) {
		return d.decision
	}
	owner := before
	if owner == "" || genericWords[owner] {
		owner = nearest(above, object)
	}
	switch {
	case nameWords[last]:
		return nameOf(owner, before)
	case idWords[last]:
		return idOf(owner)
	case last == "by" && len(words) > 1:
		return decision{manner: fixed, class: personal(UniqueID)}
	}
	if found {
		return d.decision
	}
	return decision{}
}

// nameOf decides about "…name" from what the name belongs to.
func nameOf(owner, before string) decision {
	switch {
	case isPersonWord(owner):
		return decision{manner: fixed, class: personal(Name)}
	case namedThings[singular(owner)]:
		return decision{manner: asText}
	case before == "display" || before == "preferred" || before == "legal":
		return decision{manner: fixed, class: personal(Name)}
	}
	return decision{}
}

// idOf decides about "…id" from what it identifies.
func idOf(owner string) decision {
	switch {
	case isPersonWord(owner):
		return decision{manner: fixed, class: personal(UniqueID)}
	case thingWords[singular(owner)] || namedThings[singular(owner)]:
		return decision{manner: asID}
	}
	return decision{manner: asLooseID}
}

// nearest returns the last word of the nearest segment above, or else the action's object.
func nearest(above []string, object string) string {
	if key, _ := keyOf(above); key != "" {
		words := splitWords(key)
		if len(words) > 0 {
			return words[len(words)-1]
		}
	}
	words := splitWords(object)
	if len(words) > 0 {
		return words[len(words)-1]
	}
	return ""
}

func singular(w string) string {
	switch {
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		return w[:len(w)-3] + "y"
	case (strings.HasSuffix(w, "sses") || strings.HasSuffix(w, "xes") || strings.HasSuffix(w, "ches")) && len(w) > 4:
		return w[:len(w)-2]
	case strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && len(w) > 3:
		return w[:len(w)-1]
	}
	return w
}

// A saying is what a phrase in the dictionary says.
type saying struct {
	decision
	sensitive bool // wins over every other word of the name
	covering  bool // speaks for the members below it
	length    int  // words of the phrase, when found
	end       int  // position after the phrase, when found
}

// longestPhrase finds the longest phrase of the dictionary among the words, the last one of equals; a sensitive one wins.
func longestPhrase(words []string) (saying, bool) {
	var best saying
	found := false
	for i := 0; i < len(words); i++ {
		for n := min(maxPhrase, len(words)-i); n > 0; n-- {
			s, ok := lookup(words[i : i+n])
			if !ok {
				continue
			}
			s.length, s.end = n, i+n
			if !found || s.sensitive && !best.sensitive || s.sensitive == best.sensitive && n >= best.length {
				best, found = s, true
			}
			i += n - 1 // what is inside a phrase does not speak for itself: "max_age"
			break
		}
	}
	if found && best.sensitive && best.class.Category == Credentials && best.end < len(words) && harmless(words[best.end:]) {
		return saying{decision: decision{manner: asToken}}, true
	}
	return best, found
}

// harmless reports whether the words after a credential's turn it into a fact about the credential: "password_changed_at".
func harmless(words []string) bool {
	for _, w := range words {
		if !aboutSecrets[w] {
			return false
		}
	}
	return true
}

func lookup(words []string) (saying, bool) {
	k := strings.Join(words, "_")
	if s, ok := dictionary[k]; ok {
		return s, true
	}
	if t := strings.TrimRight(k, "0123456789"); t != k && t != "" {
		if s, ok := dictionary[t]; ok {
			return s, true
		}
	}
	if t := singular(k); t != k {
		s, ok := dictionary[t]
		return s, ok
	}
	return saying{}, false
}

// covers returns the category that a segment gives to everything below it, or "".
func covers(words []string) string {
	s, ok := longestPhrase(words)
	if ok && s.covering && s.manner == fixed && s.end == len(words) {
		return s.class.Category
	}
	return ""
}

// splitWords splits a name in snake_case, kebab-case, camelCase or dotted form into lower-case words; numbers and words that only
// say which version of a value this is are left out.
func splitWords(name string) []string {
	if len(name) > 96 {
		return nil
	}
	var words []string
	start := 0
	add := func(end int) {
		if w := strings.ToLower(name[start:end]); w != "" && !allDigits(w) && !versionWords[w] {
			words = append(words, w)
		}
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		upper := c-'A' < 26
		switch {
		case !isAlnum(c) && c < 0x80:
			add(i)
			start = i + 1
		case upper && i > start && (name[i-1]-'A' >= 26 || i+1 < len(name) && name[i+1]-'a' < 26 && !pluralAcronym(name, i)):
			add(i)
			start = i
		}
	}
	add(len(name))
	return words
}

// pluralAcronym: the s of "IDs" does not begin a word.
func pluralAcronym(name string, i int) bool {
	return name[i+1] == 's' && (i+2 == len(name) || !isLetter(name[i+2]))
}

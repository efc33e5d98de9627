package realdata

import (
	"bytes"
	"regexp"
	"strings"
)

// canaries are the values of the files that identify people or machines of theirs.
type canaries struct {
	emails, addresses, keys, names map[string]bool
}

var (
	emailPattern   = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}`)
	addressPattern = regexp.MustCompile(`\b(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}\b`)
	keyPattern     = regexp.MustCompile(`(?:AKIA|ASIA)[A-Z0-9_]{12,}`)
	namePattern    = regexp.MustCompile(`"(?:UserDisplayName|displayName|display_name)"+:\s*"+([A-Z][a-z]+ [A-Z][a-z]+)"`)
)

func (f *files) canaries() *canaries {
	if f.found != nil {
		return f.found
	}
	c := &canaries{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, b := range f.raw {
		for _, x := range []struct {
			set     map[string]bool
			pattern *regexp.Regexp
		}{{c.emails, emailPattern}, {c.addresses, addressPattern}, {c.keys, keyPattern}, {c.names, namePattern}} {
			for _, m := range x.pattern.FindAllSubmatch(b, -1) {
				x.set[string(m[len(m)-1])] = true
			}
		}
	}
	f.found = c
	return c
}

// What follows looks for canaries in megabytes of text. It goes by the bytes that every canary of a kind must have, because that is some fifty times as fast as the patterns.

// mail lists the e-mail addresses of the files that a text holds.
func (c *canaries) mail(text []byte) []string {
	hits := map[string]bool{}
	for at := next(text, 0, '@'); at >= 0; at = next(text, at+1, '@') {
		from, to := at, at+1
		for from > 0 && (isWord(text[from-1]) || strings.IndexByte("._%+-", text[from-1]) >= 0) {
			from--
		}
		for to < len(text) && (isWord(text[to]) || text[to] == '.' || text[to] == '-') {
			to++
		}
		// The letters before may be those of an escape, what follows may be the end of a sentence.
		for end := to; end > at; end-- {
			for i := from; i < at; i++ {
				if s := text[i:end]; c.emails[string(s)] {
					hits[string(s)] = true
				}
			}
		}
	}
	return keys(hits)
}

// networks lists the network addresses of the files that a text holds. One that ends in .0/ is a network that stands for an address.
func (c *canaries) networks(text []byte) []string {
	hits := map[string]bool{}
	for at := next(text, 0, '.'); at >= 0; at = next(text, at+1, '.') {
		from := at
		for from > 0 && at-from < 3 && isDigit(text[from-1]) {
			from--
		}
		if from == at || from > 0 && (isDigit(text[from-1]) || text[from-1] == '.') {
			continue
		}
		end := at
		for part := 0; part < 3 && end < len(text) && text[end] == '.'; part++ {
			for end++; end < len(text) && isDigit(text[end]); end++ {
			}
		}
		s := string(text[from:end])
		if c.addresses[s] && !(strings.HasSuffix(s, ".0") && bytes.HasPrefix(text[end:], []byte("/"))) && !bytes.HasPrefix(text[end:], []byte(".")) {
			hits[s] = true
		}
	}
	return keys(hits)
}

// accessKeys lists the ids of access keys of the files that a text holds.
func (c *canaries) accessKeys(text []byte) []string {
	hits := map[string]bool{}
	for _, prefix := range []string{"AKIA", "ASIA"} {
		for rest := text; ; {
			at := bytes.Index(rest, []byte(prefix))
			if at < 0 {
				break
			}
			rest = rest[at:]
			end := 4
			for end < len(rest) && (rest[end] == '_' || isDigit(rest[end]) || rest[end] >= 'A' && rest[end] <= 'Z') {
				end++
			}
			if s := string(rest[:end]); c.keys[s] {
				hits[s] = true
			}
			rest = rest[end:]
		}
	}
	return keys(hits)
}

// people lists the names of the files that a text holds.
func (c *canaries) people(text []byte) []string {
	hits := map[string]bool{}
	for name := range c.names {
		if bytes.Contains(text, []byte(name)) {
			hits[name] = true
		}
	}
	return keys(hits)
}

// next is the index of c in text from i on, -1 when there is none.
func next(text []byte, i int, c byte) int {
	if i >= len(text) {
		return -1
	}
	if at := bytes.IndexByte(text[i:], c); at >= 0 {
		return i + at
	}
	return -1
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isWord(c byte) bool  { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }

func keys(m map[string]bool) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}

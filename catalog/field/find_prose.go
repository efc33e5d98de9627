package field

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// prose finds what only the words around it give away: names and street addresses.
func (f *finder) prose() {
	w := f.words()
	f.names(w)
	f.addresses(w)
}

// A word is a run of letters and digits, with apostrophes and hyphens inside it.
type word struct {
	start, end int
	lower      string
	capital    bool // begins with an upper-case letter
	digits     bool // consists of digits
}

func (f *finder) words() []word {
	var out []word
	s := f.s
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			i += n
			continue
		}
		start, end, onlyDigits := i, i, true
		capital := unicode.IsUpper(r)
		for i < len(s) {
			r, n := utf8.DecodeRuneInString(s[i:])
			letter := unicode.IsLetter(r) || unicode.Is(unicode.Mn, r)
			if !letter && !unicode.IsDigit(r) && !((r == '\'' || r == '’' || r == '-') && i+n < len(s) && startsLetter(s[i+n:])) {
				break
			}
			onlyDigits = onlyDigits && unicode.IsDigit(r)
			i += n
			end = i
		}
		for _, possessive := range []string{"'s", "’s"} {
			if strings.HasSuffix(s[start:end], possessive) {
				end -= len(possessive)
			}
		}
		out = append(out, word{start, end, strings.ToLower(s[start:end]), capital, onlyDigits})
	}
	return out
}

func startsLetter(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLetter(r)
}

// gap is the text between two neighbouring words.
func (f *finder) gap(w []word, i int) string {
	if i < 0 {
		return f.s[:w[0].start]
	}
	if i+1 >= len(w) {
		return f.s[w[i].end:]
	}
	return f.s[w[i].end:w[i+1].start]
}

// names finds people where a title, a greeting, an introduction or a well-known first name announces one.
func (f *finder) names(w []word) {
	for i := 0; i < len(w); {
		if end := f.nameAt(w, i); end > i {
			f.add(w[i].start, w[end-1].end, Name)
			i = end
			continue
		}
		i++
	}
}

// nameAt returns the index after the name that begins at word i, or i when none does.
func (f *finder) nameAt(w []word, i int) int {
	if f.titled(w, i) {
		if end := f.nameRun(w, i, 3, true); end > i {
			return end
		}
	}
	end := f.nameRun(w, i, 4, false)
	if end == i {
		if f.introduced(w, i) && givenNames[w[i].lower] && !ambiguousNames[w[i].lower] {
			return i + 1 // written in lower case
		}
		return i
	}
	switch {
	case givenNames[w[i].lower] && (!ambiguousNames[w[i].lower] || end-i > 1):
		return end
	case f.introduced(w, i):
		return end
	case end-i == 3 && w[i+1].end-w[i+1].start == 1 && strings.HasPrefix(f.gap(w, i+1), ". "):
		return end // Clara R. Dickson
	case f.heading(w, i, end):
		return end
	}
	return i
}

// titled reports whether word i follows a form of address.
func (f *finder) titled(w []word, i int) bool {
	if i == 0 || !titles[w[i-1].lower] {
		return false
	}
	g := f.gap(w, i-1)
	return g == ". " || g == " " && w[i-1].capital || g == "."
}

// nameRun returns the index after up to limit words that could be a name. A lower-case first word is accepted when small is true.
func (f *finder) nameRun(w []word, i, limit int, small bool) int {
	end := i
	for j := i; j < len(w) && j-i < limit; j++ {
		if j > i {
			g := f.gap(w, j-1)
			initial := w[j-1].end-w[j-1].start <= 2 && g == ". "
			if g != " " && !initial {
				break
			}
		}
		switch {
		case w[j].capital && !notNames[w[j].lower]:
			end = j + 1
		case j > i && particles[w[j].lower] && j+1 < len(w) && w[j+1].capital:
		case j == i && small && !w[j].digits && !notNames[w[j].lower] && !w[i-1].capital:
			return j + 1
		default:
			return end
		}
		if f.s[w[j].end:min(len(f.s), w[j].end+2)] == "'s" {
			return end
		}
	}
	return end
}

// introduced reports whether the words before word i say that a name follows.
func (f *finder) introduced(w []word, i int) bool {
	if i == 0 {
		return false
	}
	g := f.gap(w, i-1)
	p := w[i-1].lower
	before := func(n int) string {
		if i-n < 0 {
			return ""
		}
		return w[i-n].lower
	}
	line := strings.TrimRight(g, " \t")
	if nameLabels[p] && (line == ":" || line == "?" || line == " is" || line == ":\n") {
		return true
	}
	if (p == "user" || p == "customer") && line == ":" && has(f.before(w[i].start, 60), "name") {
		return true
	}
	if p == "regards" || p == "sincerely" || p == "cheers" || p == "thanks" {
		return strings.HasPrefix(g, ",\n") || strings.HasPrefix(g, "\n")
	}
	if g != " " {
		return false
	}
	switch p {
	case "is":
		return before(2) == "name" || before(2) == "this" && (i < 4 || before(3) == "hello" || before(3) == "hi")
	case "dear", "hi", "hello", "hey", "named", "called", "aka", "contact", "patient", "client", "nurse", "therapist", "coach", "met", "singer", "songwriter", "producer",
		"commenter", "player", "director", "colleague", "said", "says", "asked", "told":
		return true
	case "kid", "son", "daughter", "wife", "husband", "brother", "sister", "mother", "father", "uncle", "aunt", "cousin", "friend", "neighbour", "neighbor":
		return before(2) != "the"
	case "i'm", "am":
		return !demonym(w[i].lower)
	case "me":
		return before(2) == "calls" || before(2) == "call"
	case "him", "her":
		return before(2) == "named"
	case "with", "to", "for":
		return before(2) == "up" || before(2) == "spoke" || before(2) == "spoken" || before(2) == "assistant" || before(2) == "married" || before(2) == "correct"
	case "by":
		return before(2) == "signed" || before(2) == "directed" || before(2) == "written" || before(2) == "approved" || before(2) == "not"
	case "add":
		return true
	case "it":
		return false
	case "under":
		return before(2) == "it's" || before(2) == "be"
	}
	return p == "to" && before(2) == "it" && before(3) == "change"
}

// demonym: "I'm Polish" introduces nobody.
func demonym(w string) bool {
	for _, suffix := range []string{"ish", "ese", "ian", "ean", "ican", "utch", "ench", "reek", "wiss"} {
		if strings.HasSuffix(w, suffix) {
			return !givenNames[w]
		}
	}
	return false
}

// heading reports whether two to four capitalised words stand alone on a line at the top of an address or signature.
func (f *finder) heading(w []word, i, end int) bool {
	if end-i < 2 || end >= len(w) {
		return false
	}
	line := strings.LastIndexByte(f.s[:w[i].start], '\n') + 1
	if strings.Trim(f.s[line:w[i].start], " >?\t") != "" || line > 4 {
		return false
	}
	rest := f.s[w[end-1].end:]
	n := strings.IndexByte(rest, '\n')
	if n < 0 || strings.TrimSpace(rest[:n]) != "" {
		return false
	}
	digits := 0
	for j := range min(len(rest), 200) {
		if isDigit(rest[j]) {
			digits++
		}
	}
	return digits >= 3
}

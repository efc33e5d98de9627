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
	out := make([]word, 0, len(f.s)/6+4)
	for i := 0; i < len(f.s); {
		r, n := decode(f.s[i:])
		if !inWord(r) {
			i += n
			continue
		}
		w := f.wordFrom(i, r)
		i = w.end
		for _, possessive := range [...]string{"'s", "’s"} {
			if strings.HasSuffix(f.s[w.start:w.end], possessive) {
				w.end -= len(possessive)
			}
		}
		w.lower = strings.ToLower(f.s[w.start:w.end])
		out = append(out, w)
	}
	return out
}

// wordFrom reads the word that begins with r at i.
func (f *finder) wordFrom(i int, r rune) word {
	w := word{start: i, capital: unicode.IsUpper(r), digits: true}
	for i < len(f.s) {
		r, n := decode(f.s[i:])
		if !inWord(r) && !((r == '\'' || r == '’' || r == '-') && startsLetter(f.s[i+n:])) {
			break
		}
		w.digits = w.digits && unicode.IsDigit(r)
		i += n
	}
	w.end = i
	return w
}

func decode(s string) (rune, int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	return utf8.DecodeRuneInString(s)
}

func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return isAlnum(byte(r))
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)
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

// names finds people where a title, a greeting, an introduction, a verb of people or a well-known first name announces one; then
// those who stand in a row with them, and further mentions of the same names.
func (f *finder) names(w []word) {
	is := make([]bool, len(w))
	var found [][2]int
	take := func(i, end int) {
		found = append(found, [2]int{i, end})
		for j := i; j < end; j++ {
			is[j] = true
		}
	}
	for i := 0; i < len(w); {
		if end := f.nameAt(w, i); end > i {
			take(i, end)
			i = end
			continue
		}
		i++
	}
	for n := 0; n < len(found); n++ { // found grows: a row is followed to its ends
		i, end := found[n][0], found[n][1]
		if next := f.nextInRow(w, end); next > end && !is[next] {
			if e := f.nameRun(w, next, 3, false); e > next {
				take(next, e)
			}
		}
		if prev := f.previousInRow(w, i); prev < i && !is[prev] && w[prev].capital {
			take(prev, prev+1)
		}
	}
	f.again(w, is, found)
	for i := 0; i < len(w); i++ {
		if !is[i] {
			continue
		}
		j := i
		for j+1 < len(w) && is[j+1] && len(f.gap(w, j)) <= 2 && !strings.ContainsAny(f.gap(w, j), ",\n") {
			j++
		}
		f.add(w[i].start, w[j].end, Name)
		i = j
	}
}

// nextInRow returns the word after "A, " or "A and " at the end of a name, or end.
func (f *finder) nextInRow(w []word, end int) int {
	if end >= len(w) {
		return end
	}
	switch {
	case f.gap(w, end-1) == ", " && w[end].capital && end+1 < len(w) && (f.gap(w, end) == ", " || w[end+1].lower == "and"):
		return end
	case f.gap(w, end-1) == " " && (w[end].lower == "and" || w[end].lower == "und" || w[end].lower == "et") && end+1 < len(w) && w[end+1].capital:
		return end + 1
	}
	return end
}

// previousInRow is nextInRow to the left; it returns i when there is no row.
func (f *finder) previousInRow(w []word, i int) int {
	p := i - 1
	if p < 0 {
		return i
	}
	if f.gap(w, p) == " " && w[p].lower == "and" && p > 0 && f.gap(w, p-1) == " " {
		p--
	} else if f.gap(w, p) != ", " || p == 0 || f.gap(w, p-1) != ", " && f.gap(w, p-1) != ": " {
		return i
	}
	if !w[p].capital || notNames[w[p].lower] || orgWords[w[p].lower] {
		return i
	}
	return p
}

// again marks further mentions of the words of names: a surname alone, a first name in the next sentence.
func (f *finder) again(w []word, is []bool, found [][2]int) {
	known := make(map[string]bool)
	for _, n := range found {
		for j := n[0]; j < n[1]; j++ {
			if len(w[j].lower) >= 4 && !notNames[w[j].lower] && !ambiguousNames[w[j].lower] && !particles[w[j].lower] {
				known[w[j].lower] = true
			}
		}
	}
	for i := range w {
		if !is[i] && w[i].capital && known[w[i].lower] && (i+1 >= len(w) || !orgWords[w[i+1].lower]) {
			is[i] = true
		}
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
	if orgWords[w[end-1].lower] {
		return i
	}
	switch {
	case givenNames[w[i].lower] && (!ambiguousNames[w[i].lower] || end-i > 1):
		return end
	case f.introduced(w, i):
		return end
	case end < len(w) && orgWords[w[end].lower] && len(f.gap(w, end-1)) <= 2:
		return i
	case f.acts(w, i, end):
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
	case "under":
		return before(2) == "it" || before(2) == "be"
	case "name":
		return before(2) != "the" && before(2) != "a"
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

// acts reports whether what follows a run of capitalised words is something that only people do or have.
func (f *finder) acts(w []word, i, end int) bool {
	if end >= len(w) {
		return false
	}
	if f.s[w[end-1].end:w[end].start] == "'s " && family[w[end].lower] {
		return true
	}
	if i > 0 && f.gap(w, i-1) == " " && !w[i-1].capital && end-i < 2 {
		return false // one capitalised word in the middle of a sentence may be a place
	}
	switch f.gap(w, end-1) {
	case " ":
		return humanVerbs[w[end].lower]
	case ", ":
		return i == 0 && end-i == 1 && (w[end].lower == "can" || w[end].lower == "could" || w[end].lower == "please" || w[end].lower == "would")
	case ": \"", ":\"", ": “":
		return true
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

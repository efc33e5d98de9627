package ledger

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// needle is a lower-case text that is looked for in many short JSON texts. It finds what [containsFold] finds.
type needle struct {
	text  string
	ascii bool
	// at is the place of the byte that is looked for first, the rarest by guess; lower and upper are its two cases.
	at           int
	lower, upper byte
	// shortest is the size of the shortest JSON value in which the text can occur.
	shortest int
}

// common are the bytes that JSON values consist of, in order of how often; others are rare.
const common = "e atinosr\"0dl1c2u3m5p4987h6g.b,-fvy:@k_w/jxzq"

func newNeedle(folded string) *needle {
	n := &needle{text: folded, ascii: true, shortest: len(folded)}
	best := -1
	for i := range len(folded) {
		c := folded[i]
		n.ascii = n.ascii && c < utf8.RuneSelf
		rank := strings.IndexByte(common, c)
		if rank < 0 {
			rank = len(common)
		}
		if rank > best {
			best, n.at, n.lower, n.upper = rank, i, c, c
		}
	}
	if n.lower >= 'a' && n.lower <= 'z' {
		n.upper -= 'a' - 'A'
	}
	switch {
	case !n.ascii: // a letter in upper case may be longer or shorter
		n.shortest = 1
	case strings.Trim(folded, "0123456789+-.aeflnrstu") != "" && !strings.ContainsAny(folded, `"[]{}`):
		n.shortest += 2 // no number, true, false or null: it stands between quotes or brackets
	}
	return n
}

// in reports whether the text occurs in b without regard to case.
func (n *needle) in(b []byte) bool {
	if !n.ascii {
		// Where b is ASCII, so is its lower case.
		return !isASCII(b) && containsFold(b, n.text)
	}
	last := len(b) - len(n.text)
	if last < 0 {
		return false
	}
	where := b[n.at : n.at+last+1]
	return n.after(b, where, n.lower) || n.upper != n.lower && n.after(b, where, n.upper)
}

// after looks for the text at each place where c is the byte that it is searched by.
func (n *needle) after(b, where []byte, c byte) bool {
	for i := 0; i < len(where); i++ {
		k := bytes.IndexByte(where[i:], c)
		if k < 0 {
			return false
		}
		if i += k; n.here(b[i:]) {
			return true
		}
	}
	return false
}

func (n *needle) here(b []byte) bool {
	for i := range len(n.text) {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != n.text[i] {
			return false
		}
	}
	return true
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

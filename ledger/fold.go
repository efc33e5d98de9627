package ledger

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// containsFold reports whether the lower-case text occurs in JSON text b without regard to case. Letters that JSON escapes (\u00e9) are found only as written; producers
// hardly escape letters, and the raw text is what the reader is shown. ASCII, nearly everything, takes a fast path.
func containsFold(b []byte, folded string) bool {
	if len(folded) == 0 {
		return true
	}
	c := folded[0]
	if c >= utf8.RuneSelf {
		return bytes.Contains(bytes.ToLower(b), []byte(folded))
	}
	upper := byte(unicode.ToUpper(rune(c)))
	for i := 0; i+len(folded) <= len(b); i++ {
		if b[i] != c && b[i] != upper {
			j := bytes.IndexByte(b[i:], c)
			if upper != c {
				if k := bytes.IndexByte(b[i:], upper); k >= 0 && (j < 0 || k < j) {
					j = k
				}
			}
			if j < 0 {
				return false
			}
			i += j
			if i+len(folded) > len(b) {
				return false
			}
		}
		if bytes.EqualFold(b[i:i+len(folded)], []byte(folded)) {
			return true
		}
	}
	return false
}

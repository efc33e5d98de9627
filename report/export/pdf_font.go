package export

import (
	_ "embed"
	"encoding/binary"
	"sync"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/text/unicode/bidi"
)

// The fonts of the PDF report, DejaVu 2.37 (licence in fonts/LICENSE). They cover Latin, Greek, Cyrillic, Arabic, Hebrew and more,
// though not Chinese, Japanese and Korean.
var (
	//go:embed fonts/DejaVuSans.ttf
	fontSans []byte
	//go:embed fonts/DejaVuSans-Bold.ttf
	fontBold []byte
	//go:embed fonts/DejaVuSansMono.ttf
	fontMono []byte
)

// glyphs is the set of characters of the basic plane that every embedded font can draw.
type glyphs [1 << 13]byte

func (g *glyphs) has(r rune) bool { return r >= 0 && r <= 0xffff && g[r>>3]&(1<<(r&7)) != 0 }

// coverage holds the coverage of the fonts in the order sans, bold, mono.
var coverage = sync.OnceValue(func() [3]*glyphs {
	return [3]*glyphs{readCoverage(fontSans), readCoverage(fontBold), readCoverage(fontMono)}
})

// readCoverage reads a font's format 4 character map (OpenType specification, cmap table), which is the one that the PDF writer
// uses. A font without one covers nothing.
func readCoverage(font []byte) *glyphs {
	g := &glyphs{}
	u16 := func(at int) int { return int(binary.BigEndian.Uint16(font[at:])) }
	u32 := func(at int) int { return int(binary.BigEndian.Uint32(font[at:])) }
	for t := range u16(4) {
		at := 12 + 16*t
		if string(font[at:at+4]) != "cmap" {
			continue
		}
		cmap := u32(at + 8)
		for s := range u16(cmap + 2) {
			if sub := cmap + u32(cmap+4+8*s+4); u16(sub) == 4 {
				readSegments(g, u16, sub)
				return g
			}
		}
	}
	return g
}

func readSegments(g *glyphs, u16 func(int) int, sub int) {
	segments := u16(sub+6) / 2
	for i := range segments {
		end := u16(sub + 14 + 2*i)
		start := u16(sub + 16 + 2*segments + 2*i)
		delta := u16(sub + 16 + 4*segments + 2*i)
		at := sub + 16 + 6*segments + 2*i
		offset := u16(at)
		for r := start; r <= end && r < 0xffff; r++ {
			glyph := r
			if offset != 0 {
				if glyph = u16(at + offset + 2*(r-start)); glyph == 0 {
					continue
				}
			}
			if (glyph+delta)&0xffff != 0 {
				g[r>>3] |= 1 << (r & 7)
			}
		}
	}
}

// face is one font of a document, with the widths of its characters as they are needed.
type face struct {
	family, style string
	covers        *glyphs
	widths        [1 << 16]uint16 // thousandths of the size, plus one; zero when not yet known
}

// typesetter measures and prepares text for a document.
type typesetter struct {
	pdf              *fpdf.Fpdf
	sans, bold, mono face
	current          *face
	size             float64 // points
	runes            []rune
}

func newTypesetter(pdf *fpdf.Fpdf) *typesetter {
	c := coverage()
	t := &typesetter{pdf: pdf, sans: face{family: "dejavu", covers: c[0]}, bold: face{family: "dejavu", style: "B", covers: c[1]},
		mono: face{family: "dejavumono", covers: c[2]}}
	pdf.AddUTF8FontFromBytes("dejavu", "", fontSans)
	pdf.AddUTF8FontFromBytes("dejavu", "B", fontBold)
	pdf.AddUTF8FontFromBytes("dejavumono", "", fontMono)
	return t
}

// use selects a font for what follows on the current page.
func (t *typesetter) use(f *face, size float64) {
	t.current, t.size = f, size
	t.pdf.SetFont(f.family, f.style, size)
}

const notdef = '□'

// clean turns arbitrary text into what the current font can draw on one line: a character outside the font becomes □, line breaks
// and tabs become spaces, and invisible characters, among them those that reorder text, are dropped.
func (t *typesetter) clean(s string) string {
	plain := true
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	t.runes = t.runes[:0]
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			r = ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Variation_Selector):
			continue
		case unicode.Is(unicode.Zs, r):
			r = ' '
		case !t.current.covers.has(r):
			r = notdef
		}
		if r == ' ' && len(t.runes) > 0 && t.runes[len(t.runes)-1] == ' ' {
			continue
		}
		t.runes = append(t.runes, r)
	}
	return string(t.runes)
}

// width returns the width of one character in thousandths of the size.
func (t *typesetter) width(r rune) int {
	if r > 0xffff || r < 0 {
		r = notdef
	}
	w := &t.current.widths[r]
	if *w == 0 {
		*w = uint16(min(t.pdf.GetStringSymbolWidth(string(r)), 0xfffe)) + 1
	}
	return int(*w) - 1
}

const millimetresPerPoint = 25.4 / 72

// mm returns the width of a text in millimetres.
func (t *typesetter) mm(s string) float64 {
	sum := 0
	for _, r := range s {
		sum += t.width(r)
	}
	return float64(sum) * t.size / 1000 * millimetresPerPoint
}

// fit cuts a text to a width in millimetres, with an ellipsis when something is cut off.
func (t *typesetter) fit(s string, width float64) string {
	limit := int(width / (t.size / 1000 * millimetresPerPoint))
	room := limit - t.width('…')
	sum, cut := 0, 0
	for i, r := range s {
		if sum <= room {
			cut = i
		}
		if sum += t.width(r); sum > limit {
			return trimRight(s[:cut]) + "…"
		}
	}
	return s
}

func trimRight(s string) string {
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// wrap appends to dst the lines of a text in a width in millimetres, at most limit of them; the last line ends in an ellipsis when
// the text goes on. A word that is longer than a line is broken.
func (t *typesetter) wrap(dst []string, s string, width float64, limit int) []string {
	most := int(width / (t.size / 1000 * millimetresPerPoint))
	lines := 0
	for lines < limit {
		for len(s) > 0 && s[0] == ' ' {
			s = s[1:]
		}
		if s == "" {
			return dst
		}
		lines++
		end, next := t.lineEnd(s, most)
		if lines == limit && next < len(s) {
			return append(dst, t.fit(s, width))
		}
		dst = append(dst, trimRight(s[:end]))
		s = s[next:]
	}
	return dst
}

// chop appends to dst the lines of a text that is broken wherever a line is full, so that nothing is lost or moved.
func (t *typesetter) chop(dst []string, s string, width float64) []string {
	most := int(width / (t.size / 1000 * millimetresPerPoint))
	for s != "" {
		sum, end := 0, len(s)
		for i, r := range s {
			if sum += t.width(r); sum > most && i > 0 {
				end = i
				break
			}
		}
		dst = append(dst, s[:end])
		s = s[end:]
	}
	return dst
}

// lineEnd finds where the first line of s ends and where the next begins.
func (t *typesetter) lineEnd(s string, most int) (end, next int) {
	sum, breakAt, breakNext := 0, 0, 0
	for i, r := range s {
		if r == ' ' {
			breakAt, breakNext = i, i+1
		}
		sum += t.width(r)
		if sum > most && r != ' ' {
			switch {
			case breakAt > 0:
				return breakAt, breakNext
			case i == 0: // not even one character fits
				n := len(string(r))
				return n, n
			}
			return i, i
		}
		if r == '-' || r == '/' || r == ',' || r == ';' || r == '_' || r == '.' || r == '@' || r == ':' {
			if i > 0 && i+1 < len(s) && sum > most/2 {
				breakAt, breakNext = i+1, i+1
			}
		}
	}
	return len(s), len(s)
}

// visual puts a line into the order in which it is drawn from left to right: Hebrew and Arabic words are reversed, and so is the
// order of the runs when the line begins with such a word. It does not nest, so a number within Hebrew may move by a word; Arabic
// letters keep their isolated forms.
func visual(s string) string {
	mixed := false
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 0xd6 && c <= 0xe0 || c == 0xef { // first bytes of U+0580 to U+0FFF and U+F000 to U+FFFF
			mixed = true
			break
		}
	}
	if !mixed {
		return s
	}
	var p bidi.Paragraph
	if _, err := p.SetString(s); err != nil {
		return s
	}
	order, err := p.Order()
	if err != nil {
		return s
	}
	out := ""
	for i := range order.NumRuns() {
		run := order.Run(i)
		text := run.String()
		if run.Direction() == bidi.RightToLeft {
			text = bidi.ReverseString(text)
		}
		if p.IsLeftToRight() {
			out += text
		} else {
			out = text + out
		}
	}
	return out
}

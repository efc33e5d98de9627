package terminal

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// Screen is where output for people goes.
type Screen struct {
	io.Writer
	// Width is the number of columns; 0 when there is no limit, as in a file.
	Width int
	// Terminal says that a person watches: colours and moving parts make sense.
	Terminal bool
	// ansi says that it understands escape sequences, colour that they may be used for colours too.
	ansi, colour bool
}

// New describes a writer. Only an *os.File can be a terminal. COLUMNS limits the width elsewhere too. Colours are off where NO_COLOR is set or TERM is dumb.
func New(w io.Writer) *Screen {
	s := &Screen{Writer: w}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= 20 {
		s.Width = n
	}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.Terminal = true
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n >= 20 {
		s.Width = n
	}
	s.ansi = os.Getenv("TERM") != "dumb"
	s.colour = s.ansi && os.Getenv("NO_COLOR") == ""
	return s
}

// Style is how a text stands out.
type Style string

// The styles.
const (
	Plain Style = ""
	Bold  Style = "1"
	Dim   Style = "2"
	Bad   Style = "31"
	Good  Style = "32"
	Warn  Style = "33"
)

// Paint puts a style around a text, on a terminal that shows colours.
func (s *Screen) Paint(st Style, text string) string {
	if !s.colour || st == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

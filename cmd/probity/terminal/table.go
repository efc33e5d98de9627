package terminal

import (
	"bufio"
	"fmt"
	"strings"
)

// Column describes a column of a table.
type Column struct {
	Title string
	Right bool // align to the right
	// Shrink lets the column be cut when the table is wider than the screen, down to Min columns.
	Shrink bool
	Min    int
}

// Cell is a text in a table.
type Cell struct {
	Text  string
	Style Style
}

// measured is how many rows decide the widths of a table. Later rows are cut, or stick out where nothing limits the width.
const measured = 200

// Table prints rows as they come: the first ones are held back to find the widths.
type Table struct {
	s       *Screen
	w       *bufio.Writer
	columns []Column
	widths  []int
	rows    [][]Cell
	n       int
}

// NewTable begins a table.
func NewTable(s *Screen, columns ...Column) *Table {
	return &Table{s: s, w: bufio.NewWriter(s.Writer), columns: columns}
}

// Row adds a row. Texts are made harmless here.
func (t *Table) Row(cells ...Cell) error {
	for i := range cells {
		cells[i].Text = Clean(cells[i].Text)
	}
	t.n++
	if t.widths != nil {
		return t.print(cells)
	}
	t.rows = append(t.rows, cells)
	if len(t.rows) < measured {
		return nil
	}
	return t.begin()
}

// Text is a row of plain texts.
func (t *Table) Text(cells ...string) error {
	row := make([]Cell, len(cells))
	for i, c := range cells {
		row[i].Text = c
	}
	return t.Row(row...)
}

// Len is the number of rows so far.
func (t *Table) Len() int { return t.n }

// Show prints the rows so far, and so decides the widths.
func (t *Table) Show() error { return t.End() }

// End prints what is left. A table without rows prints nothing.
func (t *Table) End() error {
	if t.widths == nil && t.n > 0 {
		if err := t.begin(); err != nil {
			return err
		}
	}
	return t.w.Flush()
}

// begin decides the widths and prints the header and the rows held back.
func (t *Table) begin() error {
	t.widths = make([]int, len(t.columns))
	for i, c := range t.columns {
		t.widths[i] = columns(c.Title)
		for _, row := range t.rows {
			t.widths[i] = max(t.widths[i], columns(row[i].Text))
		}
	}
	t.shrink()
	head := make([]Cell, len(t.columns))
	for i, c := range t.columns {
		head[i] = Cell{c.Title, Dim}
	}
	if err := t.print(head); err != nil {
		return err
	}
	for _, row := range t.rows {
		if err := t.print(row); err != nil {
			return err
		}
	}
	t.rows = nil
	return t.w.Flush()
}

// gap is what stands between two columns.
const gap = "  "

// shrink takes from the widest column that may be cut until the table fits.
func (t *Table) shrink() {
	if t.s.Width == 0 {
		return
	}
	total := len(gap) * (len(t.widths) - 1)
	for _, w := range t.widths {
		total += w
	}
	for ; total > t.s.Width; total-- {
		widest := -1
		for i, c := range t.columns {
			if c.Shrink && t.widths[i] > max(c.Min, 4) && (widest < 0 || t.widths[i] > t.widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		t.widths[widest]--
	}
}

func (t *Table) print(cells []Cell) error {
	last := len(cells) - 1
	for last > 0 && cells[last].Text == "" {
		last-- // no blanks at the end of a line
	}
	for i := 0; i <= last; i++ {
		c := cells[i]
		if t.s.Width > 0 {
			c.Text = Fit(c.Text, t.widths[i])
		}
		text := c.Text
		if i < last || t.columns[i].Right {
			text = pad(c.Text, t.widths[i], t.columns[i].Right)
		}
		if i > 0 {
			fmt.Fprint(t.w, gap)
		}
		fmt.Fprint(t.w, strings.Replace(text, c.Text, t.s.Paint(c.Style, c.Text), 1))
	}
	fmt.Fprintln(t.w)
	if t.w.Buffered() > 32<<10 {
		return t.w.Flush()
	}
	return nil
}

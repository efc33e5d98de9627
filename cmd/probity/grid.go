package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"probity.dev/cmd/probity/terminal"
	"probity.dev/report/export"
)

// grid prints rows as a table for people or as CSV for programs, as --output says.
type grid struct {
	table *terminal.Table
	csv   *csvWriter
}

func newGrid(c *cobra.Command, columns ...terminal.Column) *grid {
	if output(c) != "csv" {
		return &grid{table: terminal.NewTable(screen(c), columns...)}
	}
	names := make([]string, len(columns))
	for i, col := range columns {
		names[i] = strings.ToLower(strings.ReplaceAll(col.Title, " ", "_"))
	}
	g := &grid{csv: newCSV(c.OutOrStdout())}
	_ = g.csv.row(names...) // buffered; an error shows at the end
	return g
}

func (g *grid) row(cells ...string) error {
	if g.csv != nil {
		return g.csv.row(cells...)
	}
	return g.table.Text(cells...)
}

// count writes a number for people or programs.
func (g *grid) count(n uint64) string {
	if g.csv != nil {
		return fmt.Sprint(n)
	}
	return terminal.Count(n)
}

func (g *grid) end() error {
	if g.csv != nil {
		return g.csv.end()
	}
	return g.table.End()
}

// csvWriter writes RFC 4180 with cells that no spreadsheet takes for a formula: like an export, it puts an apostrophe before them.
type csvWriter struct{ w *bufio.Writer }

func newCSV(w io.Writer) *csvWriter { return &csvWriter{bufio.NewWriter(w)} }

func (c *csvWriter) row(cells ...string) error {
	for i, s := range cells {
		if i > 0 {
			fmt.Fprint(c.w, ",")
		}
		if export.StartsFormula(s) {
			s = "'" + s
		}
		if strings.ContainsAny(s, ",\"\r\n\t;") || strings.HasPrefix(s, " ") {
			s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
		}
		fmt.Fprint(c.w, s)
	}
	_, err := c.w.WriteString("\r\n")
	return err
}

func (c *csvWriter) end() error { return c.w.Flush() }

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/client"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/report/export"
)

type exportFlags struct {
	format, file, proof, title string
	epoch                      int64 // -1 leaves it to the server
	columns                    []string
	force                      bool
}

func newExport() *cobra.Command {
	c := &cobra.Command{
		Use: "export", Short: "Write events to a file", Args: cobra.NoArgs,
		Example: `  probity export --from 2026-01-01 --to 2026-03-31 --format csv -o q1.csv --data ./data
  probity export --subject patient/4711 --format bundle -o patient-4711.zip --server https://audit.example.com
  probity export --outcome failure --from 30d --format pdf --title 'Failures' --masked -o failures.pdf
  probity export --format ndjson -o - | jq .action`,
		Long: `Writes the events that match to a file, oldest first, masked as far as you may not see them.

  csv      one row an event, RFC 4180, safe to open in a spreadsheet
  json     an array of events;  ndjson  one event a line
  pdf      a report with summary, table and the log's signed state
  parquet  a column file for analysis;  ocsf  OCSF 1.x, one event a line
  bundle   a zip with evidence, values and proofs, which "probity verify FILE" checks with nothing but the log's key. --proof range (the default) also proves
           that nothing of the period was left out; --proof inclusion proves each event by itself, in a small file

The form follows from the name of the file when --format is not given. The file appears under its name when it is complete; -o - writes to standard output.
Every export is itself recorded in the log.

` + filterHelp + "\n\n" + targetHelp,
	}
	var t target
	var f filter
	var o exportFlags
	f.bind(c)
	fl := c.Flags()
	fl.StringVar(&o.format, "format", "", "csv, json, ndjson, pdf, parquet, ocsf or bundle")
	fl.StringVarP(&o.file, "file", "o", "", "file to write; - is standard output")
	fl.StringVar(&o.proof, "proof", "", "proof of a bundle: range (default) or inclusion")
	fl.Int64Var(&o.epoch, "epoch", -1, "epoch of the log that a bundle is of, where a lossy restore has left several; by default the present one")
	fl.StringVar(&o.title, "title", "", "title of a PDF report")
	fl.StringSliceVar(&o.columns, "columns", nil, "columns of csv and pdf, separated by commas")
	fl.BoolVar(&o.force, "force", false, "replace the file if it exists")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(export.Formats(), cobra.ShellCompDirectiveNoFileComp))
	t.bind(c)
	t.bindMasked(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		q, err := f.query(time.Now())
		if err != nil {
			return err
		}
		p, err := t.open(c)
		if err != nil {
			return err
		}
		return errors.Join(o.run(c, p, q), p.Close())
	}
	return c
}

// byName are the formats that a file name stands for.
var byName = map[string]string{".csv": "csv", ".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson", ".pdf": "pdf", ".parquet": "parquet", ".zip": "bundle"}

func (o *exportFlags) check() error {
	if o.file == "" {
		return usage("say where to write with -o FILE; -o - is standard output")
	}
	if o.format == "" {
		name := strings.ToLower(o.file)
		if o.format = byName[filepath.Ext(name)]; strings.HasSuffix(name, ".ocsf.ndjson") {
			o.format = "ocsf"
		}
		if o.format == "" {
			return usage("say --format %s", strings.Join(export.Formats(), ", "))
		}
	}
	if _, err := os.Stat(o.file); err == nil && !o.force && o.file != "-" {
		return usage("%s exists; --force replaces it", o.file)
	}
	return nil
}

// run exports into a file that appears when it is complete, or to standard output.
func (o *exportFlags) run(c *cobra.Command, p *place, q client.Query) error {
	start := time.Now()
	if o.file == "-" {
		_, err := o.write(c, p, q, c.OutOrStdout())
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(o.file), ".probity-export-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	rows, err := o.write(c, p, q, f)
	size := int64(0)
	if info, e := f.Stat(); e == nil {
		size = info.Size()
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), o.file); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %s, %s, in %s\n", o.file, terminal.Plural(rows, "event", "events"), terminal.Bytes(size), terminal.Duration(time.Since(start)))
	if o.format == export.FormatBundle {
		fmt.Fprintf(c.OutOrStdout(), "Check it with:  probity verify %s --key VKEY\n", quote(o.file))
	}
	return nil
}

func (o *exportFlags) chosenEpoch() *int64 {
	if o.epoch < 0 {
		return nil
	}
	return &o.epoch
}

// write writes the export to w and returns the number of events.
func (o *exportFlags) write(c *cobra.Command, p *place, q client.Query, w io.Writer) (int64, error) {
	bar := terminal.NewProgress(notes(c), "export")
	defer bar.End()
	update := func(done, total int64) {
		bar.Update(terminal.State{Done: done, Total: total, Count: done, Unit: "events"})
	}
	if p.App != nil {
		r := export.Request{Format: o.format, Filter: exportFilter(q), Title: o.title, Columns: o.columns, Proof: o.proof, Epoch: o.chosenEpoch()}
		return p.App.Export(c.Context(), p.By, r, w, update)
	}
	return o.remote(c.Context(), p.Client, q, w, update)
}

// remote has the server make the file and fetches it.
func (o *exportFlags) remote(ctx context.Context, cl *client.Client, q client.Query, w io.Writer, update func(done, total int64)) (int64, error) {
	e, err := cl.CreateExport(ctx, client.ExportRequest{Format: o.format, Query: q, Title: o.title, Columns: o.columns, Proof: o.proof, Epoch: o.chosenEpoch()})
	if err != nil {
		return 0, err
	}
	id := e.ID
	e, err = cl.WaitExport(ctx, id, func(e *client.Export) {
		total := int64(-1)
		if e.RowsTotal != nil {
			total = *e.RowsTotal
		}
		update(e.RowsDone, total)
	})
	if ctx.Err() != nil {
		cancel, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer done()
		_ = cl.CancelExport(cancel, id) // nobody waits for it any more
	}
	if err != nil {
		return 0, err
	}
	if err := cl.Download(ctx, e, w); err != nil {
		return 0, err
	}
	return e.RowsDone, nil
}

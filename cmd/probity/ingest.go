package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/cmd/probity/ingest"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/ledger/intake"
)

// ingestFlags are the flags of ingest.
type ingestFlags struct {
	format, mapping, source, tz string
	year                        int
	journal, report             string
	noJournal, again            bool
}

func newIngest() *cobra.Command {
	c := &cobra.Command{
		Use: "ingest FILE|DIR|- …", Short: "Record the events in files",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("name files or folders to ingest, or - for standard input")
			}
			return nil
		},
		Example: `  probity ingest cloudtrail/ --data ./data
  probity ingest /var/log/auth.log.1.gz --year 2025 --server https://audit.example.com
  zcat app-*.gz | probity ingest - --format jsonl --mapping okta.yaml --source okta
  probity ingest events.ndjson --report rejected.ndjson`,
		Long: `Records every event in the files: one file after the other, folders searched through, gzip unpacked, formats recognised. Formats are

` + formatList() + `
Nothing is recorded twice: an event is known by its source and id for as long as the log exists, and a record without an id gets one from the file's begin and its place in it.
So any run can be repeated. An interrupted run goes on where it stopped: a journal remembers how far each file is (in the data directory, or in your cache folder for a server).
--again reads everything anew.

At the end it says how many events were accepted, known already (duplicates) and rejected, and why. --report writes every rejected record, by file, line and reason but without
its content, as JSON lines. The exit code is 1 when something was rejected or could not be read.

` + targetHelp,
	}
	var o ingestFlags
	fl := c.Flags()
	fl.StringVar(&o.format, "format", "auto", "format of the files; recognised by itself when auto")
	fl.StringVar(&o.mapping, "mapping", "", "YAML file that says how JSON or CSV records of your own become events (docs/formats.md)")
	fl.StringVar(&o.source, "source", "", "source of all events, instead of the one that the format gives")
	fl.IntVar(&o.year, "year", 0, "year of the first timestamp in logs that leave it out; the latest that lies in the past by default")
	fl.StringVar(&o.tz, "tz", "UTC", "time zone of timestamps that name none, such as Europe/Berlin")
	fl.StringVar(&o.journal, "journal", "", "file that remembers how far each file is")
	fl.BoolVar(&o.noJournal, "no-journal", false, "remember nothing")
	fl.BoolVar(&o.again, "again", false, "read files that were done before once more")
	fl.StringVar(&o.report, "report", "", "file for every rejected record, as JSON lines")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formatNames(), cobra.ShellCompDirectiveNoFileComp))
	outputFlag(c, "text", "json")
	var t target
	t.bind(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		in, mapping, err := o.intake()
		if err != nil {
			return err
		}
		p, err := t.open(c)
		if err != nil {
			return err
		}
		return errors.Join(o.run(c, p, ingest.Options{Paths: args, Stdin: c.InOrStdin(), Intake: in, MappingText: mapping}), p.Close())
	}
	return c
}

func formatNames() []string {
	names := []string{"auto"}
	for _, f := range intake.Formats() {
		names = append(names, f.Name)
	}
	return names
}

func formatList() string {
	var b strings.Builder
	for _, f := range intake.Formats() {
		fmt.Fprintf(&b, "  %-13s %s\n", f.Name, f.Description)
	}
	return b.String()
}

// intake turns the flags into options of the readers.
func (o *ingestFlags) intake() (in intake.Options, mapping []byte, err error) {
	known := false
	for _, n := range formatNames() {
		known = known || n == o.format
	}
	if !known {
		return in, nil, usage("there is no format %q; there are %s", o.format, strings.Join(formatNames(), ", "))
	}
	in = intake.Options{Format: o.format, Source: o.source, Year: o.year, MaxRatio: 2000}
	if o.year != 0 && (o.year < 1970 || o.year > 9999) {
		return in, nil, usage("--year is a year such as 2025")
	}
	if in.Location, err = time.LoadLocation(o.tz); err != nil {
		return in, nil, usage("--tz: there is no time zone %q; write one such as Europe/Berlin", o.tz)
	}
	if o.mapping == "" {
		return in, nil, nil
	}
	if mapping, err = os.ReadFile(o.mapping); err != nil {
		return in, nil, err
	}
	in.Mapping, err = intake.ParseMapping(mapping)
	return in, mapping, err
}

// run ingests into a place and reports.
func (o *ingestFlags) run(c *cobra.Command, p *place, run ingest.Options) (err error) {
	run.Sink = &ingest.Server{Client: p.Client}
	if p.App != nil {
		run.Sink = &ingest.Directory{App: p.App, Tenant: p.Tenant.ID}
	}
	if run.Journal, err = o.openJournal(p); err != nil {
		return err
	}
	if run.Journal != nil {
		defer func() { err = errors.Join(err, run.Journal.Close()) }()
	}
	reject, done, err := rejections(o.report)
	if err != nil {
		return err
	}
	run.Reject = reject
	bar := terminal.NewProgress(notes(c), "ingest")
	run.Progress = func(read, total, records int64) {
		bar.Update(terminal.State{Done: read, Total: total, Count: records, Unit: "records"})
	}
	sum, err := ingest.Run(c.Context(), run)
	bar.End()
	err = errors.Join(err, done())
	interrupted := errors.Is(err, context.Canceled)
	if err != nil && !interrupted {
		if sum.Read > 0 {
			printSummary(screen(c), sum, o.report)
		}
		return err
	}
	if output(c) == "json" {
		err = printJSON(c.OutOrStdout(), summaryJSON(sum, interrupted))
	} else {
		printSummary(screen(c), sum, o.report)
	}
	switch {
	case err != nil && !interrupted:
		return err
	case interrupted && run.Journal != nil:
		return codeError{exitError, "stopped; what is counted above is recorded for good. The same command goes on from there (journal " + run.Journal.Path() + ")"}
	case interrupted:
		return codeError{exitError, "stopped; what is counted above is recorded for good. The same command recognises it"}
	case !sum.OK():
		if sum.Read == 0 && sum.Files == 0 {
			return codeError{exitUsage, "nothing could be read"}
		}
		return answerNo("")
	}
	return nil
}

// openJournal opens the journal that belongs to a place, nil when there is to be none.
func (o *ingestFlags) openJournal(p *place) (*ingest.Journal, error) {
	if o.noJournal {
		return nil, nil
	}
	path := o.journal
	switch {
	case path != "":
	case p.App != nil:
		path = filepath.Join(p.App.Config.Data, "ingest-"+p.Tenant.LogID+".journal")
	default:
		if path = cachedJournal(p.Name); path == "" {
			return nil, nil
		}
	}
	j, err := ingest.OpenJournal(path)
	if err == nil {
		j.Again = o.again
	}
	return j, err
}

// cachedJournal is the journal for a server, in the user's cache folder. It is "" where there is no such folder: then the ledger recognises what comes again.
func cachedJournal(server string) string {
	dir, err := os.UserCacheDir()
	if err != nil || os.MkdirAll(filepath.Join(dir, "probity"), 0o700) != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(server))
	return filepath.Join(dir, "probity", "ingest-"+hex.EncodeToString(sum[:6])+".journal")
}

// rejections opens the report of rejected records. done ends it.
func rejections(path string) (write func(ingest.Rejection) error, done func() error, err error) {
	if path == "" {
		return nil, func() error { return nil }, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	w := bufio.NewWriter(f)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return func(x ingest.Rejection) error { return e.Encode(x) }, func() error { return errors.Join(w.Flush(), f.Close()) }, nil
}

// summaryJSON is the report for scripts.
func summaryJSON(s *ingest.Summary, interrupted bool) any {
	type example struct {
		File string `json:"file"`
		Line int    `json:"line"`
	}
	type reason struct {
		*ingest.Reason
		Examples []example `json:"examples"`
	}
	reasons := []reason{}
	for _, r := range s.ByCount() {
		x := reason{Reason: r}
		for _, e := range r.Examples {
			x.Examples = append(x.Examples, example{e.File, e.Line})
		}
		reasons = append(reasons, x)
	}
	unread := s.Unread
	if unread == nil {
		unread = []ingest.Unread{}
	}
	return map[string]any{
		"ok": s.OK() && !interrupted, "interrupted": interrupted, "files": s.Files, "files_known": s.Known, "files_resumed": s.Resumed, "read": s.Read, "accepted": s.Accepted,
		"duplicates": s.Duplicates, "disabled": s.Disabled, "rejected": s.Rejected, "reasons": reasons, "unread": unread, "left_out": append([]string{}, s.LeftOut...), "seconds": s.Seconds,
	}
}

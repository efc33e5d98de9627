package main

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/client"
	"probity.dev/cmd/probity/terminal"
)

func newSearch() *cobra.Command {
	c := &cobra.Command{
		Use: "search [TEXT]", Short: "Find events", Args: cobra.MaximumNArgs(1),
		Example: `  probity search --data ./data --from 7d --outcome failure
  probity search --actor ana@example.com --action 'invoice.*' --resource invoice/42
  probity search refund --from 2026-01-01 --to 2026-03-31 --all --output csv > refunds.csv
  probity search --output ndjson --all | jq -r .sentence`,
		Long: `Prints the events that match, newest first. TEXT is the same as --text.

` + filterHelp + `

The table shows 50 events unless --limit or --all says otherwise; json is one document {"items": […]}, ndjson one event a line, csv one row an event. Searching is itself
recorded in the log.

` + targetHelp,
	}
	var t target
	var f filter
	f.bind(c)
	fl := c.Flags()
	fl.StringArrayVar(&f.id, "id", nil, "id that the producer gave the event")
	limit := fl.Int("limit", 50, "how many events at most")
	all := fl.Bool("all", false, "all events that match")
	asc := fl.Bool("asc", false, "oldest first")
	outputFlag(c, "table", "json", "ndjson", "csv")
	t.bind(c)
	t.bindMasked(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			if f.text != "" {
				return usage("give TEXT or --text, not both")
			}
			f.text = args[0]
		}
		if *limit < 1 {
			return usage("--limit is 1 or more; --all is everything")
		}
		if *all {
			if fl.Changed("limit") {
				return usage("give --limit or --all, not both")
			}
			*limit = 0
		}
		q, err := f.query(time.Now())
		if err != nil {
			return err
		}
		q.OldestFirst = *asc
		loc, err := f.zone()
		if err != nil {
			return err
		}
		p, err := t.open(c)
		if err != nil {
			return err
		}
		return errors.Join(search(c, p, q, *limit, loc), p.Close())
	}
	return c
}

// maxPage is the most events that one answer of the API holds.
const maxPage = 1000

// search prints up to limit events, all when it is 0.
func search(c *cobra.Command, p *place, q client.Query, limit int, loc *time.Location) error {
	q.PageSize = maxPage
	if limit > 0 {
		q.PageSize = min(limit+1, maxPage) // one more tells whether there are more
	}
	out := &promptListing{listing: newListing(c, loc)}
	n, more := 0, false
	for r, err := range p.Client.Search(c.Context(), q) {
		if err != nil {
			return errors.Join(out.end(), err)
		}
		if limit > 0 && n == limit {
			more = true
			break
		}
		n++
		if err := out.event(&r); err != nil {
			return err
		}
	}
	if err := out.end(); err != nil {
		return err
	}
	if output(c) != "table" {
		return nil
	}
	return remark(notes(c), n, more, loc)
}

// remark says how much there is, apart from the result itself.
func remark(s *terminal.Screen, n int, more bool, loc *time.Location) error {
	zone := loc.String()
	if loc == time.Local {
		zone = time.Now().Format("MST")
	}
	var text string
	switch {
	case n == 0:
		text = "No event matches."
	case more:
		text = fmt.Sprintf("%s, and there are more: --all or --limit shows them. Times are %s.", terminal.Plural(n, "event", "events"), zone)
	default:
		text = fmt.Sprintf("%s. Times are %s.", terminal.Plural(n, "event", "events"), zone)
	}
	_, err := fmt.Fprintln(s, s.Paint(terminal.Dim, text))
	return err
}

// listing prints events in the form that --output names.
type listing interface {
	event(r *client.Record) error
	// show prints what is held back.
	show() error
	end() error
}

// promptListing shows what there is when the next event keeps people waiting, as it may when the server has to look into every one.
type promptListing struct {
	mu sync.Mutex
	listing
	timer *time.Timer
	err   error
}

const showAfter = 150 * time.Millisecond

func (l *promptListing) event(r *client.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil {
		l.timer = time.AfterFunc(showAfter, func() { _ = l.show() })
	} else {
		l.timer.Reset(showAfter)
	}
	return errors.Join(l.err, l.listing.event(r))
}

func (l *promptListing) show() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil && l.err == nil {
		l.err = l.listing.show()
	}
	return l.err
}

func (l *promptListing) end() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	return errors.Join(l.err, l.listing.end())
}

func newListing(c *cobra.Command, loc *time.Location) listing {
	switch output(c) {
	case "json":
		return &jsonListing{w: bufio.NewWriter(c.OutOrStdout())}
	case "ndjson":
		return &lineListing{w: bufio.NewWriter(c.OutOrStdout())}
	case "csv":
		l := &csvListing{w: newCSV(c.OutOrStdout())}
		l.head()
		return l
	}
	s := screen(c)
	columns := []terminal.Column{
		{Title: "SEQ", Right: true},
		{Title: "TIME"},
		{Title: "WHO", Shrink: true, Min: 12},
		{Title: "ACTION", Shrink: true, Min: 12},
		{Title: "RESOURCE", Shrink: true, Min: 12},
		{Title: "OUTCOME"},
	}
	wide := s.Width == 0 || s.Width >= wideScreen
	if wide {
		columns = append(columns, terminal.Column{Title: "WHAT", Shrink: true, Min: 16})
	}
	return &tableListing{loc: loc, t: terminal.NewTable(s, columns...), wide: wide}
}

// wideScreen is the width from which the table has room for sentences.
const wideScreen = 150

type tableListing struct {
	t    *terminal.Table
	loc  *time.Location
	wide bool
}

func (l *tableListing) event(r *client.Record) error {
	outcome := terminal.Cell{Text: r.Outcome.Status}
	if r.Outcome.Status != "success" {
		outcome.Style = terminal.Bad
	}
	row := []terminal.Cell{{Text: strconv.FormatUint(r.Seq, 10)}, {Text: r.OccurredAt.In(l.loc).Format("2006-01-02 15:04:05")}, {Text: who(r)}, {Text: r.Action}, {Text: resource(r)}, outcome}
	if l.wide {
		row = append(row, terminal.Cell{Text: r.Sentence, Style: terminal.Dim})
	}
	return l.t.Row(row...)
}

func (l *tableListing) show() error { return l.t.Show() }

func (l *tableListing) end() error { return l.t.End() }

// who names an event's actor as briefly as can be.
func who(r *client.Record) string {
	for _, s := range []string{r.Actor.Name, r.Actor.Email, r.Actor.ID} {
		if s != "" {
			return s
		}
	}
	if state := r.FieldsState["/actor/id"]; state != "" {
		return "[" + state + "]"
	}
	return r.Actor.Type
}

// resource names what an event was about.
func resource(r *client.Record) string {
	switch {
	case r.Resource.ID != "":
		return r.Resource.Type + "/" + r.Resource.ID
	case r.FieldsState["/resource/id"] != "":
		return r.Resource.Type + "/[" + r.FieldsState["/resource/id"] + "]"
	}
	return r.Resource.Type
}

type jsonListing struct {
	w *bufio.Writer
	n int
}

func (l *jsonListing) event(r *client.Record) error {
	lead := ",\n"
	if l.n == 0 {
		lead = "{\"items\": [\n"
	}
	l.n++
	fmt.Fprint(l.w, lead)
	_, err := l.w.Write(r.Raw)
	return err
}

func (l *jsonListing) show() error { return l.w.Flush() }

func (l *jsonListing) end() error {
	if l.n == 0 {
		fmt.Fprint(l.w, `{"items": [`)
	}
	fmt.Fprint(l.w, "]}\n")
	return l.w.Flush()
}

type lineListing struct{ w *bufio.Writer }

func (l *lineListing) event(r *client.Record) error {
	if _, err := l.w.Write(r.Raw); err != nil {
		return err
	}
	return l.w.WriteByte('\n')
}

func (l *lineListing) show() error { return l.w.Flush() }

func (l *lineListing) end() error { return l.w.Flush() }

type csvListing struct{ w *csvWriter }

// csvColumns are the columns of search --output csv.
var csvColumns = []struct {
	name  string
	value func(r *client.Record) string
}{
	{"seq", func(r *client.Record) string { return strconv.FormatUint(r.Seq, 10) }},
	{"occurred_at", func(r *client.Record) string { return r.OccurredAt.UTC().Format(time.RFC3339Nano) }},
	{"recorded_at", func(r *client.Record) string { return r.RecordedAt.UTC().Format(time.RFC3339Nano) }},
	{"id", func(r *client.Record) string { return r.ID }},
	{"source", func(r *client.Record) string { return r.Source }},
	{"action", func(r *client.Record) string { return r.Action }},
	{"category", func(r *client.Record) string { return r.Category }},
	{"activity", func(r *client.Record) string { return r.Activity }},
	{"outcome", func(r *client.Record) string { return r.Outcome.Status }},
	{"severity", func(r *client.Record) string { return r.Severity }},
	{"actor_type", func(r *client.Record) string { return r.Actor.Type }},
	{"actor_id", func(r *client.Record) string { return shown(r, "/actor/id", r.Actor.ID) }},
	{"actor_name", func(r *client.Record) string { return shown(r, "/actor/name", r.Actor.Name) }},
	{"actor_email", func(r *client.Record) string { return shown(r, "/actor/email", r.Actor.Email) }},
	{"resource_type", func(r *client.Record) string { return r.Resource.Type }},
	{"resource_id", func(r *client.Record) string { return shown(r, "/resource/id", r.Resource.ID) }},
	{"resource_name", func(r *client.Record) string { return shown(r, "/resource/name", r.Resource.Name) }},
	{"subject_type", func(r *client.Record) string { return subject(r).Type }},
	{"subject_id", func(r *client.Record) string { return shown(r, "/subject/id", subject(r).ID) }},
	{"ip", func(r *client.Record) string { return shown(r, "/context/ip", r.Context.IP) }},
	{"session_id", func(r *client.Record) string { return shown(r, "/context/session_id", r.Context.SessionID) }},
	{"correlation_id", func(r *client.Record) string { return r.CorrelationID }},
	{"reason", func(r *client.Record) string { return shown(r, "/reason", r.Reason) }},
	{"sentence", func(r *client.Record) string { return r.Sentence }},
}

// shown is a value, or the mark that stands for it where the reader may not see it; a masked value speaks for itself.
func shown(r *client.Record, path, value string) string {
	if state := r.FieldsState[path]; value == "" && state != "" {
		return "[" + state + "]"
	}
	return value
}

func subject(r *client.Record) client.Ref {
	if r.Subject == nil {
		return client.Ref{}
	}
	return *r.Subject
}

func (l *csvListing) head() {
	names := make([]string, len(csvColumns))
	for i, c := range csvColumns {
		names[i] = c.name
	}
	_ = l.w.row(names...) // buffered; an error shows at the end
}

func (l *csvListing) event(r *client.Record) error {
	cells := make([]string, len(csvColumns))
	for i, c := range csvColumns {
		cells[i] = c.value(r)
	}
	return l.w.row(cells...)
}

func (l *csvListing) show() error { return l.w.end() }

func (l *csvListing) end() error { return l.w.end() }

// plain is the content of a JSON string, and the JSON text of anything else.
func plain(raw []byte) string {
	s := strings.TrimSpace(string(raw))
	if strings.HasPrefix(s, `"`) {
		if t, err := unquote(s); err == nil {
			return t
		}
	}
	return s
}

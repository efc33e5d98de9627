package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/client"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/errs"
)

func newShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show SEQ|ID", Short: "Show one event, its changes and its proof", Args: oneArg("the seq or the id of an event"),
		Example: "  probity show 1042 --data ./data\n  probity show 3f6c0de1 --source booking.app --server https://audit.example.com --key log.vkey",
		Long: `Shows one event: what happened, who did it, from where, what changed, and which values are masked, withheld or erased for you. Then it proves the event, here and not at the
server: the signature of the log's checkpoint, that the event is in the log that the checkpoint signs, that the values are those that were recorded, and that what is shown is what is proven.

A number is a seq; anything else is the id that the producer gave (--source when several sources have it; --id shows an id that is a number). Without --key, the log's own key is used,
which does not show who signed.

The exit code is 1 when there is no such event or its proof fails.

` + targetHelp,
	}
	var o showFlags
	fl := c.Flags()
	fl.StringVar(&o.source, "source", "", "source of the event, when several have its id")
	fl.BoolVar(&o.id, "id", false, "the argument is an id even if it is a number")
	fl.StringVar(&o.key, "key", "", "the log's key as you know it: the key itself, or a file")
	fl.BoolVar(&o.noProof, "no-proof", false, "do not prove it")
	fl.StringVar(&o.tz, "tz", "", "time zone to show times in, such as Europe/Berlin; the machine's own by default")
	fl.BoolVar(&o.utc, "utc", false, "show times in UTC")
	outputFlag(c, "text", "json")
	var t target
	t.bind(c)
	t.bindMasked(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		loc, err := (&filter{tz: o.tz, utc: o.utc}).zone()
		if err != nil {
			return err
		}
		keys, err := readKeys(o.key)
		if err != nil {
			return err
		}
		p, err := t.open(c)
		if err != nil {
			return err
		}
		return errors.Join(o.show(c, p, args[0], keys, loc), p.Close())
	}
	return c
}

type showFlags struct {
	source, key, tz  string
	id, noProof, utc bool
}

// show prints one event and its proof.
func (o *showFlags) show(c *cobra.Command, p *place, arg, keys string, loc *time.Location) error {
	r, err := o.find(c, p.Client, arg)
	if err != nil {
		return err
	}
	var proof *checkedProof
	if !o.noProof {
		if proof, err = prove(c.Context(), p.Client, r, keys); err != nil {
			return err
		}
	}
	if output(c) == "json" {
		out := map[string]any{"event": r.Raw}
		if proof != nil {
			out["proof"], out["verification"] = proof.proof, proof.json()
		}
		if err := printJSON(c.OutOrStdout(), out); err != nil {
			return err
		}
	} else {
		s := screen(c)
		printEvent(s, r, loc)
		if proof != nil {
			proof.print(s)
		}
	}
	if proof != nil && len(proof.problems) > 0 {
		return answerNo("")
	}
	return nil
}

// find gets an event by its seq or id.
func (o *showFlags) find(c *cobra.Command, cl *client.Client, arg string) (*client.Record, error) {
	ctx := c.Context()
	var r *client.Record
	seq, err := strconv.ParseUint(arg, 10, 53)
	if err == nil && !o.id && o.source == "" {
		r, err = cl.Get(ctx, seq)
	} else {
		q := client.Query{ID: []string{arg}, PageSize: 2}
		if o.source != "" {
			q.Source = []string{o.source}
		}
		var page *client.Page
		if page, err = cl.SearchPage(ctx, q, ""); err == nil {
			switch len(page.Items) {
			case 0:
				return nil, answerNo("there is no event with the id %s", terminal.Clean(arg))
			case 1:
				r, err = cl.Get(ctx, page.Items[0].Seq)
			default:
				return nil, usage("several sources have an event with this id; choose with --source, such as %s or %s", page.Items[0].Source, page.Items[1].Source)
			}
		}
	}
	if client.CodeOf(err) == client.NotFound || errs.CodeOf(err) == errs.NotFound {
		return nil, answerNo("%s", message(err))
	}
	return r, err
}

// printEvent prints an event for people.
func printEvent(s *terminal.Screen, r *client.Record, loc *time.Location) {
	fmt.Fprintf(s, "%s  %s\n\n", s.Paint(terminal.Dim, "#"+strconv.FormatUint(r.Seq, 10)), s.Paint(terminal.Bold, terminal.Clean(r.Sentence)))
	l := &lines{s: s, r: r}
	when := r.OccurredAt.In(loc).Format("Mon 2006-01-02 15:04:05.000 MST")
	if d := r.RecordedAt.Sub(r.OccurredAt); d > time.Second {
		when += ", recorded " + terminal.Duration(d) + " later"
	}
	l.line("When", when)
	l.line("What", r.Action, dim(r.Category+"/"+r.Activity))
	outcome := r.Outcome.Status
	if outcome != "success" {
		outcome = s.Paint(terminal.Bad, outcome)
	}
	l.styled("Outcome", outcome, l.value("/outcome/reason", r.Outcome.Reason))
	l.line("Who", l.value("/actor/name", r.Actor.Name), brackets(l.value("/actor/email", r.Actor.Email)), r.Actor.Type, l.value("/actor/id", r.Actor.ID), strings.Join(r.Actor.Roles, ", "))
	for _, x := range r.Actor.OnBehalfOf {
		l.line("For", x.Name, x.Type, x.ID)
	}
	if r.Resource.Type != "" {
		l.line("On", r.Resource.Type, l.value("/resource/id", r.Resource.ID), l.value("/resource/name", r.Resource.Name))
	}
	if x := r.Subject; x != nil {
		l.line("About", x.Type, l.value("/subject/id", x.ID), l.value("/subject/name", x.Name))
	}
	x := &r.Context
	l.line("From", l.value("/context/ip", x.IP), strings.Join(x.ForwardedFor, ", "), l.value("/context/device", x.Device), plain(x.Geo))
	l.line("With", l.value("/context/user_agent", x.UserAgent))
	l.line("Session", l.value("/context/session_id", x.SessionID))
	l.line("Request", l.value("/context/request_id", x.RequestID), x.Traceparent)
	l.line("Reason", l.value("/reason", r.Reason))
	l.line("Severity", r.Severity)
	l.line("Source", r.Source, r.ID)
	l.line("Part of", r.CorrelationID)
	for _, m := range members(r.Raw, "custom") {
		l.line(m.name, l.value("/custom/"+m.name, m.text))
	}
	printChanges(s, r)
	printData(s, r)
	printStates(s, r)
}

// lines prints what is known under a word each.
type lines struct {
	s *terminal.Screen
	r *client.Record
}

// dim is a part of a line that matters less. The marker is resolved when the line is printed.
func dim(text string) string { return "\x00" + text }

// line prints the parts that are not empty. Parts are from outside and made harmless.
func (l *lines) line(word string, parts ...string) {
	var out []string
	for _, p := range parts {
		text, weak := strings.CutPrefix(p, "\x00")
		if text = terminal.Clean(text); text == "" {
			continue
		}
		if weak {
			text = l.s.Paint(terminal.Dim, text)
		}
		out = append(out, text)
	}
	l.print(word, out)
}

// styled is line for a first part that is ours.
func (l *lines) styled(word, first string, rest ...string) {
	out := []string{first}
	for _, p := range rest {
		if p != "" {
			out = append(out, terminal.Clean(p))
		}
	}
	l.print(word, out)
}

func (l *lines) print(word string, parts []string) {
	if len(parts) > 0 {
		fmt.Fprintf(l.s, "%s  %s\n", l.s.Paint(terminal.Dim, fmt.Sprintf("%-10s", terminal.Clean(word))), strings.Join(parts, "  "))
	}
}

// value is a value as the reader may see it: with a word on its state where it is not as recorded.
func (l *lines) value(path, text string) string {
	state := l.r.FieldsState[path]
	switch {
	case state == "":
		return text
	case text == "":
		return "[" + state + "]"
	}
	return text + " [" + state + "]"
}

func brackets(s string) string {
	if s == "" || strings.HasPrefix(s, "[") {
		return s
	}
	return "<" + s + ">"
}

func printChanges(s *terminal.Screen, r *client.Record) {
	if len(r.Changes) == 0 {
		return
	}
	fmt.Fprintln(s)
	t := terminal.NewTable(s, terminal.Column{Title: "CHANGED", Shrink: true, Min: 10}, terminal.Column{Title: "BEFORE", Shrink: true, Min: 12}, terminal.Column{}, terminal.Column{Title: "AFTER", Shrink: true, Min: 12})
	for i, ch := range r.Changes {
		at := "/changes/" + strconv.Itoa(i)
		_ = t.Row(terminal.Cell{Text: ch.Path}, side(r, at+"/before", ch.Before, terminal.Bad), terminal.Cell{Text: "→", Style: terminal.Dim}, side(r, at+"/after", ch.After, terminal.Good))
	}
	_ = t.End() // a terminal that fails shows in the exit code of the next write
}

// side is one side of a change.
func side(r *client.Record, path string, v []byte, st terminal.Style) terminal.Cell {
	state := r.FieldsState[path]
	text := plain(v)
	switch {
	case state != "" && (v == nil || text == "null"):
		return terminal.Cell{Text: "[" + state + "]", Style: terminal.Dim}
	case v == nil:
		return terminal.Cell{Text: "(absent)", Style: terminal.Dim}
	case state != "":
		return terminal.Cell{Text: text + " [" + state + "]", Style: st}
	}
	return terminal.Cell{Text: text, Style: st}
}

func printData(s *terminal.Screen, r *client.Record) {
	list := members(r.Raw, "data")
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(s)
	t := terminal.NewTable(s, terminal.Column{Title: "DATA", Shrink: true, Min: 10}, terminal.Column{Shrink: true, Min: 20})
	for _, m := range list {
		text := m.text
		if state := r.FieldsState["/data/"+pointerPart(m.name)]; state != "" {
			text = strings.TrimSuffix(text, "null") + "[" + state + "]"
		}
		_ = t.Text(m.name, text)
	}
	_ = t.End()
}

// printStates sums up what this reader does not see.
func printStates(s *terminal.Screen, r *client.Record) {
	if len(r.FieldsState) == 0 {
		return
	}
	count := map[string]int{}
	for _, state := range r.FieldsState {
		count[state]++
	}
	var parts []string
	for _, state := range []string{"masked", "withheld", "erased"} {
		if n := count[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	fmt.Fprintf(s, "\n%s %s\n", s.Paint(terminal.Dim, "Values not shown as recorded:"), strings.Join(parts, ", "))
}

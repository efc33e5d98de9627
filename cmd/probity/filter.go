package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // --tz works on machines without a database of time zones

	"github.com/spf13/cobra"

	"probity.dev/client"
	"probity.dev/report/export"
)

// filterHelp is part of the help of search and export.
const filterHelp = `Conditions narrow each other; the values of a repeated flag are alternatives.

  --from, --to     a date, a time, RFC 3339, or back from now: 2026-01-31, "2026-01-31 14:00", 2026-01-31T14:00:00Z, 90m, 24h, 7d, today, yesterday.
                   --from is included, --to is not, but a date after --to means its end. --time recorded bounds the time of recording instead of that of the event.
  --actor          who did it: an id, an e-mail address, an exact name, or handle:42
  --subject        whose data it is; --person is a person in any role
  --action         with * as in 'invoice.*'; --source likewise
  --resource       type/id, or a type alone
  --field          a custom field, as name=value`

// filter is what search and export select by.
type filter struct {
	from, to, time, text, tz               string
	utc                                    bool
	actor, subject, person, action         []string
	resource, outcome, source, ip          []string
	category, activity, severity, corr, id []string
	fields                                 []string
}

func (f *filter) bind(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.from, "from", "", "begin of the period, included")
	fl.StringVar(&f.to, "to", "", "end of the period, excluded; a date means its end")
	fl.StringVar(&f.time, "time", "", "which time --from and --to bound: occurred (default) or recorded")
	for _, l := range f.lists() {
		fl.StringArrayVar(l.values, l.flag, nil, l.help)
	}
	fl.StringVar(&f.text, "text", "", "text that occurs in some value, without regard to case")
	fl.StringArrayVar(&f.fields, "field", nil, "custom field that equals a value, as name=value")
	fl.StringVar(&f.tz, "tz", "", "time zone to read and show times in, such as Europe/Berlin; the machine's own by default")
	fl.BoolVar(&f.utc, "utc", false, "read and show times in UTC")
	words := func(flag string, list ...string) {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
	}
	words("time", "occurred", "recorded")
	words("outcome", "success", "failure", "denied")
	words("category", "data", "auth", "access", "config", "system", "security", "governance", "other")
	words("severity", "debug", "info", "notice", "low", "medium", "high", "critical")
}

type filterFlag struct {
	flag, help string
	values     *[]string
}

func (f *filter) lists() []filterFlag {
	return []filterFlag{
		{"actor", "who did it", &f.actor},
		{"subject", "whose data it is", &f.subject},
		{"person", "a person in any role", &f.person},
		{"action", "what was done, such as 'invoice.*'", &f.action},
		{"resource", "what it was done to: type/id or type", &f.resource},
		{"outcome", "success, failure or denied", &f.outcome},
		{"source", "producing application", &f.source},
		{"ip", "IP address it came from", &f.ip},
		{"category", "class of event, such as data or auth", &f.category},
		{"activity", "create, read, update, delete, login, …", &f.activity},
		{"severity", "debug, info, notice, low, medium, high or critical", &f.severity},
		{"correlation-id", "correlation id", &f.corr},
	}
}

// zone is the time zone to read and show times in.
func (f *filter) zone() (*time.Location, error) {
	switch {
	case f.utc && f.tz != "":
		return nil, usage("give --utc or --tz, not both")
	case f.utc:
		return time.UTC, nil
	case f.tz == "":
		return time.Local, nil
	}
	loc, err := time.LoadLocation(f.tz)
	if err != nil {
		return nil, usage("--tz: there is no time zone %q; write one such as Europe/Berlin", f.tz)
	}
	return loc, nil
}

// query turns the flags into a query.
func (f *filter) query(now time.Time) (client.Query, error) {
	q := client.Query{
		Time: f.time, Actor: f.actor, Subject: f.subject, Person: f.person, Action: f.action, Resource: f.resource, Outcome: f.outcome, Source: f.source,
		IP: f.ip, Category: f.category, Activity: f.activity, Severity: f.severity, CorrelationID: f.corr, ID: f.id, Text: f.text,
	}
	if f.time != "" && f.time != "occurred" && f.time != "recorded" {
		return q, usage("--time is occurred or recorded")
	}
	loc, err := f.zone()
	if err != nil {
		return q, err
	}
	if q.From, err = parseTime(f.from, now, loc, false); err != nil {
		return q, usage("--from: %s", err)
	}
	if q.To, err = parseTime(f.to, now, loc, true); err != nil {
		return q, usage("--to: %s", err)
	}
	if !q.From.IsZero() && !q.To.IsZero() && q.To.Before(q.From) {
		return q, usage("--to lies before --from")
	}
	for _, s := range f.fields {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return q, usage("--field is name=value")
		}
		if q.Fields == nil {
			q.Fields = map[string]string{}
		}
		q.Fields[name] = value
	}
	return q, nil
}

// exportFilter is the same query in the form of an export.
func exportFilter(q client.Query) export.Filter {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339Nano)
	}
	return export.Filter{
		From: at(q.From), To: at(q.To), Time: q.Time, Actor: q.Actor, Action: q.Action, Resource: q.Resource, Subject: q.Subject, Person: q.Person, Outcome: q.Outcome,
		Source: q.Source, IP: q.IP, Category: q.Category, Activity: q.Activity, Severity: q.Severity, CorrelationID: q.CorrelationID, Text: q.Text, Fields: q.Fields,
	}
}

// layouts are the forms of a time of day without a zone.
var layouts = []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04"}

// parseTime reads a bound of a period. A date is its begin, or its end when end is set.
func parseTime(s string, now time.Time, loc *time.Location, end bool) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, s, loc); err == nil {
			return t, nil
		}
	}
	day, err := time.ParseInLocation(time.DateOnly, s, loc)
	if err != nil {
		y, m, d := now.In(loc).Date()
		switch s {
		case "today":
			day, err = time.Date(y, m, d, 0, 0, 0, 0, loc), nil
		case "yesterday":
			day, err = time.Date(y, m, d-1, 0, 0, 0, 0, loc), nil
		case "now":
			return now, nil
		}
	}
	if err == nil {
		if end {
			day = day.AddDate(0, 0, 1)
		}
		return day, nil
	}
	if d, err := parseSpan(s); err == nil {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 2026-01-31, \"2026-01-31 14:00\", 2026-01-31T14:00:00Z, or 24h for that long ago", s)
}

// parseSpan reads 90m, 24h, 7d or 2w.
func parseSpan(s string) (time.Duration, error) {
	units := map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if unit, ok := units[s[len(s)-1]]; ok {
		n, err := strconv.ParseFloat(s[:len(s)-1], 64)
		if err != nil || !(n >= 0 && n <= 1e6) { // NaN is neither
			return 0, fmt.Errorf("not a span of time")
		}
		return time.Duration(n * float64(unit)), nil
	}
	d, err := time.ParseDuration(s)
	if d < 0 {
		err = fmt.Errorf("not a span of time")
	}
	return d, err
}

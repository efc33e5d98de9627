package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// report collects the figures of both sides.
type report struct {
	o       options
	started time.Time
	// values holds what was measured, by metric and side, once per round.
	values map[string]map[string][]float64
	notes  []string
	// compared and disagree count the searches that both sides answered, and those that they answered differently.
	compared, disagree int
	crowd, stolen      map[string][]float64
}

func newReport(o options) *report {
	return &report{o: o, started: time.Now(), values: make(map[string]map[string][]float64), crowd: make(map[string][]float64), stolen: make(map[string][]float64)}
}

func (r *report) add(metric, side string, v float64) {
	if r.values[metric] == nil {
		r.values[metric] = make(map[string][]float64)
	}
	r.values[metric][side] = append(r.values[metric][side], v)
}

func (r *report) get(metric, side string) (float64, bool) {
	v := r.values[metric][side]
	return median(v), len(v) > 0
}

// busy records which share of the machine other programs and other machines of its host took during a phase that began at before.
func (r *report) busy(phase string, before usage) {
	programs, elsewhere := before.others()
	r.crowd[phase] = append(r.crowd[phase], programs)
	r.stolen[phase] = append(r.stolen[phase], elsewhere)
}

// note adds a line below the table, once.
func (r *report) note(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	for _, have := range r.notes {
		if have == s {
			return
		}
	}
	r.notes = append(r.notes, s)
}

// row is one line of the table.
type row struct {
	Metric   string   `json:"metric"`
	Unit     string   `json:"unit"`
	Target   string   `json:"target,omitempty"`
	Probity  *float64 `json:"probity"`
	Postgres *float64 `json:"postgres"`
	// Ratio is probity / postgres.
	Ratio *float64 `json:"ratio"`
	Pass  *bool    `json:"pass"`
}

// limit is a target: on the figure itself, or on its ratio to the peer's.
type limit struct {
	ratio, atLeast bool
	value          float64
}

func atLeast(v float64) *limit  { return &limit{atLeast: true, value: v} }
func below(v float64) *limit    { return &limit{value: v} }
func ratioMin(v float64) *limit { return &limit{ratio: true, atLeast: true, value: v} }
func ratioMax(v float64) *limit { return &limit{ratio: true, value: v} }

func (l *limit) String() string {
	sign, unit := "<", ""
	if l.ratio {
		sign, unit = "≤", "×"
	}
	if l.atLeast {
		sign = "≥"
	}
	value := strings.TrimSuffix(strings.TrimSuffix(figure(l.value), ".00"), ".0")
	return sign + " " + value + unit
}

func (l *limit) met(v float64) bool {
	if l.atLeast {
		return v >= l.value
	}
	if l.ratio {
		return v <= l.value
	}
	return v < l.value
}

// line says how a metric appears in the table.
type line struct {
	metric, title, unit string
	target              *limit
}

// lines lists the table. The targets are those of the product's specification.
func (r *report) lines() []line {
	window, fifth := min(1_000_000, r.o.events/5), "fifth"
	ingest := ratioMin(2)
	if r.o.shape == serverShape {
		ingest = ratioMin(1.5)
	}
	day := below(50)
	if r.o.spread {
		day = below(300)
	}
	out := []line{
		{"sustained", fmt.Sprintf("ingest, %s events, sealing included", thousands(r.o.events)), "events/s", ingest},
		{"window 1", "ingest, first " + thousands(window), "events/s", ingest},
		{"window 5", "ingest, " + fifth + " " + thousands(window), "events/s", ingest},
	}
	out = append(out, line{"cpu window 1", "processor time of the first, client included", "µs/event", nil},
		line{"cpu window 5", "processor time of the fifth, client included", "µs/event", nil})
	if last := r.o.events / window; last > 5 {
		out = append(out, line{fmt.Sprintf("window %d", last), "ingest, last " + thousands(window), "events/s", nil})
	}
	out = append(out,
		line{"single rate", fmt.Sprintf("single events, %d connections", r.o.singleConns), "events/s", atLeast(5000)},
		line{"single p50", "single event, p50", "ms", nil},
		line{"single p99", "single event, p99", "ms", below(30)},
	)
	for _, s := range []struct {
		name   string
		target *limit
	}{{"newest page", below(50)}, {"by resource", below(100)}, {"by actor", below(150)}, {"one day and action", day}, {"text over one month", below(2000)}} {
		out = append(out, line{s.name + " p50", "search " + s.name + ", p50", "ms", nil}, line{s.name + " p95", "search " + s.name + ", p95", "ms", s.target})
	}
	out = append(out,
		line{"text over one month first byte p95", "search text, first byte, p95", "ms", nil},
		line{"export", "CSV export (probity: masked, proven)", "rows/s", atLeast(150_000)},
		line{"export memory", "memory that the export adds to the server", "MiB", below(512)},
		line{"bytes/event", "storage (evidence + working + tiles)", "bytes/event", ratioMax(0.27)},
		line{"bytes/event all", "storage, whole data directory", "bytes/event", nil},
		line{"memory", "server memory, peak", "MiB", below(1024)},
		line{"proof p99", "inclusion proof in process, p99", "ms", below(1)},
		line{"verify", "verification, one core", "events/s", atLeast(1_300_000)},
	)
	if r.o.shape == serverShape { // the other targets are those of the embedded shape
		for i := range out {
			if out[i].target != ingest && out[i].metric != "memory" && out[i].metric != "export memory" {
				out[i].target = nil
			}
		}
	}
	return out
}

func (r *report) rows() []row {
	var out []row
	for _, l := range r.lines() {
		p, okP := r.get(l.metric, probitySide)
		q, okQ := r.get(l.metric, postgresSide)
		if !okP && !okQ {
			continue
		}
		w := row{Metric: l.title, Unit: l.unit}
		if okP {
			w.Probity = &p
		}
		if okQ {
			w.Postgres = &q
		}
		if okP && okQ && q != 0 {
			ratio := p / q
			w.Ratio = &ratio
		}
		if t := l.target; t != nil {
			w.Target = t.String()
			got := w.Probity
			if t.ratio {
				got = w.Ratio
			}
			if got != nil {
				pass := t.met(*got)
				w.Pass = &pass
			}
		}
		out = append(out, w)
	}
	return out
}

// print writes the table, then what one needs to know to believe it.
func (r *report) print(out io.Writer) {
	ids, order := "random UUIDs (v4)", "follows the order of events"
	if r.o.v7 {
		ids = "ordered UUIDs (v7)"
	}
	if r.o.spread {
		order = "is scattered over 18 months"
	}
	fmt.Fprintf(out, "\n%s\n%s shape, %s events on each side, ids are %s, occurred_at %s; medians of %d round(s)\n\n", machine(), r.o.shape, thousands(r.o.events), ids, order, r.o.repeat)
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "metric\tunit\ttarget\tprobity\tpostgres\tratio\tpass")
	for _, w := range r.rows() {
		ratio, pass := "", ""
		if w.Ratio != nil {
			ratio = figure(*w.Ratio) + "×"
		}
		if w.Pass != nil {
			pass = map[bool]string{true: "yes", false: "NO"}[*w.Pass]
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", w.Metric, w.Unit, w.Target, optional(w.Probity), optional(w.Postgres), ratio, pass)
	}
	_ = t.Flush()
	fmt.Fprintln(out)
	for _, n := range r.remarks() {
		fmt.Fprintln(out, "-", n)
	}
}

func (r *report) remarks() []string {
	out := append([]string(nil), r.notes...)
	if r.compared > 0 {
		out = append(out, fmt.Sprintf("%d searches asked of both sides, %d answered with another number of rows", r.compared, r.disagree))
	}
	for _, side := range []string{probitySide, postgresSide} {
		for _, part := range breakdown[side] {
			if v, ok := r.get(part, side); ok {
				out = append(out, fmt.Sprintf("%s: %s %.0f per event", side, part, v))
			}
		}
	}
	var settings []string
	for _, kv := range r.o.pgSet.all() {
		settings = append(settings, kv[0]+"="+kv[1])
	}
	out = append(out, "postgres: "+strings.Join(settings, " "))
	for phase, shares := range r.crowd {
		if m := median(shares); m > 0.05 {
			out = append(out, fmt.Sprintf("BUSY MACHINE: other programs took %.0f %% of the processors during %s", 100*m, phase))
		}
	}
	for phase, shares := range r.stolen {
		if m := median(shares); m > 0.02 {
			out = append(out, fmt.Sprintf("BUSY HOST: it gave %.0f %% of the processors' time to other machines during %s", 100*m, phase))
		}
	}
	return out
}

// breakdown lists the parts of each side's storage.
var breakdown = map[string][]string{
	probitySide:  {"bytes evidence", "bytes working", "bytes tiles", "bytes database", "bytes other"},
	postgresSide: {"bytes table", "bytes audit_events_pkey", "bytes audit_events_time", "bytes audit_events_actor", "bytes audit_events_action", "bytes audit_events_resource"},
}

// write stores everything as JSON, single rounds included.
func (r *report) write(path string) error {
	b, err := json.MarshalIndent(map[string]any{
		"started": r.started.UTC().Format(time.RFC3339), "seconds": time.Since(r.started).Seconds(), "machine": machine(), "shape": r.o.shape, "events": r.o.events, "spread": r.o.spread,
		"uuid_v7": r.o.v7, "rounds": r.o.repeat, "seed": r.o.seed, "connections": map[string]int{probitySide: r.o.conns, postgresSide: r.o.pgConns},
		"rows": r.rows(), "measured": r.values, "other_programs": r.crowd, "other_machines": r.stolen, "notes": r.remarks(),
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

func optional(v *float64) string {
	if v == nil {
		return "–"
	}
	return figure(*v)
}

// figure writes a number with about three significant digits.
func figure(v float64) string {
	switch {
	case v >= 1000:
		return thousands(int(v + 0.5))
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

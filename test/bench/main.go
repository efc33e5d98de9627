package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"probity.dev/test/bench/load"
	"probity.dev/test/bench/pg"
)

// Shapes of the ledger's deployment.
const (
	embeddedShape = "embedded"
	serverShape   = "server"
)

// options are the command line.
type options struct {
	events, repeat, runs, textRuns  int
	conns, pgConns, singleConns     int
	single                          time.Duration
	spread, v7, quick               bool
	only, shape, server, data, json string
	gobench                         bool
	gobenchTime                     string
	exportRows                      int
	seed                            uint64
	pgSet                           pgSettings
	// prepare changes a data directory before its server is started; nil does nothing.
	prepare func(ctx context.Context, data string) error
}

// pgSettings are settings of PostgreSQL that replace or add to those of package pg; it is a flag that may be repeated.
type pgSettings [][2]string

func (s *pgSettings) String() string { return "" }

// Set adds name=value.
func (s *pgSettings) Set(v string) error {
	name, value, ok := strings.Cut(v, "=")
	if !ok {
		return errors.New("want name=value")
	}
	*s = append(*s, [2]string{name, value})
	return nil
}

// all returns the settings in force.
func (s pgSettings) all() [][2]string { return append(pg.Settings(), s...) }

func parse() options {
	var o options
	flag.IntVar(&o.events, "events", 5_000_000, "events to store on each side")
	flag.BoolVar(&o.quick, "quick", false, "500,000 events and fewer repetitions: about a minute")
	flag.IntVar(&o.repeat, "repeat", 1, "measure everything this many times and show medians")
	flag.IntVar(&o.runs, "runs", 40, "runs of each search")
	flag.IntVar(&o.textRuns, "text-runs", 30, "runs of the text search")
	flag.IntVar(&o.conns, "conns", 4, "HTTP connections that send batches")
	flag.IntVar(&o.pgConns, "pg-conns", 2, "PostgreSQL connections that COPY batches")
	flag.IntVar(&o.singleConns, "single-conns", 64, "connections that send single events")
	flag.DurationVar(&o.single, "single", 10*time.Second, "how long to send single events")
	flag.BoolVar(&o.spread, "spread", false, "scatter occurred_at over 18 months in place of letting it follow the order of events")
	flag.BoolVar(&o.v7, "v7", false, "make event ids UUIDs of version 7 (ordered) in place of version 4 (random)")
	flag.StringVar(&o.only, "only", "", "measure one side alone, pg or probity, or only how fast decisions are: decisions")
	flag.StringVar(&o.shape, "shape", embeddedShape, "what the ledger works on: embedded, or server (PostgreSQL with the peer's settings, and an S3 server; see scripts/minio.sh)")
	flag.StringVar(&o.server, "server", "", "server binary; built from ./cmd/probity when empty")
	flag.StringVar(&o.data, "dir", "", "where to put temporary directories (the system's place when empty)")
	flag.StringVar(&o.json, "json", "", "also write the figures to this file")
	flag.BoolVar(&o.gobench, "gobench", true, "also run the in-process benchmarks of proofs and verification")
	flag.StringVar(&o.gobenchTime, "gobench-time", "3s", "-benchtime of the in-process benchmarks")
	flag.IntVar(&o.exportRows, "export-rows", 0, "rows to export as CSV, about; 0 means all")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the events")
	flag.Var(&o.pgSet, "pg-set", "another setting of PostgreSQL, as name=value; may be repeated, the last one counts")
	flag.Parse()
	if o.quick {
		o.events, o.runs, o.textRuns, o.single, o.gobenchTime = 500_000, 30, 10, 3*time.Second, "1s"
	}
	return o
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := parse()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.events < 5000 || o.repeat < 1 || o.runs < 1 || o.textRuns < 1 || o.conns < 1 || o.pgConns < 1 || o.singleConns < 1 {
		return fmt.Errorf("at least 5,000 events, and one of everything else")
	}
	if o.only != "" && o.only != "pg" && o.only != "probity" && o.only != "decisions" {
		return fmt.Errorf("-only takes pg, probity or decisions, not %q", o.only)
	}
	if o.only == "decisions" {
		o.shape = embeddedShape
		bin := o.server
		if bin == "" {
			built, clean, err := build(ctx, o.data)
			if err != nil {
				return err
			}
			defer clean()
			bin = built
		}
		return decisions(ctx, bin, o)
	}
	if o.shape != embeddedShape && o.shape != serverShape {
		return fmt.Errorf("-shape takes %s or %s, not %q", embeddedShape, serverShape, o.shape)
	}
	rep := newReport(o)
	gen := load.New(load.Config{Seed: o.seed, Events: o.events, Spread: o.spread, V7: o.v7})
	w := &workload{o: o, gen: gen, rep: rep, asks: makeQuestions(gen, o)}
	w.gauge()

	bin := o.server
	if o.only != "pg" && bin == "" {
		built, clean, err := build(ctx, o.data)
		if err != nil {
			return err
		}
		defer clean()
		bin = built
	}
	for i := range o.repeat {
		if o.repeat > 1 {
			say("round %d of %d", i+1, o.repeat)
		}
		if o.only != "probity" {
			if err := w.postgres(ctx); err != nil {
				return fmt.Errorf("postgres: %w", err)
			}
		}
		if o.only != "pg" {
			if err := w.probity(ctx, bin); err != nil {
				return fmt.Errorf("probity: %w", err)
			}
		}
	}
	if o.gobench && o.only != "pg" {
		if err := goBench(ctx, o, rep); err != nil {
			rep.note("in-process benchmarks: %v", err)
		}
	}
	rep.print(os.Stdout)
	if o.json != "" {
		return rep.write(o.json)
	}
	return nil
}

// gauge measures what making the events costs, so that a reader can judge its share.
func (w *workload) gauge() {
	var b load.Batch
	var bytes int
	n, start := 0, time.Now()
	for time.Since(start) < 200*time.Millisecond {
		w.gen.Batch(n%w.gen.Batches(), &b)
		for i := range b.Events {
			bytes += len(b.Events[i].JSON)
		}
		n++
	}
	events := float64(n * w.gen.Config().BatchSize)
	w.rep.note("the generator makes %.0f events/s on one core, %.0f bytes of JSON each", events/time.Since(start).Seconds(), float64(bytes)/events)
}

// say reports progress on standard error, with the time.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05")}, args...)...)
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// goBench runs the Go benchmarks of proofs, of verification and of notifications, which are measured in process. It notes their lines and takes figures into
// the table: the metric "p99-ns/op" or "p99-ns" of one whose name contains Proof, and "events/s" of one whose name contains
// Verify, each the first that is found.
func goBench(ctx context.Context, o options, rep *report) error {
	say("in-process benchmarks")
	out, err := goTest(ctx, "Proof|Verify", o.gobenchTime, "-cpu", "1", "probity.dev/ledger/...", "probity.dev/verify/...")
	if err == nil {
		var more []byte
		more, err = goTest(ctx, "FirstAttempt", "1x", "probity.dev/notify")
		out = append(out, more...)
	}
	for _, b := range parseBench(out) {
		rep.note("in process: %s", b.line)
		for metric, want := range map[string]struct {
			name  string
			units []string
			scale float64
		}{
			"proof p99": {"Proof", []string{"p99-ns/op", "p99-ns"}, 1e-6},
			"verify":    {"Verify", []string{"events/s", "events/s/core"}, 1},
		} {
			if _, have := rep.get(metric, probitySide); have || !strings.Contains(b.name, want.name) {
				continue
			}
			for _, u := range want.units {
				if v, ok := b.metrics[u]; ok {
					rep.add(metric, probitySide, v*want.scale)
					break
				}
			}
		}
	}
	if err != nil {
		return fmt.Errorf("go test -bench: %w: %s", err, bytes.TrimSpace(out[max(0, len(out)-500):]))
	}
	return nil
}

func goTest(ctx context.Context, bench, benchtime string, more ...string) ([]byte, error) {
	return exec.CommandContext(ctx, "go", append([]string{"test", "-run", "xxx", "-bench", bench, "-benchtime", benchtime}, more...)...).CombinedOutput()
}

type benchLine struct {
	name, line string
	metrics    map[string]float64 // by unit
}

// parseBench reads the output of go test -bench.
func parseBench(out []byte) []benchLine {
	var found []benchLine
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		b := benchLine{name: f[0], line: strings.Join(f, " "), metrics: make(map[string]float64)}
		for i := 2; i+1 < len(f); i += 2 {
			if v, err := strconv.ParseFloat(f[i], 64); err == nil {
				b.metrics[f[i+1]] = v
			}
		}
		found = append(found, b)
	}
	return found
}

package app

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"probity.dev/internal/actor"
	"probity.dev/internal/sqldb/sqldbtest"
)

func figures(t *testing.T, a *App) map[string]float64 {
	t.Helper()
	families, err := a.telemetry.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			out[f.GetName()] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return out
}

func TestFigures(t *testing.T) { sqldbtest.Each(t, testFigures) }

func testFigures(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	newCaller(t, a).answer(t, actor.System(tenant), "POST", "/api/events?wait=checkpoint", purchase)
	f := figures(t, a)
	if _, there := f["probity_verification_ok"]; there || f["probity_log_events"] != 3 || f["probity_unsealed_events"] != 3 || f["probity_uncovered_events"] != 0 || f["probity_log_frozen"] != 0 ||
		time.Since(time.UnixMilli(int64(f["probity_checkpoint_timestamp_seconds"]*1000))) > time.Minute || (f["probity_database_wal_bytes"] == 0) != a.db.Shared() || f["probity_scrape_error"] != 0 {
		t.Errorf("%v", f)
	}
	if _, err := a.verifier.run(context.Background(), tenant, nil); err != nil {
		t.Fatal(err)
	}
	if f = figures(t, a); f["probity_verification_ok"] != 1 || f["probity_verification_events"] != 3 || time.Since(time.UnixMilli(int64(f["probity_verification_timestamp_seconds"]*1000))) > time.Minute {
		t.Errorf("%v", f)
	}
}

// TestFiguresAreExplained demands that the guide for operators says something of every figure.
func TestFiguresAreExplained(t *testing.T) {
	a, _ := opened(t, t.TempDir(), "", "")
	defer a.Close()
	if _, err := a.Handler(); err != nil { // registers the figures of requests
		t.Fatal(err)
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		a.telemetry.Registry.Describe(descs)
		close(descs)
	}()
	known := map[string]bool{}
	for d := range descs {
		_, rest, _ := strings.Cut(d.String(), `fqName: "`)
		name, _, _ := strings.Cut(rest, `"`)
		known[name] = true
	}
	guide, err := os.ReadFile("../docs/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range known {
		if strings.HasPrefix(name, "probity_") && !strings.Contains(string(guide), name) {
			t.Errorf("docs/operators.md says nothing of %s", name)
		}
	}
}

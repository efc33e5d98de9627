package app

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

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
	a.scrub(context.Background())
	if f = figures(t, a); f["probity_verification_ok"] != 1 || f["probity_verification_events"] != 3 || time.Since(time.UnixMilli(int64(f["probity_verification_timestamp_seconds"]*1000))) > time.Minute {
		t.Errorf("%v", f)
	}
}

// TestAlerts demands that every alert rule is about figures that exist and names a runbook that exists.
func TestAlerts(t *testing.T) {
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
	text, err := os.ReadFile("../docs/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	metric := regexp.MustCompile(`probity_[a-z_]+`)
	rules := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			rules++
			for _, m := range metric.FindAllString(r.Expr, -1) {
				if !known[strings.TrimSuffix(m, "_bucket")] {
					t.Errorf("%s asks for %s, which does not exist", r.Alert, m)
				}
			}
			if _, err := os.Stat(filepath.Join("../docs/runbooks", r.Annotations["runbook"])); err != nil || r.Annotations["runbook"] == "" {
				t.Errorf("%s names no runbook that exists: %v", r.Alert, err)
			}
		}
	}
	if rules < 10 {
		t.Errorf("%d rules", rules)
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

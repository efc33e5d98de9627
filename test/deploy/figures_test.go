package deploy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"probity.dev/app"
	"probity.dev/internal/config"
)

const (
	rulesPath = "../../deploy/prometheus/rules.yaml"
	boards    = "../../deploy/grafana"
	runbooks  = "../../docs/runbooks"
)

// promtool runs Prometheus's own checker, which scripts/promtool.sh gets.
func promtool(t *testing.T, in io.Reader, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if path, err = filepath.Abs("../../bin/promtool"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Fatal("there is no promtool: run scripts/promtool.sh")
		}
	}
	c := exec.Command(path, args...)
	c.Stdin = in
	b, err := c.CombinedOutput()
	return string(b), err
}

type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) (out []rule) {
	t.Helper()
	b, err := os.ReadFile(rulesPath)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		out = append(out, g.Rules...)
	}
	return out
}

func TestRules(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", rulesPath}, {"check", "config", "../../deploy/prometheus/prometheus.yaml"}, {"test", "rules", "../../deploy/prometheus/rules_test.yaml"}} {
		if out, err := promtool(t, nil, args...); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	tested, err := os.ReadFile("../../deploy/prometheus/rules_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		alerts++
		if _, err := os.Stat(filepath.Join(runbooks, r.Annotations["runbook"])); err != nil || r.Annotations["runbook"] == "" || r.Annotations["summary"] == "" {
			t.Errorf("%s has no summary, or names no runbook that exists: %v", r.Alert, err)
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if s := r.Labels["severity"]; s == "page" && strings.Contains(r.Alert, "Budget") && !strings.Contains(string(tested), "alertname: "+r.Alert) {
			t.Errorf("%s is not tested", r.Alert)
		}
	}
	if alerts < 25 {
		t.Errorf("%d alerts", alerts)
	}
}

// dashboard is what is looked at of Grafana's model.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct{ List []struct{ Name, Type string } }
	Panels        []struct {
		ID         int
		Title      string
		Type       string
		GridPos    struct{ X, Y, W, H int }
		Datasource struct{ Type, UID string }
		Targets    []struct{ RefID, Expr string }
	}
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(boards + "/*.json")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	out := map[string]dashboard{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatal(f, err)
		}
		out[filepath.Base(f)] = d
	}
	return out
}

// variables are what Grafana puts in before it asks.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$job", ".+")

func TestDashboards(t *testing.T) {
	uids := map[string]bool{}
	var queries []map[string]string
	for name, d := range dashboards(t) {
		if d.UID == "" || uids[d.UID] || d.Title == "" || d.SchemaVersion < 36 || len(d.Templating.List) != 2 {
			t.Errorf("%s: %+v", name, d)
		}
		uids[d.UID] = true
		ids, cells := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if ids[p.ID] || p.Title == "" || p.GridPos.X < 0 || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W < 1 || p.GridPos.H < 1 {
				t.Errorf("%s, %q: id or place %+v", name, p.Title, p.GridPos)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := cells[[2]int{x, y}]; other != "" {
						t.Fatalf("%s: %q lies on %q", name, p.Title, other)
					}
					cells[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			if p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
				t.Errorf("%s, %q: data source %+v, %d queries", name, p.Title, p.Datasource, len(p.Targets))
			}
			for _, q := range p.Targets {
				queries = append(queries, map[string]string{"record": fmt.Sprintf("q%d", len(queries)), "expr": variables.Replace(q.Expr)})
			}
		}
	}
	// Prometheus's parser reads the queries as rules.
	b, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "queries", "rules": queries}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "queries.yaml")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := promtool(t, nil, "check", "rules", "--lint=none", path); err != nil || len(queries) < 30 {
		t.Errorf("%d queries: %v\n%s", len(queries), err, out)
	}
	if err := os.WriteFile(path, bytes.Replace(b, []byte("sum("), []byte("sum(("), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := promtool(t, nil, "check", "rules", "--lint=none", path); err == nil {
		t.Error("a query that is no query was accepted")
	}
}

// notYet are figures that this server need not have: of failures, and of the daily backup, which is not set up.
var notYet = map[string]bool{"probity_seal_failures_total": true, "probity_backup_timestamp_seconds": true}

var figure = regexp.MustCompile(`\b(probity|process|go)_[a-z0-9_]+`)

// TestFiguresExist starts a server, has it do a little of everything, and compares what it tells Prometheus with what rules and dashboards ask for.
func TestFiguresExist(t *testing.T) {
	text := serveAndScrape(t)
	known := map[string]bool{}
	for line := range strings.SplitSeq(text, "\n") {
		if name := figure.FindString(line); name != "" && !strings.HasPrefix(line, "#") {
			known[name] = true
		}
	}
	asked := map[string]string{}
	recorded := map[string]bool{}
	for _, r := range rules(t) {
		recorded[r.Record] = true
		for _, m := range figure.FindAllString(r.Expr, -1) {
			asked[m] = r.Alert + r.Record
		}
	}
	for name, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				for _, m := range figure.FindAllString(q.Expr, -1) {
					asked[m] = name + ": " + p.Title
				}
				for _, m := range regexp.MustCompile(`probity:[a-z0-9_:]+`).FindAllString(q.Expr, -1) {
					if !recorded[m] {
						t.Errorf("%s, %q asks for %s, which no rule records", name, p.Title, m)
					}
				}
			}
		}
	}
	for m, who := range asked {
		if !known[m] && !notYet[m] {
			t.Errorf("%s asks for %s, which a running server does not have", who, m)
		}
	}
	if len(asked) < 30 {
		t.Errorf("%d figures are asked for", len(asked))
	}
	for _, label := range []string{`probity_http_requests_total{method="POST",route="/api/events",status="201"}`, `probity_jobs{queue="exports",state="discarded"}`, `probity_jobs{queue="exports",state="available"}`} {
		if !strings.Contains(text, label) {
			t.Errorf("rules ask for %s, and the server has no such series", label)
		}
	}
	if out, err := promtool(t, strings.NewReader(text), "check", "metrics"); err != nil && !strings.Contains(out, "probity_") {
		t.Errorf("%v\n%s", err, out)
	} else if strings.Contains(out, "error while linting") || strings.Contains(out, "parse error") {
		t.Error(out)
	}
}

// serveAndScrape runs a server over TLS and returns what it says to Prometheus after it has recorded, searched, exported, sealed and verified.
func serveAndScrape(t *testing.T) string {
	t.Helper()
	cfg := config.Defaults()
	cfg.Data, cfg.Listen, cfg.MetricsListen, cfg.SealAfter, cfg.LogLevel = filepath.Join(t.TempDir(), "data"), freeAddress(t), freeAddress(t), 100*time.Millisecond, "error"
	cfg.TLSCert, cfg.TLSKey = certificate(t)
	founded, err := app.Init(context.Background(), cfg, app.InitOptions{Tenant: "T", Email: "admin@example.com", Name: "A", KeyName: "k"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Open(context.Background(), cfg, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	started := make(chan string, 1)
	go func() { done <- a.Serve(ctx, func(url string) { started <- url }) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	var base string
	select {
	case base = <-started:
	case err := <-done:
		done <- err
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	ask := func(method, url, body string) string {
		t.Helper()
		r, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+founded.APIKey)
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= 300 {
			t.Fatalf("%s %s: %d %s %v", method, url, res.StatusCode, b, err)
		}
		return string(b)
	}
	ask("POST", base+"/api/events?wait=checkpoint", `{"source":"shop","action":"pet.buy","actor":{"id":"u1"}}`)
	ask("GET", base+"/api/events", "")
	ask("POST", base+"/api/exports", `{"format":"csv"}`)
	ask("POST", base+"/api/log/verify", "")
	metrics := "http://" + cfg.MetricsListen + "/metrics"
	deadline := time.Now().Add(60 * time.Second)
	for {
		text := ask("GET", metrics, "")
		if strings.Contains(text, "probity_verification_ok{") && strings.Contains(text, `outcome="done"`) && !strings.Contains(text, "\nprobity_sealed_events_total 0\n") {
			return text
		}
		if time.Now().After(deadline) {
			t.Fatal(text)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

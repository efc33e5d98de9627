package app

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity.dev/internal/actor"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/report/export"
)

// opened opens a data directory with these policy files; "" is none.
func opened(t *testing.T, dir, catalog, masking string) (*App, string) {
	t.Helper()
	cfg := config.Defaults()
	cfg.Data = filepath.Join(dir, "data")
	if sqldbtest.Kind(t) == sqldbtest.Postgres {
		cfg.Database = sqldbtest.Address(t, dir)
	}
	for path, x := range map[*string]struct{ name, text string }{&cfg.CatalogFile: {"catalog.yaml", catalog}, &cfg.MaskingFile: {"masking.yaml", masking}} {
		if x.text == "" {
			continue
		}
		*path = filepath.Join(dir, x.name)
		if err := os.WriteFile(*path, []byte(x.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(cfg.Data); err != nil {
		if _, err := Init(context.Background(), cfg, InitOptions{Tenant: "T", Email: "admin@example.com", Name: "A", KeyName: "k"}, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	a, err := Open(context.Background(), cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	tenants, err := a.Ledger.Tenants(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return a, tenants[0].ID
}

// caller authenticates every request as whoever it is set to.
type caller struct {
	http.Client
	p actor.Principal
}

func (c *caller) Authenticate(context.Context, *http.Request) (actor.Principal, error) {
	return c.p, nil
}

func newCaller(t *testing.T, a *App) *caller {
	t.Helper()
	c := &caller{}
	h, err := a.handler(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Transport = inProcess{h}
	return c
}

// answer makes a request as p.
func (c *caller) answer(t *testing.T, p actor.Principal, method, path, body string) string {
	t.Helper()
	c.p = p
	r, err := http.NewRequest(method, "http://probity.local"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s %v", method, path, res.StatusCode, b, err)
	}
	return string(b)
}

// seen is what p sees of the events of the source, in a search, a CSV file and the events of a bundle.
func seen(t *testing.T, a *App, c *caller, p actor.Principal) map[string]string {
	t.Helper()
	out := map[string]string{"search": c.answer(t, p, "GET", "/api/events?source=shop", "")}
	for _, format := range []string{"csv", "bundle"} {
		var b bytes.Buffer
		if _, err := a.Export(context.Background(), p, export.Request{Format: format, Filter: export.Filter{Source: []string{"shop"}}}, &b, nil); err != nil {
			t.Fatal(err)
		}
		out[format] = b.String()
	}
	z, err := zip.NewReader(strings.NewReader(out["bundle"]), int64(len(out["bundle"])))
	if err != nil {
		t.Fatal(err)
	}
	out["bundle"] = ""
	for _, f := range z.File {
		if r, err := f.Open(); err == nil && (strings.HasPrefix(f.Name, "events/") || strings.HasPrefix(f.Name, "disclosures/")) {
			b, _ := io.ReadAll(r)
			out["bundle"] += string(b)
		}
	}
	return out
}

// stored reports whether a text lies in clear in the data directory.
func stored(t *testing.T, a *App, dir, text string) bool {
	t.Helper()
	found := false
	for _, b := range sqldbtest.Stored(t, a.db) {
		found = found || bytes.Contains(b, []byte(text))
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, err := os.ReadFile(path)
			found = found || bytes.Contains(b, []byte(text))
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

const purchase = `{"source":"shop","action":"pet.buy","actor":{"id":"u1","email":"ana.horvat@example.com"},"resource":{"type":"pet","id":"7"},"data":{"status":"zephyrine"}}`

func TestPolicyFiles(t *testing.T) { sqldbtest.Each(t, testPolicyFiles) }

func testPolicyFiles(t *testing.T) {
	const (
		catalog = "rules:\n  - {action: 'pet.*', path: /data/status, category: user.health_and_medical}\n"
		masking = "roles:\n  auditor:\n    default: redact\n    unknown: withhold\n    categories:\n      user.contact.email: show\n      user.health_and_medical: redact\n"
	)
	for name, own := range map[string]bool{"built in": false, "own": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c, m := "", ""
			if own {
				c, m = catalog, masking
			}
			a, tenant := opened(t, dir, c, m)
			defer a.Close()
			as := newCaller(t, a)
			as.answer(t, actor.System(tenant), "POST", "/api/events", purchase)
			auditor := actor.Principal{TenantID: tenant, UserID: "aud", Name: "Auditor", Roles: []string{actor.RoleAuditor}, Permissions: actor.RolePermissions(actor.RoleAuditor)}
			for where, text := range seen(t, a, as, auditor) {
				if got := strings.Contains(text, "zephyrine"); got == own {
					t.Errorf("%s shows the auditor the status: %v", where, got)
				}
				if got := strings.Contains(text, "ana.horvat@example.com"); got != own {
					t.Errorf("%s shows the auditor the address: %v", where, got)
				}
			}
			admin := actor.Principal{TenantID: tenant, UserID: "adm", Name: "Admin", Roles: []string{actor.RoleAdmin}, Permissions: actor.Permissions()}
			if text := seen(t, a, as, admin)["search"]; !strings.Contains(text, "zephyrine") || !strings.Contains(text, "ana.horvat@example.com") {
				t.Errorf("the admin sees %s", text)
			}
			if got := stored(t, a, filepath.Join(dir, "data"), "zephyrine"); got == own {
				t.Errorf("the status lies in clear: %v", got)
			}
			rules, roles := as.answer(t, admin, "GET", "/api/settings/catalog", ""), as.answer(t, admin, "GET", "/api/settings/masking", "")
			_, shown, _ := strings.Cut(roles, `"auditor":`)
			shown, _, _ = strings.Cut(shown, `"care_navigator":`)
			if own != strings.Contains(rules, `{"action":"pet.*","path":"/data/status","category":"user.health_and_medical","kind":"personal","builtin":false}`) ||
				own != strings.Contains(shown, `"user.contact.email":"show"`) || !strings.Contains(roles, `"writer":{"unmasked":false,"nothing":true`) {
				t.Errorf("%s\n%s", rules, roles)
			}
		})
	}
}

func TestPolicyFilesAreChecked(t *testing.T) { sqldbtest.Each(t, testPolicyFilesAreChecked) }

func testPolicyFilesAreChecked(t *testing.T) {
	for name, x := range map[string]struct{ catalog, masking, want string }{
		"rule":     {catalog: "rules:\n  - {path: /data/a, kind: operational}\n  - {path: data/b, category: user.name}\n", want: "catalog.yaml line 3: Rule 2"},
		"member":   {catalog: "rules:\n  - path: /data/a\n    kindd: operational\n", want: "catalog.yaml: line 3: field kindd"},
		"syntax":   {catalog: "rules:\n  - {path: /data/a\n", want: "catalog.yaml: line"},
		"mask":     {masking: "roles:\n  auditor:\n    categories:\n      user.name: shw\n", want: `masking.yaml line 4: There is no mask "shw"`},
		"category": {masking: "roles:\n  auditor:\n    categories:\n      name: show\n", want: "masking.yaml line 4: "},
		"secret":   {masking: "roles:\n  auditor:\n    categories:\n      user.name: show\n      user.authorization: show\n", want: "masking.yaml line 5: "},
		"default":  {masking: "roles:\n  auditor:\n    default: nothing\n", want: `masking.yaml line 3: There is no mask "nothing"`},
		"role":     {masking: "roles:\n  nurse:\n    default: redact\n", want: `masking.yaml line 2: There is no role "nurse"`},
		"unknown":  {masking: "rolls: {}\n", want: "masking.yaml: line 1: field rolls"},
	} {
		dir, cfg := t.TempDir(), config.Defaults()
		cfg.CatalogFile, cfg.MaskingFile = filepath.Join(dir, "catalog.yaml"), filepath.Join(dir, "masking.yaml")
		for path, text := range map[string]string{cfg.CatalogFile: x.catalog, cfg.MaskingFile: x.masking} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := LoadPolicies(cfg); errs.CodeOf(err) != errs.Invalid || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := config.Defaults()
	cfg.MaskingFile = filepath.Join(t.TempDir(), "none.yaml")
	if _, err := LoadPolicies(cfg); errs.CodeOf(err) != errs.Invalid || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
}

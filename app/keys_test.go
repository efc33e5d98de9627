package app

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/config"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/kms/kmstest"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/verify"
)

// logText takes log lines.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// keyring is an installation whose master key moves.
type keyring struct {
	*App
	t      *testing.T
	cfg    *config.Config
	tenant string
	served http.Handler
	logs   logText
	n      int
}

// newKeyring makes an installation with its master key at kms.
func newKeyring(t *testing.T, kms string, change ...func(*config.Config)) *keyring {
	t.Helper()
	dir := t.TempDir()
	k := &keyring{t: t, cfg: config.Defaults()}
	k.cfg.Data, k.cfg.KMS, k.cfg.KMSToken, k.cfg.LogLevel = filepath.Join(dir, "data"), kms, kmstest.VaultToken, "debug"
	if sqldbtest.Kind(t) == sqldbtest.Postgres {
		k.cfg.Database = sqldbtest.Address(t, dir)
	}
	for _, c := range change {
		c(k.cfg)
	}
	r, err := Init(t.Context(), k.cfg, InitOptions{Tenant: "T", Email: "admin@example.com", Name: "A", KeyName: "k"}, &k.logs)
	if err != nil {
		t.Fatal(err)
	}
	k.tenant = r.TenantID
	k.open()
	t.Cleanup(k.close)
	return k
}

func (k *keyring) open() {
	k.t.Helper()
	var err error
	if k.App, err = Open(context.Background(), k.cfg, &k.logs); err != nil {
		k.t.Fatal(err)
	}
}

func (k *keyring) close() {
	if k.App != nil {
		if err := k.App.Close(); err != nil {
			k.t.Error(err)
		}
		k.App, k.served = nil, nil
	}
}

func (k *keyring) restart() {
	k.t.Helper()
	k.close()
	k.open()
}

// append records three events of a person.
func (k *keyring) append() {
	k.t.Helper()
	var items []ledger.Item
	for range 3 {
		k.n++
		e, err := event.Parse(fmt.Appendf(nil, `{"id":"e%d","source":"shop","action":"order.create","resource":{"type":"order","id":"%d"},"actor":{"id":"ana","email":"ana@example.com","name":"Ana Ito"},"data":{"note":"call 555-0100"}}`, k.n, k.n))
		if err != nil {
			k.t.Fatal(err)
		}
		items = append(items, ledger.Item{Event: e})
	}
	r, err := k.Ledger.Append(context.Background(), k.tenant, items, ledger.AppendOptions{})
	if err != nil || r.Accepted != 3 {
		k.t.Fatalf("%+v %v", r, err)
	}
}

// whole demands that every event can be found and read, that the log verifies with its working copies, and that it goes on.
func (k *keyring) whole(when string) {
	k.t.Helper()
	found := 0
	_, err := k.Ledger.Search(context.Background(), k.tenant, ledger.Query{Actor: []string{"ana@example.com"}}, ledger.Page{Limit: 1000}, nil, func(r *event.Record) error {
		if r.Text("/actor/name") == "Ana Ito" && r.Text("/data/note") == "call 555-0100" {
			found++
		}
		return nil
	})
	if err != nil || found != k.n {
		k.t.Errorf("%s: %d events of %d are readable: %v", when, found, k.n, err)
	}
	if r, err := k.verifier.run(context.Background(), k.tenant, nil); err != nil || !r.OK {
		k.t.Errorf("%s: %+v %v", when, r, err)
	}
	users, err := k.Access.Users(context.Background(), actor.System(k.tenant))
	if err != nil || len(users) != 1 || users[0].Email != "admin@example.com" {
		k.t.Errorf("%s: users %+v, %v", when, users, err)
	}
	k.append()
}

// recorded counts the events of an action.
func (k *keyring) recorded(action string) (n int) {
	k.t.Helper()
	if _, err := k.Ledger.Search(context.Background(), k.tenant, ledger.Query{Action: []string{action}}, ledger.Page{Limit: 100}, nil, func(*event.Record) error { n++; return nil }); err != nil {
		k.t.Fatal(err)
	}
	return n
}

// bundle writes a bundle of the orders.
func (k *keyring) bundle() string {
	k.t.Helper()
	path := filepath.Join(k.t.TempDir(), "bundle.zip")
	var b bytes.Buffer
	if _, err := k.Ledger.Bundle(context.Background(), k.tenant, ledger.Query{Action: []string{"order.create"}}, ledger.BundleOptions{}, &b); err != nil {
		k.t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		k.t.Fatal(err)
	}
	return path
}

// holds reports whether a bundle verifies under keys.
func (k *keyring) holds(bundle string, keys ...string) bool {
	k.t.Helper()
	parsed, err := tlog.ParseKeys(strings.Join(keys, "\n"))
	if err != nil {
		k.t.Fatal(err)
	}
	r, err := verify.Bundle(context.Background(), bundle, verify.Options{Keys: parsed})
	if err != nil {
		k.t.Fatal(err)
	}
	return r.OK
}

// ask sends a request as an admin and returns the answer's status and body.
func (k *keyring) ask(method, path, body string) (int, string) {
	k.t.Helper()
	if k.served == nil {
		var err error
		if k.served, err = k.handler(as{actor.System(k.tenant)}); err != nil {
			k.t.Fatal(err)
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	k.served.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// silent demands that no secret is in the log lines.
func (k *keyring) silent(secrets ...string) {
	k.t.Helper()
	for _, s := range append(secrets, "canary", "PRIVATE+KEY", "Ana Ito") {
		if strings.Contains(k.logs.String(), s) {
			k.t.Errorf("the log lines show %q", s)
		}
	}
}

// TestKeysRotate rotates every key and demands that everything stays readable, provable and searchable.
func TestKeysRotate(t *testing.T) { sqldbtest.Each(t, testKeysRotate) }

func testKeysRotate(t *testing.T) {
	vault := kmstest.StartVault(t, false)
	k := newKeyring(t, vault.Location())
	k.append()
	vkey := k.vkeys()[0]
	before := k.bundle()
	for i, key := range []string{"master", "tenant", "signing", "tenant", "master"} {
		if code, body := k.ask("POST", "/api/crypto/keys/rotate", `{"key":"`+key+`","reason":"yearly","dry_run":true}`); code != http.StatusOK || k.recorded("key.*") != i {
			t.Fatalf("dry run of %s: %d %s", key, code, body)
		}
		if code, body := k.ask("POST", "/api/crypto/keys/rotate", `{"key":"`+key+`","reason":"yearly"}`); code != http.StatusOK || strings.Contains(body, "PRIVATE") {
			t.Fatalf("%s: %d %s", key, code, body)
		}
		k.whole("after " + key)
		if n := k.recorded("key." + key + "_rotated"); n < 1 || k.recorded("key.*") != i+1 {
			t.Errorf("%s: %d events", key, n)
		}
		k.restart()
		k.whole("restarted after " + key)
		if !k.holds(before, vkey) {
			t.Errorf("after %s, a bundle of before does not hold", key)
		}
	}
	s := k.state()
	if s.Master.Version != "v3" || s.Master.Current != "v3" || s.Master.Behind != 0 || s.Tenant.Keys != 3 || s.Tenant.Version != "v3" || len(s.Signing) != 2 || s.Signing[0].State != "active" || s.Signing[1].State != "overlap" {
		t.Errorf("%+v", s)
	}
	// While both sign, either key is enough.
	next := k.vkeys()[0]
	during := k.bundle()
	if next == vkey || !k.holds(during, vkey) || !k.holds(during, next) || k.holds(before, next) {
		t.Error("while both keys sign, a bundle must hold under either, and one of before under the old one alone")
	}
	k.retire()
	k.restart()
	k.whole("after the overlap")
	after := k.bundle()
	if k.holds(after, vkey) || !k.holds(after, next) || !k.holds(after, vkey, next) || !k.holds(before, vkey, next) || !k.holds(during, vkey) {
		t.Error("after the overlap, new bundles must hold under the new key alone, and old ones under the old one")
	}
	if s := k.state(); s.Signing[1].State != "retired" {
		t.Errorf("%+v", s.Signing)
	}
	k.silent(append(vault.Material("probity"), kmstest.VaultToken)...)
}

func (k *keyring) vkeys() []string {
	k.t.Helper()
	h, err := k.Ledger.Head(context.Background(), k.tenant)
	if err != nil {
		k.t.Fatal(err)
	}
	return h.VKeys
}

type keyState struct {
	Master struct {
		Version string
		Current string `json:"current_version"`
		Behind  int
		Problem string
	}
	Tenant struct {
		Keys    int
		Version string `json:"wrapped_under"`
	}
	Signing []struct{ State string }
}

func (k *keyring) state() (s keyState) {
	k.t.Helper()
	code, body := k.ask("GET", "/api/crypto/keys", "")
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		k.t.Fatal(code, body, err)
	}
	return s
}

// retire lets the overlap of the signing keys pass.
func (k *keyring) retire() {
	k.t.Helper()
	err := k.db.Write(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(context.Background(), `UPDATE log_key SET retired_at = $1 WHERE retired_at IS NOT NULL`, time.Now().Add(-time.Second).UnixMicro())
		return err
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

// TestMasterKeyMoves takes the master key through all services, and demands that another one than the database names is refused.
func TestMasterKeyMoves(t *testing.T) { sqldbtest.Each(t, testMasterKeyMoves) }

func testMasterKeyMoves(t *testing.T) {
	vault, amazon := kmstest.StartVault(t, false), kmstest.StartAWS(t)
	k := newKeyring(t, "")
	second, err := k.AddTenant(t.Context(), InitOptions{Tenant: "Second", Email: "two@example.com", Name: "B", KeyName: "k"})
	if err != nil {
		t.Fatal(err)
	}
	k.append()
	file := "file:" + filepath.Join(t.TempDir(), "keys", "other.key")
	for i, to := range []string{vault.Location(), amazon.Location(), file} {
		old := k.cfg.KMS
		if m, err := k.MoveMasterKey(t.Context(), to, ByOperator, "moving", true); err != nil || !m.DryRun || k.recorded("key.master_moved") != i {
			t.Fatalf("dry run: %+v %v", m, err)
		}
		m, err := k.MoveMasterKey(t.Context(), to, ByOperator, "moving", false)
		if err != nil || m.Wrapped != 3 {
			t.Fatalf("%+v %v", m, err)
		}
		k.close()
		wrong, err := Open(t.Context(), k.cfg, &k.logs)
		if errs.CodeOf(err) != errs.Invalid || !strings.Contains(err.Error(), "probity keys rewrap") {
			t.Errorf("opened with %s after moving to %s: %v", old, to, err)
		}
		if wrong != nil {
			t.Fatal("it is open")
		}
		k.cfg.KMS = to
		k.open()
		k.whole("after moving to " + to)
		if k.recorded("key.master_moved") != i+1 {
			t.Error("the move is not in the log")
		}
		if s, err := k.MasterKeyState(t.Context()); err != nil || s.Behind != 0 || s.Tenants != 2 {
			t.Errorf("%+v %v", s, err)
		}
		if m, err := k.RotateMasterKey(t.Context(), ByOperator, "yearly", false); err != nil || !m.NewVersion || m.ToVersion == m.FromVersion {
			t.Errorf("%+v %v", m, err)
		}
		k.restart()
		k.whole("rotated at " + to)
		if _, err := k.Ledger.TenantKeys(t.Context(), second.TenantID); err != nil {
			t.Error(err)
		}
	}
	if code, body := k.ask("POST", "/api/crypto/keys/rotate", `{"key":"master","reason":"x"}`); code != http.StatusForbidden {
		t.Errorf("an admin of one of two tenants rotates the master key: %d %s", code, body)
	}
	k.silent(append(vault.Material("probity"), kmstest.AWSSecretKey)...)
}

// TestMasterKeyRotatedElsewhere finishes what a rotation within Vault, or an interrupted one, has left.
func TestMasterKeyRotatedElsewhere(t *testing.T) {
	vault := kmstest.StartVault(t, false)
	k := newKeyring(t, vault.Location())
	k.append()
	vault.RotateElsewhere("probity")
	k.restart()
	if s := k.state(); s.Master.Version != "v1" || s.Master.Current != "v2" || s.Master.Behind != 2 {
		t.Errorf("%+v", s.Master)
	}
	vault.Deny("rotate") // which is not needed now
	m, err := k.RotateMasterKey(t.Context(), ByOperator, "rotated in Vault", false)
	if err != nil || m.NewVersion || m.ToVersion != "v2" {
		t.Fatalf("%+v %v", m, err)
	}
	vault.Forget("probity", 2)
	k.restart()
	k.whole("without the first version")
	if _, err := k.RotateMasterKey(t.Context(), ByOperator, "again", false); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("%v", err)
	}
	k.whole("after a refused rotation")
}

// TestServiceGone demands that a server goes on without its key-management service, says so, and cannot be started without it.
func TestServiceGone(t *testing.T) {
	defer func(d time.Duration) { kmsPatience = d }(kmsPatience)
	kmsPatience = time.Second
	vault := kmstest.StartVault(t, false)
	k := newKeyring(t, vault.Location())
	k.append()
	if code, body := k.ask("GET", "/readyz", ""); code != http.StatusOK || !strings.Contains(body, `"ready"`) {
		t.Errorf("%d %s", code, body)
	}
	vault.Seal(true)
	k.whole("while Vault is sealed")
	if _, err := k.Ledger.CreateTenant(t.Context(), "t-2", "Second"); errs.CodeOf(err) != errs.Unavailable || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("a tenant without a key: %v", err)
	}
	if code, body := k.ask("GET", "/readyz", ""); code != http.StatusOK || !strings.Contains(body, `"degraded"`) {
		t.Errorf("%d %s", code, body)
	}
	if s := k.state(); !strings.Contains(s.Master.Problem, "sealed") {
		t.Errorf("%+v", s.Master)
	}
	if f := figures(t, k.App); f["probity_kms_up"] != 0 {
		t.Errorf("probity_kms_up is %v", f["probity_kms_up"])
	}
	k.close()
	if a, err := Open(t.Context(), k.cfg, &k.logs); errs.CodeOf(err) != errs.Unavailable || !strings.Contains(err.Error(), "vault operator unseal") || a != nil {
		t.Errorf("started: %v", err)
	}
	vault.Seal(false)
	k.open()
	k.whole("after unsealing")
	if f := figures(t, k.App); f["probity_kms_up"] != 1 || f["probity_key_age_seconds"] > 60 {
		t.Errorf("%v", f)
	}
	k.silent(vault.Material("probity")...)
}

// TestWrongMasterKeyFile demands a clear error when the file is another one.
func TestWrongMasterKeyFile(t *testing.T) {
	k := newKeyring(t, "")
	k.close()
	path := masterKeyPath(k.cfg.Data)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := crypt.CreateFileKMS(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), k.cfg, &k.logs); errs.CodeOf(err) != errs.Invalid || !strings.Contains(err.Error(), "is another one") || !strings.Contains(err.Error(), "lost-master-key.md") {
		t.Errorf("%v", err)
	}
}

// killEnv has the test's program be killed in the middle of a change of the master key.
const killEnv = "PROBITY_TEST_KILL"

// TestKilledRewrap kills a process in the transaction that replaces the keysets, and after the service has made a new version: everything is as it was, and rotating finishes.
func TestKilledRewrap(t *testing.T) {
	if place := os.Getenv(killEnv); place != "" {
		dieRewrapping(t, place)
		return
	}
	sqldbtest.Each(t, testKilledRewrap)
}

func testKilledRewrap(t *testing.T) {
	for _, place := range []string{"transaction", "rotated"} {
		k := newKeyring(t, "")
		k.append()
		k.close()
		c := exec.Command(os.Args[0], "-test.run=^TestKilledRewrap$") //nolint:gosec // this program
		c.Env = append(os.Environ(), killEnv+"="+place, "PROBITY_TEST_KILL_DATA="+k.cfg.Data, "PROBITY_TEST_KILL_DATABASE="+k.cfg.Database)
		out, err := c.CombinedOutput()
		if state := c.ProcessState; state == nil || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%s: it was not killed: %v\n%s", place, err, out)
		}
		k.open()
		if n := k.recorded("key.*"); n != 0 {
			t.Errorf("%s: %d events of a change that did not happen", place, n)
		}
		k.whole(place)
		s := k.state()
		if (s.Master.Behind == 2) != (place == "rotated") {
			t.Errorf("%s: %+v", place, s.Master)
		}
		m, err := k.RotateMasterKey(t.Context(), ByOperator, "again", false)
		if err != nil || m.NewVersion != (place == "transaction") {
			t.Errorf("%s: %+v %v", place, m, err)
		}
		k.restart()
		k.whole(place + ", finished")
		if s := k.state(); s.Master.Behind != 0 || k.recorded("key.master_rotated") != 1 {
			t.Errorf("%s: %+v", place, s.Master)
		}
		k.close()
	}
}

func dieRewrapping(t *testing.T, place string) {
	cfg := config.Defaults()
	cfg.Data, cfg.Database = os.Getenv("PROBITY_TEST_KILL_DATA"), os.Getenv("PROBITY_TEST_KILL_DATABASE")
	a, err := Open(t.Context(), cfg, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	die := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} }
	if place == "rotated" {
		if err := a.kms.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		die()
	}
	_, err = a.Ledger.Rewrap(t.Context(), ledger.Rewrapping{From: a.kms, To: a.kms, Action: "key.master_rotated", By: ByOperator, Reason: "x",
		Store: func(context.Context, *sql.Tx) error { die(); return nil }})
	t.Fatal("still alive", err)
}

// TestKeysAreForAdmins demands that an auditor neither sees nor rotates.
func TestKeysAreForAdmins(t *testing.T) {
	k := newKeyring(t, "")
	p := actor.System(k.tenant)
	p.Roles, p.Permissions = []string{actor.RoleAuditor}, slices.Clone(actor.RolePermissions(actor.RoleAuditor))
	h, err := k.handler(as{p})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*http.Request{httptest.NewRequest("GET", "/api/crypto/keys", nil), httptest.NewRequest("POST", "/api/crypto/keys/rotate", strings.NewReader(`{"key":"tenant","reason":"x"}`))} {
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s %s: %d", r.Method, r.URL, w.Code)
		}
	}
	k.restart()
	for _, bad := range []string{`{"key":"other","reason":"x"}`, `{"key":"tenant"}`, `{"key":"signing","reason":"x","overlap":"1s"}`, `{"key":"signing","reason":"x","overlap":"9000d"}`} {
		if code, body := k.ask("POST", "/api/crypto/keys/rotate", bad); code/100 != 4 {
			t.Errorf("%s: %d %s", bad, code, body)
		}
	}
	if k.recorded("key.*") != 0 {
		t.Error("something was rotated")
	}
}

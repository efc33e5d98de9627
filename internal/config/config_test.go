package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"pgregory.net/rapid"

	"probity.dev/internal/errs"
)

var update = flag.Bool("update", false, "rewrite docs/configuration.md")

func noEnv(string) (string, bool) { return "", false }

func envOf(m map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

func flagsOf(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("t", pflag.ContinueOnError)
	Bind(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func yamlFile(t *testing.T, content string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "probity.yaml")
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDefaults(t *testing.T) {
	c := Defaults()
	if c.Listen != "127.0.0.1:8780" || c.SealAfter != 24*time.Hour || c.CheckpointInterval != 500*time.Millisecond ||
		c.QueryThreads != 2 || c.MaxRequestBytes != 8<<20 || c.MetricsListen != "" || c.Secure() {
		t.Fatalf("%+v", c)
	}
}

func TestPrecedence(t *testing.T) {
	file := yamlFile(t, "seal_after: 1h\nquery_threads: 3\nlog_level: warn\ntrusted_proxies: [10.0.0.0/8, \"::1\"]\n")
	env := envOf(map[string]string{"PROBITY_SEAL_AFTER": "2h", "PROBITY_QUERY_THREADS": "4", "PROBITY_CONFIG": file})
	c, err := Load(flagsOf(t, "--seal-after=3h"), env)
	if err != nil {
		t.Fatal(err)
	}
	if c.SealAfter != 3*time.Hour || c.QueryThreads != 4 || c.LogLevel != "warn" || len(c.TrustedProxies) != 2 {
		t.Fatalf("%+v", c)
	}
	want := map[string]Source{"seal-after": FromFlag, "query-threads": FromEnv, "log-level": FromFile, "listen": FromDefault}
	for _, v := range c.Values() {
		if w, ok := want[v.Setting.Name]; ok && v.Source != w {
			t.Errorf("%s from %s", v.Setting.Name, v.Source)
		}
	}
	// A flag that merely has its default on the command line still wins.
	c, err = Load(flagsOf(t, "--seal-after=24h", "--config", file), noEnv)
	if err != nil || c.SealAfter != 24*time.Hour {
		t.Fatalf("%v %v", c, err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ yaml, want string }{
		"unknown key":      {"seal_aftr: 1h\n", `line 1: unknown setting "seal_aftr"; did you mean seal_after?`},
		"hyphen":           {"listen: :1\nseal-after: 1h\n", `line 2: unknown setting "seal-after"; did you mean seal_after?`},
		"twice":            {"data: a\ndata: b\n", "twice"},
		"nested":           {"data:\n  path: x\n", "must be a plain value or a list"},
		"not a mapping":    {"- a\n", "key: value"},
		"bad duration":     {"seal_after: soon\n", "seal_after: \"soon\" is not a duration"},
		"out of range":     {"session_idle: 1s\n", "must be between 1m and"},
		"bad size":         {"max_request_bytes: lots\n", "is not a size"},
		"bad level":        {"log_level: loud\n", "must be one of"},
		"half of tls":      {"tls_cert: a.pem\n", "given together"},
		"url with path":    {"public_url: https://a.example/x\n", "without a path"},
		"bad proxy":        {"trusted_proxies: [nonsense]\n", "neither an address nor a network"},
		"idle > absolute":  {"session_idle: 24h\nsession_absolute: 1h\n", "session-idle must not be longer"},
		"plain public url": {"tls_cert: a\ntls_key: b\npublic_url: http://a.example\n", "https://"},
		"instance":         {"instance_name: Audit Log\n", "a-z"},
		"scrub":            {"scrub_at: 25:00\n", "time of day"},
		"broken yaml":      {"a: [\n", "probity.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(flagsOf(t, "--config", yamlFile(t, c.yaml)), noEnv)
			if err == nil || !strings.Contains(err.Error(), c.want) || errs.CodeOf(err) != errs.Invalid {
				t.Fatalf("got %v", err)
			}
		})
	}
	if _, err := Load(flagsOf(t, "--config", "/does/not/exist"), noEnv); err == nil {
		t.Fatal("a named file must exist")
	}
	if _, err := Load(nil, envOf(map[string]string{"PROBITY_LISTEN": "nowhere"})); err == nil || !strings.Contains(err.Error(), "PROBITY_LISTEN") {
		t.Fatalf("got %v", err)
	}
}

func TestSecretsComeFromFilesAndAreNotShown(t *testing.T) {
	const canary = "authorization=Bearer canary-7d1f"
	secret := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(secret, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, load := range map[string]func() (*Config, error){
		"flag": func() (*Config, error) { return Load(flagsOf(t, "--otlp-headers-file", secret), noEnv) },
		"env file": func() (*Config, error) {
			return Load(nil, envOf(map[string]string{"PROBITY_OTLP_HEADERS_FILE": secret}))
		},
		"env": func() (*Config, error) { return Load(nil, envOf(map[string]string{"PROBITY_OTLP_HEADERS": canary})) },
		"yaml": func() (*Config, error) {
			return Load(flagsOf(t, "--config", yamlFile(t, "otlp_headers_file: "+secret)), noEnv)
		},
	} {
		c, err := load()
		if err != nil || c.OTLPHeaders != canary {
			t.Fatalf("%s: %v", name, err)
		}
		for _, v := range c.Values() {
			if strings.Contains(v.Text, "canary") {
				t.Errorf("%s: %s shows the secret", name, v.Setting.Name)
			}
		}
	}
	for address, ok := range map[string]bool{"postgres://probity@db.example/p": true, "postgres://probity:canary@db.example/p": false, "postgres://db.example/p?password=canary": false, "mysql://db/p": false} {
		if _, err := Load(flagsOf(t, "--database", address), noEnv); (err == nil) != ok || err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("--database %s: %v", address, err)
		}
		if _, err := Load(nil, envOf(map[string]string{"PROBITY_DATABASE": address})); (err == nil) != strings.HasPrefix(address, "postgres:") {
			t.Errorf("PROBITY_DATABASE=%s: %v", address, err)
		}
	}
	if flagsOf(t).Lookup("otlp-headers") != nil {
		t.Error("a secret must not be a flag")
	}
	_, err := Load(nil, envOf(map[string]string{"PROBITY_OTLP_HEADERS": "canary-7d1f"}))
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a malformed secret must be refused without being shown: %v", err)
	}
}

func TestSecretsThatEverybodyMayRead(t *testing.T) {
	const canary = "canary-9b1f"
	secret := filepath.Join(t.TempDir(), "s")
	write := func(path, content string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what, want string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Every secret has a file, as a flag, as a variable and in the YAML file.
	for _, s := range Settings() {
		if !s.Secret {
			continue
		}
		write(secret, canary, 0o644)
		_, err := Load(flagsOf(t, "--"+s.Name+"-file", secret), noEnv)
		refused(s.Name, "--"+s.Name+"-file: "+secret+" may be read by everybody", err)
		_, err = Load(nil, envOf(map[string]string{s.Env() + "_FILE": secret}))
		refused(s.Name, s.Env()+"_FILE", err)
		_, err = Load(flagsOf(t, "--config", yamlFile(t, s.Key()+"_file: "+secret)), noEnv)
		refused(s.Name, s.Key()+"_file: "+secret, err)
		write(secret, "\n", 0o600)
		_, err = Load(flagsOf(t, "--"+s.Name+"-file", secret), noEnv)
		refused(s.Name, "is empty", err)
	}
	// So does the YAML file itself when it holds one.
	plain := yamlFile(t, "smtp_password: "+canary)
	if _, err := Load(flagsOf(t, "--config", plain), noEnv); err != nil {
		t.Error(err)
	}
	write(plain, "listen: :1\nsmtp_password: "+canary, 0o644)
	_, err := Load(flagsOf(t, "--config", plain), noEnv)
	refused("yaml", "line 2: smtp_password is a secret", err)
	for address, ok := range map[string]bool{"postgres://probity@db.example/p": true, "postgres://probity:canary@db.example/p": false} {
		write(plain, "database: "+address, 0o644)
		if _, err := Load(flagsOf(t, "--config", plain), noEnv); (err == nil) != ok || err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestUnitsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<50).Draw(t, "size")
		if got, err := ParseSize(FormatSize(n)); err != nil || got != n {
			t.Fatalf("%d -> %s -> %d %v", n, FormatSize(n), got, err)
		}
		d := time.Duration(rapid.Int64Range(0, int64(1000*24*time.Hour)).Draw(t, "duration"))
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%v -> %s -> %v %v", d, FormatDuration(d), got, err)
		}
	})
	for in, want := range map[string]int64{"8MiB": 8 << 20, "8 mb": 8e6, "1.5KiB": 1536, "0": 0, "12B": 12} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%s: %d %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "MiB", "-1", "NaN", "9e99", "1PiB", "Inf"} {
		if _, err := ParseSize(bad); err == nil {
			t.Errorf("size %q accepted", bad)
		}
	}
	for _, bad := range []string{"", "d", "-1h", "9e99d", "1", "NaNd"} {
		if _, err := ParseDuration(bad); err == nil {
			t.Errorf("duration %q accepted", bad)
		}
	}
	if d, err := ParseDuration("1.5d"); err != nil || d != 36*time.Hour {
		t.Error(d, err)
	}
}

func TestDocumentationIsTrue(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "configuration.md")
	want := Markdown()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatal("docs/configuration.md is out of date: go test ./internal/config -run Documentation -update")
	}
	// The example on the page must load.
	_, example, _ := strings.Cut(want, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if _, err := Load(flagsOf(t, "--config", yamlFile(t, example)), noEnv); err != nil {
		t.Fatal(err)
	}
}

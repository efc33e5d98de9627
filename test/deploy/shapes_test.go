package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"probity.dev/internal/config"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestUnit demands that systemd takes the unit, where there is systemd, and that what keeps the server in bounds is in it.
func TestUnit(t *testing.T) {
	unit := read(t, "../../deploy/systemd/probity.service")
	for _, line := range []string{"User=probity", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "StateDirectory=probity", "StateDirectoryMode=0700", "UMask=0077", "PrivateTmp=yes",
		"ProtectHome=yes", "MemoryDenyWriteExecute=yes", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "ExecReload=/bin/kill -HUP $MAINPID", "ExecStart=/usr/local/bin/probity serve --config /etc/probity/probity.yaml"} {
		if !slices.Contains(strings.Split(unit, "\n"), line) {
			t.Errorf("the unit lacks %s", line)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if _, systemd := os.Stat("/lib/systemd/systemd"); systemd == nil {
			t.Error("systemd is here and systemd-analyze is not")
		}
		t.Log("no systemd-analyze on this machine: the unit was read for its lines alone")
		return
	}
	path := filepath.Join(t.TempDir(), "probity.service")
	verify := func(text string) (string, error) {
		// The program is not installed where tests run.
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "/usr/local/bin/probity", "/bin/true")), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput()
		return string(out), err
	}
	if out, err := verify(unit); err != nil || strings.Contains(out, path) {
		t.Errorf("%v %s", err, out)
	}
	if out, _ := verify(strings.Replace(unit, "ProtectHome=", "ProtectHorne=", 1)); !strings.Contains(out, "ProtectHorne") {
		t.Errorf("an unknown directive was not found: %s", out)
	}
}

type composeFile struct {
	Services map[string]struct {
		Image       string
		Environment map[string]string
		Secrets     []string
		Volumes     []string
		Ports       []string
		Depends     map[string]struct{ Condition string } `yaml:"depends_on"`
		Healthcheck *struct {
			Test              []string
			Interval, Timeout string
			Retries           int
		}
		Extends     struct{ Service string }
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
		Tmpfs       []string
		Command     []string
		Build       *struct{ Context, Dockerfile string }
		Entrypoint  []string
		Profiles    []string
		Restart     string
		StopGrace   string `yaml:"stop_grace_period"`
	}
	Volumes map[string]struct{}
	Secrets map[string]struct{ File string }
	Name    string
}

func TestCompose(t *testing.T) {
	var c composeFile
	d := yaml.NewDecoder(strings.NewReader(read(t, "../../deploy/compose/compose.yaml")))
	d.KnownFields(true) // a key that is misspelt has no effect
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	guide := read(t, "../../docs/operators.md")
	settings := map[string]bool{}
	for _, s := range config.Settings() {
		settings[s.Env()] = true
		if s.Secret {
			settings[s.Env()+"_FILE"] = true
		}
	}
	for name, s := range c.Services {
		if s.Image == "" && s.Extends.Service == "" {
			t.Errorf("%s has no image", name)
		}
		if s.Image != "" && !strings.Contains(s.Image, ":") {
			t.Errorf("%s: no version of %s is chosen", name, s.Image)
		}
		for key, value := range s.Environment {
			if strings.HasPrefix(key, "PROBITY_") && !settings[key] {
				t.Errorf("%s: %s is no setting", name, key)
			}
			if strings.HasSuffix(key, "_FILE") && !slices.Contains(s.Secrets, strings.TrimPrefix(value, "/run/secrets/")) {
				t.Errorf("%s: %s=%s, and the service has no such secret", name, key, value)
			}
			if strings.Contains(strings.ToLower(key), "password") && !strings.HasSuffix(key, "_FILE") {
				t.Errorf("%s: %s holds a password", name, key)
			}
		}
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File == "" || !strings.Contains(guide, "secrets/"+secret) {
				t.Errorf("%s: nobody says where the secret %s is, or the guide not how it is made", name, secret)
			}
		}
		for _, v := range s.Volumes {
			if source, _, _ := strings.Cut(v, ":"); func() bool { _, ok := c.Volumes[source]; return !ok }() {
				t.Errorf("%s: there is no volume %s", name, source)
			}
		}
		for other, d := range s.Depends {
			o, ok := c.Services[other]
			if !ok || d.Condition == "service_healthy" && o.Healthcheck == nil {
				t.Errorf("%s waits for %s, which does not exist or never is healthy", name, other)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to the network without TLS", name, p)
			}
		}
	}
	p := c.Services["probity"]
	if !p.ReadOnly || !slices.Contains(p.CapDrop, "ALL") || !slices.Contains(p.SecurityOpt, "no-new-privileges:true") || p.Build.Dockerfile != "deploy/container/Containerfile" {
		t.Errorf("%+v", p)
	}
	if _, err := os.Stat(filepath.Join("../../deploy/compose", p.Build.Context, p.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
}

func TestContainerfile(t *testing.T) {
	text := read(t, "../../deploy/container/Containerfile")
	var last []string // instructions of the last stage
	var stages []string
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if !slices.Contains([]string{"FROM", "WORKDIR", "COPY", "RUN", "ARG", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}, word) {
			t.Errorf("%q is no instruction", line)
		}
		if word == "FROM" {
			if image, _, _ := strings.Cut(rest, " "); !strings.Contains(image, ":") || strings.HasSuffix(image, ":latest") || strings.Count(image, "/") < 2 {
				t.Errorf("%s: the base is not named in full", image)
			}
			stages, last = append(stages, rest), nil
		}
		if m := regexp.MustCompile(`--from=(\S+)`).FindStringSubmatch(line); m != nil && !slices.ContainsFunc(stages, func(s string) bool { return strings.HasSuffix(s, "AS "+m[1]) }) {
			t.Errorf("%q copies from no stage", line)
		}
		last = append(last, line)
	}
	for _, want := range []string{"USER 65532:65532", "VOLUME /data", `ENTRYPOINT ["/usr/local/bin/probity"]`, "STOPSIGNAL SIGTERM", "ENV PROBITY_DATA=/data PROBITY_LISTEN=:8780"} {
		if !slices.Contains(last, want) {
			t.Errorf("the image lacks %s", want)
		}
	}
	if !strings.Contains(text, `CMD ["/usr/local/bin/probity", "health"]`) || len(stages) != 3 || !strings.Contains(stages[2], "distroless") {
		t.Errorf("%v", stages)
	}
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../../go.mod"))[1]
	if !strings.Contains(text, "golang:"+want+"-") {
		t.Errorf("the program is built with another Go than go.mod's %s", want)
	}
}

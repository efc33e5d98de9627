package secretfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhoMayReadASecret(t *testing.T) {
	const canary = "canary-5e1d"
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	if err := os.WriteFile(path, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	old := shared
	defer func() { shared = old }()
	for _, c := range []struct {
		mode      os.FileMode
		container bool
		want      string // "" for accepted
	}{
		{0o600, false, ""}, {0o400, false, ""}, {0o440, false, ""}, {0o640, false, ""},
		{0o644, false, "read by everybody"}, {0o604, false, "read by everybody"}, {0o602, false, "written by everybody"},
		{0o444, true, ""}, {0o644, true, ""}, {0o666, true, "written by everybody"},
	} {
		shared = nil
		if c.container {
			shared = []string{dir}
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		b, err := Read(path)
		if c.want == "" {
			if err != nil || string(b) != canary {
				t.Errorf("%04o: %q %v", c.mode, b, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "chmod 600") || strings.Contains(err.Error(), canary) {
			t.Errorf("%04o: %v", c.mode, err)
		}
	}
}

func TestWhatIsNoSecret(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Error(err)
	}
	if _, err := Read(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Error(err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, MaxBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(large); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Error(err)
	}
	// Mounted secrets are links to files elsewhere; the file is what counts.
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(link); err == nil {
		t.Error("a link hides who may read its file")
	}
}

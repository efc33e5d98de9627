package instance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binary is the server that the tests of this process run.
var binary string

// Main runs the tests of a package against a server that is built once, into a folder that goes away with them. $PROBITY_BIN names one that is built already.
// after, when not nil, runs when the tests are through.
func Main(m *testing.M, after func()) {
	os.Exit(run(m, after))
}

func run(m *testing.M, after func()) int {
	dir, err := os.MkdirTemp("", "probity-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	others.dir, others.paths = dir, map[string]string{}
	if binary = os.Getenv("PROBITY_BIN"); binary == "" {
		binary = filepath.Join(dir, "probity")
		build := exec.Command("go", "build", "-o", binary, "probity.dev/cmd/probity")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the server:", err)
			return 1
		}
	}
	code := m.Run()
	if after != nil {
		after()
	}
	return code
}

// Binary is the path of the server that the tests of this process run.
func Binary() string { return binary }

// others are the servers that [Build] has built, by their tags.
var others struct {
	sync.Mutex
	dir   string
	paths map[string]string
}

// Build builds the server with build tags, once for all tests of this process, and returns its path.
func Build(t testing.TB, tags string) string {
	t.Helper()
	others.Lock()
	defer others.Unlock()
	if path, ok := others.paths[tags]; ok {
		return path
	}
	path := filepath.Join(others.dir, "probity-"+tags)
	if out, err := exec.Command("go", "build", "-tags", tags, "-o", path, "probity.dev/cmd/probity").CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v: %s", err, out)
	}
	others.paths[tags] = path
	return path
}

// Missing skips a test for want of something that not every machine has. Where PROBITY_REQUIRE_DATA=1 says that the machine should have everything, it fails instead.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	why := fmt.Sprintf(format, args...)
	if os.Getenv("PROBITY_REQUIRE_DATA") == "1" {
		t.Fatal("this machine should have it: " + why)
	}
	t.Skip("SKIPPED: " + why)
}

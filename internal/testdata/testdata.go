package testdata

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the folder of real-world test data that lives beside the repository: $PROBITY_TEST_DATA, or shared/data in a parent
// folder. A test that needs it is skipped, saying so, when it is absent; with PROBITY_REQUIRE_DATA=1 it fails instead, so that a
// machine that should have the data notices.
func Dir(t testing.TB) string {
	t.Helper()
	if d := os.Getenv("PROBITY_TEST_DATA"); d != "" {
		return d
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for d := wd; ; d = filepath.Dir(d) {
		c := filepath.Join(d, "shared", "data")
		if _, err := os.Stat(filepath.Join(c, "README.md")); err == nil {
			return c
		}
		if filepath.Dir(d) == d {
			break
		}
	}
	if os.Getenv("PROBITY_REQUIRE_DATA") == "1" {
		t.Fatal("shared data absent: set PROBITY_TEST_DATA")
	}
	t.Skip("shared data absent: set PROBITY_TEST_DATA to the folder that holds it")
	return ""
}

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestReferenceIsTrue compares docs/cli with the commands; -update rewrites it.
func TestReferenceIsTrue(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "cli")
	root := newRoot()
	pages := reference(root)
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		root.SetArgs([]string{"docs", dir})
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := pages[e.Name()]; !ok {
			t.Errorf("docs/cli/%s describes no command", e.Name())
		}
	}
	for name, want := range pages {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("docs/cli/%s is not what the command says; run go test ./cmd/probity -run TestReference -update", name)
		}
	}
}

// TestEveryCommandTeaches asks every command for help that explains it, an example, and a form for scripts where it prints data.
func TestEveryCommandTeaches(t *testing.T) {
	printsNothing := []string{"serve", "demo", "docs", "tenant", "user", "api-key", "hold", "export", "migrate", "health"}
	for _, c := range all(newRoot()) {
		if c.Name() == "completion" || c.Name() == "help" || c.HasParent() && c.Parent().Name() == "completion" {
			continue
		}
		if len(c.Long) < 60 {
			t.Errorf("%s: the help explains little: %q", c.CommandPath(), c.Long)
		}
		if !strings.Contains(c.Example, "probity ") {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if c.HasParent() && !slices.Contains(printsNothing, c.Name()) && c.Flags().Lookup("output") == nil {
			t.Errorf("%s has no --output", c.CommandPath())
		}
		for line := range strings.SplitSeq(c.Long, "\n") {
			if len([]rune(line)) > 190 {
				t.Errorf("%s: a line of the help has %d characters: %s", c.CommandPath(), len([]rune(line)), line)
			}
		}
	}
}

func all(c *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		out = append(out, all(sub)...)
	}
	return out
}

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newDocs writes the reference of the command line, which is kept in docs/cli.
func newDocs() *cobra.Command {
	c := &cobra.Command{
		Use: "docs DIR", Short: "Write the reference of the commands as Markdown", Hidden: true, Args: oneArg("the folder to write to"),
		Long: "Writes a page for each command and an overview, as they are kept in docs/cli. What is there already is replaced.", Example: "  probity docs docs/cli",
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // documentation is for everybody
			return err
		}
		for name, text := range reference(c.Root()) {
			if err := os.WriteFile(filepath.Join(args[0], name), []byte(text), 0o644); err != nil { //nolint:gosec // likewise
				return err
			}
		}
		return nil
	}
	return c
}

// reference returns the pages of the reference by file name.
func reference(root *cobra.Command) map[string]string {
	pages := map[string]string{}
	var overview strings.Builder
	fmt.Fprintf(&overview, "# The command line\n\n%s\n\n%s", generated, block(root.Long))
	for _, g := range root.Groups() {
		fmt.Fprintf(&overview, "\n## %s\n\n| command | |\n|---|---|\n", strings.TrimSuffix(g.Title, ":"))
		for _, c := range root.Commands() {
			if c.GroupID == g.ID {
				fmt.Fprintf(&overview, "| [%s](%s) | %s |\n", c.CommandPath(), pageOf(c), c.Short)
			}
		}
	}
	fmt.Fprintf(&overview, "\n## Other\n\n| command | |\n|---|---|\n| [probity version](%s) | %s |\n", pageOf(named(root, "version")), named(root, "version").Short)
	overview.WriteString("| `probity completion bash`, `zsh`, `fish`, `powershell` | Print a script that completes commands, flags and their values |\n")
	pages["README.md"] = overview.String()
	for _, c := range visible(root) {
		pages[pageOf(c)] = page(c)
	}
	return pages
}

const generated = "<!-- Written by `probity docs docs/cli`; a test keeps it true. -->"

func named(root *cobra.Command, name string) *cobra.Command {
	for _, c := range root.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return root
}

// visible lists the commands that have a page, in the order of the overview.
func visible(c *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.Hidden || sub.Name() == "completion" || sub.Name() == "help" {
			continue
		}
		out = append(append(out, sub), visible(sub)...)
	}
	return out
}

func pageOf(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "_") + ".md" }

func page(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n%s\n\n```\n%s\n```\n\n%s", c.CommandPath(), generated, c.Short+".", c.UseLine(), block(c.Long))
	if c.Example != "" {
		fmt.Fprintf(&b, "\n## Examples\n\n```\n%s\n```\n", unindent(c.Example))
	}
	if subs := visible(c); len(subs) > 0 {
		b.WriteString("\n## Commands\n\n| command | |\n|---|---|\n")
		for _, s := range subs {
			fmt.Fprintf(&b, "| [%s](%s) | %s |\n", s.CommandPath(), pageOf(s), s.Short)
		}
	}
	rows := map[string]string{}
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" && f.DefValue != "0" {
			def = "`" + f.DefValue + "`"
		}
		rows[f.Name] = fmt.Sprintf("| `%s` | %s | %s |\n", name, strings.ReplaceAll(f.Usage, "|", "\\|"), def)
	})
	for i, name := range slices.Sorted(maps.Keys(rows)) {
		if i == 0 {
			b.WriteString("\n## Flags\n\n| flag | | default |\n|---|---|---|\n")
		}
		b.WriteString(rows[name])
	}
	return b.String()
}

// block turns help text into Markdown: indented lines are kept as they are.
func block(text string) string {
	var b strings.Builder
	code := false
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		indented := strings.HasPrefix(line, "  ")
		if indented != code {
			if indented && !strings.HasSuffix(b.String(), "\n\n") {
				b.WriteString("\n")
			}
			b.WriteString("```\n")
			code = indented
			if !code && line != "" {
				b.WriteString("\n")
			}
		}
		b.WriteString(line + "\n")
	}
	if code {
		b.WriteString("```\n")
	}
	return b.String()
}

func unindent(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

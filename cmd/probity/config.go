package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/cmd/probity/terminal"
)

func newConfig() *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "Show the settings in effect and where each comes from", Args: cobra.NoArgs,
		Example: "  probity config --config probity.yaml\n  probity config --output json",
		Long: `Shows every setting of the server with the value in effect and its source: a flag, an environment variable, the file of --config, or the built-in default. Secrets are not shown.
docs/configuration.md explains each. A setting that is not valid is reported as serve would.`,
	}
	settings(c)
	outputFlag(c, "table", "json", "csv")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load(c)
		if err != nil {
			return err
		}
		type row struct {
			Name   string `json:"name"`
			Value  string `json:"value"`
			Source string `json:"source"`
			Env    string `json:"environment"`
		}
		rows := []row{}
		for _, v := range cfg.Values() {
			rows = append(rows, row{v.Setting.Name, v.Text, string(v.Source), v.Setting.Env()})
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), map[string]any{"items": rows})
		}
		g := newGrid(c, terminal.Column{Title: "SETTING"}, terminal.Column{Title: "VALUE", Shrink: true, Min: 12}, terminal.Column{Title: "SOURCE"}, terminal.Column{Title: "ENVIRONMENT"})
		for _, r := range rows {
			if err := g.row(r.Name, r.Value, r.Source, r.Env); err != nil {
				return err
			}
		}
		return g.end()
	}
	return c
}

func newVersion() *cobra.Command {
	c := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs, Example: "  probity version --output json",
		Long: "Prints the version of the program, the revision it was built from, the Go version and the platform.",
	}
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		revision := ""
		if info, ok := debug.ReadBuildInfo(); ok {
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" {
					revision = s.Value
				}
			}
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), map[string]string{"version": app.Version, "revision": revision, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
		}
		if len(revision) > 12 {
			revision = revision[:12]
		}
		if revision != "" {
			revision = " (" + revision + ")"
		}
		_, err := fmt.Fprintf(c.OutOrStdout(), "probity %s%s, %s, %s/%s\n", app.Version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return err
	}
	return c
}

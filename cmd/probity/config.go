package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

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
	c.AddCommand(newConfigPolicy("catalog", "Show which fields are personal", `Prints the field catalogue in effect as YAML, in the form of the file that --catalog-file names: the rules of that file, then the built-in ones.
The first rule that matches an event's action and a field's path decides; without a match, the field's name and value do.`, func(p *app.Policies) any { return p.Catalog() }),
		newConfigPolicy("masking", "Show what each role sees", `Prints the masking policy in effect as YAML, in the form of the file that --masking-file names: that file over the built-in policy.`,
			func(p *app.Policies) any { return p.Masks() }))
	return c
}

// newConfigPolicy prints one of the policies in effect. A file that is not valid is reported as serve would.
func newConfigPolicy(name, short, long string, show func(*app.Policies) any) *cobra.Command {
	c := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs, Long: long,
		Example: fmt.Sprintf("  probity config %s --%s-file %s.yaml\n  probity config %s --output json", name, name, name, name),
	}
	settings(c, name+"-file")
	outputFlag(c, "yaml", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load(c)
		if err != nil {
			return err
		}
		p, err := app.LoadPolicies(cfg)
		if err != nil {
			return err
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), show(p))
		}
		e := yaml.NewEncoder(c.OutOrStdout())
		e.SetIndent(2)
		return errors.Join(e.Encode(show(p)), e.Close())
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

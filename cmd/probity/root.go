package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/config"
)

func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	c, err := root.ExecuteContextC(ctx)
	return finish(errOut, c.CommandPath(), err)
}

// The groups of the overview.
const (
	groupRun    = "run"
	groupEvents = "events"
	groupProof  = "proof"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use: "probity", Short: "An audit trail that proves itself", SilenceErrors: true, SilenceUsage: true, Version: app.Version,
		Long: `Probity keeps an organisation's audit trail, governs the personal data behind it, and proves both to outsiders.

  probity init --data ./data         make a data directory
  probity serve --data ./data        serve the API and the console
  probity ingest --data ./data FILE  record what is in files
  probity search --action 'invoice.*' --outcome failure

Commands that read or write events work on a server (--server URL and an API key) or, while none is running, on its data directory (--data DIR).

` + exitHelp,
		Example: "  probity demo --data ./demo",
	}
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run:"}, &cobra.Group{ID: groupEvents, Title: "Record and find:"}, &cobra.Group{ID: groupProof, Title: "Prove:"})
	add := func(group string, list ...*cobra.Command) {
		for _, c := range list {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupRun, newInit(), newServe(), newDemo(), newTenant(), newUser(), newAPIKey(), newMigrate(), newConfig(), newBackup(), newRestore(), newArchive(), newImport(), newHealth())
	add(groupEvents, newIngest(), newSearch(), newShow(), newExport())
	add(groupProof, newVerify(), newKeys(), newCheckpoint(), newLog())
	root.AddCommand(newVersion(), newDocs())
	root.SetVersionTemplate("probity {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = false
	started(root)
	return root
}

// started marks the errors of commands that have begun, so that all others are known to be about the command line.
func started(c *cobra.Command) {
	if f := c.RunE; f != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			if err := f(c, args); err != nil {
				return startedError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		started(sub)
	}
}

// settings adds the flags of settings to a command; without names, all of them.
// dataSettings are the settings that say where the data of an installation is.
var dataSettings = []string{"data", "database", "storage", "storage-working", "storage-lock", "kms", "kms-token", "kms-secret-id", "log-level"}

func settings(c *cobra.Command, names ...string) { config.Bind(c.Flags(), names...) }

func load(c *cobra.Command) (*config.Config, error) { return config.Load(c.Flags(), os.LookupEnv) }

// quiet loads the settings for a command that works on a data directory and ends: only what goes wrong is logged.
func quiet(c *cobra.Command) (*config.Config, error) {
	cfg, err := load(c)
	if err != nil {
		return nil, err
	}
	for _, v := range cfg.Values() {
		switch {
		case v.Setting.Name == "log-level" && v.Source == config.FromDefault:
			cfg.LogLevel = "error"
		case v.Setting.Name == "log-format" && v.Source == config.FromDefault:
			cfg.LogFormat = "text"
		}
	}
	return cfg, nil
}

// screen is where a command prints for people; notes is beside it, for what is not the result.
func screen(c *cobra.Command) *terminal.Screen { return terminal.New(c.OutOrStdout()) }
func notes(c *cobra.Command) *terminal.Screen  { return terminal.New(c.ErrOrStderr()) }

// outputFlag adds --output with the forms that a command has; the first is the default.
func outputFlag(c *cobra.Command, forms ...string) {
	c.Flags().String("output", forms[0], "form of the output: "+strings.Join(forms, ", "))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp))
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if got := output(c); !slices.Contains(forms, got) {
			return usage("--output is %s, not %q", strings.Join(forms, ", "), got)
		}
		return nil
	}
}

func output(c *cobra.Command) string { return c.Flags().Lookup("output").Value.String() }

// printJSON prints v for scripts.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

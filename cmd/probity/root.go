package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
)

// Exit codes that scripts can rely on.
const (
	exitOK     = 0
	exitFailed = 1 // the work was done and the answer is no: a verification failed, events were rejected
	exitUsage  = 2 // the command line or the input is wrong
	exitError  = 3 // the work could not be done
)

// exitError ends the program with a code of its own; its message has been printed.
type codeError struct{ code int }

func (e codeError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var code codeError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return code.code
	}
	fmt.Fprintln(errOut, "probity:", err)
	switch errs.CodeOf(err) {
	case errs.Internal, errs.Unavailable, errs.Throttled:
		return exitError
	}
	return exitUsage
}

func newRoot() *cobra.Command {
	root := &cobra.Command{Use: "probity", Short: "An audit trail that proves itself", SilenceErrors: true, SilenceUsage: true, Version: app.Version,
		Long: "Probity keeps an organisation's audit trail, governs the personal data behind it, and proves both to outsiders."}
	root.PersistentFlags().String("config", "", "YAML file with settings (see docs/configuration.md)")
	root.AddCommand(newInit(), newServe())
	return root
}

// settings adds the flags of settings to a command; without names, all of them.
func settings(c *cobra.Command, names ...string) { config.Bind(c.Flags(), names...) }

func load(c *cobra.Command) (*config.Config, error) { return config.Load(c.Flags(), os.LookupEnv) }

// printJSON prints v for scripts.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/cmd/probity/terminal"
)

func newServe() *cobra.Command {
	c := &cobra.Command{
		Use: "serve", Short: "Serve the API and the console", Args: cobra.NoArgs,
		Example: "  probity serve --data ./data\n  probity serve --config probity.yaml --listen :8780",
		Long: `Serves the HTTP API, the console and the log's tiles until it is told to stop (SIGTERM, Ctrl-C); then it finishes the requests in flight.

Every setting can be given as a flag, as an environment variable (PROBITY_…) or in the file of --config, in this order of precedence;
"probity config" shows what is in effect. One process at a time works on a data directory. The address is printed on standard output, log lines go to standard error.`,
	}
	settings(c)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		cfg, err := load(c)
		if err != nil {
			return err
		}
		a, err := app.Open(c.Context(), cfg, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.Close()) }()
		return a.Serve(c.Context(), func(url string) { fmt.Fprintln(c.OutOrStdout(), "Probity serves on", url) })
	}
	return c
}

// founding are the flags with which a tenant begins.
type founding struct {
	app.InitOptions
	passwordFile string
}

func (o *founding) bind(c *cobra.Command) {
	c.Flags().StringVar(&o.Email, "email", "admin@example.com", "e-mail address of the first admin")
	c.Flags().StringVar(&o.Name, "name", "Administrator", "name of the first admin")
	c.Flags().StringVar(&o.passwordFile, "password-file", "", "file that holds the first admin's password; one is made otherwise")
	c.Flags().StringVar(&o.KeyName, "key-name", "first key", "name of the first API key")
}

func (o *founding) options() (app.InitOptions, error) {
	if o.passwordFile == "" {
		return o.InitOptions, nil
	}
	b, err := os.ReadFile(o.passwordFile)
	if err != nil {
		return o.InitOptions, err
	}
	o.Password = strings.TrimRight(string(b), "\r\n")
	if o.Password == "" {
		return o.InitOptions, usage("%s is empty", o.passwordFile)
	}
	return o.InitOptions, nil
}

func newInit() *cobra.Command {
	c := &cobra.Command{
		Use: "init", Short: "Make a data directory with a tenant, an admin, an API key and a master key", Args: cobra.NoArgs,
		Example: "  probity init --data ./data\n  probity init --data ./data --tenant 'Example Clinic' --email admin@example.com --output json",
		Long: `Makes a data directory: the master key, the database, a tenant with its empty log, the first admin and the first API key, which may do everything.

The password and the API key are printed once and kept nowhere. The master key lies in the data directory under keys/; back it up apart from the data, because
nothing can be read without it. --instance-name becomes part of the name of every log and cannot be changed later. A directory that holds data already is refused.`,
	}
	settings(c, append([]string{"listen", "instance-name"}, dataSettings...)...)
	var o founding
	c.Flags().StringVar(&o.Tenant, "tenant", "Default", "name of the tenant")
	o.bind(c)
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := quiet(c)
		if err != nil {
			return err
		}
		options, err := o.options()
		if err != nil {
			return err
		}
		r, err := app.Init(c.Context(), cfg, options, c.ErrOrStderr())
		if err != nil {
			return err
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), r)
		}
		s := screen(c)
		fmt.Fprintln(s, "Created", r.Data)
		printFounded(s, r)
		if app.MasterKeyFile(cfg) {
			fmt.Fprintf(s, "\nBack up this file apart from the data. Without it nothing can be read:\n  %s\n", r.MasterKey)
		} else {
			fmt.Fprintf(s, "\nThe master key is %s. Without it nothing can be read.\n", r.MasterKey)
		}
		next := "--data " + quote(r.Data)
		if f := c.Flags().Lookup("config"); f.Changed { // it says more than where the data is
			next = "--config " + quote(f.Value.String())
		}
		fmt.Fprintf(s, "\nNext:  probity serve %s\n", next)
		return nil
	}
	return c
}

// printFounded prints what must be kept of a new tenant.
func printFounded(s io.Writer, r *app.InitResult) {
	sc, ok := s.(*terminal.Screen)
	if !ok {
		sc = terminal.New(s)
	}
	fmt.Fprintf(s, "\n  Sign in   %s\n  Password  %s\n  API key   %s\n", sc.Paint(terminal.Bold, r.Email), sc.Paint(terminal.Bold, r.Password), sc.Paint(terminal.Bold, r.APIKey))
	fmt.Fprint(s, "\nKeep the password and the API key now: neither is stored and neither is shown again.\n")
	fmt.Fprintf(s, "\nGive this key to whoever verifies the log:\n  %s\n", r.VKey)
}

// quote writes an argument as a shell would need it.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,") == "" && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

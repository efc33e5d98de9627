package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"probity.dev/app"
)

func newServe() *cobra.Command {
	c := &cobra.Command{Use: "serve", Short: "Serve the API and the console", Args: cobra.NoArgs,
		Example: "  probity serve --data ./data\n  probity serve --config probity.yaml --listen :8780",
		Long:    "Serves the HTTP API, the console and the log's tiles until it is told to stop (SIGTERM, Ctrl-C); then it finishes the requests in flight.\nEvery setting can be given as a flag, as an environment variable (PROBITY_…) or in the file of --config."}
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

func newInit() *cobra.Command {
	c := &cobra.Command{Use: "init", Short: "Make a data directory with a tenant, an admin, an API key and a master key", Args: cobra.NoArgs,
		Example: "  probity init --data ./data\n  probity init --data ./data --tenant 'Example Clinic' --email admin@example.com --output json"}
	settings(c, "data", "listen", "instance-name", "log-level")
	var o app.InitOptions
	c.Flags().StringVar(&o.Tenant, "tenant", "Default", "name of the tenant")
	c.Flags().StringVar(&o.Email, "email", "admin@example.com", "e-mail address of the first admin")
	c.Flags().StringVar(&o.Name, "name", "Administrator", "name of the first admin")
	c.Flags().StringVar(&o.KeyName, "key-name", "first key", "name of the first API key")
	output := c.Flags().StringP("output", "o", "text", "text or json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load(c)
		if err != nil {
			return err
		}
		if !c.Flags().Changed("log-level") {
			cfg.LogLevel = "warn"
		}
		r, err := app.Init(c.Context(), cfg, o, c.ErrOrStderr())
		if err != nil {
			return err
		}
		if *output == "json" {
			return printJSON(c.OutOrStdout(), r)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), `Created %s

  Sign in      %s
  Password     %s
  API key      %s

Keep the password and the key now: neither is stored and neither is shown again.

Back up this file apart from the data. Without it nothing can be read:
  %s

Give this key to whoever verifies your log:
  %s

Next:  probity serve --data %s
`, r.Data, r.Email, r.Password, r.APIKey, r.MasterKey, r.VKey, r.Data)
		return err
	}
	return c
}

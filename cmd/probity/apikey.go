package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/client"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
)

func newAPIKey() *cobra.Command {
	c := &cobra.Command{
		Use: "api-key", Short: "List API keys, and give one another secret", Args: cobra.NoArgs,
		Example: "  probity api-key list --server https://audit.example.com\n  probity api-key rotate pk_7h2k9qxw --overlap 7d --server https://audit.example.com",
		Long:    "API keys let applications in. They are made and revoked in the console or by POST and DELETE of /api/keys.",
	}
	c.AddCommand(newAPIKeyList(), newAPIKeyRotate())
	return c
}

func newAPIKeyList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the API keys and when they were last used", Args: cobra.NoArgs, Example: "  probity api-key list --data ./data",
		Long: "Lists the API keys, the newest first, without their secrets, which are kept nowhere.\n\n" + targetHelp,
	}
	var t target
	t.bind(c)
	outputFlag(c, "table", "json", "csv")
	c.RunE = func(c *cobra.Command, _ []string) error {
		p, err := t.open(c)
		if err != nil {
			return err
		}
		all, err := p.Client.APIKeys(c.Context())
		if err == nil {
			err = printAPIKeys(c, all)
		}
		return errors.Join(err, p.Close())
	}
	return c
}

func printAPIKeys(c *cobra.Command, all []client.APIKey) error {
	if output(c) == "json" {
		return printJSON(c.OutOrStdout(), map[string]any{"items": append([]client.APIKey{}, all...)})
	}
	g := newGrid(c, terminal.Column{Title: "KEY"}, terminal.Column{Title: "STATE"}, terminal.Column{Title: "NAME", Shrink: true, Min: 8}, terminal.Column{Title: "LAST USED"}, terminal.Column{Title: "ENDS"},
		terminal.Column{Title: "SCOPES", Shrink: true, Min: 10})
	for i := range all {
		k := &all[i]
		if err := g.row(k.Prefix, stateOfKey(k, time.Now()), k.Name, dayOr(k.LastUsedAt, "never"), dayOr(k.ExpiresAt, "never"), strings.Join(k.Scopes, " ")); err != nil {
			return err
		}
	}
	return g.end()
}

func stateOfKey(k *client.APIKey, now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return "expired"
	case k.OldSecretUntil != nil && now.Before(*k.OldSecretUntil):
		return "two secrets"
	}
	return "valid"
}

func dayOr(t *time.Time, otherwise string) string {
	if t == nil {
		return otherwise
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func newAPIKeyRotate() *cobra.Command {
	c := &cobra.Command{
		Use: "rotate KEY", Short: "Give an API key another secret, and let the old one work for a while", Args: oneArg("the key's id, or what it begins with (pk_…)"),
		Example: "  probity api-key rotate pk_7h2k9qxw --overlap 7d --server https://audit.example.com",
		Long:    "Prints the new key, which is shown this once. The old one works until the overlap is over, so that applications can be changed one after the other.\n\n" + targetHelp,
	}
	var t target
	t.bind(c)
	overlap := c.Flags().String("overlap", "1d", "for how long the old secret works: 0s to 30d")
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := config.ParseDuration(*overlap)
		if err != nil || d < 0 || d > 30*24*time.Hour {
			return usage("--overlap is 0s to 30d")
		}
		p, err := t.open(c)
		if err != nil {
			return err
		}
		k, err := rotateAPIKey(c, p.Client, args[0], d)
		if err == nil {
			err = printRotated(c, k)
		}
		return errors.Join(err, p.Close())
	}
	return c
}

// rotateAPIKey finds a key by what it begins with, or takes its id.
func rotateAPIKey(c *cobra.Command, cl *client.Client, name string, overlap time.Duration) (*client.APIKey, error) {
	if strings.HasPrefix(name, "pk_") {
		all, err := cl.APIKeys(c.Context())
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(k client.APIKey) bool { return name == k.Prefix || strings.HasPrefix(name, k.Prefix+"_") })
		if i < 0 { // it may be a whole key, which must not get into an address
			return nil, errs.New(errs.NotFound, "There is no API key that begins so.")
		}
		name = all[i].ID
	}
	return cl.RotateAPIKey(c.Context(), name, overlap)
}

func printRotated(c *cobra.Command, k *client.APIKey) error {
	if output(c) == "json" {
		return printJSON(c.OutOrStdout(), k)
	}
	s := screen(c)
	fmt.Fprintf(s, "%s\n", k.Secret)
	fmt.Fprintf(s, "This is the new key of %s; it is shown this once. The old one works until %s.\n", terminal.Clean(k.Name), dayOr(k.OldSecretUntil, "now"))
	return nil
}

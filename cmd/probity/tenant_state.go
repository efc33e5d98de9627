package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/client"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/errs"
)

const operatingHelp = "With --server it needs an API key, with the permission tenants.manage, of the tenant that operates the installation, which is its first."

// tenantChange is a command that changes how a tenant stands.
type tenantChange struct {
	use, short, long string
	days             bool
	do               func(ctx context.Context, c *client.Client, t client.Tenant, reason string, days int) (*client.Tenant, error)
	said             func(t *client.Tenant) string
}

func changed(how string) func(context.Context, *client.Client, client.Tenant, string, int) (*client.Tenant, error) {
	return func(ctx context.Context, c *client.Client, t client.Tenant, reason string, _ int) (*client.Tenant, error) {
		return c.ChangeTenant(ctx, t.ID, how, reason)
	}
}

func newTenantChanges() []*cobra.Command {
	list := []tenantChange{
		{use: "suspend", short: "Shut a tenant out", long: "Refuses the sessions, keys and tokens of a tenant on every server within a second, and pauses its background\nwork. Its log is kept, sealed and signed.", do: changed("suspend"),
			said: func(t *client.Tenant) string { return t.Name + " is suspended" }},
		{use: "resume", short: "Let a suspended tenant go on", long: "Lets a suspended tenant go on, and what has waited.", do: changed("resume"), said: func(t *client.Tenant) string { return t.Name + " can go on" }},
		{use: "give-up", short: "Suspend a tenant and delete it after a time", days: true,
			long: "Suspends a tenant at once. When its days are over, a running server deletes its working copies, the keys of its persons,\naccounts and settings. Its evidence stays, without personal data, and can be verified.\nRefused while a legal hold keeps it.",
			do: func(ctx context.Context, c *client.Client, t client.Tenant, reason string, days int) (*client.Tenant, error) {
				return c.GiveUpTenant(ctx, t.ID, t.Name, reason, days)
			},
			said: func(t *client.Tenant) string {
				return t.Name + " will be deleted from " + dayOr(t.DeleteAt, "?") + " on"
			}},
		{use: "take-back", short: "Keep a tenant that was given up", long: "Keeps a tenant that was given up and is not deleted yet. It stays suspended.", do: changed("take-back"),
			said: func(t *client.Tenant) string { return t.Name + " is kept; it is suspended" }},
	}
	out := make([]*cobra.Command, len(list))
	for i, x := range list {
		out[i] = x.command()
	}
	return out
}

func (x tenantChange) command() *cobra.Command {
	c := &cobra.Command{Use: x.use + " NAME", Short: x.short, Args: oneArg("the name or id of the tenant"), Long: x.long + "\n\n" + operatingHelp,
		Example: "  probity tenant " + x.use + " 'North Clinic' --reason 'contract ended' --server https://audit.example.com"}
	var t target
	t.bind(c)
	var reason string
	var days int
	c.Flags().StringVar(&reason, "reason", "", "why; the logs record it")
	_ = c.MarkFlagRequired("reason")
	if x.days {
		c.Flags().IntVar(&days, "days", 30, "how long it can be taken back")
	}
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		if t.tenant != "" {
			return usage("name the tenant as the argument, not by --tenant")
		}
		p, err := t.operating(c)
		if err != nil {
			return err
		}
		err = func() error {
			all, err := p.Client.Tenants(c.Context())
			if err != nil {
				return err
			}
			found, err := tenantCalled(all, args[0])
			if err != nil {
				return err
			}
			now, err := x.do(c.Context(), p.Client, found, reason, days)
			if err != nil {
				return err
			}
			if output(c) == "json" {
				return printJSON(c.OutOrStdout(), now)
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), terminal.Clean(x.said(now)))
			return err
		}()
		return errors.Join(err, p.Close())
	}
	return c
}

// operating opens the target as the tenant that operates the installation.
func (t *target) operating(c *cobra.Command) (*place, error) {
	address, err := t.address(c)
	if err != nil || address != "" {
		return t.open(c)
	}
	cfg, err := quiet(c)
	if err != nil {
		return nil, err
	}
	a, err := app.Open(c.Context(), cfg, c.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	p := &place{App: a, Name: cfg.Data}
	id, err := a.Operating(c.Context())
	if err == nil {
		p.By = app.Operator(id, false)
		h, e := a.Client(p.By)
		if err = e; err == nil {
			p.Client, err = client.New("http://"+cfg.InstanceName, "", client.WithHTTPClient(h), client.WithRetries(0))
		}
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return p, nil
}

func tenantCalled(all []client.Tenant, name string) (client.Tenant, error) {
	var found []client.Tenant
	for _, t := range all {
		if t.ID == name || t.Name == name {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 0:
		return client.Tenant{}, errs.New(errs.NotFound, "there is no tenant %q", name)
	case 1:
		return found[0], nil
	}
	return client.Tenant{}, usage("several tenants are called %q; name one by its id", name)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/errs"
)

func newTenant() *cobra.Command {
	c := &cobra.Command{
		Use: "tenant", Short: "Add, list, suspend and give up tenants", Args: cobra.NoArgs,
		Long: `A tenant is an organisation with a log, keys, users and settings of its own; tenants see nothing of each other. The first tenant of an installation
operates it: its people manage the others in the console and over the API. add and list work on the data directory, so no server may be running on it; the other commands on a server too.`,
		Example: "  probity tenant add 'North Clinic' --email admin@example.com --data ./data\n  probity tenant list --data ./data",
	}
	c.AddCommand(append(newTenantChanges(), newTenantAdd(), newTenantList())...)
	return c
}

// directory opens the data directory for a function.
func directory(c *cobra.Command, do func(ctx context.Context, a *app.App) error) error {
	cfg, err := quiet(c)
	if err != nil {
		return err
	}
	a, err := app.Open(c.Context(), cfg, c.ErrOrStderr())
	if err != nil {
		return err
	}
	return errors.Join(do(c.Context(), a), a.Close())
}

func newTenantAdd() *cobra.Command {
	c := &cobra.Command{
		Use: "add NAME", Short: "Add a tenant with its log, its first admin and its first API key", Args: oneArg("the name of the tenant"),
		Example: "  probity tenant add 'North Clinic' --email admin@example.com --data ./data",
		Long:    "Adds a tenant with an empty log. The password and the API key are printed once and kept nowhere.",
	}
	settings(c, append([]string{"listen"}, dataSettings...)...)
	var o founding
	o.bind(c)
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		o.Tenant = args[0]
		options, err := o.options()
		if err != nil {
			return err
		}
		return directory(c, func(ctx context.Context, a *app.App) error {
			all, err := a.Ledger.Tenants(ctx)
			if err != nil {
				return err
			}
			for _, t := range all {
				if t.Name == options.Tenant {
					return errs.New(errs.Conflict, "there is a tenant of this name already")
				}
			}
			r, err := a.AddTenant(ctx, options)
			if err != nil {
				return err
			}
			if output(c) == "json" {
				return printJSON(c.OutOrStdout(), r)
			}
			fmt.Fprintln(c.OutOrStdout(), "Added", r.Tenant)
			printFounded(screen(c), r)
			return nil
		})
	}
	return c
}

func newTenantList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the tenants", Args: cobra.NoArgs, Example: "  probity tenant list --data ./data",
		Long: "Lists the tenants of a data directory in the order of their creation, with the size of their logs.",
	}
	settings(c, dataSettings...)
	outputFlag(c, "table", "json", "csv")
	type row struct {
		Name       string    `json:"name"`
		ID         string    `json:"id"`
		LogID      string    `json:"log_id"`
		Origin     string    `json:"origin"`
		Size       uint64    `json:"size"`
		RecordedAt time.Time `json:"recorded_at"`
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		rows := []row{}
		err := directory(c, func(ctx context.Context, a *app.App) error {
			all, err := a.Ledger.Tenants(ctx)
			for _, t := range all {
				h, e := a.Ledger.Head(ctx, t.ID)
				if err = errors.Join(err, e); err != nil {
					return err
				}
				rows = append(rows, row{t.Name, t.ID, t.LogID, t.Origin, h.Next - h.Base, h.RecordedAt})
			}
			return err
		})
		if err != nil {
			return err
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), map[string]any{"items": rows})
		}
		g := newGrid(c, terminal.Column{Title: "NAME", Shrink: true, Min: 10}, terminal.Column{Title: "EVENTS", Right: true}, terminal.Column{Title: "LOG"}, terminal.Column{Title: "ID"})
		for _, r := range rows {
			if err := g.row(r.Name, g.count(r.Size), r.LogID, r.ID); err != nil {
				return err
			}
		}
		return g.end()
	}
	return c
}

// oneArg asks for one argument and says which.
func oneArg(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("give %s", what)
		}
		return nil
	}
}

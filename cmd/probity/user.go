package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/ledger"
)

func newUser() *cobra.Command {
	c := &cobra.Command{
		Use: "user", Short: "Help people who cannot sign in any more", Args: cobra.NoArgs,
		Long:    "For the operator at the machine, when no administrator can help in the console. These commands work on the data directory,\nso no server may be running on it. What they do is recorded.",
		Example: "  probity user reset-factors ana@example.com --reason 'lost the phone, ticket 81' --data ./data\n  probity user reset-password ana@example.com --reason 'the only admin is locked out' --data ./data",
	}
	c.AddCommand(newUserResetFactors(), newUserResetPassword())
	return c
}

func newUserResetFactors() *cobra.Command {
	c := &cobra.Command{
		Use: "reset-factors EMAIL", Short: "Take authenticator apps, passkeys and recovery codes from a user", Args: oneArg("the user's e-mail address"),
		Example: "  probity user reset-factors ana@example.com --reason 'lost the phone, ticket 81' --data ./data",
		Long:    "The user's sessions end. The password alone signs in afterwards; where a second factor is demanded, it leads to setting up a new one.",
	}
	var d decision
	d.bind(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return d.on(c, func(ctx context.Context, a *app.App, t ledger.TenantInfo) error {
			if err := confirm(c, d.yes, "Take every second factor from "+args[0]+"?"); err != nil {
				return err
			}
			if err := a.Access.ResetFactorsOf(ctx, app.Operator(t.ID, false), args[0], d.reason); err != nil {
				return err
			}
			if output(c) == "json" {
				return printJSON(c.OutOrStdout(), map[string]any{"email": args[0], "factors": 0})
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), "Reset the factors of", args[0])
			return err
		})
	}
	return c
}

func newUserResetPassword() *cobra.Command {
	c := &cobra.Command{
		Use: "reset-password EMAIL", Short: "Give a user a new password", Args: oneArg("the user's e-mail address"),
		Example: "  probity user reset-password ana@example.com --reason 'the only admin is locked out' --data ./data",
		Long:    "Makes a password, prints it once and keeps it nowhere. The user's sessions end; a second factor stays.",
	}
	var d decision
	d.bind(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return d.on(c, func(ctx context.Context, a *app.App, t ledger.TenantInfo) error {
			if err := confirm(c, d.yes, "Replace the password of "+args[0]+"?"); err != nil {
				return err
			}
			password := app.NewPassword()
			if err := a.Access.ResetPassword(ctx, app.Operator(t.ID, false), args[0], password, d.reason); err != nil {
				return err
			}
			if output(c) == "json" {
				return printJSON(c.OutOrStdout(), map[string]any{"email": args[0], "password": password})
			}
			_, err1 := fmt.Fprintf(c.OutOrStdout(), "Sign in   %s\nPassword  %s\n", args[0], password)
			_, err2 := fmt.Fprintln(c.ErrOrStderr(), "The password is shown this once. Have it changed at once.")
			return errors.Join(err1, err2)
		})
	}
	return c
}

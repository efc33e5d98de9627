package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/client"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/config"
	"probity.dev/ledger"
)

const keysHelp = `The master key, in a file or a key-management service, wraps the keyset of each tenant; the keyset seals the tenant's secrets; the log's signing key
signs checkpoints.`

func newKeysStatus() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Show where the keys stand and how old they are", Args: cobra.NoArgs,
		Example: "  probity keys status --data ./data",
		Long:    keysHelp + "\n\nShows for each since when it is in use, and whether something is left to wrap anew, as after a rotation within Vault. No secret key is shown.\n\n" + targetHelp,
	}
	var t target
	t.bind(c)
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		p, err := t.open(c)
		if err != nil {
			return err
		}
		s, err := p.Client.KeyState(c.Context())
		if err == nil {
			err = printKeyState(c, s)
		}
		return errors.Join(err, p.Close())
	}
	return c
}

func age(since time.Time) string {
	return fmt.Sprintf("since %s (%s)", since.UTC().Format("2006-01-02 15:04"), terminal.Plural(int64(time.Since(since)/(24*time.Hour)), "day", "days"))
}

func printKeyState(c *cobra.Command, s *client.KeyState) error {
	if output(c) == "json" {
		return printJSON(c.OutOrStdout(), s)
	}
	o := screen(c)
	m := &s.Master
	fmt.Fprintf(o, "master   %s, version %s, %s\n", terminal.Clean(m.KMS), terminal.Clean(m.Version), age(m.Since))
	if m.Behind > 0 || m.Version != m.Current {
		fmt.Fprintf(o, "         %s is not wrapped under the present version %s yet: probity keys rotate master finishes that\n", terminal.Plural(m.Behind, "keyset or secret", "keysets or secrets"), terminal.Clean(m.Current))
	}
	if m.Problem != "" {
		fmt.Fprintf(o, "         %s\n", o.Paint(terminal.Bad, terminal.Clean(m.Problem)))
	}
	fmt.Fprintf(o, "tenant   key %s seals, %s; %s in the keyset\n", s.Tenant.Primary, age(s.Tenant.Since), terminal.Plural(s.Tenant.Keys, "key", "keys"))
	for _, k := range s.Signing {
		line := fmt.Sprintf("signing  %s %s, %s", k.State, k.ID, age(k.CreatedAt))
		if k.RetiresAt != nil {
			line += ", signs until " + k.RetiresAt.UTC().Format("2006-01-02 15:04")
		}
		fmt.Fprintln(o, line)
	}
	return nil
}

// rotation are the flags of the commands that change keys.
type rotation struct {
	target
	reason, overlap, to string
	dry, yes            bool
}

func (r *rotation) bindChange(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.reason, "reason", "", "why, and who decided; it is recorded")
	f.BoolVar(&r.dry, "dry-run", false, "look whether it can be done, and change nothing")
	outputFlag(c, "text", "json")
}

func (r *rotation) check() error {
	if r.reason = strings.TrimSpace(r.reason); r.reason == "" && !r.dry {
		return usage("give the reason with --reason; it is recorded")
	}
	if r.reason == "" {
		r.reason = "dry run"
	}
	return nil
}

func newKeysRotate() *cobra.Command {
	c := &cobra.Command{
		Use: "rotate master|tenant|signing", Short: "Give a key a successor; what is stored stays readable, what is signed stays valid", Args: oneArg("master, tenant or signing"),
		ValidArgs: []string{"master", "tenant", "signing"},
		Example: `  probity keys rotate master --data ./data --reason 'yearly rotation, SEC-212'
  probity keys rotate signing --overlap 90d --reason 'yearly rotation' --server https://audit.example.com`,
		Long: keysHelp + `

  master   has the service make a new version of the master key and wraps all keysets anew, in one transaction. Interrupted, it leaves everything as it was or everything done, and run again
           it goes on. Where the key was rotated in Vault or AWS already, it wraps under that version. Old versions stay, because copies of the database need them.
  tenant   another key of the tenant seals what is written from now on. Older keys open what they sealed.
  signing  another key signs the log's checkpoints. The old one signs beside it for --overlap, in which verifiers must get the new key ("probity keys" prints all). What
           the old key signed, bundles and proofs, stays valid under the old key. When the old key has become known to others, take an --overlap of 1m.

Each is an event in the log. The salts, tags and look-ups of the evidence rest on secrets below the keyset, which are never changed: proofs and searches would break.
A server with several tenants does not rotate the master key over HTTP; stop it and work on the data directory.

` + targetHelp,
	}
	var r rotation
	r.bind(c)
	c.Flags().StringVar(&r.overlap, "overlap", "30d", "how long the old signing key signs beside the new one, 1m to 366d")
	r.bindChange(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := r.check(); err != nil {
			return err
		}
		switch args[0] {
		case "master", "tenant", "signing":
		default:
			return usage("rotate master, tenant or signing, not %q", args[0])
		}
		overlap, err := config.ParseDuration(r.overlap)
		if err != nil || overlap < ledger.MinOverlap || overlap > ledger.MaxOverlap {
			return usage("--overlap is a duration from 1m to 366d")
		}
		address, err := r.address(c)
		if err != nil {
			return err
		}
		if args[0] == "master" && address == "" {
			return r.master(c)
		}
		return r.rotate(c, args[0])
	}
	return c
}

// rotate rotates a key by way of the API.
func (r *rotation) rotate(c *cobra.Command, key string) error {
	p, err := r.open(c)
	if err != nil {
		return err
	}
	in := client.KeyRotation{Key: key, Reason: r.reason, DryRun: r.dry}
	if key == "signing" {
		in.Overlap = r.overlap
	}
	s, err := p.Client.RotateKey(c.Context(), in)
	if err == nil {
		err = r.print(c, key, s)
	}
	return errors.Join(err, p.Close())
}

func (r *rotation) print(c *cobra.Command, key string, s *client.KeyState) error {
	if output(c) == "json" {
		return printJSON(c.OutOrStdout(), s)
	}
	o := screen(c)
	if r.dry {
		fmt.Fprintf(o, "The %s key can be rotated; nothing was changed.\n\n", key)
	} else {
		fmt.Fprintf(o, "The %s key is rotated.\n\n", key)
	}
	if err := printKeyState(c, s); err != nil || key != "signing" || r.dry || len(s.Signing) < 2 {
		return err
	}
	fmt.Fprintf(o, "\nGive this key to whoever verifies the log, beside the old one, which they go on needing for what it signed:\n  %s\n", s.Signing[0].VKey)
	return nil
}

// master rotates the master key of a data directory with all its tenants.
func (r *rotation) master(c *cobra.Command) error {
	return directory(c, func(ctx context.Context, a *app.App) error {
		m, err := a.RotateMasterKey(ctx, app.ByOperator, r.reason, r.dry)
		if err != nil {
			return err
		}
		return printMasterChange(c, m)
	})
}

func printMasterChange(c *cobra.Command, m *app.MasterKeyChange) error {
	if output(c) == "json" {
		return printJSON(c.OutOrStdout(), m)
	}
	o := screen(c)
	verb, count := "are", terminal.Plural(m.Wrapped, "keyset or secret", "keysets and secrets")
	if m.DryRun {
		verb = "would be"
	}
	to := "version " + m.ToVersion
	switch {
	case m.From != m.To:
		to = m.To
	case m.ToVersion == "":
		to = "a new version"
	}
	fmt.Fprintf(o, "%s %s wrapped under %s of the master key (before: %s, version %s).\n", count, verb, to, m.From, m.FromVersion)
	return nil
}

func newKeysRewrap() *cobra.Command {
	c := &cobra.Command{
		Use: "rewrap", Short: "Move the master key to another file or key-management service", Args: cobra.NoArgs,
		Example: `  probity keys rewrap --data ./data --to 'vault://vault.example.com:8200/transit/probity?role-id=…&secret-id-file=/run/secrets/vault' --reason 'SEC-219'
  probity keys rewrap --data ./data --kms vault://… --to file:/etc/probity/master.key --reason 'Vault is given up'`,
		Long: `Wraps all keysets under another master key, in one transaction, after the new service has wrapped and unwrapped each of them.
--kms (or the setting) names the service that is in use, --to the one that shall be.

Interrupted, it leaves the one or the other in use; keep both until it has ended, and the old one as long as there are copies of the database that need it.
A file that --to names is made when it is not there. Afterwards the setting kms must name the new location: with another, the server refuses to start.

It works on the data directory of a stopped server. Secrets for both services are taken from the settings, or from files that the locations name.`,
	}
	var r rotation
	c.Flags().StringVar(&r.to, "to", "", "location of the new master key: file:PATH, vault://… or awskms:…")
	c.Flags().BoolVar(&r.yes, "yes", false, "do not ask")
	settings(c, dataSettings...)
	r.bindChange(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := r.check(); err != nil {
			return err
		}
		if r.to == "" {
			return usage("say where to with --to")
		}
		return directory(c, func(ctx context.Context, a *app.App) error {
			if !r.dry {
				if err := confirm(c, r.yes, "Wrap all keys under "+r.to+"?"); err != nil {
					return err
				}
			}
			m, err := a.MoveMasterKey(ctx, r.to, app.ByOperator, r.reason, r.dry)
			if err != nil {
				return err
			}
			if err := printMasterChange(c, m); err != nil || r.dry {
				return err
			}
			fmt.Fprintf(notes(c), "From now on: --kms %s (PROBITY_KMS)\n", quote(r.to))
			return nil
		})
	}
	return c
}

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/ledger"
)

// decision is what the commands have in common with which an operator lets a frozen log go on.
type decision struct {
	tenant, reason string
	yes            bool
}

func (d *decision) bind(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&d.tenant, "tenant", "", "name or id of the tenant, when the data directory holds several")
	f.StringVar(&d.reason, "reason", "", "what happened and who decided; it is recorded")
	f.BoolVar(&d.yes, "yes", false, "do not ask")
	settings(c, dataSettings...)
	outputFlag(c, "text", "json")
}

// on runs a function with the tenant of the data directory.
func (d *decision) on(c *cobra.Command, do func(ctx context.Context, a *app.App, t ledger.TenantInfo) error) error {
	if d.reason = strings.TrimSpace(d.reason); d.reason == "" {
		return usage("give the reason with --reason; it is recorded for those who rely on the log")
	}
	return directory(c, func(ctx context.Context, a *app.App) error {
		t, err := (&target{tenant: d.tenant}).pick(ctx, a)
		if err != nil {
			return err
		}
		return do(ctx, a, t)
	})
}

func newLogNewEpoch() *cobra.Command {
	c := &cobra.Command{
		Use: "new-epoch", Short: "Go on after a restore that lost events", Args: cobra.NoArgs,
		Example: "  probity log new-epoch --data ./data --reason 'disk died on 3 May, newest backup is of 2 May; decided by A. Ito'",
		Long: `For a log that is frozen because its database is older than the last signed checkpoint, when the missing events cannot be found again. It works on the data directory of a
stopped server.

What is left of the log is verified and closed as it is: it can be read, exported and verified as before, and is never signed for again. The log goes on as a new tree, the next epoch, with
a key of its own. Its seqs begin above everything that was signed for, so that no number names two events, and its first event records the last good checkpoint, both sizes and the reason.
Files of sealed events that the database does not know are set aside, not deleted.

What was acknowledged and is missing stays lost, and whoever holds a receipt, a proof or a checkpoint can show that: "probity verify --state" names both sizes. Look for a newer copy of the
database first (docs/runbooks/log-frozen.md), and copy the data directory before you go on. On PostgreSQL with an application role, the address must be the owner's.`,
	}
	var d decision
	d.bind(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return d.on(c, func(ctx context.Context, a *app.App, t ledger.TenantInfo) error {
			loss, err := a.OpenEpoch(ctx, t.ID, d.reason, func(l *ledger.Loss) error {
				printLoss(notes(c), t, l)
				return confirm(c, d.yes, "Give up what is missing, for good?")
			})
			if err != nil {
				return err
			}
			return printEpoch(ctx, c, a, t, loss)
		})
	}
	return c
}

func printLoss(s *terminal.Screen, t ledger.TenantInfo, l *ledger.Loss) {
	fmt.Fprintf(s, "Log %s of %s is older than what was signed for it.\n\n", l.LogID, terminal.Clean(t.Name))
	line := func(word, text string) { fmt.Fprintf(s, "  %-12s %s\n", word, text) }
	line("signed for", fmt.Sprintf("%s (%s)", terminal.Plural(l.Signed, "event", "events"), l.SignedOrigin))
	line("still there", fmt.Sprintf("%s (%s), verified", terminal.Plural(l.Held, "event", "events"), l.Origin))
	line("lost", s.Paint(terminal.Bad, terminal.Plural(l.Lost, "event", "events"))+", and those acknowledged after the last checkpoint")
	line("new epoch", fmt.Sprintf("%s, from seq %d on", l.NewOrigin, l.NewBase))
	if n := len(l.Strays); n > 0 {
		line("set aside", terminal.Plural(n, "file", "files")+" of sealed events that the database does not know")
	}
	fmt.Fprintln(s)
}

// epochView is the outcome for scripts.
type epochView struct {
	Origin     string   `json:"origin"`
	Base       uint64   `json:"base"`
	VKey       string   `json:"vkey"`
	Held       uint64   `json:"held"`
	Signed     uint64   `json:"signed"`
	Lost       uint64   `json:"lost"`
	Checkpoint string   `json:"last_checkpoint"`
	SetAside   []string `json:"set_aside"`
}

func epochOf(ctx context.Context, a *app.App, t ledger.TenantInfo, l *ledger.Loss) (epochView, error) {
	h, err := a.Ledger.Head(ctx, t.ID)
	if err != nil {
		return epochView{}, err
	}
	return epochView{Origin: h.Origin, Base: h.Base, VKey: h.VKeys[0], Held: l.Held, Signed: l.Signed, Lost: l.Lost, Checkpoint: l.Checkpoint, SetAside: append([]string{}, l.Strays...)}, nil
}

func printEpoch(ctx context.Context, c *cobra.Command, a *app.App, t ledger.TenantInfo, l *ledger.Loss) error {
	v, err := epochOf(ctx, a, t, l)
	if err != nil {
		return err
	}
	if output(c) == "json" {
		return printJSON(c.OutOrStdout(), v)
	}
	s := screen(c)
	fmt.Fprintf(s, "The log goes on as %s from seq %d on.\n\nIts key, which those who verify need beside the old one:\n%s\n", v.Origin, v.Base, v.VKey)
	for _, p := range v.SetAside {
		fmt.Fprintln(s, "Set aside:", p)
	}
	fmt.Fprintln(s, "\nTell those who rely on the log: the reason, both sizes, and the new key. Producers that still have the lost events can send them again.")
	return nil
}

func newLogAccept() *cobra.Command {
	c := &cobra.Command{
		Use: "accept-database", Short: "Go on when highwater.json is lost", Args: cobra.NoArgs,
		Example: "  probity log accept-database --data ./data --reason 'highwater.json lost in the move to srv2; database checked against the checkpoint that our auditor keeps'",
		Long: `For a log that is frozen because highwater.json says nothing of it, when the file cannot be found again. It works on the data directory of a stopped server.

highwater.json is what tells an older copy of the database from the newest one. Without it, this command takes the database's own word: the log is verified,
its own newest checkpoint is taken for the newest that was ever signed, and an event records that, with the reason. If the database is an older copy after all,
the log will contradict what it has signed, and anybody who keeps a checkpoint can show it. So compare first:
"probity verify DIR --state FILE" with the newest checkpoint that anybody has; every bundle and every PDF report holds one.`,
	}
	var d decision
	d.bind(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return d.on(c, func(ctx context.Context, a *app.App, t ledger.TenantInfo) error {
			u, err := a.AcceptDatabase(ctx, t.ID, d.reason, func(u *ledger.Unmarked) error {
				s := notes(c)
				fmt.Fprintf(s, "highwater.json says nothing of log %s of %s.\n\n  the database holds %s, verified\n  its own newest checkpoint covers %s\n\n", u.LogID, terminal.Clean(t.Name),
					terminal.Plural(u.Stored, "event", "events"), terminal.Plural(u.Signed, "event", "events"))
				return confirm(c, d.yes, "Take that for everything that was ever signed?")
			})
			if err != nil {
				return err
			}
			if output(c) == "json" {
				return printJSON(c.OutOrStdout(), map[string]any{"origin": u.Origin, "stored": u.Stored, "signed": u.Signed, "last_checkpoint": u.Checkpoint})
			}
			fmt.Fprintf(screen(c), "The log %s goes on after %s.\n", u.Origin, terminal.Plural(u.Stored, "event", "events"))
			return nil
		})
	}
	return c
}

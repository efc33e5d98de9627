package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"probity.dev/client"
	"probity.dev/cmd/probity/terminal"
)

func newLogHold() *cobra.Command {
	c := &cobra.Command{
		Use: "hold", Short: "Legal holds on the sealed evidence in an object store", Args: cobra.NoArgs,
		Example: `  probity log hold place --reason 'matter 2026-14, counsel B. Meyer' --data ./data
  probity log hold list --data ./data
  probity log hold release 0199… --reason 'matter 2026-14 closed' --data ./data`,
		Long: `A legal hold is the object store's own (S3 Object Lock): while it is on, the store deletes none of the evidence, whatever retention it has and whoever asks. It covers a range of the
log or all of it, sealed now or later. Placing and releasing are recorded with their reasons.`,
	}
	c.AddCommand(newHoldPlace(), newHoldList(), newHoldRelease())
	return c
}

// holding are the flags of the commands about holds.
type holding struct {
	target
	reason     string
	first, end uint64
}

func (h *holding) because() error {
	if h.reason = strings.TrimSpace(h.reason); h.reason == "" {
		return usage("give the reason with --reason; it is recorded")
	}
	return nil
}

// change runs a change of a hold and prints what has become of it.
func (h *holding) change(c *cobra.Command, do func(cl *client.Client) (*client.EvidenceHold, error)) error {
	if err := h.because(); err != nil {
		return err
	}
	p, err := h.open(c)
	if err != nil {
		return err
	}
	e, err := do(p.Client)
	if err == nil {
		err = printHold(c, e)
	}
	return errors.Join(err, p.Close())
}

func printHold(c *cobra.Command, e *client.EvidenceHold) error {
	if output(c) == "json" {
		return printJSON(c.OutOrStdout(), e)
	}
	s := screen(c)
	verb := "is on"
	if e.State == "released" {
		verb = "is released"
	}
	fmt.Fprintf(s, "Hold %s %s: %s, %s.\n", e.ID, verb, holdRange(e), terminal.Plural(e.Objects, "sealed file", "sealed files"))
	if e.Pending {
		fmt.Fprintln(s, s.Paint(terminal.Bad, "The object store does not reflect it yet; the server goes on trying."))
	}
	return nil
}

func holdRange(e *client.EvidenceHold) string {
	if e.EndSeq == 0 {
		return fmt.Sprintf("from seq %d on", e.FirstSeq)
	}
	return fmt.Sprintf("seq %d to %d", e.FirstSeq, e.EndSeq-1)
}

func newHoldPlace() *cobra.Command {
	c := &cobra.Command{
		Use: "place", Short: "Place a legal hold", Args: cobra.NoArgs,
		Example: "  probity log hold place --reason 'matter 2026-14' --first 120000 --end 200000 --server https://audit.example.com",
		Long:    "Places a legal hold on the evidence of the log, or of a range of it. What is sealed later in the range is held as well.\n\n" + targetHelp,
	}
	var h holding
	h.bind(c)
	f := c.Flags()
	f.StringVar(&h.reason, "reason", "", "why, such as the name of the matter; it is recorded")
	f.Uint64Var(&h.first, "first", 0, "first seq of the range")
	f.Uint64Var(&h.end, "end", 0, "the seq after the last; 0 for no end")
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return h.change(c, func(cl *client.Client) (*client.EvidenceHold, error) {
			return cl.PlaceHold(c.Context(), h.first, h.end, h.reason)
		})
	}
	return c
}

func newHoldRelease() *cobra.Command {
	c := &cobra.Command{
		Use: "release ID", Short: "Release a legal hold", Args: oneArg("the id of the hold"), Example: "  probity log hold release 0199a1b2-… --reason 'matter 2026-14 closed' --data ./data",
		Long: "Releases a legal hold. What another hold covers stays held, and what the retention of the object store locks stays locked.\n\n" + targetHelp,
	}
	var h holding
	h.bind(c)
	c.Flags().StringVar(&h.reason, "reason", "", "why; it is recorded")
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		return h.change(c, func(cl *client.Client) (*client.EvidenceHold, error) {
			return cl.ReleaseHold(c.Context(), args[0], h.reason)
		})
	}
	return c
}

func newHoldList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the legal holds", Args: cobra.NoArgs, Example: "  probity log hold list --data ./data",
		Long: "Lists the legal holds on evidence, the newest first, released ones included.\n\n" + targetHelp,
	}
	var h holding
	h.bind(c)
	outputFlag(c, "table", "json", "csv")
	c.RunE = func(c *cobra.Command, _ []string) error {
		p, err := h.open(c)
		if err != nil {
			return err
		}
		all, err := p.Client.Holds(c.Context())
		if err == nil {
			err = printHolds(c, all)
		}
		return errors.Join(err, p.Close())
	}
	return c
}

func printHolds(c *cobra.Command, all []client.EvidenceHold) error {
	if output(c) == "json" {
		return printJSON(c.OutOrStdout(), map[string]any{"items": append([]client.EvidenceHold{}, all...)})
	}
	g := newGrid(c, terminal.Column{Title: "ID"}, terminal.Column{Title: "STATE"}, terminal.Column{Title: "RANGE"}, terminal.Column{Title: "FILES", Right: true}, terminal.Column{Title: "PLACED"},
		terminal.Column{Title: "BY", Shrink: true, Min: 8}, terminal.Column{Title: "REASON", Shrink: true, Min: 10})
	for i := range all {
		e := &all[i]
		state := e.State
		if e.Pending {
			state += ", pending"
		}
		if err := g.row(e.ID, state, holdRange(e), terminal.Count(e.Objects), e.PlacedAt.UTC().Format("2006-01-02 15:04"), e.PlacedBy, e.Reason); err != nil {
			return err
		}
	}
	return g.end()
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/client"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
)

// onLog runs a function with the log of a target.
func onLog(c *cobra.Command, t *target, do func(p *place, l *client.Log) error) error {
	p, err := t.open(c)
	if err != nil {
		return err
	}
	l, err := p.Client.Log(c.Context())
	if err == nil {
		err = do(p, l)
	}
	return errors.Join(err, p.Close())
}

func newKeys() *cobra.Command {
	c := &cobra.Command{
		Use: "keys", Short: "Print the keys that verify the log; rotate keys", Args: cobra.NoArgs,
		Example: "  probity keys --data ./data > log.vkey\n  probity verify q1.zip --key log.vkey",
		Long: `Prints the log's verifier keys, the present one first: one a line, as --key of verify and show takes them. They are public. Compare the key with the one that the keeper
of the log gave you by another way; who takes the key from the log itself believes whoever runs it.

` + targetHelp,
	}
	var t target
	t.bind(c)
	outputFlag(c, "text", "table", "json", "csv")
	c.AddCommand(newKeysStatus(), newKeysRotate(), newKeysRewrap())
	c.RunE = func(c *cobra.Command, _ []string) error {
		return onLog(c, &t, func(p *place, l *client.Log) error {
			text, err := p.Client.Keys(c.Context(), l.LogID)
			if err != nil {
				return err
			}
			return printKeys(c, strings.Fields(text))
		})
	}
	return c
}

func printKeys(c *cobra.Command, keys []string) error {
	type key struct {
		ID   string `json:"key_id"`
		VKey string `json:"vkey"`
	}
	rows := make([]key, len(keys))
	for i, k := range keys {
		id, err := tlog.KeyID(k)
		if err != nil {
			return err
		}
		rows[i] = key{id, k}
	}
	switch output(c) {
	case "text":
		_, err := fmt.Fprintln(c.OutOrStdout(), strings.Join(keys, "\n"))
		return err
	case "json":
		return printJSON(c.OutOrStdout(), map[string]any{"items": rows})
	}
	g := newGrid(c, terminal.Column{Title: "KEY ID"}, terminal.Column{Title: "VKEY"})
	for _, r := range rows {
		if err := g.row(r.ID, r.VKey); err != nil {
			return err
		}
	}
	return g.end()
}

func newCheckpoint() *cobra.Command {
	c := &cobra.Command{
		Use: "checkpoint", Short: "Print or save the log's newest signed state", Args: cobra.NoArgs,
		Example: "  probity checkpoint --data ./data\n  probity checkpoint --save checkpoint.txt --key log.vkey --server https://audit.example.com",
		Long: `Prints the newest signed checkpoint (C2SP tlog-checkpoint): name, size and root hash of the log. Keep it somewhere else: whoever holds one can show later that the log was cut or
rewritten. "probity verify --state FILE" does that with the file that --save writes.

--save replaces a checkpoint only by one of a log that extends it; otherwise the exit code is 1 and the file stays as it is.

` + targetHelp,
	}
	var t target
	t.bind(c)
	save := c.Flags().String("save", "", "file to keep the checkpoint in")
	key := c.Flags().String("key", "", "the log's key as you know it: the key itself, or a file")
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		keys, err := readKeys(*key)
		if err != nil {
			return err
		}
		return onLog(c, &t, func(p *place, l *client.Log) error {
			if keys == "" {
				var err error
				if keys, err = p.Client.Keys(c.Context(), l.LogID); err != nil {
					return err
				}
			}
			text, err := p.Client.Checkpoint(c.Context(), l.LogID)
			if err != nil {
				return err
			}
			k, err := tlog.ParseKeys(keys)
			if err != nil {
				return err
			}
			cp, err := tlog.Open([]byte(text), k)
			if err != nil {
				return answerNo("%s", err)
			}
			if *save != "" {
				if err := saveCheckpoint(c, p, l, keys, *save, text); err != nil {
					return err
				}
			}
			if output(c) == "json" {
				return printJSON(c.OutOrStdout(), map[string]any{"origin": cp.Origin, "size": cp.Size, "root": fmt.Sprintf("%x", cp.Root), "checkpoint": text})
			}
			if *save != "" {
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s at %s\n", *save, cp.Origin, terminal.Plural(cp.Size, "record", "records"))
				return err
			}
			_, err = fmt.Fprint(c.OutOrStdout(), text)
			return err
		})
	}
	return c
}

// saveCheckpoint keeps a checkpoint, if the log extends the one that is kept.
func saveCheckpoint(c *cobra.Command, p *place, l *client.Log, keys, path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err == nil {
		if err := p.Client.CheckConsistency(c.Context(), l.LogID, keys, string(old), text); err != nil {
			return answerNo("the log does not extend the checkpoint in %s: %s", path, strings.TrimPrefix(message(err), "client: "))
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".checkpoint-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func newLog() *cobra.Command {
	c := &cobra.Command{
		Use: "log", Short: "Show where the log stands", Args: cobra.NoArgs, Example: "  probity log --data ./data\n  probity log --server https://audit.example.com --output json",
		Long: `Shows the size of the log, how much of it the newest checkpoint covers and is sealed into files, and how the last verification by the server ended.

` + targetHelp,
	}
	var t target
	t.bind(c)
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return onLog(c, &t, func(_ *place, l *client.Log) error {
			if output(c) == "json" {
				return printJSON(c.OutOrStdout(), l)
			}
			printLog(screen(c), l)
			if l.Frozen != "" {
				return errs.New(errs.Unavailable, "the log is frozen and takes no events")
			}
			return nil
		})
	}
	c.AddCommand(newLogNewEpoch(), newLogAccept(), newLogHold())
	return c
}

func printLog(s *terminal.Screen, l *client.Log) {
	line := func(word, text string) {
		fmt.Fprintf(s, "%s  %s\n", s.Paint(terminal.Dim, fmt.Sprintf("%-10s", word)), text)
	}
	line("Log", l.Origin)
	line("Events", terminal.Count(l.Size))
	if l.Base > 0 {
		line("From seq", fmt.Sprint(l.Base)+", after earlier epochs")
	}
	cp := "none yet"
	if l.Checkpoint.Text != "" {
		cp = "covers " + terminal.Count(l.Checkpoint.Size)
		if at := l.Checkpoint.SignedAt; !at.IsZero() {
			cp += ", signed " + at.Local().Format("2006-01-02 15:04:05 MST")
		}
	}
	line("Checkpoint", cp)
	line("Root", l.Checkpoint.Root)
	line("Sealed", fmt.Sprintf("%s in %s (evidence %s, working copies %s)", terminal.Count(l.SealedSize), terminal.Plural(l.Segments, "segment", "segments"),
		terminal.Bytes(l.EvidenceBytes), terminal.Bytes(l.WorkingBytes)))
	line("Key", l.VKey)
	verified := "not yet by the server"
	if v := l.LastVerification; v != nil {
		verified = fmt.Sprintf("%s, %s records, %s", s.Paint(terminal.Good, "all well"), terminal.Count(v.Size), v.At.Local().Format("2006-01-02 15:04 MST"))
		if !v.OK {
			verified = s.Paint(terminal.Bad, "NOT OK") + ", " + v.At.Local().Format(time.DateTime) + ": " + terminal.Clean(v.Error)
		}
	}
	line("Verified", verified)
	if l.Frozen != "" {
		line("Frozen", s.Paint(terminal.Bad, terminal.Clean(l.Frozen)))
	}
}

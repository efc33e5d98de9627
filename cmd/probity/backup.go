package main

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/backup"
	"probity.dev/internal/config"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
)

// repositorySettings are the settings of commands that read and prune backups: the credentials of their store, and the data directory, which backups must not lie within.
var repositorySettings = []string{"data", "backup-access-key", "backup-secret-key"}

func newBackup() *cobra.Command {
	c := &cobra.Command{
		Use: "backup", Short: "Make an encrypted backup, also while the server runs", Args: cobra.NoArgs,
		Example: `  probity backup keygen -o backup.key                 # keep it elsewhere
  probity backup --data ./data --to /backup/probity --recipient age1…
  probity backup --data ./data --to 's3://backups/probity?endpoint=https://minio.example.com:9000' --recipient age1…`,
		Long: `Copies one consistent state of the installation into a folder or a bucket, encrypted (age) to a public key whose private key this machine need not have: the database, the sealed
files, the high-water mark. The server goes on meanwhile. Sealed files never change, so each is stored once, for all backups; the first backup takes them all, a later
one what is new. A backup that is interrupted counts as none; the next one goes on with what was stored.

The master key is not in it unless --with-master-key says so: keep it elsewhere, since nobody can read the backup without it. --to, --recipient and what is kept can be configured
(backup_to, backup_recipients); the server then makes a backup a day.

It works on the data directory, on the machine of the server.`,
	}
	settings(c, append([]string{"backup-access-key", "backup-secret-key"}, dataSettings...)...)
	recipients := c.Flags().StringSlice("recipient", nil, "public key (age1…) that the backup is encrypted to, more than one if need be; backup_recipients when not given")
	to := c.Flags().String("to", "", "folder, or s3://bucket/prefix?endpoint=…; backup_to when not given")
	masterKey := c.Flags().Bool("with-master-key", false, "put the master key into the backup; whoever opens it then reads everything")
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := quiet(c)
		if err != nil {
			return err
		}
		if len(*recipients) == 0 {
			*recipients = cfg.BackupRecipients
		}
		start := time.Now()
		bar := terminal.NewProgress(notes(c), "backup")
		r, err := app.BackUp(c.Context(), cfg, app.BackupOptions{To: cmp.Or(*to, cfg.BackupTo), Recipients: *recipients, WithMasterKey: *masterKey, Progress: bytesOn(bar)})
		bar.End()
		if err != nil {
			return err
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), r)
		}
		s := screen(c)
		fmt.Fprintf(s, "Backup %s: %s, of which %s were stored, in %s\n", r.ID, terminal.Bytes(r.Bytes), terminal.Bytes(r.NewBytes), terminal.Duration(time.Since(start)))
		for _, l := range r.Logs {
			fmt.Fprintf(s, "  %s  %s\n", l.Origin, terminal.Plural(l.Size, "event", "events"))
		}
		return nil
	}
	c.AddCommand(newBackupKeygen(), newBackupList(), newBackupVerify(), newBackupPrune())
	return c
}

// bytesOn shows bytes on a bar.
func bytesOn(bar *terminal.Progress) func(done, total int64) {
	return func(done, total int64) {
		bar.Update(terminal.State{Done: done, Total: total, Count: done >> 20, Unit: "MiB"})
	}
}

func newBackupKeygen() *cobra.Command {
	c := &cobra.Command{
		Use: "keygen", Short: "Make a key for backups", Args: cobra.NoArgs, Example: "  probity backup keygen -o backup.key",
		Long: `Makes a pair of keys. The file holds the private key, which opens backups: move it to a place apart from the machine and from the backups, and keep it as long as any of them. The public
key is printed; it is what --recipient and backup_recipients take. The file is an identity of age (age-encryption.org), whose own program makes and reads such files as well.`,
	}
	file := c.Flags().StringP("out", "o", "", "file to write, which must not exist")
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *file == "" {
			return usage("say where to write the key with -o FILE")
		}
		text, recipient, err := backup.NewIdentity()
		if err != nil {
			return err
		}
		if _, err := os.Lstat(*file); err == nil {
			return usage("%s exists; keys are never overwritten", *file)
		}
		if err := crypt.WriteFile(*file, []byte(text), 0o600); err != nil {
			return err
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), map[string]string{"file": *file, "recipient": recipient})
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "Public key: %s\nPrivate key in %s: keep it apart from the machine and from the backups. Without it no backup opens.\n", recipient, *file)
		return err
	}
	return c
}

// repository opens the backups of a command that reads or prunes them.
func repository(c *cobra.Command, at string) (*config.Config, *backup.Repository, error) {
	cfg, err := quiet(c)
	if err != nil {
		return nil, nil, err
	}
	r, err := app.OpenBackups(c.Context(), cfg, cmp.Or(at, cfg.BackupTo), false)
	return cfg, r, err
}

func fromFlag(c *cobra.Command) *string {
	return c.Flags().String("from", "", "folder or s3://bucket/prefix?endpoint=… that holds the backups; backup_to when not given")
}

func newBackupList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the backups", Args: cobra.NoArgs, Example: "  probity backup list --from /backup/probity",
		Long: "Lists the complete backups, the oldest first. It needs no key.",
	}
	settings(c, repositorySettings...)
	from := fromFlag(c)
	outputFlag(c, "table", "json", "csv")
	c.RunE = func(c *cobra.Command, _ []string) error {
		_, r, err := repository(c, *from)
		if err != nil {
			return err
		}
		all, err := r.List(c.Context())
		if err != nil {
			return err
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), map[string]any{"items": append([]backup.Summary{}, all...)})
		}
		g := newGrid(c, terminal.Column{Title: "ID"}, terminal.Column{Title: "MADE"}, terminal.Column{Title: "SIZE", Right: true}, terminal.Column{Title: "STORED", Right: true}, terminal.Column{Title: "VERSION"})
		for _, s := range all {
			if err := g.row(s.ID, s.CreatedAt.Format("2006-01-02 15:04:05 MST"), terminal.Bytes(s.Bytes), terminal.Bytes(s.NewBytes), s.Product); err != nil {
				return err
			}
		}
		return g.end()
	}
	return c
}

func newBackupVerify() *cobra.Command {
	c := &cobra.Command{
		Use: "verify", Short: "Read a backup whole and compare every part with its manifest", Args: cobra.NoArgs,
		Example: "  probity backup verify --from /backup/probity --identity backup.key --master-key master.key",
		Long: `Reads every part of a backup, decrypts it, and compares it with the manifest. With --master-key it also checks that the manifest was written by the installation which has that key, and not
by somebody who can merely write to the store. The exit code is 1 when something is wrong or missing, and the part is named.

That the logs in it are whole, and that the backup is not older than it should be, is what "probity restore" shows: rehearse it.`,
	}
	settings(c, repositorySettings...)
	from := fromFlag(c)
	id := c.Flags().String("backup", "latest", "id of the backup")
	identity := c.Flags().String("identity", "", "file of the private key")
	masterKey := c.Flags().String("master-key", "", "file of the master key")
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *identity == "" {
			return usage("give the file of the private key with --identity")
		}
		_, r, err := repository(c, *from)
		if err != nil {
			return err
		}
		keys, err := backup.ReadIdentities(*identity)
		if err != nil {
			return err
		}
		s, err := r.Snapshot(c.Context(), *id, keys)
		if err != nil {
			return wrongOrNot(err)
		}
		if *masterKey != "" {
			kms, err := crypt.OpenFileKMS(*masterKey)
			if err != nil {
				return err
			}
			if err := s.Authentic(c.Context(), kms); err != nil {
				return wrongOrNot(err)
			}
		}
		bar := terminal.NewProgress(notes(c), "verify")
		err = s.Verify(c.Context(), bytesOn(bar))
		bar.End()
		if err != nil {
			return wrongOrNot(err)
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), map[string]any{"ok": true, "authentic": *masterKey != "", "manifest": s.Manifest})
		}
		note := ""
		if *masterKey == "" {
			note = "\nWho made it was not checked, which needs --master-key."
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "OK  backup %s of %s: %s, %s%s\n", s.Manifest.ID, s.Manifest.CreatedAt.Format(time.RFC3339), terminal.Plural(len(s.Manifest.Parts), "part", "parts"), terminal.Bytes(s.Summary.Bytes), note)
		return err
	}
	return c
}

// wrongOrNot makes the answer no of an error that says that a backup is damaged.
func wrongOrNot(err error) error {
	if errs.CodeOf(err) == errs.Invalid {
		return answerNo("%s", errs.Message(err))
	}
	return err
}

func newBackupPrune() *cobra.Command {
	c := &cobra.Command{
		Use: "prune", Short: "Remove old backups", Args: cobra.NoArgs, Example: "  probity backup prune --from /backup/probity --keep-daily 14 --keep-monthly 12",
		Long: `Removes backups and what only they hold. The newest of each of the last days and months that have a backup stays, in UTC, and always the newest of all. It needs no key.

What is erased is readable in older backups for those who have the master key of their time, until they are pruned: keep no more than you need.`,
	}
	settings(c, repositorySettings...)
	from := fromFlag(c)
	daily := c.Flags().Int("keep-daily", 14, "of how many days the newest backup stays")
	monthly := c.Flags().Int("keep-monthly", 0, "of how many months the newest backup stays besides")
	dry := c.Flags().Bool("dry-run", false, "only say what would be removed")
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *daily < 1 || *monthly < 0 {
			return usage("keep one day at least")
		}
		cfg, r, err := repository(c, *from)
		if err != nil {
			return err
		}
		keep := backup.Keep{Daily: *daily, Monthly: *monthly}
		if !c.Flags().Changed("keep-daily") {
			keep.Daily = cfg.BackupKeepDaily
		}
		if !c.Flags().Changed("keep-monthly") {
			keep.Monthly = cfg.BackupKeepMonthly
		}
		p, err := r.Prune(c.Context(), keep, *dry)
		if err != nil {
			return err
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), p)
		}
		verb := "Removed"
		if *dry {
			verb = "Would remove"
		}
		s := screen(c)
		fmt.Fprintf(s, "%s %s (%s, %s), kept %d\n", verb, terminal.Plural(len(p.Removed), "backup", "backups"), terminal.Plural(p.Parts, "object", "objects"), terminal.Bytes(p.Freed), len(p.Kept))
		for _, id := range p.Removed {
			fmt.Fprintln(s, " ", id)
		}
		return nil
	}
	return c
}

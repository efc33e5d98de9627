package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/config"
	"probity.dev/ledger"
)

type restoreFlags struct {
	from, checkpoint, highwater, key, reason string
	newEpoch, yes                            bool
	opt                                      app.RestoreOptions
}

func newRestore() *cobra.Command {
	c := &cobra.Command{
		Use: "restore", Short: "Put a backup back and say what it lacks", Args: cobra.NoArgs,
		Example: `  probity restore --from /backup/probity --identity backup.key --master-key master.key --data /var/lib/probity --checkpoint checkpoint.txt
  probity restore … --checkpoint https://audit.example.com/checkpoint.txt --new-epoch --reason 'disk died on 3 May; decided by A. Ito'`,
		Long: `Puts a backup into an empty data directory (and an empty database and storage), compares every part with the manifest, and the manifest with the master key, and verifies the evidence of
every log.

The backup cannot know what was recorded after it was made. So give what does: the newest checkpoint that was published (--checkpoint, a file or an address; "probity checkpoint --save" keeps
one, every bundle holds one) or the newest highwater.json that still exists (--highwater), or both. When the backup is behind, the exit code is 1: it says how many events are lost, and
their logs are there, frozen, for you to look for a newer backup. With --new-epoch and --reason they go on as a new epoch, which records the loss (see "probity log new-epoch").
With --unchecked nothing is compared: if events are missing, the log will contradict what it has signed, and anybody who keeps a checkpoint can show it.

A rehearsal is the same command on another machine; start no server on its outcome that producers can reach. Afterwards: "probity verify DIR" checks the working copies as well.`,
	}
	var o restoreFlags
	f := c.Flags()
	f.StringVar(&o.from, "from", "", "folder or s3://bucket/prefix?endpoint=… that holds the backups; backup_to when not given")
	f.StringVar(&o.opt.Backup, "backup", "latest", "id of the backup")
	f.StringVar(&o.opt.Identity, "identity", "", "file of the private key")
	f.StringVar(&o.opt.MasterKey, "master-key", "", "file of the master key, when the backup does not hold it")
	f.StringVar(&o.checkpoint, "checkpoint", "", "newest published checkpoint: a file, or an address to fetch it from (with PROBITY_API_KEY, when set)")
	f.StringVar(&o.highwater, "highwater", "", "newest highwater.json that still exists")
	f.StringVar(&o.key, "key", "", "keys of the logs that the backup may not know yet: the key itself, or a file")
	f.BoolVar(&o.opt.Unchecked, "unchecked", false, "restore without a checkpoint and without knowing what is missing")
	f.BoolVar(&o.opt.TakeStorage, "take-storage", false, "take over the object storage of the installation that was backed up, which is gone for good")
	f.BoolVar(&o.newEpoch, "new-epoch", false, "when events are lost, let their logs go on as a new epoch")
	f.StringVar(&o.reason, "reason", "", "with --new-epoch: what happened and who decided; it is recorded")
	f.BoolVar(&o.yes, "yes", false, "with --new-epoch: do not ask")
	settings(c, append([]string{"storage-retention", "backup-access-key", "backup-secret-key"}, dataSettings...)...)
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := quiet(c)
		if err != nil {
			return err
		}
		if err := o.read(c, cfg); err != nil {
			return err
		}
		bar := terminal.NewProgress(notes(c), "restore")
		o.opt.Progress = bytesOn(bar)
		r, err := app.Restore(c.Context(), cfg, o.opt)
		bar.End()
		if err != nil {
			return err
		}
		return o.finish(c, cfg, r)
	}
	return c
}

// read checks the flags and reads what they name.
func (o *restoreFlags) read(c *cobra.Command, cfg *config.Config) (err error) {
	o.opt.From = cmp.Or(o.from, cfg.BackupTo)
	if o.opt.Identity == "" {
		return usage("give the file of the private key with --identity")
	}
	if o.reason = strings.TrimSpace(o.reason); o.newEpoch && o.reason == "" {
		return usage("give the reason for a new epoch with --reason; it is recorded for those who rely on the log")
	}
	if o.opt.Unchecked && o.checkpoint+o.highwater != "" {
		return usage("give --unchecked or something to compare with, not both")
	}
	if o.checkpoint+o.highwater == "" && !o.opt.Unchecked {
		return usage("give the newest published checkpoint with --checkpoint, or the newest highwater.json with --highwater: without either nobody knows whether the backup lacks events (--unchecked takes that risk)")
	}
	if o.checkpoint != "" {
		if o.opt.Checkpoints, err = readCheckpoint(c.Context(), o.checkpoint); err != nil {
			return err
		}
	}
	if o.highwater != "" {
		if o.opt.Marks, err = os.ReadFile(o.highwater); err != nil {
			return err
		}
	}
	keys, err := readKeys(o.key)
	o.opt.Keys = strings.Fields(keys)
	return err
}

// maxCheckpoint bounds a file of checkpoints, which has some 300 bytes for each log.
const maxCheckpoint = 16 << 20

// readCheckpoint reads a checkpoint from a file or an address.
func readCheckpoint(ctx context.Context, at string) ([]byte, error) {
	if !strings.HasPrefix(at, "http://") && !strings.HasPrefix(at, "https://") {
		return os.ReadFile(at)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return nil, usage("--checkpoint is not an address that can be fetched")
	}
	if key := strings.TrimSpace(os.Getenv("PROBITY_API_KEY")); key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s instead of a checkpoint", r.URL.Host, res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, maxCheckpoint))
}

// restoredView is the outcome for scripts.
type restoredView struct {
	*app.Restored
	Epochs []epochView `json:"new_epochs,omitempty"`
}

// finish reports, and opens new epochs where that was asked for.
func (o *restoreFlags) finish(c *cobra.Command, cfg *config.Config, r *app.Restored) error {
	s, text := screen(c), output(c) == "text"
	if text {
		fmt.Fprintf(s, "Backup %s of %s: %s, %s, each as its manifest says\n", r.Backup, r.CreatedAt.Format("2006-01-02 15:04:05 MST"), terminal.Plural(r.Parts, "part", "parts"), terminal.Bytes(r.Bytes))
		printReport(s, r.Report)
		printRestored(s, r)
	}
	v := restoredView{Restored: r}
	err := o.outcome(c, cfg, r, &v)
	if !text {
		err = errors.Join(printJSON(c.OutOrStdout(), v), err)
	}
	return err
}

func printRestored(s *terminal.Screen, r *app.Restored) {
	for _, l := range r.Logs {
		switch {
		case l.Lost > 0:
			fmt.Fprintf(s, "%s  %s of %s that were signed for are %s, and those acknowledged after the last checkpoint\n", l.Origin, terminal.Count(l.Lost), terminal.Plural(l.Signed, "event", "events"), s.Paint(terminal.Bad, "lost"))
		case !l.Compared:
			fmt.Fprintf(s, "%s  %s; not compared with anything from outside the backup\n", l.Origin, terminal.Plural(l.Events, "event", "events"))
		default:
			fmt.Fprintf(s, "%s  %s; nothing that was signed for by then is missing\n", l.Origin, terminal.Plural(l.Events, "event", "events"))
		}
	}
}

func (o *restoreFlags) outcome(c *cobra.Command, cfg *config.Config, r *app.Restored, v *restoredView) error {
	switch {
	case !r.Report.OK:
		return answerNo("what was restored does not verify, so the directory stays closed; try an older backup, and see docs/runbooks/restore.md")
	case r.Lost() == 0:
		return nil
	case !o.newEpoch:
		return answerNo("%s lost. Look for a newer backup or the newest database first. If there is none: probity log new-epoch --data %s --reason '…', or this command with --new-epoch", were(r.Lost()), quote(cfg.Data))
	}
	a, err := app.Open(c.Context(), cfg, c.ErrOrStderr())
	if err != nil {
		return err
	}
	return errors.Join(o.epochs(c, a, r, v), a.Close())
}

func were(n uint64) string {
	if n == 1 {
		return "1 event is"
	}
	return terminal.Plural(n, "event", "events") + " are"
}

// epochs lets the logs that lack events go on.
func (o *restoreFlags) epochs(c *cobra.Command, a *app.App, r *app.Restored, v *restoredView) error {
	for _, l := range r.Logs {
		if l.Lost == 0 {
			continue
		}
		t, err := a.Ledger.Tenant(c.Context(), l.TenantID)
		if err != nil {
			return err
		}
		loss, err := a.OpenEpoch(c.Context(), t.ID, o.reason, func(l *ledger.Loss) error {
			printLoss(notes(c), t, l)
			return confirm(c, o.yes, "Give up what is missing, for good?")
		})
		if err != nil {
			return err
		}
		if output(c) == "text" {
			if err := printEpoch(c.Context(), c, a, t, loss); err != nil {
				return err
			}
			continue
		}
		e, err := epochOf(c.Context(), a, t, loss)
		if err != nil {
			return err
		}
		v.Epochs = append(v.Epochs, e)
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
)

func newArchive() *cobra.Command {
	c := &cobra.Command{
		Use: "archive", Short: "Write everything of a tenant into one file in open formats", Args: cobra.NoArgs,
		Example: "  probity archive --data ./data --tenant 'North Clinic' -o north-clinic.zip\n  probity import north-clinic.zip --data ./elsewhere",
		Long: `Writes a zip with every event as JSON lines, who acted, users, settings, channels and exports as JSON and CSV, and for each epoch of the log a bundle that proves all of it
("probity verify" on it, offline). A README in it says what is what. "probity import" reads it back.

It holds personal values in clear: guard it like them, or encrypt it (age -r age1… north-clinic.zip). Passwords, secrets of keys and of channels are not in it.
It works on the data directory of a stopped server, and is recorded as an export.`,
	}
	var t target
	c.Flags().StringVar(&t.tenant, "tenant", "", "name or id of the tenant, when a data directory holds several")
	file := c.Flags().StringP("out", "o", "", "file to write, which must not exist")
	settings(c, dataSettings...)
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *file == "" {
			return usage("say where to write with -o FILE")
		}
		if _, err := os.Lstat(*file); err == nil {
			return usage("%s exists", *file)
		}
		cfg, err := quiet(c)
		if err != nil {
			return err
		}
		p, err := t.openDirectory(c.Context(), cfg, c)
		if err != nil {
			return err
		}
		start := time.Now()
		bar := terminal.NewProgress(notes(c), "archive")
		var m *app.ArchiveManifest
		size, err := writeAside(*file, func(w io.Writer) (err error) {
			m, err = p.App.Archive(c.Context(), p.By, w, func(done, total int64) {
				bar.Update(terminal.State{Done: done, Total: total, Count: done, Unit: "events"})
			})
			return err
		})
		bar.End()
		if err = errors.Join(err, p.Close()); err != nil {
			return err
		}
		if output(c) == "json" {
			return printJSON(c.OutOrStdout(), m)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s, %s, %s, in %s\n", *file, terminal.Plural(m.Events, "event", "events"), terminal.Plural(len(m.Files), "file", "files"), terminal.Bytes(size), terminal.Duration(time.Since(start)))
		return err
	}
	return c
}

// writeAside writes a private file that appears when it is complete, and returns its size.
func writeAside(path string, write func(io.Writer) error) (int64, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".probity-archive-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	err = write(f)
	size, e := f.Seek(0, io.SeekEnd)
	if err = errors.Join(err, e, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	return size, os.Rename(f.Name(), path)
}

func newImport() *cobra.Command {
	c := &cobra.Command{
		Use: "import ARCHIVE", Short: "Read the archive of a tenant back into an empty tenant", Args: oneArg("the file that probity archive wrote"),
		Example: "  probity import north-clinic.zip --data ./data --key log.vkey --email admin@example.com",
		Long: `Checks every file of the archive and every proof in it, makes a tenant (or takes an empty one of that name), takes over the settings with the custom fields, and records the events in
their order.

Kept: the id, source, times of occurrence and all values of each event, and which of them are personal. New: the log with its key, seqs and times of recording, users and API keys. The last
event, archive.imported, names the archive by its SHA-256, and the original log with its keys, sizes and newest checkpoint: keep the archive, whose proofs are those of the original log.

--key is the original log's key as you know it; without it the archive's own is taken, which shows that it is whole but not whose log it was. Events that cannot be recorded are counted by
reason, and the exit code is 1. An interrupted import goes on with --resume; nothing is recorded twice. It works on the data directory of a stopped server.`,
	}
	var o founding
	o.bind(c)
	c.Flags().StringVar(&o.Tenant, "tenant", "", "name of the tenant; that in the archive by default")
	key := c.Flags().String("key", "", "the original log's key: the key itself, or a file")
	resume := c.Flags().Bool("resume", false, "go on with an import that was interrupted")
	settings(c, append([]string{"listen"}, dataSettings...)...)
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		archive, err := app.OpenArchive(args[0])
		if err != nil {
			return wrongOrNot(err)
		}
		defer func() { err = errors.Join(err, archive.Close()) }()
		text, err := readKeys(*key)
		if err != nil {
			return err
		}
		if text == "" {
			text = strings.Join(archive.Keys, "\n")
		}
		keys, err := tlog.ParseKeys(text)
		if err != nil {
			return err
		}
		cfg, err := quiet(c)
		if err != nil {
			return err
		}
		if o.Tenant == "" {
			o.Tenant = archive.Manifest.Tenant.Name
		}
		a, err := app.Open(c.Context(), cfg, c.ErrOrStderr())
		if err != nil {
			return err
		}
		verified, err := a.VerifyArchive(c.Context(), archive, keys)
		if err != nil {
			return wrongOrNot(errors.Join(err, a.Close()))
		}
		return errors.Join(importInto(c, a, verified, &o, *resume), verified.Discard(), a.Close())
	}
	return c
}

func importInto(c *cobra.Command, a *app.App, archive *app.VerifiedArchive, o *founding, resume bool) error {
	ctx := c.Context()
	all, err := a.Ledger.Tenants(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(t ledger.TenantInfo) bool { return t.Name == o.Tenant })
	id := ""
	switch {
	case i >= 0:
		id = all[i].ID
	case resume:
		return errs.New(errs.NotFound, "there is no tenant %q to go on with", o.Tenant)
	default:
		options, err := o.options()
		if err != nil {
			return err
		}
		r, err := a.AddTenant(ctx, options)
		if err != nil {
			return err
		}
		id = r.TenantID
		fmt.Fprintln(notes(c), "Added", terminal.Clean(r.Tenant))
		printFounded(notes(c), r)
	}
	bar := terminal.NewProgress(notes(c), "import")
	r, err := a.ImportArchive(ctx, id, archive, resume, func(done, total int64) {
		bar.Update(terminal.State{Done: done, Total: total, Count: done, Unit: "events"})
	})
	bar.End()
	if err != nil {
		return wrongOrNot(err)
	}
	if output(c) == "json" {
		err = printJSON(c.OutOrStdout(), r)
	} else {
		s := screen(c)
		fmt.Fprintf(s, "%s of %s: %s recorded, %s known already, %s rejected\n", terminal.Plural(r.Read, "event", "events"), terminal.Clean(archive.Manifest.Tenant.Name), terminal.Count(r.Accepted), terminal.Count(r.Duplicates), terminal.Count(r.Rejected))
		for why, n := range r.Reasons {
			fmt.Fprintf(s, "  %s  %s\n", terminal.Count(n), why)
		}
	}
	if err == nil && r.Rejected > 0 {
		err = answerNo("")
	}
	return err
}

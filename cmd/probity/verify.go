package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/tlog"
	"probity.dev/verify"
)

func newVerify() *cobra.Command {
	c := &cobra.Command{
		Use: "verify BUNDLE|DIR|URL", Short: "Check a bundle, a data directory or a server, and name the first wrong record", Args: oneArg("a bundle, a data directory or the address of a server"),
		Example: `  probity verify q1.zip --key audit.example.com/9f2c…/1+5d7c1f40+AbCd…
  probity verify ./data --key log.vkey --state checkpoint.txt
  PROBITY_API_KEY=pk_… probity verify https://audit.example.com --key log.vkey --state checkpoint.txt`,
		Long: `Checks that nothing recorded was changed, dropped, added or reordered, and that everything agrees with what the log signed. It trusts nobody but the key.

  a bundle          needs the file and the key, no network and no other file
  a data directory  every piece of evidence and every tile and, where the master key is there, that what people read (the working copies) is what was recorded;
                    no server may be running on it
  a server          fetches and recomputes all evidence and tiles; any log that follows C2SP tlog-tiles will do

--key is the log's key, which its keeper printed at init ("probity keys" prints it); the text itself, or a file with one key a line. A log whose key was rotated has several: what
an old key signed is checked with the old one, what a new key signed with the new one. Without it the target's own key is used, which
shows that the log is consistent but not who signed it. --state is a file with the checkpoint that you saw last: the log must extend it, and it is brought up to date when
all is well. Whoever keeps such a file notices a log that was rewritten or cut.

The exit code is 0 when all is well, 1 when something is wrong, with the first wrong record by its seq.`,
	}
	var o verifyFlags
	fl := c.Flags()
	fl.StringArrayVar(&o.key, "key", nil, "the log's key as you know it: the key itself, or a file; may be repeated, as after a rotation")
	fl.StringVar(&o.opt.State, "state", "", "file with the checkpoint seen last; made if it does not exist")
	fl.StringVar(&o.apiKey, "api-key", "", "API key for a server; prefer PROBITY_API_KEY")
	fl.StringVar(&o.apiKeyFile, "api-key-file", "", "file that holds the API key")
	fl.IntVar(&o.opt.Workers, "workers", 0, "processors to use; all by default")
	fl.BoolVar(&o.evidence, "evidence-only", false, "leave out the working copies of a data directory, as without its master key")
	settings(c, dataSettings[1:]...) // the directory is an argument
	outputFlag(c, "text", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		keys, err := readKeyList(o.key)
		if err != nil {
			return err
		}
		if strings.TrimSpace(keys) != "" {
			if o.opt.Keys, err = tlog.ParseKeys(keys); err != nil {
				return err
			}
		}
		bar := terminal.NewProgress(notes(c), "verify")
		o.opt.Progress = func(done, total uint64) {
			bar.Update(terminal.State{Done: int64(done), Total: int64(total), Count: int64(done), Unit: "records"})
		}
		r, err := o.verify(c, args[0])
		bar.End()
		if err != nil {
			return err
		}
		if output(c) == "json" {
			err = printJSON(c.OutOrStdout(), r)
		} else {
			printReport(screen(c), r)
		}
		if err == nil && !r.OK {
			err = answerNo("")
		}
		return err
	}
	return c
}

type verifyFlags struct {
	key                []string
	apiKey, apiKeyFile string
	evidence           bool
	opt                verify.Options
}

func (o *verifyFlags) verify(c *cobra.Command, what string) (*verify.Report, error) {
	if strings.HasPrefix(what, "http://") || strings.HasPrefix(what, "https://") {
		key, err := (&target{key: o.apiKey, keyFile: o.apiKeyFile}).apiKey()
		if err != nil {
			return nil, err
		}
		return verify.Server(c.Context(), what, key, o.opt)
	}
	info, err := os.Stat(what)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return verify.Bundle(c.Context(), what, o.opt)
	}
	return o.directory(c, what)
}

// directory checks the logs of every tenant in a data directory: the evidence alone when the master key is elsewhere, as it should be in a copy for an auditor.
func (o *verifyFlags) directory(c *cobra.Command, dir string) (r *verify.Report, err error) {
	cfg, err := quiet(c)
	if err != nil {
		return nil, err
	}
	cfg.Data = dir
	ctx := c.Context()
	if !app.HasMasterKey(cfg) {
		o.evidence = true
	}
	if o.evidence {
		sources, closer, err := app.StoredSources(ctx, cfg)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, closer.Close()) }()
		r, err := verify.Dir(ctx, dir, sources, o.opt)
		if err == nil {
			r.Notes = append(r.Notes, "what people read (the working copies) was not compared with the evidence, which needs the master key")
		}
		return r, err
	}
	a, err := app.Open(ctx, cfg, c.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	sources, err := a.Sources(ctx, true)
	if err != nil {
		return nil, err
	}
	return verify.Dir(ctx, dir, sources, o.opt)
}

// printReport prints a report with its verdict in colour.
func printReport(s *terminal.Screen, r *verify.Report) {
	text := r.String()
	verdict, rest, _ := strings.Cut(text, "  ")
	st := terminal.Good
	if !r.OK {
		st = terminal.Bad
	}
	fmt.Fprint(s, s.Paint(st, verdict), "  ", rest)
}

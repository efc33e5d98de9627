package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/access"
	"probity.dev/app"
	"probity.dev/cmd/probity/ingest"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/actor"
	"probity.dev/internal/config"
	"probity.dev/internal/demo"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
)

const demoMonths = 18

// demoState is kept in the data directory, so that a second run finds its logins and what is left to fill. Nothing in it is worth protecting but on a demo.
type demoState struct {
	Seed   uint64      `json:"seed"`
	Events int         `json:"events"`
	End    time.Time   `json:"end"`
	Filled int         `json:"filled"`
	Admin  demoLogin   `json:"admin"`
	Others []demoLogin `json:"others"`
	APIKey string      `json:"api_key"`
	VKey   string      `json:"vkey"`
}

type demoLogin struct {
	Role     string `json:"role"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

func demoFile(dir string) string { return filepath.Join(dir, "demo.json") }

func newDemo() *cobra.Command {
	c := &cobra.Command{
		Use: "demo", Short: "Try it out: serve a made-up tenant with 200,000 events", Args: cobra.NoArgs,
		Example: "  probity demo\n  probity demo --data ./demo --events 20000 --listen :8780",
		Long: `Makes a data directory with a made-up organisation, a clinic, a shop and a software service with 18 months of history, and serves it. The page can be used while the events are
still being recorded. It prints an address and logins: an admin, who sees everything, and an auditor, who sees personal values masked.

All persons, addresses and numbers are invented. On the second run the directory is used as it is. The logins are kept in demo.json in the directory, which is fine for a demo only.`,
	}
	settings(c)
	fl := c.Flags()
	if err := fl.Set("data", "./demo"); err == nil { // a demo must not land in the data directory of a real installation
		fl.Lookup("data").DefValue, fl.Lookup("data").Changed = "./demo", false
	}
	events := fl.Int("events", 200_000, "how many events to make up")
	seed := fl.Uint64("seed", 1, "another number makes up other events")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *events < 0 || *events > 50_000_000 {
			return usage("--events is a number up to 50,000,000")
		}
		cfg, err := demoConfig(c)
		if err != nil {
			return err
		}
		return runDemo(c, cfg, &demoState{Seed: *seed, Events: *events, End: time.Now().UTC()})
	}
	return c
}

// demoConfig is the configuration with a data directory and a log level of its own, unless they were chosen.
func demoConfig(c *cobra.Command) (*config.Config, error) {
	cfg, err := quiet(c)
	if err != nil {
		return nil, err
	}
	for _, v := range cfg.Values() {
		if v.Setting.Name == "data" && v.Source == config.FromDefault {
			cfg.Data = "./demo"
		}
	}
	return cfg, nil
}

func runDemo(c *cobra.Command, cfg *config.Config, st *demoState) (err error) {
	if err := st.prepare(c, cfg); err != nil {
		return err
	}
	a, err := app.Open(c.Context(), cfg, c.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	if err := st.addLogins(ctx, a); err != nil {
		return err
	}
	filled := make(chan error, 1)
	served := a.Serve(ctx, func(url string) {
		printDemo(screen(c), st, url)
		go func() {
			err := st.fill(ctx, a, notes(c))
			if filled <- err; err != nil {
				stop() // a demo that cannot be filled is none
			}
		}()
	})
	stop()
	if served != nil {
		return served
	}
	if err := <-filled; err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// prepare reads what an earlier run left, or initialises the directory.
func (st *demoState) prepare(c *cobra.Command, cfg *config.Config) error {
	b, err := os.ReadFile(demoFile(cfg.Data))
	if err == nil {
		if err := json.Unmarshal(b, st); err != nil {
			return errs.Wrap(errs.Invalid, err, "%s cannot be read; choose another directory with --data", demoFile(cfg.Data))
		}
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	r, err := app.Init(c.Context(), cfg, app.InitOptions{Tenant: "Demo", Email: "admin@example.com", Name: "Demo Admin", KeyName: "demo"}, c.ErrOrStderr())
	if errs.CodeOf(err) == errs.Conflict {
		return usage("%s holds data that is no demo; choose another directory with --data", cfg.Data)
	}
	if err != nil {
		return err
	}
	st.Admin = demoLogin{actor.RoleAdmin, r.Email, r.Password}
	st.APIKey, st.VKey = r.APIKey, r.VKey
	return st.save(cfg.Data)
}

func (st *demoState) save(dir string) error {
	b, err := json.MarshalIndent(st, "", "  ") //nolint:gosec // the key of a demo, in a file of its owner
	if err != nil {
		return err
	}
	tmp := demoFile(dir) + ".new"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, demoFile(dir))
}

func demoTenant(ctx context.Context, a *app.App) (string, error) {
	all, err := a.Ledger.Tenants(ctx)
	if err == nil && len(all) == 0 {
		err = errs.New(errs.Internal, "the demo has no tenant")
	}
	if err != nil {
		return "", err
	}
	return all[0].ID, nil
}

// addLogins adds the auditor.
func (st *demoState) addLogins(ctx context.Context, a *app.App) error {
	if len(st.Others) > 0 {
		return nil
	}
	tenant, err := demoTenant(ctx, a)
	if err != nil {
		return err
	}
	l := demoLogin{actor.RoleAuditor, "auditor@example.com", app.NewPassword()}
	_, err = a.Access.CreateUser(ctx, actor.System(tenant), access.NewUser{Email: l.Email, Name: "Demo Auditor", Role: l.Role, Password: l.Password})
	if err != nil {
		return err
	}
	st.Others = append(st.Others, l)
	return st.save(a.Config.Data)
}

// demoAhead is how many batches are under way at once, so that the events of one are prepared while another becomes durable.
const demoAhead = 3

// fill records what is left of the made-up events.
func (st *demoState) fill(ctx context.Context, a *app.App, s *terminal.Screen) error {
	tenant, err := demoTenant(ctx, a)
	if err != nil || st.Filled >= st.Events {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bar := terminal.NewProgress(s, "demo")
	start := time.Now()
	pending := make(chan *demoBatch, demoAhead-1)
	go func() {
		defer close(pending)
		st.generate(ctx, a, tenant, st.Filled, pending)
	}()
	for b := range pending { // in the order of the events, so that Filled is never too much
		if err := <-b.recorded; err != nil {
			return err
		}
		st.Filled += b.n
		if st.Filled >= st.Events || st.Filled%20_000 == 0 {
			if err := st.save(a.Config.Data); err != nil {
				return err
			}
		}
		bar.Update(terminal.State{Done: int64(st.Filled), Total: int64(st.Events), Count: int64(st.Filled), Unit: "events"})
	}
	bar.End()
	if err := ctx.Err(); err != nil {
		return err
	}
	fmt.Fprintf(s, "All %s events are recorded (%s). Ctrl-C ends the demo; the same command brings it back.\n", terminal.Count(st.Events), terminal.Duration(time.Since(start)))
	return nil
}

// demoBatch is a batch that is being recorded.
type demoBatch struct {
	n        int
	recorded chan error
}

// generate makes the events from the given one on and begins to record them.
func (st *demoState) generate(ctx context.Context, a *app.App, tenant string, from int, pending chan<- *demoBatch) {
	g := demo.New(st.Seed, st.End, demoMonths, st.Events)
	texts := make([][]byte, 0, ingest.BatchEvents)
	for n := 0; ; n++ {
		b, more := g.Next()
		if more && n < from {
			continue
		}
		if more {
			texts = append(texts, bytes.Clone(b))
		}
		if len(texts) == cap(texts) || !more && len(texts) > 0 {
			batch := &demoBatch{n: len(texts), recorded: make(chan error, 1)}
			go func(texts [][]byte) { batch.recorded <- recordDemo(ctx, a, tenant, texts) }(texts)
			select {
			case pending <- batch:
			case <-ctx.Done():
				return
			}
			texts = make([][]byte, 0, ingest.BatchEvents)
		}
		if !more {
			return
		}
	}
}

// recordDemo records a batch of made-up events.
func recordDemo(ctx context.Context, a *app.App, tenant string, texts [][]byte) error {
	items := make([]ledger.Item, len(texts))
	for i, b := range texts {
		e, err := event.Parse(b)
		if err != nil {
			return err
		}
		items[i].Event = e
	}
	r, err := a.Ledger.Append(ctx, tenant, items, ledger.AppendOptions{})
	for errs.CodeOf(err) == errs.Throttled && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
		r, err = a.Ledger.Append(ctx, tenant, items, ledger.AppendOptions{})
	}
	if err != nil {
		return err
	}
	for _, x := range r.Results {
		if x.Err != nil {
			return errs.Wrap(errs.Internal, x.Err, "a made-up event was rejected")
		}
	}
	return nil
}

// printDemo prints the address and the logins in a box.
func printDemo(s *terminal.Screen, st *demoState, url string) {
	rows := []string{"Probity demo  " + url, ""}
	for _, l := range append([]demoLogin{st.Admin}, st.Others...) {
		rows = append(rows, fmt.Sprintf("%-8s %-20s %s", l.Role, l.Email, l.Password))
	}
	rows = append(rows, "API key  "+st.APIKey)
	wide := 0
	for _, r := range rows {
		wide = max(wide, len(r))
	}
	fmt.Fprintf(s, "\n╭%s╮\n", strings.Repeat("─", wide+4))
	for i, r := range rows {
		text := r + strings.Repeat(" ", wide-len(r))
		if i == 0 {
			text = s.Paint(terminal.Bold, text)
		}
		fmt.Fprintf(s, "│  %s  │\n", text)
	}
	fmt.Fprintf(s, "╰%s╯\n\n", strings.Repeat("─", wide+4))
	fmt.Fprintf(s, "Try    PROBITY_SERVER=%s PROBITY_API_KEY=%s probity search --outcome denied\n", url, st.APIKey)
	fmt.Fprintf(s, "Check  PROBITY_API_KEY=%s probity verify %s\n\n", st.APIKey, url)
}

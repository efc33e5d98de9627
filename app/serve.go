package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"probity.dev/console"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/ledger/httpapi"
	"probity.dev/ledger/views"
)

// Handler builds the HTTP surface: API, health, metrics and console.
func (a *App) Handler() (http.Handler, error) {
	return a.handler(atWork{maskable{a.tokens.Authenticator(a.Access), a.masks}, a.tenants})
}

// handler builds the HTTP surface for callers that auth knows.
func (a *App) handler(auth api.Authenticator) (http.Handler, error) {
	cfg := a.Config
	trusted, err := api.ParseProxies(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	caller, err := api.ParseRate(cfg.RateLimit)
	if err != nil {
		return nil, err
	}
	anonymous, err := api.ParseRate(cfg.AnonymousRateLimit)
	if err != nil {
		return nil, err
	}
	h := api.New(api.Options{Version: Version, Logger: a.telemetry.Logger, Auth: auth, Observer: counting{a.telemetry.Observer(), a.status.meter}, Idempotency: &idempotency{db: a.db, ledger: a.Ledger},
		Proxies: api.Proxies{Trusted: trusted, Forwarded: cfg.ForwardedHeader == "forwarded"}, PublicOrigin: cfg.PublicURL, MaxBody: cfg.MaxRequestBytes,
		CallerRate: caller, AnonymousRate: anonymous, HSTS: cfg.Secure(), Texts: a.masks.Texts, StepUp: a.Access.StepUpPolicy(), StillThere: a.stillThere})
	(&httpapi.Handlers{Ledger: a.Ledger, Mask: a.masks.For, PublicURL: cfg.PublicURL, Verifier: a.verifier, Views: &views.Store{DB: a.db, Sealer: sealer{a.Ledger}}, Reads: a.reads, Master: masterKeys{a}}).Register(h)
	a.Access.Register(h)
	a.decisions.Register(h)
	a.tokens.Register(h)
	a.flags.Register(h)
	a.oidc.Register(h)
	a.scim.Register(h)
	a.subscriptions.Register(h)
	a.exports.Service.Register(h)
	a.links.Register(h)
	a.schedules.Register(h)
	a.approvals.Register(h)
	a.tenants.Register(h)
	a.reviews.Register(h)
	a.mappings.Register(h)
	a.jobs.Register(h)
	a.notify.Service.Register(h)
	a.notify.Streams.Register(h)
	a.notify.Alerts.Register(h)
	a.policies.Register(h)
	a.disclosure.Register(h)
	a.status.register(h)
	h.MountHealth(a.ready)
	if cfg.MetricsListen == "" {
		h.Handle("GET /metrics", api.Rule{Permission: actor.SettingsManage}, a.operators(a.telemetry.Metrics()))
	}
	h.Handle("/api/", api.Rule{Public: true}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.WriteError(w, r, errs.New(errs.NotFound, "there is no such operation; GET /api/docs lists them"))
	}))
	h.Handle("/", api.Rule{Public: true, LooseQuery: true, Unlimited: true}, console.Handler())
	return h, nil
}

// ready says whether the node can do its work.
func (a *App) ready(ctx context.Context) error {
	var one int
	if err := a.db.Read(ctx).QueryRowContext(ctx, `SELECT 1`).Scan(&one); err != nil {
		return errs.Wrap(errs.Unavailable, err, "the database does not answer")
	}
	tenants, err := a.Ledger.Tenants(ctx)
	if err != nil {
		return err
	}
	frozen := 0
	for _, t := range tenants {
		h, err := a.Ledger.Head(ctx, t.ID)
		if err != nil {
			return err
		}
		if h.Frozen != "" {
			frozen++
		}
	}
	if frozen > 0 && frozen == len(tenants) {
		return errs.New(errs.Unavailable, "every log is frozen; the log has the reasons")
	}
	if problem, _ := a.kms.Problem(); problem != "" {
		return api.Degraded("the key-management service cannot be used: running work goes on, new tenants and a restart have to wait")
	}
	return nil
}

// Serve listens and serves until ctx ends, then finishes what is under way. started, when not nil, is told the address.
func (a *App) Serve(ctx context.Context, started func(url string)) error {
	h, err := a.Handler()
	if err != nil {
		return err
	}
	if err := a.openCertificates(); err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.Config.Listen)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "cannot listen on %s; is another server there? Choose another address with --listen", a.Config.Listen)
	}
	if err := a.exports.Service.Start(ctx); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := a.jobs.Start(ctx); err != nil {
		return errors.Join(err, l.Close())
	}
	background, stop := context.WithCancel(ctx)
	defer stop()
	go a.Access.Run(background)
	decided := a.runDecisions(ctx)
	defer decided()
	go a.denials.Run(background)
	go a.tenants.Run(background)
	go a.reads.run(background)
	go a.housekeeping(background)
	go a.backups.run(background)
	a.schedules.Start(ctx)
	a.approvals.Start(ctx)
	a.reviews.Start(ctx)
	a.mappings.Start(ctx)
	a.notify.Service.Start(ctx)
	a.notify.Streams.Start(ctx)
	a.notify.Alerts.Start(ctx)
	go a.watchLogs(background)
	go a.watchKMS(background)
	go a.reload(background)
	go a.status.run(background)
	if err := a.serveMetrics(background); err != nil {
		err = errors.Join(err, l.Close(), a.stopJobs())
		a.exports.Service.Close()
		return err
	}
	scheme := "http"
	if a.certificates.source != nil {
		scheme = "https"
	}
	if started != nil {
		started(scheme + "://" + l.Addr().String())
	}
	a.telemetry.Logger.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("listen", l.Addr().String()), slog.String("version", Version))
	server := &api.Server{Handler: h, Logger: a.telemetry.Logger, Certificates: a.certificates.source, Drain: a.Config.Drain}
	err = server.Serve(ctx, l)
	a.status.end(context.WithoutCancel(ctx))
	err = errors.Join(err, a.stopJobs())
	a.mappings.Close()
	a.reviews.Close()
	a.approvals.Close()
	a.schedules.Close()
	a.exports.Service.Close()
	a.notify.Alerts.Close()
	a.notify.Streams.Close()
	a.notify.Service.Close()
	return err
}

// serveMetrics serves /metrics, and the profiles of Go's runtime under /debug/pprof/, on an address of its own, without credentials, when that is configured.
func (a *App) serveMetrics(ctx context.Context) error {
	if a.Config.MetricsListen == "" {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.Config.MetricsListen)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "cannot listen on %s for metrics", a.Config.MetricsListen)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.telemetry.Metrics())
	// Profiles name functions and count bytes; they hold no values.
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	go func() {
		if err := (&api.Server{Handler: mux, Logger: a.telemetry.Logger}).Serve(ctx, l); err != nil {
			a.telemetry.Logger.Error("metrics", "error", err)
		}
	}()
	return nil
}

// housekeeping does what is due once a day: the scrub, and forgetting old replies.
func (a *App) housekeeping(ctx context.Context) {
	replies := &idempotency{db: a.db, ledger: a.Ledger}
	for {
		next := nextScrub(a.Config.ScrubAt, time.Now().UTC())
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if err := replies.sweep(ctx); err != nil {
			a.telemetry.Logger.Error("old replies", "error", err)
		}
		if err := a.links.Forget(ctx); err != nil {
			a.telemetry.Logger.Error("old download links", "error", err)
		}
		if a.Config.ScrubAt != "off" {
			if err := a.verifier.scrub(ctx); err != nil && ctx.Err() == nil {
				a.verifier.failed.Inc()
				a.telemetry.Logger.Error("scrub", "error", err)
			}
		}
	}
}

// nextScrub is the next time of day at; noon of the next day when the scrub is off, for the rest of the housekeeping.
func nextScrub(at string, now time.Time) time.Time {
	t, err := time.Parse("15:04", strings.TrimSpace(at))
	if err != nil {
		t = time.Date(0, 1, 1, 12, 0, 0, 0, time.UTC)
	}
	next := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	if !next.After(now) {
		next = next.AddDate(0, 0, 1)
	}
	return next
}

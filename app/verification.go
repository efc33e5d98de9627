package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/ledger/httpapi"
	"probity.dev/verify"
)

// queueOfVerifications is where verifications wait for their turn.
const queueOfVerifications = "verifications"

// How a verification is tried when it comes to no result: four times within a quarter of an hour. One takes an hour for a thousand million events.
const (
	verifyAttempts = 4
	verifyBackOff  = 2 * time.Minute
	verifyTimeout  = 24 * time.Hour
)

// scrubPause is how long a log is not scrubbed again: all servers wake at the same time of day.
const scrubPause = time.Hour

// What the list of jobs says about a verification that is done. What was wrong, the page Log integrity says.
const (
	resultVerified = "Everything verifies"
	resultWrong    = "Failed verification"
)

// verifyArgs are the arguments of the job that verifies a tenant's log: the tenant, which every job has, says it all.
type verifyArgs struct{}

// Kind implements jobs.Args.
func (verifyArgs) Kind() string { return "verification" }

// verifier verifies logs in background jobs and remembers how that ended.
type verifier struct {
	l  *ledger.Ledger
	db *sqldb.DB
	// evidence is where sealed leaves lie.
	evidence blob.Files
	jobs     *jobs.Service

	failed prometheus.Counter // jobs that came to no result
	log    *slog.Logger
	// wrong is called in the transaction that stores a verification which found something wrong.
	wrong func(ctx context.Context, tx *sql.Tx, tenantID, logID string) error
	// check is run, unless a test replaces it.
	check func(ctx context.Context, tenantID string, told func(done, total uint64)) (*verify.Report, error)
}

func newVerifier(a *App) *verifier {
	v := &verifier{l: a.Ledger, db: a.db, evidence: a.storage.evidence, jobs: a.jobs, log: a.telemetry.Logger, wrong: a.verificationFailed,
		failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "probity_scrub_failures_total", Help: "Verifications by the server that were given up without a result, good or bad."})}
	v.check = v.run
	a.telemetry.Registry.MustRegister(v.failed)
	jobs.Register(a.jobs, jobs.Kind[verifyArgs]{Queue: queueOfVerifications, Attempts: verifyAttempts, Timeout: verifyTimeout, BackOff: verifyBackOff, Work: v.work,
		Failed: func(context.Context, *jobs.Run, verifyArgs, error) { v.failed.Inc() }})
	return v
}

// Start implements httpapi.Verifier.
func (v *verifier) Start(ctx context.Context, tenantID, requestedBy string) error {
	return v.db.Write(ctx, func(tx *sql.Tx) error { return v.enqueue(ctx, tx, tenantID, requestedBy) })
}

// enqueue has a log verified soon. There is one such job of a tenant at a time, whichever server works on it.
func (v *verifier) enqueue(ctx context.Context, tx *sql.Tx, tenantID, requestedBy string) error {
	_, err := v.jobs.Enqueue(ctx, tx, tenantID, verifyArgs{}, jobs.Enqueuing{RequestedBy: requestedBy, Unique: true})
	return err
}

// scrub has every log verified with its working copies.
func (v *verifier) scrub(ctx context.Context) error {
	tenants, err := v.l.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		err = errors.Join(err, v.db.Write(ctx, func(tx *sql.Tx) error {
			if done, err := v.doneSince(ctx, tx, t.LogID, time.Now().Add(-scrubPause)); err != nil || done {
				return err // by another server, whose clock or whose log was faster
			}
			return v.enqueue(ctx, tx, t.ID, "")
		}))
	}
	return err
}

// work verifies a log. It is the Work of its kind of job: a log in which something is wrong is a job that is done. One that was interrupted begins anew, since what was verified before may have changed since.
func (v *verifier) work(ctx context.Context, r *jobs.Run, _ verifyArgs) error {
	log := v.log.With(slog.String("tenant_id", r.TenantID))
	report, err := v.check(ctx, r.TenantID, func(done, total uint64) { r.Progress(int64(done), int64(total)) }) //nolint:gosec // numbers of events
	if err != nil {
		// Whatever the reason, it may pass: the store that answers again, the file that is put back.
		return errs.Wrap(errs.Unavailable, err, "The verification came to no result; the server's log has the details under the job's id.")
	}
	if !report.OK {
		r.Result(resultWrong)
		log.LogAttrs(ctx, slog.LevelError, "scrub found a wrong record", slog.String("log_id", report.Target), slog.String("problem", report.First().String()))
		return nil
	}
	r.Result(resultVerified)
	log.LogAttrs(ctx, slog.LevelInfo, "scrub", slog.String("log_id", report.Target), slog.Bool("ok", true), slog.Int64("events_per_second", int64(report.EventsPerSecond)))
	return nil
}

// sources are the epochs of one tenant's log with their working copies, the present one last.
func (v *verifier) sources(ctx context.Context, tenantID string) (out []verify.Source, err error) {
	logs, err := ledger.OpenStored(ctx, v.db, v.evidence)
	if err != nil {
		return nil, err
	}
	for _, s := range logs {
		if s.TenantID == tenantID {
			source, err := withWorking(ctx, s, v.l)
			if err != nil {
				return nil, err
			}
			out = append(out, source)
		}
	}
	if len(out) == 0 {
		err = errs.New(errs.NotFound, "there is no such log")
	}
	return out, err
}

// run verifies a log with its working copies and stores the result. told, if not nil, is told of progress.
func (v *verifier) run(ctx context.Context, tenantID string, told func(done, total uint64)) (*verify.Report, error) {
	sources, err := v.sources(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	log := sources[len(sources)-1].Log()
	keys, err := tlog.ParseKeys(log.Keys)
	if err != nil {
		return nil, err
	}
	r, err := verify.Dir(ctx, log.LogID, sources, verify.Options{Keys: keys, Progress: told})
	if err != nil {
		return nil, err
	}
	return r, v.store(ctx, tenantID, log.LogID, r)
}

func (v *verifier) store(ctx context.Context, tenantID, logID string, r *verify.Report) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	size := uint64(0) // of the present epoch, which is the last
	for _, l := range r.Logs {
		size = l.Size
	}
	ok := 0
	if r.OK {
		ok = 1
	}
	return v.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO verification (log_id, at, ok, size, report) VALUES ($1, $2, $3, $4, $5)`, logID, sqldb.Now(), ok, size, string(text))
		if err != nil || r.OK {
			return sqldb.Translate(err)
		}
		return v.wrong(ctx, tx, tenantID, logID)
	})
}

// Status implements httpapi.Verifier.
func (v *verifier) Status(ctx context.Context, tenantID string) (out httpapi.Verification, err error) {
	list, _, err := v.jobs.List(ctx, tenantID, jobs.Filter{Kind: verifyArgs{}.Kind(), Limit: 1})
	if err != nil {
		return out, err
	}
	if len(list) == 1 && (list[0].State == jobs.StateRunning || list[0].State == jobs.StateQueued) {
		out.Running, out.Done = true, list[0].Done
		if list[0].Total != nil {
			out.Total = *list[0].Total
		}
	}
	out.Last, err = v.last(ctx, tenantID)
	return out, err
}

// last is how the last verification of a log ended; nil when there was none.
func (v *verifier) last(ctx context.Context, tenantID string) (*httpapi.VerifyResult, error) {
	h, err := v.l.Head(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	var at, size int64
	var ok int
	var text string
	err = v.db.Read(ctx).QueryRowContext(ctx, `SELECT at, ok, size, report FROM verification WHERE log_id = $1 ORDER BY at DESC LIMIT 1`, h.LogID).Scan(&at, &ok, &size, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // as documented
	}
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	var r verify.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a stored verification report is damaged")
	}
	out := &httpapi.VerifyResult{At: time.UnixMicro(at).UTC(), OK: ok == 1, Size: size, EventsPerSecond: r.EventsPerSecond}
	if p := r.First(); p != nil {
		out.Error = strings.TrimSpace(p.String())
	}
	return out, nil
}

// doneSince reports whether another server may have verified a log since then. Without others, nobody has.
func (v *verifier) doneSince(ctx context.Context, tx *sql.Tx, logID string, since time.Time) (done bool, err error) {
	if !v.db.Shared() {
		return false, nil
	}
	var n int
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM verification WHERE log_id = $1 AND at >= $2`, logID, since.UnixMicro()).Scan(&n)
	return n > 0, sqldb.Translate(err)
}

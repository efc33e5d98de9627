package app

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"probity.dev/access"
	"probity.dev/access/approval"
	"probity.dev/access/decision"
	"probity.dev/access/denial"
	"probity.dev/access/disclosure"
	"probity.dev/access/flag"
	"probity.dev/access/mapping"
	"probity.dev/access/oidc"
	"probity.dev/access/review"
	"probity.dev/access/scim"
	"probity.dev/access/subscription"
	"probity.dev/access/tenant"
	"probity.dev/access/token"
	"probity.dev/catalog/field"
	"probity.dev/internal/config"
	"probity.dev/internal/crypt"
	"probity.dev/internal/jobs"
	"probity.dev/internal/kms"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/telemetry"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/query"
	"probity.dev/notify/send"
	"probity.dev/report/link"
	"probity.dev/report/schedule"
)

// Version is the product's version, set when it is built for release.
var Version = "dev"

// App is an opened data directory with everything that works on it.
type App struct {
	Config *config.Config
	Ledger *ledger.Ledger
	Access *access.Service

	db            *sqldb.DB
	kms           *kms.Guard
	engine        query.Engine
	telemetry     *telemetry.Telemetry
	policies      *Policies
	masks         *masks
	disclosure    *disclosure.Service
	decisions     *decision.Service
	verifier      *verifier
	reads         *reads
	jobs          *jobs.Service
	exports       exportsPart
	backups       *dailyBackup
	links         *link.Service
	schedules     *schedule.Service
	approvals     *approval.Service
	reviews       *review.Service
	mappings      *mapping.Service
	sender        *send.Sender
	notify        notifyPart
	lock          io.Closer
	storage       *storage
	tokens        *token.Service
	denials       *denial.Log
	flags         *flag.Service
	oidc          *oidc.Service
	scim          *scim.Service
	subscriptions *subscription.Service
	tenants       *tenant.Service

	certificates certificates
	metrics      *metrics
	status       *status
}

// Open opens the data directory of cfg. It fails when the directory has not been initialised, or when another process has it open. logs receives log lines.
func Open(ctx context.Context, cfg *config.Config, logs io.Writer) (a *App, err error) {
	if err := checkComplete(cfg.Data); err != nil {
		return nil, err
	}
	switch there, err := initialised(ctx, cfg); {
	case err != nil:
		return nil, err
	case !there:
		return nil, noData(cfg)
	}
	key, err := openKMS(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return open(ctx, cfg, key, logs)
}

func open(ctx context.Context, cfg *config.Config, key crypt.KMS, logs io.Writer) (a *App, err error) {
	a = &App{Config: cfg}
	if a.policies, err = LoadPolicies(cfg); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
			a = nil
		}
	}()
	if a.lock, err = lockDir(cfg.Data); err != nil {
		return a, err
	}
	if a.telemetry, err = telemetry.New(ctx, telemetry.Options{Version: Version, Instance: cfg.InstanceName, LogLevel: cfg.LogLevel, LogFormat: cfg.LogFormat, Output: logs,
		OTLPEndpoint: cfg.OTLPEndpoint, OTLPHeaders: cfg.OTLPHeaders, SentryDSN: cfg.SentryDSN, SentryEnvironment: cfg.SentryEnvironment}); err != nil {
		return a, err
	}
	a.kms = kms.NewGuard(key, observeKMS(a.telemetry.Registry))
	if err = a.startKMS(ctx); err != nil {
		return a, err
	}
	if err = a.openDatabase(ctx); err != nil {
		return a, err
	}
	if err = a.enter(ctx); err != nil {
		return a, err
	}
	if err = a.checkMasterKey(ctx); err != nil {
		return a, err
	}
	// What the caches and the engine hold is bounded; this makes the collector return the rest before the process grows past it.
	debug.SetMemoryLimit(900 << 20)
	debug.SetGCPercent(200)
	makeRoom()
	if err = a.openLedger(ctx); err != nil {
		return a, err
	}
	a.disclosure = disclosure.New(a.db, recorder{a.Ledger}, a.policies.Masking, nil)
	a.disclosure.Find = find
	a.masks = newMasks(a.Ledger, a.disclosure)
	a.telemetry.Registry.MustRegister(gauges{a})
	a.reads = newReads(a)
	a.backups = newDailyBackup(a)
	a.status = newStatus(a)
	known, err := openBreached(cfg)
	if err != nil {
		return a, err
	}
	a.Access, err = access.New(ctx, access.Options{DB: a.db, Recorder: recorder{a.Ledger}, KMS: a.kms, TenantKeys: a.Ledger.TenantKeys, SessionIdle: cfg.SessionIdle,
		SessionAbsolute: cfg.SessionAbsolute, StepUpFor: cfg.StepUpFor, InvitationFor: cfg.InvitationFor, Breached: known, PublicURL: cfg.PublicURL, Instance: cfg.InstanceName, Secure: cfg.Secure(), Logger: a.telemetry.Logger, Notice: a.notice, AtWork: a.atWork,
		Throttled: func(ctx context.Context, tenantID string, e *event.Event) {
			a.denials.Note(ctx, tenantID, e, "too many attempts")
		}})
	if err != nil {
		return a, err
	}
	a.openTenants()
	a.decisions = decision.New(decision.Options{DB: a.db, Roles: a.Access.Roles(), Recorder: recorder{a.Ledger}, Source: decisionSource{a.Ledger}, TenantKeys: a.Ledger.TenantKeys,
		AddressIndex: a.Access.AddressIndex, PublicURL: cfg.PublicURL, Logger: a.telemetry.Logger})
	a.jobs = a.newJobs()
	if err = a.openNotify(); err != nil {
		return a, err
	}
	a.openPost()
	a.openApprovals()
	a.openTokens()
	a.openLinks()
	if err = a.openExports(ctx); err != nil {
		return a, err
	}
	a.openSchedules()
	a.openReviews()
	a.openMappings()
	a.verifier = newVerifier(a)
	return a, nil
}

// openLedger opens the storage, the search engine and the ledger on them.
func (a *App) openLedger(ctx context.Context) (err error) {
	cfg := a.Config
	if a.storage, err = openStorage(ctx, cfg); err != nil {
		return err
	}
	if err = a.claimStorage(ctx); err != nil {
		return err
	}
	a.engine = query.Open(a.storage.queryOptions(query.Options{Workers: cmp.Or(cfg.QueryThreads, processors)}))
	a.metrics = newMetrics(a.telemetry.Registry)
	a.Ledger, err = ledger.Open(ctx, ledger.Options{DB: a.db, KMS: a.kms, Dir: cfg.Data, Marks: a.storage.marks(cfg), Evidence: a.storage.evidence, Working: a.storage.working, Lock: a.storage.lock, LockFor: cfg.StorageRetention,
		Instance: cfg.InstanceName, Classifier: field.New(a.policies.catalogue), Engine: a.engine, CheckpointInterval: cfg.CheckpointInterval, SealAfter: cfg.SealAfter, Held: a.holdPlaced,
		MaxUnsealed: uint64(cfg.MaxUnsealed), Log: a.telemetry.Logger, Metrics: a.metrics, Tracer: a.telemetry.Tracer})
	if err == nil && a.storage.cache != nil {
		err = a.Ledger.CheckFiles(ctx)
	}
	return err
}

// Close stops what runs and closes everything, in the reverse order of opening.
func (a *App) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var err error
	if a.reads != nil {
		a.reads.end(ctx)
	}
	if a.Access != nil {
		// On a full disk this fails, and does not keep the process from stopping in order.
		if err := a.Access.Flush(ctx); err != nil {
			a.telemetry.Logger.Error("what the access domain holds was not written", "error", err)
		}
	}
	if a.notify.client != nil {
		a.notify.client.Close()
	}
	if a.Ledger != nil {
		err = errors.Join(err, a.Ledger.Close())
	}
	if a.engine != nil {
		err = errors.Join(err, a.engine.Close())
	}
	if a.db != nil {
		err = errors.Join(err, a.db.Close())
	}
	if a.telemetry != nil {
		err = errors.Join(err, a.telemetry.Shutdown(ctx))
	}
	if a.lock != nil {
		err = errors.Join(err, a.lock.Close())
	}
	return err
}

// recorder lets other domains record an event together with its effect.
type recorder struct{ l *ledger.Ledger }

// RecordLater implements access.Recorder.
func (r recorder) RecordLater(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error {
	return r.l.RecordLater(ctx, tenantID, e, effect)
}

// RecordAll implements alert.Recorder.
func (r recorder) RecordAll(ctx context.Context, tenantID string, events []*event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error {
	return r.l.RecordAll(ctx, tenantID, events, effect)
}

// RecordAllLater implements alert.Recorder.
func (r recorder) RecordAllLater(ctx context.Context, tenantID string, events []*event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error {
	return r.l.RecordAllLater(ctx, tenantID, events, effect)
}

// Record implements the Recorder interfaces of the domains.
func (r recorder) Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error {
	return r.l.Record(ctx, tenantID, e, effect)
}

// processors is how many goroutines Go runs at once by itself: the processors that the process may use.
var processors = runtime.GOMAXPROCS(0)

// makeRoom lets two more goroutines run than there are processors, unless the environment says how many. Committing and sealing are mostly calls into SQLite and the kernel: a goroutine
// that comes back from one waits until the Go scheduler has room for it, behind every request that can run, while the whole group of requests waits for its commit. With room to
// spare, the kernel decides, which favours threads that mostly sleep.
func makeRoom() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processors + 2)
	}
}

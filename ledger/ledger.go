package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"probity.dev/internal/blob"
	"probity.dev/internal/cache"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
	"probity.dev/ledger/query"
)

// Options configure a [Ledger]. DB, KMS, Dir, Classifier and Instance are required.
type Options struct {
	DB  *sqldb.DB
	KMS crypt.KMS
	// Dir holds the high-water mark, and the segments unless Evidence and Working say otherwise; it must not be the database's own storage alone, or a restored old database goes unnoticed.
	Dir string
	// Evidence and Working keep the two files of sealed segments; nil = Dir. They may be the same.
	Evidence, Working blob.Files
	// Marks keeps the high-water marks; nil = the file highwater.json in Dir. Servers on different machines need one that they share.
	Marks MarkStore
	// Lock keeps evidence from being deleted, where Evidence can: every object for LockFor from its sealing.
	Lock    blob.LockMode
	LockFor time.Duration
	// Instance is the first part of every log's origin, a name such as "audit.example.com". It is fixed when a log is made.
	Instance   string
	Classifier event.Classifier
	// Engine answers searches.
	Engine query.Engine
	// CheckpointInterval is the longest time between a commit and the checkpoint that covers it; 500 ms when zero.
	CheckpointInterval time.Duration
	// SealAfter is the age at which events are sealed even when a block is not full; 24 h when zero.
	SealAfter time.Duration
	// MaxUnsealed is how many events of a log may wait for sealing, which memory holds; beyond it, appends are Unavailable. 5 million when zero.
	MaxUnsealed uint64
	Log         *slog.Logger
	// Metrics receives figures; nil drops them.
	Metrics Metrics
	// Held, if not nil, is called in the transaction that records that somebody has placed a legal hold. Its error undoes all of it.
	Held func(ctx context.Context, tx *sql.Tx, tenantID string) error
	// Tracer makes spans of appends, commits, checkpoints, sealing and searches; nil makes none.
	Tracer trace.Tracer
}

// Ledger is every tenant's log on one node. It is safe for concurrent use.
type Ledger struct {
	opt     Options
	rules   *rulebook
	db      *sqldb.DB
	log     *slog.Logger
	metrics metricSink
	shapes  shapeCache
	commit  *committer
	// noCopies reads evidence from its store and not from copies, for those who verify it.
	noCopies bool

	mu      sync.Mutex
	tenants map[string]*tenant
	byLog   map[string]*tenant

	holdWake chan struct{}
	high     highWater
	leads    leadership
	listed   time.Time // when the publisher has looked last for tenants that others have made
	stop     context.CancelFunc
	workers  sync.WaitGroup
	feed     feed
}

// Open opens the ledger and starts its committer, publisher and sealer. Before it returns, every log is checked against the high-water mark; one that does not
// extend it is frozen and reported, and the others serve.
func Open(ctx context.Context, opt Options) (*Ledger, error) {
	if opt.CheckpointInterval <= 0 {
		opt.CheckpointInterval = 500 * time.Millisecond
	}
	if opt.SealAfter <= 0 {
		opt.SealAfter = 24 * time.Hour
	}
	if opt.MaxUnsealed == 0 {
		opt.MaxUnsealed = 5_000_000
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	opt.trace()
	l := &Ledger{opt: opt, rules: newRulebook(opt.Classifier), db: opt.DB, log: opt.Log, metrics: metricSink{opt.Metrics}, tenants: map[string]*tenant{}, byLog: map[string]*tenant{}, holdWake: make(chan struct{}, 1)}
	if err := os.MkdirAll(filepath.Join(opt.Dir, "segments"), 0o700); err != nil {
		return nil, err
	}
	if err := opt.files(); err != nil {
		return nil, err
	}
	l.opt = opt
	if opt.Marks == nil {
		opt.Marks = NewFileMarks(filepath.Join(opt.Dir, MarkFile), opt.DB.Shared())
	}
	if err := l.high.open(ctx, opt.Marks); err != nil {
		return nil, err
	}
	l.leads.lease = opt.DB.Lease(publishLease)
	ids, err := l.tenantIDs(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if _, err := l.tenant(ctx, id); err != nil {
			return nil, err
		}
	}
	if err := l.high.knows(l.byLog); err != nil {
		return nil, err
	}
	work, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.commit = newCommitter(l)
	l.workers.Go(func() { l.publishLoop(work) })
	l.workers.Go(func() { l.sealLoop(work) })
	l.workers.Go(func() { l.compactLoop(work) })
	l.workers.Go(func() { l.laterLoop(work) })
	l.workers.Go(func() { l.holdLoop(work) })
	for _, t := range l.opened() {
		if err := l.recordOpening(ctx, t); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	// Who reads right after the start must not find a log without its signed state. On a full disk there is no newer one than the last, and what is there can be read.
	if err := l.publishAll(ctx); err != nil {
		l.log.Error("checkpoint not published", "error", err)
	}
	return l, nil
}

// Close finishes what is under way, publishes what is committed and stops. It does not close the database or the engine.
func (l *Ledger) Close() error {
	l.commit.stop()
	l.leads.close()
	l.stop()
	l.workers.Wait()
	l.feed.close()
	ctx := context.Background()
	return errors.Join(l.publishAll(ctx), l.resign(ctx))
}

func (l *Ledger) tenantIDs(ctx context.Context) ([]string, error) {
	rows, err := l.db.Read(ctx).QueryContext(ctx, `SELECT id FROM tenant ORDER BY created_at, id`)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// TenantInfo names a tenant and its log.
type TenantInfo struct {
	ID, Name, LogID, Origin, VKey string
}

// CreateTenant makes a tenant with an empty log and its keys.
func (l *Ledger) CreateTenant(ctx context.Context, id, name string) (TenantInfo, error) {
	keys, wrapped, err := crypt.NewTenant(ctx, l.opt.KMS, id)
	if err != nil {
		return TenantInfo{}, err
	}
	raw := crypt.Secret()
	logID := hex.EncodeToString(raw[:8])
	origin := (&tenant{instance: l.opt.Instance, logID: logID}).origin(0)
	skey, vkey, err := tlog.GenerateKey(origin)
	if err != nil {
		return TenantInfo{}, err
	}
	sealedKey, err := keys.Seal("log-key|"+vkey, []byte(skey))
	if err != nil {
		return TenantInfo{}, err
	}
	empty := tlog.NewTree().Root()
	now := sqldb.Now()
	err = l.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO tenant (id, no, name, keyset, created_at) VALUES ($1, (SELECT COALESCE(MAX(no), 0) + 1 FROM tenant), $2, $3, $4)`, id, name, wrapped, now); err != nil {
			return sqldb.Translate(err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO log (log_id, tenant_id, instance, epoch, base, size, root, recorded_at, sealed, published, checkpoint, created_at)
			VALUES ($1, $2, $3, 0, 0, 0, $4, 0, 0, 0, '', $5)`, logID, id, l.opt.Instance, empty[:], now); err != nil {
			return sqldb.Translate(err)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO log_key (log_id, vkey, skey, created_at) VALUES ($1, $2, $3, $4)`, logID, vkey, sealedKey, now)
		return sqldb.Translate(err)
	})
	if err != nil {
		return TenantInfo{}, err
	}
	t, err := l.tenant(ctx, id)
	if err != nil {
		return TenantInfo{}, err
	}
	return t.info(), nil
}

func (t *tenant) info() TenantInfo {
	return TenantInfo{ID: t.id, Name: t.name, LogID: t.logID, Origin: t.origin(t.committed.Load().epoch), VKey: t.vkeysOf(t.committed.Load().epoch)[0]}
}

// Tenants lists the tenants in order of creation.
func (l *Ledger) Tenants(ctx context.Context) ([]TenantInfo, error) {
	ids, err := l.tenantIDs(ctx)
	if err != nil {
		return nil, err
	}
	var out []TenantInfo
	for _, id := range ids {
		t, err := l.tenant(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, t.info())
	}
	return out, nil
}

// Tenant returns one tenant.
func (l *Ledger) Tenant(ctx context.Context, id string) (TenantInfo, error) {
	t, err := l.tenant(ctx, id)
	if err != nil {
		return TenantInfo{}, err
	}
	return t.info(), nil
}

// tenant returns an opened tenant. This is the one place where a tenant id leads to data.
func (l *Ledger) tenant(ctx context.Context, id string) (*tenant, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t, ok := l.tenants[id]; ok {
		return t, nil
	}
	t := &tenant{id: id, secrets: map[periodID]evidence.Hash{}}
	t.groups = cache.New[groupID, *person.Keys](cachedGroups)
	var keyset []byte
	var no int64
	err := l.db.Read(ctx).QueryRowContext(ctx, `SELECT no, name, keyset FROM tenant WHERE id = $1`, id).Scan(&no, &t.name, &keyset)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "there is no such tenant")
	}
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	if t.keys, err = crypt.OpenTenant(ctx, l.opt.KMS, id, keyset); err != nil {
		return nil, err
	}
	if t.forgotten, err = forgottenIn(ctx, l.db.Read(ctx), id); err != nil {
		return nil, err
	}
	t.keys.OnMissing(func() (*crypt.Tenant, error) { return l.openKeyset(context.Background(), id) })
	directory, err := t.loadSecret(ctx, l.db, "directory", periodID{})
	if err != nil {
		return nil, err
	}
	if t.people, err = person.Open(ctx, id, no, l.db, t.keys, directory); err != nil {
		return nil, err
	}
	dedupe, err := t.loadSecret(ctx, l.db, "dedupe", periodID{})
	if err != nil {
		return nil, err
	}
	if t.dedupe, err = newDedupeWindow(dedupe); err != nil {
		return nil, err
	}
	if err := l.openLog(ctx, t); err != nil {
		return nil, err
	}
	if err := l.loadSettings(ctx, t); err != nil {
		return nil, err
	}
	if err := l.loadLater(ctx, t); err != nil {
		return nil, err
	}
	l.tenants[id], l.byLog[t.logID] = t, t
	return t, nil
}

// compactLoop keeps the directories of persons compact.
func (l *Ledger) compactLoop(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, t := range l.opened() {
			if err := t.people.Compact(ctx); err != nil && ctx.Err() == nil {
				l.log.Error("the index of persons was not compacted; the next start takes longer", "error", err)
			}
		}
	}
}

// opened returns the tenants that are open.
func (l *Ledger) opened() []*tenant {
	l.mu.Lock()
	defer l.mu.Unlock()
	ts := make([]*tenant, 0, len(l.tenants))
	for _, t := range l.tenants {
		ts = append(ts, t)
	}
	return ts
}

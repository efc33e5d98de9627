package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"probity.dev/internal/cache"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/person"
)

// cachedGroups bounds the group keys that are kept for the readers of a tenant; an entry takes some 200 bytes. Writers find those of a person at the directory entry.
const cachedGroups = 60_000

// tenant is one tenant's opened ledger.
type tenant struct {
	id, name string
	logID    string
	instance string
	keys     *crypt.Tenant
	people   *person.Directory
	dedupe   *dedupeWindow
	logKeys  atomic.Pointer[logKeys]
	closed   []epoch // the epochs before the present one, in order

	secretsMu sync.Mutex
	secrets   map[periodID]evidence.Hash
	groups    *cache.Cache[groupID, *person.Keys]

	// committed is the state after the last commit; the committer alone replaces it.
	committed atomic.Pointer[headState]
	// frozen holds the reason why nothing may be appended or signed: the database does not extend what was published.
	frozen atomic.Pointer[string]

	stored uint64      // the log's size as the database said at the start; what a frozen log claims to hold
	sound  bool        // at the start, the stored events gave the stored head
	held   atomic.Bool // nothing is signed for the moment
	later  atomic.Bool // events wait to be recorded
	// forgotten says that only the evidence is left, see [Ledger.Forget].
	forgotten bool

	hot    hotWindow
	holdMu sync.Mutex // one at a time brings the object store to the legal holds
	sealMu sync.Mutex // one sealing or compaction at a time
	// moving is held while rows leave the database for a segment and the list of segments does not have it yet.
	moving    sync.RWMutex
	published atomic.Pointer[publishedState]
	// publishing is held by whoever publishes; marked is the term of leadership in which the mark was looked at.
	publishing sync.Mutex
	marked     int64
	// proven is the generation of the database server that the mark has been compared with.
	proven atomic.Int64
	// settingsAt tells which settings are in memory, on a shared database.
	settingsAt atomic.Pointer[string]
	// keysAt tells which keys that sign are in memory, likewise.
	keysAt   atomic.Pointer[string]
	settings atomic.Pointer[Settings]
}

// headState is an immutable view of a log's head.
type headState struct {
	epoch      int64
	base       uint64
	tree       *tlog.Tree // the committer's own; readers use edge
	edge       *tlog.Edge
	recordedAt int64
}

type publishedState struct {
	size     uint64
	root     tlog.Hash
	text     string
	signedAt int64
	edge     *tlog.Edge
}

type periodID struct {
	period int
	class  uint64
}

type groupID struct {
	periodID
	owners [3]int64
}

// origin is the checkpoint origin of the tenant's log in an epoch.
func (t *tenant) origin(epoch int64) string {
	return fmt.Sprintf("%s/%s/%d", t.instance, t.logID, epoch)
}

func (t *tenant) usable() error {
	if why := t.frozen.Load(); why != nil {
		return errs.New(errs.Unavailable, "the log is frozen: %s", *why)
	}
	return nil
}

// period returns S_period, making and storing it at first use. A destroyed one is NotFound.
func (t *tenant) period(ctx context.Context, db *sqldb.DB, id periodID) (evidence.Hash, error) {
	t.secretsMu.Lock()
	defer t.secretsMu.Unlock()
	if s, ok := t.secrets[id]; ok {
		return s, nil
	}
	s, err := t.loadSecret(ctx, db, "period", id)
	if err == nil {
		t.secrets[id] = s
	}
	return s, err
}

// loadSecret reads a secret of the tenant, or makes it. It commits by itself: a secret must be durable before anything depends on it.
func (t *tenant) loadSecret(ctx context.Context, db *sqldb.DB, kind string, id periodID) (evidence.Hash, error) {
	label := fmt.Sprintf("%s|%d|%d", kind, id.period, id.class)
	read := func(q interface {
		QueryRowContext(context.Context, string, ...any) *sql.Row
	}) (evidence.Hash, error) {
		var sealed []byte
		err := q.QueryRowContext(ctx, `SELECT secret FROM tenant_secret WHERE tenant_id = $1 AND kind = $2 AND period = $3 AND class = $4`,
			t.id, kind, id.period, id.class).Scan(&sealed)
		if err != nil {
			return evidence.Hash{}, err
		}
		if sealed == nil {
			return evidence.Hash{}, errs.New(errs.NotFound, "the secret of this period has been destroyed")
		}
		b, err := t.keys.Open(label, sealed)
		if err != nil || len(b) != 32 {
			return evidence.Hash{}, errs.Wrap(errs.Internal, err, "a secret of the tenant does not open")
		}
		return evidence.Hash(b), nil
	}
	s, err := read(db.Read(ctx))
	if !errors.Is(err, sql.ErrNoRows) {
		return s, sqldb.Translate(err)
	}
	err = db.Write(ctx, func(tx *sql.Tx) error {
		fresh := crypt.Secret()
		sealed, err := t.keys.Seal(label, fresh[:])
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO tenant_secret (tenant_id, kind, period, class, secret, created_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			t.id, kind, id.period, id.class, sealed, sqldb.Now()); err != nil {
			return sqldb.Translate(err)
		}
		s, err = read(tx)
		return err
	})
	return s, err
}

// groupKeys returns the keys of the group with these owners (handles ascending, 0 for none) in a period.
func (t *tenant) groupKeys(ctx context.Context, db *sqldb.DB, id groupID) (*person.Keys, error) {
	if k, ok := t.groups.Get(id); ok {
		return k, nil
	}
	s, err := t.period(ctx, db, id.periodID)
	if err != nil {
		return nil, err
	}
	var secrets [3]evidence.Hash
	n := 0
	for ; n < len(id.owners) && id.owners[n] != 0; n++ {
		if secrets[n], err = t.people.Secret(ctx, id.owners[n]); err != nil {
			return nil, err
		}
	}
	g := evidence.DeriveGroup(s, secrets[:n]...)
	k := person.KeysOf(&g, n == 1)
	if n < 2 { // pairs hardly ever meet again
		t.groups.Add(id, &k)
	}
	return &k, nil
}

// personTag returns K_tag of a person in a period.
func (t *tenant) personTag(ctx context.Context, db *sqldb.DB, id periodID, handle int64) (evidence.Hash, error) {
	k, err := t.groupKeys(ctx, db, groupID{periodID: id, owners: [3]int64{handle}})
	if err != nil {
		return evidence.Hash{}, err
	}
	return k.Tag, nil
}

func owners(handles ...int64) (o [3]int64) {
	n := 0
	for _, h := range handles {
		if h != 0 {
			o[n] = h
			n++
		}
	}
	// Three at most: an insertion sort by hand keeps this off the heap.
	for i := 1; i < n; i++ {
		for j := i; j > 0 && o[j] < o[j-1]; j-- {
			o[j], o[j-1] = o[j-1], o[j]
		}
	}
	return o
}

package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/event"
)

// What a rotation does to what: the master key wraps the keysets, which are wrapped anew ([Ledger.Rewrap]). A keyset gets another key, which seals from then on. A log gets another signing
// key, and the old one signs beside it for a while. The secrets below the keyset, from which salts, tags and look-ups are derived, never change: proofs and searches rest on them.

// Bounds of the time for which an old signing key signs beside the new one. The least makes sure that the checkpoint which covers the change has both signatures.
const (
	MinOverlap = time.Minute
	MaxOverlap = 366 * 24 * time.Hour
)

// KeyState is where the keys of a tenant stand.
type KeyState struct {
	Keyset  KeysetState
	Signing []SigningKey // the newest first
}

// KeysetState describes the keyset of a tenant.
type KeysetState struct {
	// Primary is the id of the key that seals, in hex, made at Since; Keys counts it and those before it.
	Primary string
	Keys    int
	Since   time.Time
	// Version is that of the master key which wraps the keyset; "" when another master key does.
	Version string
}

// SigningKey is a key that signs, or signed, for a log.
type SigningKey struct {
	ID, VKey  string
	CreatedAt time.Time
	// RetiresAt is when a key with a successor stops signing, or stopped; zero for one without.
	RetiresAt time.Time
}

// State says in a word what the key does at a time: active, overlap or retired.
func (k SigningKey) State(now time.Time) string {
	switch {
	case k.RetiresAt.IsZero():
		return "active"
	case now.Before(k.RetiresAt):
		return "overlap"
	}
	return "retired"
}

// Keys tells where the keys of a tenant stand.
func (l *Ledger) Keys(ctx context.Context, tenantID string) (*KeyState, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	var wrapped []byte
	var at, created int64
	if err := l.db.Read(ctx).QueryRowContext(ctx, `SELECT keyset, keyset_at, created_at FROM tenant WHERE id = $1`, t.id).Scan(&wrapped, &at, &created); err != nil {
		return nil, sqldb.Translate(err)
	}
	inner, err := crypt.WrappedKeyset(wrapped)
	if err != nil {
		return nil, err
	}
	if at == 0 {
		at = created
	}
	out := &KeyState{Keyset: KeysetState{Since: time.UnixMicro(at).UTC(), Version: l.opt.KMS.Version(inner)}}
	out.Keyset.Primary, out.Keyset.Keys = t.keys.Describe()
	rows, err := l.db.Read(ctx).QueryContext(ctx, `SELECT vkey, created_at, retired_at FROM log_key WHERE log_id = $1 ORDER BY created_at DESC`, t.logID)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var k SigningKey
		var retires sql.NullInt64
		if err := rows.Scan(&k.VKey, &created, &retires); err != nil {
			return nil, err
		}
		if k.ID, err = tlog.KeyID(k.VKey); err != nil {
			return nil, err
		}
		k.CreatedAt = time.UnixMicro(created).UTC()
		if retires.Valid {
			k.RetiresAt = time.UnixMicro(retires.Int64).UTC()
		}
		out.Signing = append(out.Signing, k)
	}
	return out, sqldb.Translate(rows.Err())
}

// openKeyset reads and unwraps the keyset of a tenant.
func (l *Ledger) openKeyset(ctx context.Context, tenantID string) (*crypt.Tenant, error) {
	wrapped, err := readKeyset(ctx, l.db.Read(ctx), tenantID)
	if err != nil {
		return nil, err
	}
	return crypt.OpenTenant(ctx, l.opt.KMS, tenantID, wrapped)
}

func readKeyset(ctx context.Context, q rowQueryer, tenantID string) (wrapped []byte, err error) {
	err = q.QueryRowContext(ctx, `SELECT keyset FROM tenant WHERE id = $1`, tenantID).Scan(&wrapped)
	return wrapped, sqldb.Translate(err)
}

// RotateKeyset gives a tenant's keyset another key, which seals from now on; everything sealed before still opens. The change and its event are one transaction.
func (l *Ledger) RotateKeyset(ctx context.Context, tenantID string, by event.Actor, reason string) error {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return err
	}
	wrapped, err := readKeyset(ctx, l.db.Read(ctx), t.id)
	if err != nil {
		return err
	}
	keys, next, err := crypt.RotateTenant(ctx, l.opt.KMS, t.id, wrapped)
	if err != nil {
		return err
	}
	before, _ := t.keys.Describe()
	after, _ := keys.Describe()
	e := keyEvent("key.tenant_rotated", t, by, reason, member("old_key", before), member("new_key", after))
	err = l.Record(ctx, t.id, e, func(ctx context.Context, tx *sql.Tx) error {
		return swapKeyset(ctx, tx, t.id, wrapped, next, sqldb.Now())
	})
	if err != nil {
		return err
	}
	t.keys.Adopt(keys)
	return nil
}

// swapKeyset replaces a stored keyset, unless somebody else has. at is when its newest key was made; 0 leaves that.
func swapKeyset(ctx context.Context, tx *sql.Tx, tenantID string, old, next []byte, at int64) error {
	res, err := tx.ExecContext(ctx, `UPDATE tenant SET keyset = $1 WHERE id = $2 AND keyset = $3`, next, tenantID, old)
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, errs.New(errs.Conflict, "somebody else has changed the keyset meanwhile; try again"))
	}
	if at == 0 {
		return nil
	}
	_, err = tx.ExecContext(ctx, `UPDATE tenant SET keyset_at = $1 WHERE id = $2`, at, tenantID)
	return sqldb.Translate(err)
}

// RotateSigningKey gives a tenant's log another signing key. The present one signs beside it for the time overlap ([MinOverlap] to [MaxOverlap]), so that verifiers who know only the
// old key have that long to take up the new one; what it has signed stays valid for ever. The change is an event in the log, and the checkpoint that covers it has both signatures.
func (l *Ledger) RotateSigningKey(ctx context.Context, tenantID string, overlap time.Duration, by event.Actor, reason string) (*SigningKey, error) {
	if overlap < MinOverlap || overlap > MaxOverlap {
		return nil, errs.New(errs.Invalid, "the old key goes on signing for a minute at least and a year at most")
	}
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	if err := t.usable(); err != nil {
		return nil, err
	}
	origin := t.origin(t.committed.Load().epoch)
	skey, vkey, err := tlog.GenerateKey(origin)
	if err != nil {
		return nil, err
	}
	signer, err := tlog.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	sealed, err := t.keys.Seal("log-key|"+vkey, []byte(skey))
	if err != nil {
		return nil, err
	}
	id, err := tlog.KeyID(vkey)
	if err != nil {
		return nil, err
	}
	old := t.vkeysOf(t.committed.Load().epoch)[0]
	now := time.Now().UTC()
	until := now.Add(overlap)
	e := keyEvent("key.signing_rotated", t, by, reason, member("origin", origin), member("old_vkey", old), member("new_vkey", vkey), member("old_key_signs_until", until.Format(time.RFC3339)))
	err = l.Record(ctx, t.id, e, func(ctx context.Context, tx *sql.Tx) error {
		return storeSigningKey(ctx, tx, t.logID, old, vkey, sealed, now.UnixMicro(), until.UnixMicro())
	})
	if err != nil {
		return nil, err
	}
	if err := l.adoptSigner(ctx, t, signer, vkey, old, until.UnixMicro()); err != nil {
		return nil, err
	}
	return &SigningKey{ID: id, VKey: vkey, CreatedAt: now}, nil
}

// storeSigningKey adds a key that follows old, which signs until the given time.
func storeSigningKey(ctx context.Context, tx *sql.Tx, logID, old, vkey string, sealed []byte, now, until int64) error {
	res, err := tx.ExecContext(ctx, `UPDATE log_key SET retired_at = $1 WHERE log_id = $2 AND vkey = $3 AND retired_at IS NULL`, until, logID, old)
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, errs.New(errs.Conflict, "somebody else has rotated the signing key meanwhile"))
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO log_key (log_id, vkey, skey, created_at) VALUES ($1, $2, $3, $4)`, logID, vkey, sealed, now)
	return sqldb.Translate(err)
}

// adoptSigner has the log sign with a key that is stored, and publishes a checkpoint that covers the change.
func (l *Ledger) adoptSigner(ctx context.Context, t *tenant, signer tlog.Signer, vkey, old string, until int64) error {
	id, err := tlog.KeyID(old)
	if err != nil {
		return err
	}
	present := t.logKeys.Load()
	next := present.with(signer, vkey)
	for i := range next.signers[1:] {
		s := &next.signers[1+i]
		if fmt.Sprintf("%s+%08x", s.Name(), s.KeyHash()) == id {
			s.retires = until
		}
	}
	t.logKeys.Store(next)
	if err := l.publish(ctx, t); err != nil { // the key is rotated all the same, and the publisher tries again
		l.log.Error("checkpoint not published", "error", err)
	}
	return nil
}

// keyEvent is the event of a change of keys. Its data are names and versions of keys, never keys.
func keyEvent(action string, t *tenant, by event.Actor, reason string, data ...event.Member) *event.Event {
	return &event.Event{Action: action, Activity: "update", Severity: "high", Actor: by, Reason: strings.TrimSpace(reason), Resource: event.Resource{Type: "key", ID: t.logID}, Data: data}
}

func member(name, text string) event.Member {
	return event.Member{Name: name, Value: jsontext.Value(quote(text))}
}

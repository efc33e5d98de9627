package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger"
)

// claimLapse is when a claim whose holder never answered may be taken over.
const claimLapse = 5 * time.Minute

// idempotency keeps replies by Idempotency-Key. Replies can name ids that producers chose, so they are sealed under the tenant's key.
type idempotency struct {
	db     *sqldb.DB
	ledger *ledger.Ledger
}

func scopeHash(s api.IdempotencyScope) []byte {
	h := sha256.New()
	for _, p := range []string{s.Caller, s.Key} {
		n := sha256.Sum256([]byte(p))
		h.Write(n[:])
	}
	return h.Sum(nil)
}

// Claim implements api.IdempotencyStore.
func (i *idempotency) Claim(ctx context.Context, s api.IdempotencyScope, fingerprint [32]byte) (*api.Reply, error) {
	key := scopeHash(s)
	var sealed []byte
	var status int
	err := i.db.Write(ctx, func(tx *sql.Tx) error {
		now := sqldb.Now()
		if _, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE tenant_id = $1 AND key_hash = $2 AND (created_at < $3 OR status = 0 AND created_at < $4)`,
			s.TenantID, key, now-api.IdempotencyTTL.Microseconds(), now-claimLapse.Microseconds()); err != nil {
			return sqldb.Translate(err)
		}
		var stored []byte
		err := tx.QueryRowContext(ctx, `SELECT fingerprint, status, body FROM idempotency WHERE tenant_id = $1 AND key_hash = $2`, s.TenantID, key).Scan(&stored, &status, &sealed)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			_, err := tx.ExecContext(ctx, `INSERT INTO idempotency (tenant_id, key_hash, fingerprint, status, created_at) VALUES ($1, $2, $3, 0, $4)`, s.TenantID, key, fingerprint[:], now)
			return sqldb.Translate(err)
		case err != nil:
			return sqldb.Translate(err)
		case !bytes.Equal(stored, fingerprint[:]):
			return api.ErrKeyReused()
		case status == 0:
			return api.ErrKeyInFlight()
		}
		return nil
	})
	if err != nil || sealed == nil {
		return nil, err
	}
	plain, err := i.ledger.OpenSecret(ctx, s.TenantID, "reply|"+hex.EncodeToString(key), sealed)
	if err != nil {
		return nil, err
	}
	var r api.Reply
	if err := json.Unmarshal(plain, &r); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a stored reply is damaged")
	}
	return &r, nil
}

// Keep implements api.IdempotencyStore.
func (i *idempotency) Keep(ctx context.Context, s api.IdempotencyScope, r api.Reply) error {
	key := scopeHash(s)
	plain, err := json.Marshal(r)
	if err != nil {
		return err
	}
	sealed, err := i.ledger.SealSecret(ctx, s.TenantID, "reply|"+hex.EncodeToString(key), plain)
	if err != nil {
		return err
	}
	return i.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE idempotency SET status = $1, body = $2 WHERE tenant_id = $3 AND key_hash = $4`, r.Status, sealed, s.TenantID, key)
		return sqldb.Translate(err)
	})
}

// Release implements api.IdempotencyStore.
func (i *idempotency) Release(ctx context.Context, s api.IdempotencyScope) error {
	return i.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE tenant_id = $1 AND key_hash = $2 AND status = 0`, s.TenantID, scopeHash(s))
		return sqldb.Translate(err)
	})
}

// sweep forgets replies that are older than a day.
func (i *idempotency) sweep(ctx context.Context) error {
	return i.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE created_at < $1`, sqldb.Now()-api.IdempotencyTTL.Microseconds())
		return sqldb.Translate(err)
	})
}

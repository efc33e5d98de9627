package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// claimLapses is after how long a claim without a reply is taken to be of a node that died.
const claimLapses = 2 * time.Minute

// Replies is the [IdempotencyStore] in the SQL database. Keys are stored as hashes; a claim is a row with status 0.
type Replies struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewReplies returns the store. The database must be migrated.
func NewReplies(db *sqldb.DB) *Replies { return &Replies{db: db, now: time.Now} }

func (s IdempotencyScope) hash() []byte {
	h := sha256.Sum256(fmt.Appendf(nil, "%d|%s|%s", len(s.Caller), s.Caller, s.Key))
	return h[:]
}

// Claim implements [IdempotencyStore].
func (s *Replies) Claim(ctx context.Context, scope IdempotencyScope, fingerprint [32]byte) (*Reply, error) {
	var reply *Reply
	now := s.now()
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		var print, body []byte
		var status int
		var created int64
		err := tx.QueryRowContext(ctx, `SELECT fingerprint, status, body, created_at FROM idempotency WHERE tenant_id = $1 AND key_hash = $2`, scope.TenantID, scope.hash()).
			Scan(&print, &status, &body, &created)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return sqldb.Translate(err)
		}
		age := now.Sub(time.UnixMicro(created))
		switch {
		case err != nil, age > IdempotencyTTL, status == 0 && age > claimLapses:
			return s.claim(ctx, tx, scope, fingerprint, now)
		case subtle.ConstantTimeCompare(print, fingerprint[:]) != 1:
			return ErrKeyReused()
		case status == 0:
			return ErrKeyInFlight()
		}
		reply, err = decodeReply(status, body)
		return err
	})
	return reply, err
}

func (s *Replies) claim(ctx context.Context, tx *sql.Tx, scope IdempotencyScope, fingerprint [32]byte, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO idempotency (tenant_id, key_hash, fingerprint, status, body, created_at) VALUES ($1, $2, $3, 0, NULL, $4)
		ON CONFLICT (tenant_id, key_hash) DO UPDATE SET fingerprint = excluded.fingerprint, status = 0, body = NULL, created_at = excluded.created_at`,
		scope.TenantID, scope.hash(), fingerprint[:], now.UnixMicro())
	return sqldb.Translate(err)
}

// Keep implements [IdempotencyStore].
func (s *Replies) Keep(ctx context.Context, scope IdempotencyScope, reply Reply) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE idempotency SET status = $1, body = $2 WHERE tenant_id = $3 AND key_hash = $4`, reply.Status, encodeReply(reply), scope.TenantID, scope.hash())
		return sqldb.Translate(err)
	})
}

// Release implements [IdempotencyStore].
func (s *Replies) Release(ctx context.Context, scope IdempotencyScope) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE tenant_id = $1 AND key_hash = $2 AND status = 0`, scope.TenantID, scope.hash())
		return sqldb.Translate(err)
	})
}

// Sweep deletes replies that are older than [IdempotencyTTL]. Call it now and then.
func (s *Replies) Sweep(ctx context.Context) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE created_at < $1`, s.now().Add(-IdempotencyTTL).UnixMicro())
		return sqldb.Translate(err)
	})
}

// A stored reply is its content type, its location and its body, the first two ended by a line feed, which no header can hold.
func encodeReply(r Reply) []byte {
	return append([]byte(r.ContentType+"\n"+r.Location+"\n"), r.Body...)
}

func decodeReply(status int, b []byte) (*Reply, error) {
	contentType, rest, ok1 := bytes.Cut(b, []byte("\n"))
	location, body, ok2 := bytes.Cut(rest, []byte("\n"))
	if !ok1 || !ok2 {
		return nil, errs.New(errs.Internal, "a stored reply is damaged")
	}
	return &Reply{Status: status, ContentType: string(contentType), Location: string(location), Body: body}, nil
}

package access

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"encoding/json"
	"errors"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// requestRow is a password that somebody says to have forgotten. It belongs to no tenant, since it may be nobody's.
type requestRow struct {
	id         string
	emailIndex []byte
	origin     []byte // sealed
	createdAt  int64
}

// origin is where a request came from.
type origin struct {
	IP      string `json:"ip"`
	Agent   string `json:"agent"`
	Request string `json:"request"`
}

// originCipher seals origins under a key of the installation: there is no tenant whose key it could be.
func (s *Service) originCipher() (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.index("password_request"))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (s *Service) sealOrigin(id string, o origin) ([]byte, error) {
	c, err := s.originCipher()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return c.Seal(nil, nil, text, []byte(id)), nil //nolint:gosec // the cipher makes its nonces itself
}

func (s *Service) openOrigin(r requestRow) (o origin, err error) {
	c, err := s.originCipher()
	if err != nil {
		return o, err
	}
	text, err := c.Open(nil, nil, r.origin, []byte(r.id))
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	return o, err
}

func countRequests(ctx context.Context, q querier) (n int, err error) {
	err = q.QueryRowContext(ctx, `SELECT COUNT(*) FROM password_request`).Scan(&n)
	return n, sqldb.Translate(err)
}

func insertRequest(ctx context.Context, q querier, r requestRow) error {
	_, err := q.ExecContext(ctx, `INSERT INTO password_request (id, email_index, origin, created_at) VALUES ($1, $2, $3, $4)`, r.id, r.emailIndex, r.origin, r.createdAt)
	return sqldb.Translate(err)
}

// requests returns the oldest that wait.
func requests(ctx context.Context, q querier) ([]requestRow, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, email_index, origin, created_at FROM password_request ORDER BY created_at, id LIMIT 100`)
	return collect(rows, sqldb.Translate(err), func(s scanner) (r requestRow, err error) {
		return r, sqldb.Translate(s.Scan(&r.id, &r.emailIndex, &r.origin, &r.createdAt))
	})
}

// takeRequest removes a request; errAnswered when somebody else has.
func takeRequest(ctx context.Context, tx *sql.Tx, id string) error {
	r, err := tx.ExecContext(ctx, `DELETE FROM password_request WHERE id = $1`, id)
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errAnswered)
	}
	return nil
}

// resetRow is a link with which a password can be set.
type resetRow struct {
	id, tenant, account           string
	createdAt, expiresAt, endedAt int64
}

const resetColumns = `id, tenant_id, account_id, created_at, expires_at, ended_at`

func scanReset(row scanner) (resetRow, error) {
	var r resetRow
	err := row.Scan(&r.id, &r.tenant, &r.account, &r.createdAt, &r.expiresAt, &r.endedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return r, errs.New(errs.NotFound, "There is no such link.")
	}
	return r, sqldb.Translate(err)
}

func (s scoped) reset(ctx context.Context, id string) (resetRow, error) {
	return scanReset(s.row(ctx, `SELECT `+resetColumns+` FROM password_reset WHERE id = $1 AND tenant_id = $2`, id))
}

// openResets counts the links of an account that work.
func (s scoped) openResets(ctx context.Context, account string, now int64) (n int, err error) {
	err = s.row(ctx, `SELECT COUNT(*) FROM password_reset WHERE account_id = $1 AND ended_at = 0 AND expires_at > $2 AND tenant_id = $3`, account, now).Scan(&n)
	return n, sqldb.Translate(err)
}

func (s scoped) insertReset(ctx context.Context, r resetRow) error {
	_, err := s.exec(ctx, `INSERT INTO password_reset (id, account_id, created_at, expires_at, ended_at, tenant_id) VALUES ($1, $2, $3, $4, 0, $5)`, r.id, r.account, r.createdAt, r.expiresAt)
	return err
}

func (s scoped) linkReset(ctx context.Context, id string, hash []byte, now int64) error {
	return found(s.exec(ctx, `UPDATE password_reset SET token_hash = $1 WHERE id = $2 AND ended_at = 0 AND expires_at > $3 AND tenant_id = $4`, hash, id, now))
}

// spendReset uses a link up; NotFound when it was, or its time is over.
func (s scoped) spendReset(ctx context.Context, id string, now int64) error {
	return found(s.exec(ctx, `UPDATE password_reset SET ended_at = $1 WHERE id = $2 AND ended_at = 0 AND expires_at > $1 AND tenant_id = $3`, now, id))
}

// endResets ends the other links of an account.
func (s scoped) endResets(ctx context.Context, account string, now int64) error {
	_, err := s.exec(ctx, `UPDATE password_reset SET ended_at = $1 WHERE account_id = $2 AND ended_at = 0 AND tenant_id = $3`, now, account)
	return err
}

// forgetResets deletes links whose time was over a day ago, so long as the reuse of one is still recognised.
func forgetResets(ctx context.Context, q querier, before int64) error {
	_, err := q.ExecContext(ctx, `DELETE FROM password_reset WHERE expires_at < $1`, before)
	return sqldb.Translate(err)
}

// resetByToken returns a link by the hash of its token; NotFound when there is none. It finds out whose the link is, like the statements of lookup.go.
func resetByToken(ctx context.Context, q querier, hash []byte) (resetRow, error) {
	return scanReset(q.QueryRowContext(ctx, `SELECT `+resetColumns+` FROM password_reset WHERE token_hash = $1`, hash))
}

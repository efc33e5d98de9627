package access

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// factorRow is a factor as stored: its name and secret are sealed.
type factorRow struct {
	id, tenant, account string
	kind                string
	name, secret        []byte
	credential          []byte // of a passkey: the hash of its id
	moved               int64  // the last time step that was used, or the last count
	createdAt           int64
	confirmedAt         sql.NullInt64
	lastUsedAt          sql.NullInt64
}

const factorColumns = `id, tenant_id, account_id, kind, name, secret, credential, moved, created_at, confirmed_at, last_used_at`

func scanFactor(row scanner) (factorRow, error) {
	var f factorRow
	err := row.Scan(&f.id, &f.tenant, &f.account, &f.kind, &f.name, &f.secret, &f.credential, &f.moved, &f.createdAt, &f.confirmedAt, &f.lastUsedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return f, errs.New(errs.NotFound, "There is no such factor.")
	}
	return f, sqldb.Translate(err)
}

// factors returns the confirmed factors of a person, oldest first.
func (s scoped) factors(ctx context.Context, account string) ([]factorRow, error) {
	rows, err := s.rows(ctx, `SELECT `+factorColumns+` FROM factor WHERE account_id = $1 AND confirmed_at IS NOT NULL AND tenant_id = $2 ORDER BY created_at, id`, account)
	return collect(rows, err, scanFactor)
}

// factor returns one factor of a person, confirmed or not.
func (s scoped) factor(ctx context.Context, account, id string) (factorRow, error) {
	return scanFactor(s.row(ctx, `SELECT `+factorColumns+` FROM factor WHERE id = $1 AND account_id = $2 AND tenant_id = $3`, id, account))
}

func (s scoped) countFactors(ctx context.Context, account string) (confirmed, all int, err error) {
	err = s.row(ctx, `SELECT COUNT(confirmed_at), COUNT(*) FROM factor WHERE account_id = $1 AND tenant_id = $2`, account).Scan(&confirmed, &all)
	return confirmed, all, sqldb.Translate(err)
}

// factorsPerAccount says how many confirmed factors each person of the tenant has who has any.
func (s scoped) factorsPerAccount(ctx context.Context) (map[string]int, error) {
	rows, err := s.rows(ctx, `SELECT account_id, COUNT(*) FROM factor WHERE confirmed_at IS NOT NULL AND tenant_id = $1 GROUP BY account_id`)
	type one struct {
		account string
		n       int
	}
	list, err := collect(rows, err, func(r scanner) (o one, err error) { return o, r.Scan(&o.account, &o.n) })
	out := map[string]int{}
	for _, o := range list {
		out[o.account] = o.n
	}
	return out, err
}

func (s scoped) insertFactor(ctx context.Context, f factorRow) error {
	_, err := s.exec(ctx, `INSERT INTO factor (id, account_id, kind, name, secret, credential, moved, created_at, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		f.id, f.account, f.kind, f.name, f.secret, f.credential, f.moved, f.createdAt)
	return err
}

// confirmFactor makes a factor count that does not yet; NotFound when it does, or is gone.
func (s scoped) confirmFactor(ctx context.Context, f factorRow, at int64) error {
	return found(s.exec(ctx, `UPDATE factor SET secret = $1, credential = $2, moved = $3, confirmed_at = $4 WHERE id = $5 AND account_id = $6 AND confirmed_at IS NULL AND tenant_id = $7`,
		f.secret, f.credential, f.moved, at, f.id, f.account))
}

// moveFactor accepts a time step or a count that is later than every one before; NotFound says that it is not. Passkeys that do not count stay at 0.
func (s scoped) moveFactor(ctx context.Context, id string, to, at int64) error {
	return found(s.exec(ctx, `UPDATE factor SET moved = $1, last_used_at = $2 WHERE id = $3 AND confirmed_at IS NOT NULL AND (moved < $1 OR ($1 = 0 AND moved = 0)) AND tenant_id = $4`, to, at, id))
}

func (s scoped) deleteFactor(ctx context.Context, account, id string) error {
	return found(s.exec(ctx, `DELETE FROM factor WHERE id = $1 AND account_id = $2 AND tenant_id = $3`, id, account))
}

// forgetEnrolments deletes the factors of a person that were not confirmed in time.
func (s scoped) forgetEnrolments(ctx context.Context, account string, before int64) error {
	_, err := s.exec(ctx, `DELETE FROM factor WHERE account_id = $1 AND confirmed_at IS NULL AND created_at < $2 AND tenant_id = $3`, account, before)
	return err
}

// deleteFactors takes everything from a person that proves more than a password.
func (s scoped) deleteFactors(ctx context.Context, account string) error {
	if _, err := s.exec(ctx, `DELETE FROM factor WHERE account_id = $1 AND tenant_id = $2`, account); err != nil {
		return err
	}
	return s.setRecoveryCodes(ctx, account, nil)
}

// setRecoveryCodes replaces the recovery codes of a person.
func (s scoped) setRecoveryCodes(ctx context.Context, account string, hashes [][]byte) error {
	if _, err := s.exec(ctx, `DELETE FROM recovery_code WHERE account_id = $1 AND tenant_id = $2`, account); err != nil {
		return err
	}
	for _, h := range hashes {
		if _, err := s.exec(ctx, `INSERT INTO recovery_code (account_id, hash, tenant_id) VALUES ($1, $2, $3)`, account, h); err != nil {
			return err
		}
	}
	return nil
}

// useRecoveryCode uses a code up; NotFound when there is none, or it is used.
func (s scoped) useRecoveryCode(ctx context.Context, account string, hash []byte, at int64) error {
	return found(s.exec(ctx, `UPDATE recovery_code SET used_at = $1 WHERE account_id = $2 AND hash = $3 AND used_at IS NULL AND tenant_id = $4`, at, account, hash))
}

func (s scoped) recoveryCodesLeft(ctx context.Context, account string) (n int, err error) {
	err = s.row(ctx, `SELECT COUNT(*) FROM recovery_code WHERE account_id = $1 AND used_at IS NULL AND tenant_id = $2`, account).Scan(&n)
	return n, sqldb.Translate(err)
}

// demand returns the roles of which a second factor is demanded, * for all.
func (s scoped) demand(ctx context.Context) ([]string, error) {
	var roles string
	err := s.row(ctx, `SELECT roles FROM factor_demand WHERE tenant_id = $1`).Scan(&roles)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return splitList(roles), sqldb.Translate(err)
}

func (s scoped) setDemand(ctx context.Context, roles []string) error {
	_, err := s.exec(ctx, `INSERT INTO factor_demand (roles, tenant_id) VALUES ($1, $2) ON CONFLICT (tenant_id) DO UPDATE SET roles = excluded.roles`, strings.Join(roles, ","))
	return err
}

// pendingRow is a sign-in that waits for its second step.
type pendingRow struct {
	tokenHash    []byte
	id           string
	tenant       string
	account      string
	passwordHash string
	createdAt    int64
	expiresAt    int64
}

// insertPending adds a sign-in that waits. Five of one person wait at most; the oldest make room.
func (s scoped) insertPending(ctx context.Context, p pendingRow) error {
	_, err := s.exec(ctx, `DELETE FROM pending_login WHERE account_id = $1 AND tenant_id = $2
		AND token_hash NOT IN (SELECT token_hash FROM pending_login WHERE account_id = $1 AND tenant_id = $2 ORDER BY created_at DESC LIMIT 4)`, p.account)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, `INSERT INTO pending_login (token_hash, id, account_id, password_hash, attempts, created_at, expires_at, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		p.tokenHash, p.id, p.account, p.passwordHash, 0, p.createdAt, p.expiresAt)
	return err
}

// tryPending counts an attempt before it is judged; NotFound when there were too many, or it is over.
func (s scoped) tryPending(ctx context.Context, id string, limit int, now int64) error {
	return found(s.exec(ctx, `UPDATE pending_login SET attempts = attempts + 1 WHERE id = $1 AND attempts < $2 AND expires_at > $3 AND tenant_id = $4`, id, limit, now))
}

// endPending ends the waiting of one sign-in; NotFound when it has ended.
func (s scoped) endPending(ctx context.Context, id string) error {
	return found(s.exec(ctx, `DELETE FROM pending_login WHERE id = $1 AND tenant_id = $2`, id))
}

func (s scoped) endAllPending(ctx context.Context, account string) error {
	_, err := s.exec(ctx, `DELETE FROM pending_login WHERE account_id = $1 AND tenant_id = $2`, account)
	return err
}

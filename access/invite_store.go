package access

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// The states of an invitation. All but inviteOpen are final.
const (
	inviteOpen      = "open"
	inviteAccepted  = "accepted"
	inviteWithdrawn = "withdrawn"
	inviteExpired   = "expired"
)

const (
	maxInvitations = 500                 // open ones of a tenant
	inviteKept     = 30 * 24 * time.Hour // after its end
)

// invitationRow is an invitation as stored.
type invitationRow struct {
	id, tenant     string
	emailIndex     []byte
	body           []byte // sealed
	tokenHash      []byte
	byUser, byKey  string
	account        string
	state, problem string
	createdAt      int64
	sentAt         int64
	expiresAt      int64
	endedAt        int64
}

const invitationColumns = `id, tenant_id, email_index, body, token_hash, by_user, by_key, account_id, state, problem, created_at, sent_at, expires_at, ended_at`

func scanInvitation(row scanner) (invitationRow, error) {
	var i invitationRow
	err := row.Scan(&i.id, &i.tenant, &i.emailIndex, &i.body, &i.tokenHash, &i.byUser, &i.byKey, &i.account, &i.state, &i.problem, &i.createdAt, &i.sentAt, &i.expiresAt, &i.endedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return i, errs.New(errs.NotFound, "There is no such invitation.")
	}
	return i, sqldb.Translate(err)
}

func (s scoped) invitation(ctx context.Context, id string) (invitationRow, error) {
	return scanInvitation(s.row(ctx, `SELECT `+invitationColumns+` FROM invitation WHERE id = $1 AND tenant_id = $2`, id))
}

// invitations returns a tenant's, newest first.
func (s scoped) invitations(ctx context.Context) ([]invitationRow, error) {
	rows, err := s.rows(ctx, `SELECT `+invitationColumns+` FROM invitation WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1000`)
	return collect(rows, err, scanInvitation)
}

// insertInvitation stores an invitation, unless the address has an account or an open invitation, or too many are open.
func (s scoped) insertInvitation(ctx context.Context, i invitationRow) error {
	var accounts, same, open int
	err := s.row(ctx, `SELECT (SELECT COUNT(*) FROM account a WHERE a.email_index = $1 AND a.tenant_id = $2), (SELECT COUNT(*) FROM invitation i WHERE i.email_index = $1 AND i.state = 'open' AND i.tenant_id = $2),
		(SELECT COUNT(*) FROM invitation i WHERE i.state = 'open' AND i.tenant_id = $2)`, i.emailIndex).Scan(&accounts, &same, &open)
	switch {
	case err != nil:
		return sqldb.Translate(err)
	case accounts > 0:
		return errs.New(errs.Conflict, "There is a user with this e-mail address already.")
	case same > 0:
		return errs.New(errs.Conflict, "This address has an invitation already; send that once more, or withdraw it.")
	case open >= maxInvitations:
		return errs.New(errs.Conflict, "%d invitations are open, which is the most; withdraw some.", open)
	}
	_, err = s.exec(ctx, `INSERT INTO invitation (id, email_index, body, token_hash, by_user, by_key, account_id, state, problem, created_at, sent_at, expires_at, ended_at, tenant_id)
		VALUES ($1, $2, $3, $4, $5, $6, '', 'open', '', $7, 0, $8, 0, $9)`, i.id, i.emailIndex, i.body, i.tokenHash, i.byUser, i.byKey, i.createdAt, i.expiresAt)
	return err
}

var errInviteMoved = errs.New(errs.Conflict, "The invitation is not open any more, or was changed by somebody else at the same time; look again.")

func moved(err error) error {
	if errs.CodeOf(err) == errs.NotFound {
		return errInviteMoved
	}
	return err
}

// renewInvitation has an open invitation last longer, under another link or, with a nil hash, under none until its letter is written.
func (s scoped) renewInvitation(ctx context.Context, i invitationRow, byUser, byKey string, hash []byte, expires int64) error {
	return moved(found(s.exec(ctx, `UPDATE invitation SET token_hash = $1, by_user = $2, by_key = $3, expires_at = $4, sent_at = 0, problem = '' WHERE id = $5 AND state = 'open' AND expires_at = $6 AND tenant_id = $7`, hash, byUser, byKey, expires, i.id, i.expiresAt)))
}

// linkInvitation gives an open invitation that has not expired its link.
func (s scoped) linkInvitation(ctx context.Context, id string, hash []byte, now int64) error {
	return found(s.exec(ctx, `UPDATE invitation SET token_hash = $1 WHERE id = $2 AND state = 'open' AND expires_at > $3 AND tenant_id = $4`, hash, id, now))
}

func (s scoped) delivered(ctx context.Context, id string, hash []byte, at int64) error {
	_, err := s.exec(ctx, `UPDATE invitation SET sent_at = $1, problem = '' WHERE id = $2 AND token_hash = $3 AND tenant_id = $4`, at, id, hash)
	return err
}

func (s scoped) undelivered(ctx context.Context, id, problem string) error {
	_, err := s.exec(ctx, `UPDATE invitation SET problem = $1 WHERE id = $2 AND state = 'open' AND sent_at = 0 AND tenant_id = $3`, problem, id)
	return err
}

// endInvitation moves an open invitation to its end; Conflict when it was ended or changed meanwhile.
func (s scoped) endInvitation(ctx context.Context, i invitationRow, state, account string, at int64) error {
	return moved(found(s.exec(ctx, `UPDATE invitation SET state = $1, account_id = $2, ended_at = $3 WHERE id = $4 AND state = 'open' AND account_id = $5 AND expires_at = $6 AND tenant_id = $7`, state, account, at, i.id, i.account, i.expiresAt)))
}

// meetInvitation notes the account of an invitation that stays open until the person can sign in.
func (s scoped) meetInvitation(ctx context.Context, i invitationRow, account string) error {
	return moved(found(s.exec(ctx, `UPDATE invitation SET account_id = $1 WHERE id = $2 AND state = 'open' AND account_id = '' AND expires_at = $3 AND tenant_id = $4`, account, i.id, i.expiresAt)))
}

// settleInvitation ends the invitation of an account that can be signed in to now.
func (s scoped) settleInvitation(ctx context.Context, account string, at int64) error {
	_, err := s.exec(ctx, `UPDATE invitation SET state = 'accepted', ended_at = $1 WHERE account_id = $2 AND state = 'open' AND tenant_id = $3`, at, account)
	return err
}

// wasInvited reports whether an account came of an invitation.
func (s scoped) wasInvited(ctx context.Context, account string) (bool, error) {
	var n int
	err := s.row(ctx, `SELECT COUNT(*) FROM invitation WHERE account_id = $1 AND tenant_id = $2`, account).Scan(&n)
	return n > 0, sqldb.Translate(err)
}

// forgetInvitations deletes what ended long ago, apart from those that say how an account came to be.
func forgetInvitations(ctx context.Context, q querier, before int64) error {
	_, err := q.ExecContext(ctx, `DELETE FROM invitation WHERE state <> 'open' AND account_id = '' AND ended_at < $1`, before)
	return sqldb.Translate(err)
}

// invitationByToken returns an invitation by the hash of its link's token; NotFound when there is none. It finds out whose the link is, like the statements of lookup.go.
func invitationByToken(ctx context.Context, q querier, hash []byte) (invitationRow, error) {
	return scanInvitation(q.QueryRowContext(ctx, `SELECT `+invitationColumns+` FROM invitation WHERE token_hash = $1`, hash))
}

// invitationsOver returns open invitations of all tenants whose time is over, for the sweep.
func invitationsOver(ctx context.Context, q querier, now int64) ([]invitationRow, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+invitationColumns+` FROM invitation WHERE state = 'open' AND expires_at <= $1 ORDER BY expires_at LIMIT 200`, now)
	return collect(rows, sqldb.Translate(err), scanInvitation)
}

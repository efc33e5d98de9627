package access

import (
	"context"
	"database/sql"
	"net/http"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// What is here serves those who know people from outside: OpenID providers and directories that provision accounts (SCIM). Accounts of theirs have no password of ours until somebody resets it.

// ByEmail returns the id of the account with an address in a tenant; NotFound when nobody has it.
func (s *Service) ByEmail(ctx context.Context, tenantID, email string) (string, error) {
	found, err := accountsByEmail(ctx, s.o.DB.Read(ctx), s.emailIndex(email), tenantID)
	if err == nil && len(found) == 0 {
		err = errs.New(errs.NotFound, "There is no such user.")
	}
	if err != nil {
		return "", err
	}
	return found[0].id, nil
}

// Provision makes an account without a password in the tenant of by; a role that somebody else has to approve is asked for, and the account has none until then. source says in the event what asked for it. also runs in the same transaction. The error is a Conflict when the address is taken.
func (s *Service) Provision(ctx context.Context, by actor.Principal, email, name, role, source string, also func(ctx context.Context, tx *sql.Tx, userID string) error) (string, error) {
	if err := mayManage(by); err != nil {
		return "", err
	}
	email, err := checkEmail(email)
	if err != nil {
		return "", err
	}
	if name, err = checkName(name); err != nil {
		return "", err
	}
	a := account{id: newID(), tenant: by.TenantID, emailIndex: s.emailIndex(email), createdAt: s.o.Now().UnixMicro()}
	waits, err := s.roles.Waits(ctx, by.TenantID, a.id, role)
	if err != nil {
		return "", err
	}
	roles, err := s.roles.Prepare(ctx, by, a.id, func([]string) []string {
		if waits {
			return nil
		}
		return []string{role}
	})
	if err != nil {
		return "", s.refused(ctx, actionUserCreate, by, User{ID: a.id}, err)
	}
	a.role = roles.Legacy()
	if err := s.sealAccount(ctx, &a, email, name); err != nil {
		return "", err
	}
	e := aboutUser(newEvent(ctx, actionUserCreate, "access", "create", by), User{ID: a.id, Name: name})
	e.Changes = []event.Change{selfaudit.Change("/email", nil, email), selfaudit.Change("/name", nil, name), selfaudit.Change("/role", nil, roles.Primary())}
	e.Data = []event.Member{selfaudit.Member("source", source)}
	err = s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := in(tx, by.TenantID).insertAccount(ctx, a); err != nil {
			return err
		}
		if err := roles.Do(ctx, tx); err != nil {
			return err
		}
		return also(ctx, tx, a.id)
	})
	s.roles.Forget(by.TenantID)
	if err == nil && waits {
		_, err = s.roles.FromOutside(ctx, by, a.id, role, "groups of "+source)
	}
	return a.id, err
}

// SetRole gives an account of by's tenant a role that follows from groups outside; one that somebody else has to approve is asked for instead. It is a Conflict for the last admin.
func (s *Service) SetRole(ctx context.Context, by actor.Principal, userID, role string) error {
	if waits, err := s.roles.FromOutside(ctx, by, userID, role, "groups, "+by.Name); err != nil || waits {
		return err
	}
	_, err := s.UpdateUser(ctx, by, userID, UserChange{Role: &role})
	return err
}

// SignIn starts a session of an account for whom somebody else vouches, source, and returns its cookies. also runs in the same transaction. previous is the session that the browser had, which ends. The error is Unauthorized when the account is locked or gone.
func (s *Service) SignIn(ctx context.Context, tenantID, userID, previous, source string, also func(ctx context.Context, tx *sql.Tx, sessionID string) error) ([]http.Cookie, error) {
	a, err := in(s.o.DB.Read(ctx), tenantID).account(ctx, userID)
	if errs.CodeOf(err) == errs.NotFound || err == nil && a.lockedAt.Valid {
		return nil, errWrongLogin
	}
	if err != nil {
		return nil, err
	}
	// Who vouches decides what must be proved; a factor that the person has here besides is not asked for.
	v, err := s.signIn(ctx, a, entry{previous: previous, way: "provider", through: source, proved: func(context.Context, scoped) error { return nil }, also: also})
	if err != nil {
		return nil, err
	}
	return s.cookie(v.Token, v.ExpiresAt), nil
}

// Revise gives an account of by's tenant the address, name and state that a directory says it has; also runs in the transaction of the address and name. Locking comes first and unlocking last: whatever goes wrong, nobody is let in too long.
// The error is a Conflict when the address is taken, or for the last admin.
func (s *Service) Revise(ctx context.Context, by actor.Principal, id, email, name string, locked bool, also func(ctx context.Context, tx *sql.Tx) error) error {
	if err := mayManage(by); err != nil {
		return err
	}
	email, err := checkEmail(email)
	if err != nil {
		return err
	}
	if name, err = checkName(name); err != nil {
		return err
	}
	a, err := in(s.o.DB.Read(ctx), by.TenantID).account(ctx, id)
	if err != nil {
		return err
	}
	before, err := s.open(ctx, a)
	if err != nil {
		return err
	}
	if locked && !before.Locked() {
		if _, err := s.UpdateUser(ctx, by, id, UserChange{Locked: &locked}); err != nil {
			return err
		}
	}
	e := aboutUser(newEvent(ctx, actionUserUpdate, "access", "update", by), User{ID: id, Name: name})
	e.Changes = selfaudit.Changes(map[string]any{"/email": before.Email, "/name": before.Name}, map[string]any{"/email": email, "/name": name})
	e.Data = []event.Member{selfaudit.Member("source", "scim")}
	a.emailIndex = s.emailIndex(email)
	if err := s.sealAccount(ctx, &a, email, name); err != nil {
		return err
	}
	if err := s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := in(tx, by.TenantID).readdress(ctx, a); err != nil {
			return err
		}
		return also(ctx, tx)
	}); err != nil {
		return err
	}
	if !locked && before.Locked() {
		_, err = s.UpdateUser(ctx, by, id, UserChange{Locked: &locked})
	}
	return err
}

// readdress stores another address and name of an account.
func (s scoped) readdress(ctx context.Context, a account) error {
	var n int
	if err := s.row(ctx, `SELECT COUNT(*) FROM account WHERE email_index = $1 AND id <> $2 AND tenant_id = $3`, a.emailIndex, a.id).Scan(&n); err != nil {
		return sqldb.Translate(err)
	}
	if n > 0 {
		return errs.New(errs.Conflict, "There is a user with this e-mail address already.")
	}
	return found(s.exec(ctx, `UPDATE account SET email_index = $1, email = $2, name = $3 WHERE id = $4 AND tenant_id = $5`, a.emailIndex, a.email, a.name, a.id))
}

// SignOut ends the caller's session and returns the cookies that say so.
func (s *Service) SignOut(ctx context.Context, p actor.Principal) ([]http.Cookie, error) {
	if err := s.Logout(ctx, p); err != nil {
		return nil, err
	}
	return s.cookie("", time.Time{}), nil
}

// EndOutside ends sessions of a tenant because a provider says so, source, and returns how many there were.
func (s *Service) EndOutside(ctx context.Context, by actor.Principal, sessions []string, source string) (n int, err error) {
	for _, id := range sessions {
		row, err := in(s.o.DB.Read(ctx), by.TenantID).session(ctx, id)
		if errs.CodeOf(err) == errs.NotFound {
			continue
		}
		if err != nil {
			return n, err
		}
		e, err := s.revocation(ctx, by, row.account, "one")
		if err != nil {
			return n, err
		}
		e.Resource = event.Resource{Type: "session", ID: id}
		e.Data = append(e.Data, selfaudit.Member("source", source))
		err = s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
			return in(tx, by.TenantID).revokeSession(ctx, id, row.account)
		})
		if errs.CodeOf(err) == errs.NotFound { // it ended by itself at the same time
			continue
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

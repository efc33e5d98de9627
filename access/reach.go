package access

import (
	"context"
	"database/sql"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/confine"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// A person may have an account in several tenants, each with a password and factors of its own. That two accounts have one address proves nothing: whoever manages a tenant makes accounts in it, under any address and with a password
// that he knows. What proves it is the password: those accounts with the address that the one typed at the sign-in opened are within reach of the session, which may be exchanged for one of another of them. A second factor is asked for
// where that account has one or its tenant demands one.

// reached is an account that the password of a sign-in opened.
type reached struct {
	tenant, account, hash string
	expiresAt             int64
}

// TenantChoice is a tenant in which the person of a session may go on.
type TenantChoice struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// reachOf returns what is within reach of a session or of a sign-in that waits, and still stands: accounts that are not locked and have the same password.
func reachOf(ctx context.Context, q querier, holder string, now int64) ([]reached, error) {
	rows, err := q.QueryContext(ctx, `SELECT r.tenant_id, r.account_id, r.password_hash, r.expires_at FROM session_reach r JOIN account a ON a.id = r.account_id AND a.tenant_id = r.tenant_id
		WHERE r.holder = $1 AND r.expires_at > $2 AND a.locked_at IS NULL AND a.password_hash = r.password_hash ORDER BY r.tenant_id`, holder, now)
	return collect(rows, sqldb.Translate(err), func(row scanner) (r reached, err error) {
		return r, row.Scan(&r.tenant, &r.account, &r.hash, &r.expiresAt)
	})
}

func insertReach(ctx context.Context, q querier, holder string, list []reached) error {
	for _, r := range list {
		if _, err := q.ExecContext(ctx, `INSERT INTO session_reach (holder, tenant_id, account_id, password_hash, expires_at) VALUES ($1, $2, $3, $4, $5)`, holder, r.tenant, r.account, r.hash, r.expiresAt); err != nil {
			return sqldb.Translate(err)
		}
	}
	return nil
}

// reachOfLogin is what a password that was right for several accounts opened; nothing when it was for one.
func (s *Service) reachOfLogin(right []account, chosen *account, rehash string) []reached {
	if len(right) < 2 {
		return nil
	}
	until := s.o.Now().Add(s.o.SessionAbsolute).UnixMicro()
	out := make([]reached, len(right))
	for i, a := range right {
		out[i] = reached{a.tenant, a.id, a.hash, until}
		if a.id == chosen.id && rehash != "" {
			out[i].hash = rehash
		}
	}
	return out
}

// choose returns, of the accounts whose password was right, the one to sign in: the one used last in a tenant that is at work.
func (s *Service) choose(ctx context.Context, right []account) (*account, error) {
	var best *account
	var refused error
	for i := range right {
		a := &right[i]
		if a.lockedAt.Valid {
			continue
		}
		if s.o.AtWork != nil {
			if err := s.o.AtWork(ctx, a.tenant); err != nil {
				refused = err
				continue
			}
		}
		if best == nil || a.lastLoginAt.Int64 > best.lastLoginAt.Int64 {
			best = a
		}
	}
	if best != nil {
		return best, nil
	}
	return nil, refused
}

// choices are the tenants between which the person of a session may switch; none when there is but one.
func (s *Service) choices(ctx context.Context, holder string) ([]TenantChoice, error) {
	ctx = confine.Lifted(ctx, "a person may have accounts in several tenants")
	list, err := reachOf(ctx, s.o.DB.Read(ctx), holder, s.o.Now().UnixMicro())
	if err != nil || len(list) < 2 {
		return nil, err
	}
	out := make([]TenantChoice, 0, len(list))
	for _, r := range list {
		if s.o.AtWork != nil && s.o.AtWork(ctx, r.tenant) != nil {
			continue
		}
		name, err := tenantName(ctx, s.o.DB.Read(ctx), r.tenant)
		if err != nil {
			return nil, err
		}
		out = append(out, TenantChoice{r.tenant, name})
	}
	return out, nil
}

// Switch exchanges the caller's session for one in another tenant in which the password of the sign-in opened an account of the same address. The session so far ends, and the new one lasts no longer than that would have; it is no proof of
// who is there. Where the account has a second factor, or must have one, the answer is a sign-in that waits for it, and the session so far goes on until then. The error is NotFound when no such account is within reach.
func (s *Service) Switch(ctx context.Context, p actor.Principal, tenantID, token string) (*Login, error) {
	ctx = confine.Lifted(ctx, "a person goes on in another tenant")
	row, from, err := s.sessionOf(ctx, token)
	if err != nil || p.SessionID == "" || row.id != p.SessionID || from.tenant != p.TenantID {
		return nil, errs.New(errs.Unauthorized, "Nobody is signed in.")
	}
	list, err := reachOf(ctx, s.o.DB.Read(ctx), row.id, s.o.Now().UnixMicro())
	if err != nil {
		return nil, err
	}
	var to *reached
	for i := range list {
		if list[i].tenant == tenantID && tenantID != p.TenantID {
			to = &list[i]
		}
	}
	if to == nil {
		if err := s.refusedSwitch(ctx, p); err != nil {
			return nil, err
		}
		return nil, errs.New(errs.NotFound, "The password of this sign-in opened no account of yours there: sign in there.")
	}
	if s.o.AtWork != nil {
		if err := s.o.AtWork(ctx, to.tenant); err != nil {
			return nil, err
		}
	}
	a, err := in(s.o.DB.Read(ctx), to.tenant).account(ctx, to.account)
	if err != nil {
		return nil, err
	}
	until := row.expiresAt
	for i := range list {
		list[i].expiresAt = min(list[i].expiresAt, until)
	}
	e := entry{previous: token, way: wayOfSwitch, reach: list, until: until}
	if a.hash != to.hash {
		return nil, errWrongLogin
	}
	v, err := s.proceed(ctx, a, e)
	if err != nil {
		return nil, err
	}
	left := aboutUser(newEvent(ctx, actionSessionSwitch, "auth", "logout", p), User{ID: p.UserID, Name: p.Name})
	left.Data = []event.Member{selfaudit.Member("waits_for_second_step", v.Pending != nil)}
	if err := s.o.Recorder.RecordLater(ctx, p.TenantID, left, nothing); err != nil {
		return nil, err
	}
	return v, nil
}

// wayOfSwitch says in the event of a sign-in that the person came from another tenant; which, is nobody's business there.
const wayOfSwitch = "switch"

func (s *Service) refusedSwitch(ctx context.Context, p actor.Principal) error {
	e := aboutUser(newEvent(ctx, actionSessionSwitch, "auth", "other", p), User{ID: p.UserID, Name: p.Name})
	e.Severity, e.Outcome.Status, e.Outcome.Reason = "low", "denied", "no account within reach"
	return s.o.Recorder.RecordLater(ctx, p.TenantID, e, nothing)
}

// proceed signs somebody in, or lets the sign-in wait for its second step.
func (s *Service) proceed(ctx context.Context, a account, e entry) (*Login, error) {
	q := in(s.o.DB.Read(ctx), a.tenant)
	factors, err := q.factors(ctx, a.id)
	if err != nil {
		return nil, err
	}
	must, err := s.mustHaveFactor(ctx, q, a)
	if err != nil {
		return nil, err
	}
	if len(factors) > 0 || must {
		pending, err := s.await(ctx, a, e, factors)
		return &Login{Pending: pending}, err
	}
	v, err := s.signIn(ctx, a, e)
	return &Login{Session: v}, err
}

// carry gives a session what was within reach of the sign-in that waited for its second step, and returns until when the session may last; 0 for as long as any.
func carry(ctx context.Context, tx *sql.Tx, waited string, row *sessionRow) error {
	list, err := reachOf(ctx, tx, waited, row.createdAt)
	if err != nil || len(list) == 0 {
		return err
	}
	for _, r := range list {
		row.expiresAt = min(row.expiresAt, r.expiresAt)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM session_reach WHERE holder = $1`, waited); err != nil {
		return sqldb.Translate(err)
	}
	return insertReach(ctx, tx, row.id, list)
}

// ends is when a session ends at the latest that began now and may last until then, or as long as any when that is 0.
func ends(row sessionRow, until int64) time.Time {
	if until != 0 && until < row.expiresAt {
		return time.UnixMicro(until)
	}
	return time.UnixMicro(row.expiresAt)
}

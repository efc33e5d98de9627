package access

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"log/slog"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// Session is a person signed in at the console.
type Session struct {
	// ID names the session in events; it cannot be used to sign in.
	ID         string
	User       User
	TenantName string
	ExpiresAt  time.Time // at the latest
	// Token is the cookie's value; only [Service.Login] returns it.
	Token string
	// Notices are what every page should show.
	Notices []string
}

// Login signs a person in. Every call makes a new session under a new token; previous, the token that the browser had so far, ends. The error is Throttled with the time to wait, or
// Unauthorized, which says neither whether the account exists nor whether it is locked.
func (s *Service) Login(ctx context.Context, email, password, tenant, previous string) (*Session, error) {
	attempt := s.throttlesOf(email, ClientOf(ctx).IP)
	if err := s.charge(ctx, attempt); err != nil {
		return nil, err
	}
	candidates, err := accountsByEmail(ctx, s.o.DB.Read(ctx), s.emailIndex(email), tenant)
	if err != nil {
		return nil, err
	}
	a, err := s.match(ctx, candidates, password)
	if err != nil {
		return nil, err
	}
	if a == nil || a.lockedAt.Valid {
		return nil, s.refuse(ctx, candidates, a)
	}
	return s.signIn(ctx, *a, password, attempt, previous)
}

var errWrongLogin = errs.New(errs.Unauthorized, "The e-mail address or the password is wrong.")

// match returns the account whose password it is. As many hashes are computed for an address that nobody has as for one that somebody has.
func (s *Service) match(ctx context.Context, candidates []account, password string) (*account, error) {
	if len(candidates) == 0 {
		_, err := s.hasher.verify(ctx, "", password)
		return nil, err
	}
	var found *account
	for i := range candidates {
		ok, err := s.hasher.verify(ctx, candidates[i].hash, password)
		if err != nil {
			return nil, err
		}
		if ok && found == nil {
			found = &candidates[i]
		}
	}
	return found, nil
}

// charge counts an attempt before it is judged, or refuses it. Both counters are looked at before either is changed: a refused attempt costs nothing.
func (s *Service) charge(ctx context.Context, list []throttled) error {
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) error { return s.chargeIn(ctx, storedThrottles{tx}, list) })
	if errs.CodeOf(err) != errs.Unavailable {
		return err
	}
	s.held.mu.Lock()
	defer s.held.mu.Unlock()
	return s.chargeIn(ctx, heldThrottles{&s.held, s.o.DB}, list)
}

func (s *Service) chargeIn(ctx context.Context, in throttleStore, list []throttled) error {
	now := s.o.Now()
	rows := make([]throttleRow, len(list))
	for i, t := range list {
		row, err := in.get(ctx, t.subject)
		if err != nil {
			return err
		}
		if wait := time.UnixMicro(row.blockedUntil).Sub(now); wait > 0 {
			return &errs.Error{Code: errs.Throttled, Message: "Too many attempts. Wait before you try again.", RetryAfter: wait}
		}
		if now.Sub(time.UnixMicro(row.updatedAt)) > forgetAfter {
			row = throttleRow{}
		}
		row.failures++
		row.updatedAt = now.UnixMicro()
		row.blockedUntil = now.Add(waitAfter(row.failures, t.free)).UnixMicro()
		rows[i] = row
	}
	for i, t := range list {
		if err := in.put(ctx, t.subject, rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// refuse records a failed login and returns the error that the person sees. What was typed is not recorded: people type passwords into the wrong field. An attempt on an
// address that nobody has belongs to no tenant; it is recorded where the installation has only one.
func (s *Service) refuse(ctx context.Context, candidates []account, matched *account) error {
	e := newEvent(ctx, actionLogin, "auth", "login", actor.Principal{})
	e.Actor = event.Actor{Type: "anonymous"}
	e.Severity, e.Outcome = "low", event.Outcome{Status: "failure", Reason: "unknown account"}
	var tenant string
	switch {
	case matched != nil || len(candidates) > 0:
		a := matched
		e.Outcome.Reason = "account locked"
		if a == nil {
			a = &candidates[0]
			e.Outcome.Reason = "wrong password"
		}
		u, err := s.open(ctx, *a)
		if err != nil {
			return err
		}
		aboutUser(e, u)
		tenant = a.tenant
	default:
		var err error
		if tenant, err = onlyTenant(ctx, s.o.DB.Read(ctx)); err != nil {
			return err
		}
	}
	s.o.Logger.LogAttrs(ctx, slog.LevelInfo, "login failed", slog.String("request_id", ClientOf(ctx).RequestID), slog.String("reason", e.Outcome.Reason))
	if tenant == "" {
		return errWrongLogin
	}
	if err := s.record(ctx, &heldRecord{tenant: tenant, event: e, effect: nothing}); err != nil {
		return err
	}
	return errWrongLogin
}

// nothing is the effect of an event that only states what happened.
func nothing(context.Context, *sql.Tx) error { return nil }

func (s *Service) signIn(ctx context.Context, a account, password string, attempt []throttled, previous string) (*Session, error) {
	rehash := ""
	if outdated(a.hash) {
		var err error
		if rehash, err = s.hasher.hash(ctx, password); err != nil {
			return nil, err
		}
	}
	return s.startSession(ctx, a, rehash, attempt, previous)
}

// startSession starts a session of an account; data joins the event.
func (s *Service) startSession(ctx context.Context, a account, rehash string, attempt []throttled, previous string, data ...event.Member) (*Session, error) {
	u, err := s.open(ctx, a)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 32)
	rand.Read(raw) // never fails (crypto/rand)
	token := base64.RawURLEncoding.EncodeToString(raw)
	now := s.o.Now()
	row := sessionRow{tokenHash: hashToken(token), id: newID(), account: a.id, createdAt: now.UnixMicro(), lastSeenAt: now.UnixMicro(), expiresAt: now.Add(s.o.SessionAbsolute).UnixMicro()}
	p := person(u)
	p.SessionID = row.id
	e := aboutUser(newEvent(ctx, actionLogin, "auth", "login", p), u)
	e.Data = data
	err = s.record(ctx, &heldRecord{tenant: a.tenant, event: e, session: &row, effect: func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, a.tenant)
		// The account may have been locked, or its password changed, since it was read.
		if err := q.login(ctx, a.id, a.hash, now.UnixMicro()); err != nil {
			if errs.CodeOf(err) == errs.NotFound {
				return errWrongLogin
			}
			return err
		}
		if rehash != "" {
			if err := q.setPassword(ctx, a.id, a.hash, rehash); err != nil {
				return err
			}
		}
		if previous != "" {
			if err := deleteSessionByToken(ctx, tx, hashToken(previous)); err != nil {
				return err
			}
		}
		if err := forgive(ctx, tx, attempt); err != nil {
			return err
		}
		return q.insertSession(ctx, row)
	}})
	if err != nil {
		return nil, err
	}
	s.held.forgive(attempt)
	u.LastLoginAt = now.UTC()
	v, err := s.view(ctx, row, u)
	if err == nil {
		v.Token = token
	}
	return v, err
}

// view is a session as its person sees it.
func (s *Service) view(ctx context.Context, row sessionRow, u User) (*Session, error) {
	v := &Session{ID: row.id, User: u, ExpiresAt: time.UnixMicro(row.expiresAt).UTC()}
	if s.o.Notice != nil {
		if n := s.o.Notice(ctx, u.TenantID); n != "" {
			v.Notices = append(v.Notices, n)
		}
	}
	if _, is := s.held.session(row.tokenHash); is {
		v.Notices = append(v.Notices, "The database takes nothing at the moment, perhaps because the disk is full. You are signed in for reading; that you signed in will be recorded as soon as that works.")
	}
	var err error
	v.TenantName, err = tenantName(ctx, s.o.DB.Read(ctx), u.TenantID)
	return v, err
}

// sessionOf finds a session and its account by the cookie's value. NotFound says that there is none, or not any more.
func (s *Service) sessionOf(ctx context.Context, token string) (sessionRow, account, error) {
	hash := hashToken(token)
	row, a, err := sessionByToken(ctx, s.o.DB.Read(ctx), hash)
	if errs.CodeOf(err) == errs.NotFound {
		var is bool
		if row, is = s.held.session(hash); is {
			a, err = in(s.o.DB.Read(ctx), row.tenant).account(ctx, row.account)
		}
	}
	if err == nil && s.held.over(row.id) {
		err = errs.New(errs.NotFound, "There is no such session.")
	}
	return row, a, err
}

// Current returns the session of the caller. The error is Unauthorized when the caller has none, as an API key has not.
func (s *Service) Current(ctx context.Context, p actor.Principal, token string) (*Session, error) {
	signedOut := errs.New(errs.Unauthorized, "Nobody is signed in.")
	if p.SessionID == "" {
		return nil, signedOut
	}
	row, a, err := s.sessionOf(ctx, token)
	if err != nil || row.id != p.SessionID || a.tenant != p.TenantID {
		return nil, signedOut
	}
	u, err := s.open(ctx, a)
	if err != nil {
		return nil, err
	}
	return s.view(ctx, row, u)
}

// Logout ends the caller's session.
func (s *Service) Logout(ctx context.Context, p actor.Principal) error {
	if p.SessionID == "" {
		return errs.New(errs.Unauthorized, "Nobody is signed in.")
	}
	e := aboutUser(newEvent(ctx, actionLogout, "auth", "logout", p), User{ID: p.UserID, Name: p.Name})
	return s.record(ctx, &heldRecord{tenant: p.TenantID, event: e, ends: p.SessionID, effect: func(ctx context.Context, tx *sql.Tx) error {
		return in(tx, p.TenantID).deleteSession(ctx, p.SessionID)
	}})
}

// ChangePassword replaces the caller's own password and ends the caller's other sessions. Guessing the current one is throttled like signing in.
func (s *Service) ChangePassword(ctx context.Context, p actor.Principal, current, next string) error {
	if p.UserID == "" {
		return errs.New(errs.Forbidden, "Only a person has a password.")
	}
	if err := CheckPassword("/new", next, p.Email); err != nil {
		return err
	}
	attempt := s.throttlesOf(p.Email, ClientOf(ctx).IP)
	if err := s.charge(ctx, attempt); err != nil {
		return err
	}
	a, err := in(s.o.DB.Read(ctx), p.TenantID).account(ctx, p.UserID)
	if err != nil {
		return err
	}
	ok, err := s.hasher.verify(ctx, a.hash, current)
	if err != nil {
		return err
	}
	e := aboutUser(newEvent(ctx, actionPasswordChange, "auth", "update", p), User{ID: p.UserID, Name: p.Name})
	if !ok {
		e.Outcome = event.Outcome{Status: "failure", Reason: "wrong password"}
		if err := s.o.Recorder.Record(ctx, p.TenantID, e, nothing); err != nil {
			return err
		}
		return errs.Field("/current", "wrong", "The current password is wrong.")
	}
	hash, err := s.hasher.hash(ctx, next)
	if err != nil {
		return err
	}
	return s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, p.TenantID)
		if err := q.setPassword(ctx, a.id, a.hash, hash); err != nil {
			return errs.Wrap(errs.Conflict, err, "The password was changed elsewhere at the same time.")
		}
		if err := forgive(ctx, tx, attempt); err != nil {
			return err
		}
		return q.deleteSessions(ctx, a.id, p.SessionID)
	})
}

// ResetPassword gives a person a new password without knowing the old one and ends all of the person's sessions. It is for the operator at the machine, who is the system.
func (s *Service) ResetPassword(ctx context.Context, p actor.Principal, email, next string) error {
	if !p.IsSystem() {
		return errs.New(errs.Forbidden, "Only the operator may reset a password.")
	}
	if err := CheckPassword("/new", next, email); err != nil {
		return err
	}
	found, err := accountsByEmail(ctx, s.o.DB.Read(ctx), s.emailIndex(email), p.TenantID)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errs.New(errs.NotFound, "There is no user with this e-mail address.")
	}
	a := found[0]
	u, err := s.open(ctx, a)
	if err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, next)
	if err != nil {
		return err
	}
	e := aboutUser(newEvent(ctx, actionPasswordChange, "auth", "update", p), u)
	e.Reason = "reset by the operator"
	return s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, p.TenantID)
		if err := q.setPassword(ctx, a.id, a.hash, hash); err != nil {
			return err
		}
		if err := forgive(ctx, tx, s.throttlesOf(email, ClientOf(ctx).IP)); err != nil {
			return err
		}
		return q.deleteSessions(ctx, a.id, "")
	})
}

package access

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"log/slog"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Session is a person signed in at the console.
type Session struct {
	// ID names the session in events; it cannot be used to sign in.
	ID         string
	User       User
	TenantName string
	// Operates says that people of the tenant may manage the others of the installation.
	Operates bool
	// Tenants are those between which the person may switch, this one included; none when there is but one.
	Tenants   []TenantChoice
	ExpiresAt time.Time // at the latest
	// Token is the cookie's value; only signing in returns it.
	Token string
	// SteppedUpAt is when the person last proved who they are, and Restricted says that the session may hardly do anything.
	SteppedUpAt time.Time
	Restricted  bool
	// Notices are what every page should show.
	Notices []string
}

// Login is what came of a password or a passkey: exactly one of both is set.
type Login struct {
	Session *Session
	// Pending is a sign-in that waits for its second step. It is no session and opens nothing.
	Pending *Pending
}

// Login signs a person in by password. Every session is a new one under a new token; previous, the token that the browser had so far, ends. Somebody who has a second factor, or must have one, gets a sign-in that waits.
// The error is Throttled with the time to wait, or Unauthorized, which says neither whether the account exists nor whether it is locked.
func (s *Service) Login(ctx context.Context, email, password, tenant, previous string) (*Login, error) {
	attempt := s.throttlesOf(email, ClientOf(ctx).IP)
	if err := s.charge(ctx, attempt); err != nil {
		s.keptOut(ctx, err, email, tenant)
		return nil, err
	}
	candidates, err := accountsByEmail(ctx, s.o.DB.Read(ctx), s.emailIndex(email), tenant)
	if err != nil {
		return nil, err
	}
	right, err := s.match(ctx, candidates, password)
	if err != nil {
		return nil, err
	}
	a, err := s.choose(ctx, right)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, s.refuse(ctx, candidates, right)
	}
	e := entry{attempt: attempt, previous: previous, way: "password"}
	if outdated(a.hash) {
		if e.rehash, err = s.hasher.hash(ctx, password); err != nil {
			return nil, err
		}
	}
	e.reach = s.reachOfLogin(right, a, e.rehash)
	return s.proceed(ctx, *a, e)
}

var errWrongLogin = errs.New(errs.Unauthorized, "The e-mail address or the password is wrong.")

// match returns the accounts whose password it is. As many hashes are computed for an address that nobody has as for one that somebody has.
func (s *Service) match(ctx context.Context, candidates []account, password string) ([]account, error) {
	if len(candidates) == 0 {
		_, err := s.hasher.verify(ctx, "", password)
		return nil, err
	}
	var found []account
	for i := range candidates {
		ok, err := s.hasher.verify(ctx, candidates[i].hash, password)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, candidates[i])
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

// keptOut records that a sign-in was not even looked at, beside the answer: how long that takes must not tell whether anybody has the address.
func (s *Service) keptOut(ctx context.Context, why error, email, tenant string) {
	if s.o.Throttled == nil || errs.CodeOf(why) != errs.Throttled {
		return
	}
	e := newEvent(ctx, actionLogin, "auth", "login", actor.Principal{})
	e.Actor = event.Actor{Type: "anonymous"}
	ctx = context.WithoutCancel(ctx)
	go func() {
		found, err := accountsByEmail(ctx, s.o.DB.Read(ctx), s.emailIndex(email), tenant)
		switch {
		case err != nil:
		case len(found) > 0:
			var u User
			if u, err = s.open(ctx, found[0]); err == nil {
				aboutUser(e, u)
				tenant = found[0].tenant
			}
		default:
			tenant, err = onlyTenant(ctx, s.o.DB.Read(ctx))
		}
		if err == nil && tenant != "" {
			s.o.Throttled(ctx, tenant, e)
		}
	}()
}

// refuse records a failed login and returns the error that the person sees. What was typed is not recorded: people type passwords into the wrong field. An attempt on an
// address that nobody has belongs to no tenant; it is recorded where the installation has only one.
func (s *Service) refuse(ctx context.Context, candidates, right []account) error {
	e := newEvent(ctx, actionLogin, "auth", "login", actor.Principal{})
	e.Actor = event.Actor{Type: "anonymous"}
	e.Severity, e.Outcome = "low", event.Outcome{Status: "failure", Reason: "unknown account"}
	var tenant string
	switch {
	case len(candidates) > 0:
		a := candidates[0]
		e.Outcome.Reason = "wrong password"
		if len(right) > 0 {
			a = right[0]
			e.Outcome.Reason = "account locked"
		}
		u, err := s.open(ctx, a)
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

// entry is how somebody comes in.
type entry struct {
	attempt  []throttled
	previous string // the token that the browser had so far
	rehash   string // of the same password, as it is hashed now; "" when that is as stored
	way      string // what was proved, for the event
	through  string // who vouches for the person, "" for nobody
	// reach is what else the password opened, and waited the sign-in that kept it while it waited for the second step.
	reach  []reached
	waited string
	// until is when the session ends at the latest, in microseconds; 0 for the usual time.
	until int64
	// proved uses up what was proved beside the password; nil when nothing was.
	proved func(ctx context.Context, q scoped) error
	// also runs in the transaction that stores the session; may be nil.
	also func(ctx context.Context, tx *sql.Tx, sessionID string) error
}

// begin makes a session that is not stored yet.
func (s *Service) begin(ctx context.Context, a account) (row sessionRow, token string, err error) {
	token = newToken()
	now := s.o.Now()
	row = sessionRow{tokenHash: hashToken(token), id: newID(), tenant: a.tenant, account: a.id, createdAt: now.UnixMicro(), lastSeenAt: now.UnixMicro(), expiresAt: now.Add(s.o.SessionAbsolute).UnixMicro(),
		steppedUp: sql.NullInt64{Int64: now.UnixMicro(), Valid: true}}
	keys, err := s.o.TenantKeys(ctx, a.tenant)
	if err != nil {
		return row, "", err
	}
	from := ClientOf(ctx)
	if from.IP.IsValid() {
		if row.address, err = keys.Seal("session|"+row.id+"|address", []byte(from.IP.String())); err != nil {
			return row, "", err
		}
	}
	row.agent, err = keys.Seal("session|"+row.id+"|agent", []byte(from.UserAgent))
	return row, token, err
}

func newToken() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (s *Service) signIn(ctx context.Context, a account, e entry) (*Session, error) {
	if s.o.AtWork != nil {
		if err := s.o.AtWork(ctx, a.tenant); err != nil {
			return nil, err
		}
	}
	u, err := s.open(ctx, a)
	if err != nil {
		return nil, err
	}
	row, token, err := s.begin(ctx, a)
	if err != nil {
		return nil, err
	}
	row.expiresAt = ends(row, e.until).UnixMicro()
	if e.way == wayOfSwitch { // nothing was proved to this tenant now
		row.steppedUp = sql.NullInt64{}
	}
	p := person(u)
	p.SessionID = row.id
	what := aboutUser(newEvent(ctx, actionLogin, "auth", "login", p), u)
	what.Data = []event.Member{selfaudit.Member("way", e.way)}
	if e.through != "" {
		what.Data = append(what.Data, selfaudit.Member("through", e.through))
	}
	effect := func(ctx context.Context, tx *sql.Tx) error { return s.enter(ctx, tx, a, row, e) }
	if e.proved == nil {
		err = s.record(ctx, &heldRecord{tenant: a.tenant, event: what, session: &row, effect: effect})
	} else { // what counts once cannot be held in memory
		err = s.o.Recorder.RecordLater(ctx, a.tenant, what, effect)
	}
	if err != nil {
		return nil, err
	}
	s.held.forgive(e.attempt)
	u.LastLoginAt = time.UnixMicro(row.createdAt).UTC()
	v, err := s.view(ctx, row, u)
	if err == nil {
		v.Token = token
	}
	return v, err
}

// enter stores a session, unless what it rests on does not stand any more.
func (s *Service) enter(ctx context.Context, tx *sql.Tx, a account, row sessionRow, e entry) error {
	q := in(tx, a.tenant)
	// The account may have been locked, or its password changed, since it was read.
	if err := q.login(ctx, a.id, a.hash, row.createdAt); err != nil {
		if errs.CodeOf(err) == errs.NotFound {
			return errWrongLogin
		}
		return err
	}
	if e.proved == nil {
		if confirmed, _, err := q.countFactors(ctx, a.id); err != nil || confirmed > 0 {
			return errors.Join(err, errs.New(errs.Conflict, "A second factor was set up at the same time; sign in again."))
		}
	} else if err := e.proved(ctx, q); err != nil {
		return err
	}
	if e.rehash != "" {
		if err := q.setPassword(ctx, a.id, a.hash, e.rehash); err != nil {
			return err
		}
	}
	if e.previous != "" {
		if err := deleteSessionByToken(ctx, tx, hashToken(e.previous)); err != nil {
			return err
		}
	}
	if err := forgive(ctx, tx, e.attempt); err != nil {
		return err
	}
	if err := insertReach(ctx, tx, row.id, e.reach); err != nil {
		return err
	}
	if e.waited != "" {
		if err := carry(ctx, tx, e.waited, &row); err != nil {
			return err
		}
	}
	if err := q.insertSession(ctx, row); err != nil || e.also == nil {
		return err
	}
	return e.also(ctx, tx, row.id)
}

// view is a session as its person sees it.
func (s *Service) view(ctx context.Context, row sessionRow, u User) (*Session, error) {
	v := &Session{ID: row.id, User: u, ExpiresAt: time.UnixMicro(row.expiresAt).UTC(), SteppedUpAt: timeOf(row.steppedUp), Restricted: row.restricted.Valid}
	if s.o.Notice != nil {
		if n := s.o.Notice(ctx, u.TenantID); n != "" {
			v.Notices = append(v.Notices, n)
		}
	}
	if _, is := s.held.session(row.tokenHash); is {
		v.Notices = append(v.Notices, "The database takes nothing at the moment, perhaps because the disk is full. You are signed in for reading; that you signed in will be recorded as soon as that works.")
	}
	var err error
	if v.TenantName, err = tenantName(ctx, s.o.DB.Read(ctx), u.TenantID); err != nil {
		return nil, err
	}
	if v.Operates, err = operates(ctx, s.o.DB.Read(ctx), u.TenantID); err != nil {
		return nil, err
	}
	v.Tenants, err = s.choices(ctx, row.id)
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

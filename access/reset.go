package access

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const (
	resetFor  = 30 * time.Minute
	resetPath = "/reset#"
	// maxResets are the links of an account that work at one time. A further request is dropped: the person has one that works in the letter box, so that nobody who asks in his name keeps him from his password.
	maxResets = 3
	// maxRequests bounds what waits to be looked into.
	maxRequests = 10_000

	actionForgotten = "user.password_forgotten"
	actionReset     = "user.password_reset"
)

var errNoMail = errs.New(errs.Conflict, "This server sends no e-mail. Ask an admin of yours, or the operator, for a new password.")

// Forgotten asks for a link with which the password of an address can be set anew. The answer is the same, and takes as long, whether anybody has the address or not: whose it is is found out afterwards. The error is Throttled for an
// address of the network that asks too often, or Conflict where no e-mail is sent.
func (s *Service) Forgotten(ctx context.Context, email string) error {
	if !s.mails() {
		return errNoMail
	}
	from := ClientOf(ctx)
	var attempt []throttled
	if from.IP.IsValid() {
		t := s.throttleOfAddress(from.IP)
		t.subject, t.free = s.index("forgotten|"+string(t.subject)), 5
		attempt = append(attempt, t)
	}
	if err := s.charge(ctx, attempt); err != nil {
		return err
	}
	r := requestRow{id: newID(), emailIndex: s.emailIndex(email), createdAt: s.o.Now().UnixMicro()}
	var err error
	if r.origin, err = s.sealOrigin(r.id, origin{from.IP.String(), from.UserAgent, from.RequestID}); err != nil {
		return err
	}
	err = s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		n, err := countRequests(ctx, tx)
		if err != nil {
			return err
		}
		if n >= maxRequests {
			return &errs.Error{Code: errs.Throttled, Message: "Too many passwords are forgotten at once. Try again in some minutes.", RetryAfter: time.Minute}
		}
		return insertRequest(ctx, tx, r)
	})
	if err != nil {
		return err
	}
	select {
	case s.asked <- struct{}{}:
	default:
	}
	return nil
}

// AnswerForgotten looks into what [Service.Forgotten] has noted. It does no harm on several servers at a time.
func (s *Service) AnswerForgotten(ctx context.Context) error {
	list, err := requests(ctx, s.o.DB.Read(ctx))
	if err != nil {
		return err
	}
	var all error
	for _, r := range list {
		do := s.answer
		if s.o.Now().Sub(time.UnixMicro(r.createdAt)) > resetFor { // it could not be answered for so long that the person has asked again
			do = s.drop
		}
		if err := do(ctx, r); err != nil && !errors.Is(err, errAnswered) {
			all = errors.Join(all, err)
		}
	}
	return all
}

func (s *Service) drop(ctx context.Context, r requestRow) error {
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error { return takeRequest(ctx, tx, r.id) })
}

// errAnswered says that another server has looked into a request.
var errAnswered = errs.New(errs.Conflict, "the request has been answered")

// answer looks into one request: a link for each account of the address that has a password of ours, and an event for whatever comes of it.
func (s *Service) answer(ctx context.Context, r requestRow) error {
	from, err := s.openOrigin(r)
	if err != nil {
		from = origin{} // the key was lost; whose request it was matters less than that it is answered
	}
	accounts, err := accountsByEmail(ctx, s.o.DB.Read(ctx), r.emailIndex, "")
	if err != nil {
		return err
	}
	// The first transaction takes the request away; if the process ends after it, the person asks once more.
	take := func(ctx context.Context, tx *sql.Tx) error { return takeRequest(ctx, tx, r.id) }
	if len(accounts) == 0 {
		tenant, err := onlyTenant(ctx, s.o.DB.Read(ctx))
		if err != nil {
			return err
		}
		if tenant == "" {
			return s.drop(ctx, r)
		}
		e := s.forgottenEvent(ctx, tenant, from)
		e.Outcome = event.Outcome{Status: "denied", Reason: "unknown account"}
		return s.o.Recorder.RecordLater(ctx, tenant, e, take)
	}
	for _, a := range accounts {
		if err := s.link(ctx, a, from, take); err != nil {
			return err
		}
		take = nothing
	}
	return nil
}

func (s *Service) forgottenEvent(ctx context.Context, tenant string, from origin) *event.Event {
	e := newEvent(ctx, actionForgotten, "auth", "other", actor.Principal{TenantID: tenant})
	e.Actor = event.Actor{Type: "anonymous"}
	e.Context.IP, e.Context.UserAgent, e.Context.RequestID = from.IP, from.Agent, from.Request
	return e
}

// link lets an account have a link, unless it may not have one.
func (s *Service) link(ctx context.Context, a account, from origin, take func(context.Context, *sql.Tx) error) error {
	u, err := s.open(ctx, a)
	if err != nil {
		return err
	}
	q := in(s.o.DB.Read(ctx), a.tenant)
	now := s.o.Now()
	open, err := q.openResets(ctx, a.id, now.UnixMicro())
	if err != nil {
		return err
	}
	why, err := s.noLink(ctx, q, a, open)
	if err != nil {
		return err
	}
	e := aboutUser(s.forgottenEvent(ctx, a.tenant, from), u)
	if why != "" {
		e.Severity, e.Outcome = "low", event.Outcome{Status: "denied", Reason: why}
		return s.o.Recorder.RecordLater(ctx, a.tenant, e, take)
	}
	row := resetRow{id: newID(), tenant: a.tenant, account: a.id, createdAt: now.UnixMicro(), expiresAt: now.Add(resetFor).UnixMicro()}
	e.Changes = []event.Change{selfaudit.Change("/links", open, open+1)}
	return s.o.Recorder.Record(ctx, a.tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := take(ctx, tx); err != nil {
			return err
		}
		if err := in(tx, a.tenant).insertReset(ctx, row); err != nil {
			return err
		}
		return s.letter(ctx, tx, a.tenant, letterReset, row.id)
	})
}

// noLink says why an account gets no link, "" when it gets one.
func (s *Service) noLink(ctx context.Context, q scoped, a account, open int) (string, error) {
	switch {
	case a.lockedAt.Valid:
		return "account locked", nil
	case s.shutOut(ctx, a.tenant):
		return "tenant suspended", nil
	case open >= maxResets:
		return "enough links", nil
	case a.hash != "":
		return "", nil
	}
	// Accounts of providers and directories have no password of ours, and nobody gets one by his letter box; whoever was invited here and chose a passkey may.
	invited, err := q.wasInvited(ctx, a.id)
	if err == nil && !invited {
		return "the account has no password here", nil
	}
	return "", err
}

// mailReset writes the letter with a link, which is made now.
func (s *Service) mailReset(ctx context.Context, tenant, id string) error {
	q := in(s.o.DB.Read(ctx), tenant)
	row, err := q.reset(ctx, id)
	if err != nil || row.endedAt > 0 || row.expiresAt <= s.o.Now().UnixMicro() {
		return err
	}
	u, err := s.Working(ctx, tenant, row.account)
	if errs.CodeOf(err) == errs.Forbidden {
		return nil // locked meanwhile
	}
	if err != nil {
		return err
	}
	organisation, err := s.organisation(ctx, tenant)
	if err != nil {
		return err
	}
	token := newToken()
	err = s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		return in(tx, tenant).linkReset(ctx, id, hashToken(token), s.o.Now().UnixMicro())
	})
	if err != nil {
		return err
	}
	return s.post.mailer.Mail(ctx, Letter{ID: newID(), At: s.o.Now(), To: u.Email, Subject: "Set a new password for Probity", URL: s.o.PublicURL + resetPath + token, Label: "Set a new password",
		Text: strings.Join([]string{"Hello " + u.Name + ",", "somebody, perhaps you, has said that the password of your account at " + organisation + " is forgotten. Follow the link to set a new one.",
			"The link works once, until " + time.UnixMicro(row.expiresAt).UTC().Format("15:04 MST") + ". If it was not you, do nothing: your password stays as it is."}, "\n\n")})
}

// mailChanged tells the owner of an account that its password was set anew.
func (s *Service) mailChanged(ctx context.Context, tenant, account string) error {
	u, err := s.Working(ctx, tenant, account)
	if errs.CodeOf(err) == errs.Forbidden {
		return nil
	}
	if err != nil {
		return err
	}
	organisation, err := s.organisation(ctx, tenant)
	if err != nil {
		return err
	}
	return s.post.mailer.Mail(ctx, Letter{ID: newID(), At: s.o.Now(), To: u.Email, Subject: "Your password for Probity was changed", URL: s.o.PublicURL + "/signin", Label: "Sign in",
		Text: strings.Join([]string{"Hello " + u.Name + ",", "the password of your account at " + organisation + " was set anew with a link that went to this address, and all of your sessions have ended. Your second factors are as they were.",
			"If it was not you, tell an admin of yours at once to lock the account."}, "\n\n")})
}

// Redeem sets a new password with the link of a letter. All sessions of the person end; the second factors stay and are asked for at the next sign-in. Nobody is signed in by it.
func (s *Service) Redeem(ctx context.Context, token, password string) error {
	if err := s.charge(ctx, s.linkThrottle(ctx)); err != nil {
		return err
	}
	if len(token) != 43 {
		return errDeadLink
	}
	row, err := resetByToken(ctx, s.o.DB.Read(ctx), hashToken(token))
	if errs.CodeOf(err) == errs.NotFound {
		return errDeadLink
	}
	if err != nil {
		return err
	}
	if s.shutOut(ctx, row.tenant) {
		return errDeadLink
	}
	about := event.Resource{Type: "user", ID: row.account}
	now := s.o.Now().UnixMicro()
	if row.endedAt > 0 || row.expiresAt <= now {
		return s.refuseLink(ctx, row.tenant, actionReset, about, "the link has been used or has expired")
	}
	a, err := in(s.o.DB.Read(ctx), row.tenant).account(ctx, row.account)
	if err != nil {
		return err
	}
	if a.lockedAt.Valid {
		return s.refuseLink(ctx, row.tenant, actionReset, about, "account locked")
	}
	u, err := s.open(ctx, a)
	if err != nil {
		return err
	}
	if err := s.checkPassword(ctx, "/password", password, s.wordsOf(ctx, a.tenant, u.Email, u.Name)); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	e := aboutUser(newEvent(ctx, actionReset, "auth", "update", person(u)), u)
	e.Severity, e.Data = "medium", []event.Member{selfaudit.Member("way", "e-mail")}
	err = s.o.Recorder.Record(ctx, a.tenant, e, func(ctx context.Context, tx *sql.Tx) error { return s.reset(ctx, tx, row, a, u.Email, hash, now) })
	if errors.Is(err, errDeadLink) {
		return s.refuseLink(ctx, row.tenant, actionReset, about, "used or locked at the same time")
	}
	return err
}

// reset sets the password with a link that is spent by it, as all others of the account are.
func (s *Service) reset(ctx context.Context, tx *sql.Tx, row resetRow, a account, email, hash string, now int64) error {
	q := in(tx, a.tenant)
	if err := q.spendReset(ctx, row.id, now); err != nil {
		return dead(err)
	}
	if is, err := q.account(ctx, a.id); err != nil || is.lockedAt.Valid {
		return errors.Join(err, errDeadLink)
	}
	if err := q.setPassword(ctx, a.id, a.hash, hash); err != nil {
		return dead(err)
	}
	for _, do := range []func() error{
		func() error { return q.endResets(ctx, a.id, now) },
		func() error { return q.endAllPending(ctx, a.id) },
		func() error { return q.settleInvitation(ctx, a.id, now) },
		func() error { return q.deleteSessions(ctx, a.id, "") },
		func() error { return forgive(ctx, tx, s.throttlesOf(email, ClientOf(ctx).IP)[:1]) },
		func() error { return s.letter(ctx, tx, a.tenant, letterChanged, a.id) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func dead(err error) error {
	if errs.CodeOf(err) == errs.NotFound {
		return errDeadLink
	}
	return err
}

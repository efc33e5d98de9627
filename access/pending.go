package access

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const (
	// pendingLife is how long a sign-in waits for its second step.
	pendingLife = 10 * time.Minute
	// pendingAttempts are how many codes a sign-in takes; then the password has to be given again.
	pendingAttempts = 5
)

// Pending is a sign-in that waits for its second step.
type Pending struct {
	// Token goes with the second step. It is none of a session: as a cookie or a key it opens nothing.
	Token string
	// Ways are what the person can prove, best first: passkey, totp, recovery_code.
	Ways []string
	// Enrol says that the person has nothing yet and must set up a factor to get in.
	Enrol     bool
	ExpiresAt time.Time
}

// pendingPrefix tells a pending sign-in from a session token and from an API key at first sight.
const pendingPrefix = "ps_"

// await lets a sign-in by password wait for its second step. That the password was right is recorded.
func (s *Service) await(ctx context.Context, a account, e entry, factors []factorRow) (*Pending, error) {
	u, err := s.open(ctx, a)
	if err != nil {
		return nil, err
	}
	q := in(s.o.DB.Read(ctx), a.tenant)
	left, err := q.recoveryCodesLeft(ctx, a.id)
	if err != nil {
		return nil, err
	}
	token, now := pendingPrefix+newToken(), s.o.Now()
	row := pendingRow{tokenHash: hashToken(token), id: newID(), account: a.id, passwordHash: a.hash, createdAt: now.UnixMicro(), expiresAt: now.Add(pendingLife).UnixMicro()}
	if e.rehash != "" {
		row.passwordHash = e.rehash
	}
	what := aboutUser(newEvent(ctx, actionPassword, "auth", "login", person(u)), u)
	what.Data = []event.Member{selfaudit.Member("way", e.way)}
	err = s.o.Recorder.RecordLater(ctx, a.tenant, what, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, a.tenant)
		if e.rehash != "" {
			if err := q.setPassword(ctx, a.id, a.hash, e.rehash); err != nil {
				return errWrongLogin
			}
		}
		if err := forgive(ctx, tx, e.attempt); err != nil {
			return err
		}
		if err := insertReach(ctx, tx, row.id, e.reach); err != nil {
			return err
		}
		return q.insertPending(ctx, row)
	})
	if err != nil {
		return nil, err
	}
	s.held.forgive(e.attempt)
	return &Pending{Token: token, Ways: s.waysOf(factors, left), Enrol: len(factors) == 0, ExpiresAt: now.Add(pendingLife).UTC()}, nil
}

var errPendingOver = errs.New(errs.Unauthorized, "This sign-in has ended; start again with your password.")

// pending returns a sign-in that waits and the account that it is for, as it was when the password was right.
func (s *Service) pending(ctx context.Context, token string) (pendingRow, account, error) {
	if len(token) != len(pendingPrefix)+43 {
		return pendingRow{}, account{}, errPendingOver
	}
	row, err := pendingByToken(ctx, s.o.DB.Read(ctx), hashToken(token))
	if errs.CodeOf(err) == errs.NotFound || err == nil && row.expiresAt <= s.o.Now().UnixMicro() {
		return row, account{}, errPendingOver
	}
	if err != nil {
		return row, account{}, err
	}
	a, err := in(s.o.DB.Read(ctx), row.tenant).account(ctx, row.account)
	if err != nil {
		return row, a, err
	}
	if a.lockedAt.Valid || a.hash != row.passwordHash {
		return row, a, errPendingOver
	}
	return row, a, nil
}

// tryPending counts an attempt of a sign-in that waits.
func (s *Service) tryPending(ctx context.Context, row pendingRow) error {
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		return in(tx, row.tenant).tryPending(ctx, row.id, pendingAttempts, s.o.Now().UnixMicro())
	})
	if errs.CodeOf(err) == errs.NotFound {
		return errPendingOver
	}
	return err
}

// SecondStep finishes a sign-in that waits. previous, the session token that the browser had so far, ends.
func (s *Service) SecondStep(ctx context.Context, token string, proof Proof, previous string) (*Session, error) {
	row, a, err := s.pending(ctx, token)
	if err != nil {
		return nil, err
	}
	attempt := s.factorThrottles(ctx, "account|"+a.id, proof)
	if err := s.charge(ctx, attempt); err != nil {
		return nil, err
	}
	if err := s.tryPending(ctx, row); err != nil {
		return nil, err
	}
	proved, err := s.prove(ctx, a, "second|"+row.id, proof)
	if err != nil {
		return nil, s.refuseFactor(ctx, a, actionLogin, actor.Principal{}, err)
	}
	v, err := s.signIn(ctx, a, entry{attempt: attempt, previous: previous, way: "password+" + proved.way, waited: row.id, proved: func(ctx context.Context, q scoped) error {
		if err := q.endPending(ctx, row.id); err != nil {
			return errPendingOver
		}
		return proved.use(ctx, q)
	}})
	if isReplay(err) {
		return nil, s.refuseFactor(ctx, a, actionLogin, actor.Principal{}, err)
	}
	return v, err
}

// AskSecondStep returns what a browser needs to have a passkey answer for a sign-in that waits.
func (s *Service) AskSecondStep(ctx context.Context, token string) (json.RawMessage, error) {
	row, a, err := s.pending(ctx, token)
	if err != nil {
		return nil, err
	}
	return s.ask(ctx, a, "second|"+row.id)
}

// AskPasskey returns what a browser needs to have a passkey sign somebody in who has not said who they are.
func (s *Service) AskPasskey() (json.RawMessage, error) {
	if s.passkeys == nil {
		return nil, errNoPasskeys
	}
	return s.passkeys.Ask("alone", nil, true)
}

// LoginByPasskey signs a person in by a passkey alone: a device that they have, which knows them by a fingerprint or PIN.
func (s *Service) LoginByPasskey(ctx context.Context, answer json.RawMessage, previous string) (*Session, error) {
	proof := Proof{Passkey: answer}
	attempt := s.factorThrottles(ctx, "", proof)
	if err := s.charge(ctx, attempt); err != nil {
		return nil, err
	}
	a, err := s.ownerOfPasskey(ctx, answer)
	if err != nil {
		return nil, err
	}
	if a.lockedAt.Valid {
		return nil, s.refuseFactor(ctx, a, actionLogin, actor.Principal{}, errs.New(errs.Unauthorized, "account locked"))
	}
	proved, err := s.proveAlone(ctx, a, answer)
	if err != nil {
		return nil, s.refuseFactor(ctx, a, actionLogin, actor.Principal{}, err)
	}
	v, err := s.signIn(ctx, a, entry{attempt: attempt, previous: previous, way: "passkey", proved: proved.use})
	if isReplay(err) {
		return nil, s.refuseFactor(ctx, a, actionLogin, actor.Principal{}, err)
	}
	return v, err
}

// refuseFactor records that a proof was refused and returns what the person sees. by is who the session says it is; nobody before a sign-in.
func (s *Service) refuseFactor(ctx context.Context, a account, action string, by actor.Principal, cause error) error {
	if code := errs.CodeOf(cause); code != errs.Unauthorized && !isReplay(cause) {
		return cause
	}
	u, err := s.open(ctx, a)
	if err != nil {
		return err
	}
	activity := "login"
	if action != actionLogin {
		activity = "other"
	}
	e := aboutUser(newEvent(ctx, action, "auth", activity, by), u)
	if by.UserID == "" {
		e.Actor = event.Actor{Type: "anonymous"}
	}
	e.Severity, e.Outcome = "low", event.Outcome{Status: "failure", Reason: "wrong second factor"}
	if isReplay(cause) {
		e.Outcome.Reason, e.Severity = "second factor used again", "medium"
	}
	e.Data = []event.Member{selfaudit.Member("detail", errs.Message(cause))}
	s.o.Logger.LogAttrs(ctx, slog.LevelInfo, "a proof was refused", slog.String("request_id", ClientOf(ctx).RequestID), slog.String("action", action), slog.String("reason", e.Outcome.Reason))
	if err := s.o.Recorder.RecordLater(ctx, a.tenant, e, nothing); err != nil {
		return err
	}
	return errWrongProof
}

package access

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"probity.dev/access/mfa"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const (
	// maxFactors a person may have, unconfirmed ones included.
	maxFactors = 10
	// enrolmentLife is how long a factor waits to be confirmed.
	enrolmentLife = 10 * time.Minute
	maxFactorName = 60 // characters
)

// Factor is something that a person can prove to have.
type Factor struct {
	ID         string
	Kind       string // FactorTOTP or FactorPasskey
	Name       string
	CreatedAt  time.Time
	LastUsedAt time.Time // zero when never
}

// Factors is what a person has to prove who they are, besides the password.
type Factors struct {
	Items []Factor
	// RecoveryCodes are how many are left.
	RecoveryCodes int
	// Demanded says that the person must have a factor, PasskeysPossible that this server's address allows passkeys.
	Demanded         bool
	PasskeysPossible bool
}

// Enrolment is a factor that waits for its person to confirm it: TOTP with a code, a passkey with what the browser makes of the options.
type Enrolment struct {
	ID   string
	Kind string
	TOTP *mfa.Seed
	// Passkey is publicKey of navigator.credentials.create.
	Passkey   json.RawMessage
	ExpiresAt time.Time
}

// person returns the caller's account; only people have factors.
func (s *Service) person(ctx context.Context, p actor.Principal) (account, error) {
	if p.UserID == "" || p.SessionID == "" {
		return account{}, errs.New(errs.Forbidden, "Only a person who is signed in at the console has a password and other factors.")
	}
	return in(s.o.DB.Read(ctx), p.TenantID).account(ctx, p.UserID)
}

// Factors returns the caller's own factors.
func (s *Service) Factors(ctx context.Context, p actor.Principal) (*Factors, error) {
	a, err := s.person(ctx, p)
	if err != nil {
		return nil, err
	}
	q := in(s.o.DB.Read(ctx), a.tenant)
	rows, err := q.factors(ctx, a.id)
	if err != nil {
		return nil, err
	}
	out := &Factors{PasskeysPossible: s.passkeys != nil}
	for _, f := range rows {
		one, err := s.openFactor(ctx, f)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, one)
	}
	if out.RecoveryCodes, err = q.recoveryCodesLeft(ctx, a.id); err != nil {
		return nil, err
	}
	out.Demanded, err = s.mustHaveFactor(ctx, q, a)
	return out, err
}

func (s *Service) openFactor(ctx context.Context, f factorRow) (Factor, error) {
	name, err := s.unseal(ctx, f.tenant, "factor|"+f.id+"|name", f.name)
	return Factor{ID: f.id, Kind: f.kind, Name: name, CreatedAt: time.UnixMicro(f.createdAt).UTC(), LastUsedAt: timeOf(f.lastUsedAt)}, err
}

// Ways returns how the caller can step up, best first: with a factor, or with the password when there is none.
func (s *Service) Ways(ctx context.Context, p actor.Principal) ([]string, error) {
	q := in(s.o.DB.Read(ctx), p.TenantID)
	factors, err := q.factors(ctx, p.UserID)
	if err != nil {
		return nil, err
	}
	if len(factors) == 0 {
		return []string{WayPassword}, nil
	}
	left, err := q.recoveryCodesLeft(ctx, p.UserID)
	return s.waysOf(factors, left), err
}

// StartFactor begins to set up a factor for the caller.
func (s *Service) StartFactor(ctx context.Context, p actor.Principal, kind, name string) (*Enrolment, error) {
	a, err := s.person(ctx, p)
	if err != nil {
		return nil, err
	}
	return s.startFactor(ctx, a, kind, name)
}

// StartEnrolment begins to set up the first factor of somebody who must have one to sign in.
func (s *Service) StartEnrolment(ctx context.Context, token, kind, name string) (*Enrolment, error) {
	_, a, err := s.pendingEnrolment(ctx, token)
	if err != nil {
		return nil, err
	}
	return s.startFactor(ctx, a, kind, name)
}

// pendingEnrolment is a sign-in that waits for a first factor. Whoever has one already proves that.
func (s *Service) pendingEnrolment(ctx context.Context, token string) (pendingRow, account, error) {
	row, a, err := s.pending(ctx, token)
	if err != nil {
		return row, a, err
	}
	confirmed, _, err := in(s.o.DB.Read(ctx), a.tenant).countFactors(ctx, a.id)
	if err == nil && confirmed > 0 {
		err = errPendingOver
	}
	return row, a, err
}

func checkFactorName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if n := utf8.RuneCountInString(name); n == 0 || n > maxFactorName || !utf8.ValidString(name) || strings.IndexFunc(name, unicode.IsControl) >= 0 {
		return "", errs.Field("/name", "wrong_format", "Give a name of 1 to %d characters, such as that of the device.", maxFactorName)
	}
	return name, nil
}

func (s *Service) startFactor(ctx context.Context, a account, kind, name string) (*Enrolment, error) {
	name, err := checkFactorName(name)
	if err != nil {
		return nil, err
	}
	now := s.o.Now()
	row := factorRow{id: newID(), tenant: a.tenant, account: a.id, kind: kind, createdAt: now.UnixMicro()}
	out := &Enrolment{ID: row.id, Kind: kind, ExpiresAt: now.Add(enrolmentLife).UTC()}
	u, err := s.open(ctx, a)
	if err != nil {
		return nil, err
	}
	secret := ""
	switch kind {
	case FactorTOTP:
		if out.TOTP, err = mfa.NewSeed("Probity ("+s.o.Instance+")", u.Email); err != nil {
			return nil, err
		}
		secret = out.TOTP.Secret
	case FactorPasskey:
		if out.Passkey, err = s.askNew(ctx, a, u, row.id); err != nil {
			return nil, err
		}
	default:
		return nil, errs.Field("/kind", "not_allowed", "The kinds are totp and passkey.")
	}
	if row.name, err = s.seal(ctx, a.tenant, "factor|"+row.id+"|name", name); err != nil {
		return nil, err
	}
	if row.secret, err = s.seal(ctx, a.tenant, "factor|"+row.id+"|secret", secret); err != nil {
		return nil, err
	}
	return out, s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		q := in(tx, a.tenant)
		if err := q.forgetEnrolments(ctx, a.id, now.Add(-enrolmentLife).UnixMicro()); err != nil {
			return err
		}
		if _, all, err := q.countFactors(ctx, a.id); err != nil || all >= maxFactors {
			return errors.Join(err, errs.New(errs.Conflict, "You have %d factors, which is the most; remove one first.", all))
		}
		return q.insertFactor(ctx, row)
	})
}

func (s *Service) askNew(ctx context.Context, a account, u User, id string) (json.RawMessage, error) {
	if s.passkeys == nil {
		return nil, errNoPasskeys
	}
	factors, err := in(s.o.DB.Read(ctx), a.tenant).factors(ctx, a.id)
	if err != nil {
		return nil, err
	}
	keys, _, err := s.passkeysOf(ctx, factors)
	if err != nil {
		return nil, err
	}
	return s.passkeys.AskNew(mfa.Person{ID: a.id, Name: u.Name, Email: u.Email, Passkeys: keys}, "enrol|"+id)
}

// ConfirmFactor makes a factor of the caller count. It returns recovery codes when the person had none: with the first factor.
func (s *Service) ConfirmFactor(ctx context.Context, p actor.Principal, id string, proof Proof) ([]string, error) {
	a, err := s.person(ctx, p)
	if err != nil {
		return nil, err
	}
	c, err := s.confirmed(ctx, a, id, proof)
	if err != nil {
		return nil, err
	}
	e, err := s.factorEvent(ctx, actionFactorAdd, "create", p, a, c.factor)
	if err != nil {
		return nil, err
	}
	return c.codes, s.o.Recorder.Record(ctx, a.tenant, e, func(ctx context.Context, tx *sql.Tx) error { return c.store(ctx, in(tx, a.tenant), a) })
}

// ConfirmEnrolment confirms the first factor of somebody who must have one, and signs them in.
func (s *Service) ConfirmEnrolment(ctx context.Context, token, id string, proof Proof, previous string) (*Session, []string, error) {
	row, a, err := s.pendingEnrolment(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	if err := s.tryPending(ctx, row); err != nil {
		return nil, nil, err
	}
	c, err := s.confirmed(ctx, a, id, proof)
	if err != nil {
		return nil, nil, err
	}
	u, err := s.open(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	e, err := s.factorEvent(ctx, actionFactorAdd, "create", person(u), a, c.factor)
	if err != nil {
		return nil, nil, err
	}
	err = s.o.Recorder.Record(ctx, a.tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, a.tenant)
		if confirmed, _, err := q.countFactors(ctx, a.id); err != nil || confirmed > 0 {
			return errors.Join(err, errPendingOver)
		}
		if err := q.settleInvitation(ctx, a.id, s.o.Now().UnixMicro()); err != nil {
			return err
		}
		return c.store(ctx, q, a)
	})
	if err != nil {
		return nil, nil, err
	}
	way := "password+"
	if a.hash == "" { // an invitation, taken with a passkey
		way = "invitation+"
	}
	v, err := s.signIn(ctx, a, entry{previous: previous, way: way + c.factor.kind, waited: row.id, proved: func(ctx context.Context, q scoped) error {
		if err := q.endPending(ctx, row.id); err != nil {
			return errPendingOver
		}
		return nil
	}})
	return v, c.codes, err
}

// confirmation is a factor that has been confirmed and is not stored as such yet.
type confirmation struct {
	s        *Service
	factor   factorRow
	answered *mfa.Answered
	codes    []string // to be shown this once; nil when the person has some
}

func (s *Service) confirmed(ctx context.Context, a account, id string, proof Proof) (*confirmation, error) {
	q := in(s.o.DB.Read(ctx), a.tenant)
	f, err := q.factor(ctx, a.id, id)
	if err != nil {
		return nil, err
	}
	now := s.o.Now()
	if f.confirmedAt.Valid || now.Sub(time.UnixMicro(f.createdAt)) >= enrolmentLife {
		return nil, errs.New(errs.NotFound, "There is no such factor that waits to be confirmed; start again.")
	}
	c := &confirmation{s: s, factor: f}
	if f.kind == FactorTOTP {
		secret, err := s.unseal(ctx, f.tenant, "factor|"+f.id+"|secret", f.secret)
		if err != nil {
			return nil, err
		}
		code, is := mfa.IsCode(proof.Code)
		step, ok := mfa.CheckCode(secret, code, now, 0)
		if !is || !ok {
			return nil, errs.Field("/code", "wrong", "This is not the code that the app shows now. Check the clock of the device.")
		}
		c.factor.moved = step
	} else if err := s.confirmPasskey(ctx, a, c, proof.Passkey); err != nil {
		return nil, err
	}
	left, err := q.recoveryCodesLeft(ctx, a.id)
	if err == nil && left == 0 {
		c.codes = mfa.NewRecoveryCodes()
	}
	return c, err
}

func (s *Service) confirmPasskey(ctx context.Context, a account, c *confirmation, answer json.RawMessage) error {
	if s.passkeys == nil {
		return errNoPasskeys
	}
	k, answered, err := s.passkeys.New(mfa.Person{ID: a.id}, "enrol|"+c.factor.id, answer)
	if err != nil {
		return errs.Field("/passkey", "refused", "%s", errs.Message(err))
	}
	text, err := k.Bytes()
	if err != nil {
		return err
	}
	c.answered, c.factor.credential, c.factor.moved = answered, k.Hash(), k.Count()
	c.factor.secret, err = s.seal(ctx, a.tenant, "factor|"+c.factor.id+"|secret", string(text))
	return err
}

func (c *confirmation) store(ctx context.Context, q scoped, a account) error {
	if c.answered != nil {
		if err := noteAnswer(ctx, q.q, c.answered.Challenge, c.answered.Ends); err != nil {
			return errWrongProof
		}
	}
	if err := q.confirmFactor(ctx, c.factor, c.s.o.Now().UnixMicro()); err != nil {
		return err
	}
	if c.codes == nil {
		return nil
	}
	return q.setRecoveryCodes(ctx, a.id, c.s.recoveryHashes(a.id, c.codes))
}

func (s *Service) recoveryHashes(accountID string, codes []string) [][]byte {
	out := make([][]byte, len(codes))
	for i, c := range codes {
		code, _ := mfa.IsRecoveryCode(c)
		out[i] = s.recoveryHash(accountID, code)
	}
	return out
}

// RemoveFactor takes a factor from the caller. The last one cannot go while one is demanded; with it go the recovery codes.
func (s *Service) RemoveFactor(ctx context.Context, p actor.Principal, id string) error {
	a, err := s.person(ctx, p)
	if err != nil {
		return err
	}
	f, err := in(s.o.DB.Read(ctx), a.tenant).factor(ctx, a.id, id)
	if err != nil {
		return err
	}
	e, err := s.factorEvent(ctx, actionFactorRemove, "delete", p, a, f)
	if err != nil {
		return err
	}
	return s.o.Recorder.Record(ctx, a.tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, a.tenant)
		if err := q.deleteFactor(ctx, a.id, id); err != nil {
			return err
		}
		confirmed, _, err := q.countFactors(ctx, a.id)
		if err != nil || confirmed > 0 || !f.confirmedAt.Valid {
			return err
		}
		if must, err := s.mustHaveFactor(ctx, q, a); err != nil || must {
			return errors.Join(err, errs.New(errs.Conflict, "A second factor is demanded of you; set up another before you remove this one."))
		}
		return q.setRecoveryCodes(ctx, a.id, nil)
	})
}

// NewRecoveryCodes replaces the recovery codes of the caller, who must have a factor, and returns the new ones, which are shown this once.
func (s *Service) NewRecoveryCodes(ctx context.Context, p actor.Principal) ([]string, error) {
	a, err := s.person(ctx, p)
	if err != nil {
		return nil, err
	}
	codes := mfa.NewRecoveryCodes()
	e := aboutUser(newEvent(ctx, actionRecoveryCodes, "auth", "create", p), User{ID: p.UserID, Name: p.Name})
	return codes, s.o.Recorder.Record(ctx, a.tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, a.tenant)
		if confirmed, _, err := q.countFactors(ctx, a.id); err != nil || confirmed == 0 {
			return errors.Join(err, errs.New(errs.Conflict, "Recovery codes stand in for another factor; set one up first."))
		}
		return q.setRecoveryCodes(ctx, a.id, s.recoveryHashes(a.id, codes))
	})
}

func (s *Service) factorEvent(ctx context.Context, action, activity string, by actor.Principal, a account, f factorRow) (*event.Event, error) {
	u, err := s.open(ctx, a)
	if err != nil {
		return nil, err
	}
	one, err := s.openFactor(ctx, f)
	if err != nil {
		return nil, err
	}
	e := aboutUser(newEvent(ctx, action, "auth", activity, by), u)
	e.Data = []event.Member{selfaudit.Member("factor", map[string]string{"id": f.id, "kind": f.kind, "name": one.Name})}
	return e, nil
}

// seal seals a text of a tenant under a label that says what it is.
func (s *Service) seal(ctx context.Context, tenant, label, text string) ([]byte, error) {
	keys, err := s.o.TenantKeys(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return keys.Seal(label, []byte(text))
}

// unseal reads what seal has made; nothing is the empty text.
func (s *Service) unseal(ctx context.Context, tenant, label string, sealed []byte) (string, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	keys, err := s.o.TenantKeys(ctx, tenant)
	if err != nil {
		return "", err
	}
	text, err := keys.Open(label, sealed)
	if err != nil {
		return "", errs.Wrap(errs.Internal, err, "something sealed of an account cannot be read")
	}
	return string(text), nil
}

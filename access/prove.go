package access

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"probity.dev/access/mfa"
	"probity.dev/internal/errs"
)

// The kinds of factor, which are also the ways to prove who one is, with the two that need no factor.
const (
	FactorPasskey = "passkey"
	FactorTOTP    = "totp"
	WayRecovery   = "recovery_code"
	WayPassword   = "password"
)

// Proof is what a person shows beside or in place of a password; one of both.
type Proof struct {
	// Code is one of an authenticator app or a recovery code.
	Code string
	// Passkey is what the browser made of a passkey's answer (PublicKeyCredential.toJSON).
	Passkey json.RawMessage
}

// proved is an accepted proof. It counts once use has returned nil in the transaction that rests on it.
type proved struct {
	way string
	use func(ctx context.Context, q scoped) error
}

var (
	errWrongProof = errs.New(errs.Unauthorized, "That was not accepted. A code works once, for about a minute.")
	errNoPasskeys = errs.New(errs.Conflict, "This server has no address for which passkeys can be made; its operator sets public-url to an https address with a name.")
	// errReplayed is found by the database: somebody was quicker with the same proof.
	errReplayed = errors.New("the proof was used before")
)

func isReplay(err error) bool { return errors.Is(err, errReplayed) }

// once turns "no row was changed" into errReplayed.
func once(err error) error {
	if errs.CodeOf(err) == errs.NotFound {
		return errReplayed
	}
	return err
}

// waysOf lists what a person can prove, best first.
func (s *Service) waysOf(factors []factorRow, recoveryCodes int) []string {
	ways := []string{}
	has := func(kind string) bool {
		return slices.ContainsFunc(factors, func(f factorRow) bool { return f.kind == kind })
	}
	if s.passkeys != nil && has(FactorPasskey) {
		ways = append(ways, FactorPasskey)
	}
	if has(FactorTOTP) {
		ways = append(ways, FactorTOTP)
	}
	if len(factors) > 0 && recoveryCodes > 0 {
		ways = append(ways, WayRecovery)
	}
	return ways
}

// prove judges a proof of a person for a subject: the sign-in or session that it was asked for.
func (s *Service) prove(ctx context.Context, a account, subject string, proof Proof) (*proved, error) {
	if len(proof.Passkey) > 0 {
		return s.provePasskey(ctx, a, subject, false, proof.Passkey)
	}
	if code, is := mfa.IsCode(proof.Code); is {
		return s.proveCode(ctx, a, code)
	}
	code, is := mfa.IsRecoveryCode(proof.Code)
	if !is {
		return nil, errWrongProof
	}
	hash := s.recoveryHash(a.id, code)
	at := s.o.Now().UnixMicro()
	return &proved{WayRecovery, func(ctx context.Context, q scoped) error { return once(q.useRecoveryCode(ctx, a.id, hash, at)) }}, nil
}

func (s *Service) recoveryHash(accountID, code string) []byte {
	return s.index("recovery|" + accountID + "|" + code)
}

func (s *Service) proveCode(ctx context.Context, a account, code string) (*proved, error) {
	factors, err := in(s.o.DB.Read(ctx), a.tenant).factors(ctx, a.id)
	if err != nil {
		return nil, err
	}
	now := s.o.Now()
	for _, f := range factors {
		if f.kind != FactorTOTP {
			continue
		}
		secret, err := s.unseal(ctx, f.tenant, "factor|"+f.id+"|secret", f.secret)
		if err != nil {
			return nil, err
		}
		// Whether the step is later than the last one is asked in the transaction; a repeated code is told from a wrong one there.
		if step, ok := mfa.CheckCode(secret, code, now, 0); ok {
			return &proved{FactorTOTP, func(ctx context.Context, q scoped) error { return once(q.moveFactor(ctx, f.id, step, now.UnixMicro())) }}, nil
		}
	}
	return nil, errWrongProof
}

// passkeysOf returns the passkeys among factors with the factors that they are.
func (s *Service) passkeysOf(ctx context.Context, factors []factorRow) ([]*mfa.Passkey, []factorRow, error) {
	var keys []*mfa.Passkey
	var rows []factorRow
	for _, f := range factors {
		if f.kind != FactorPasskey {
			continue
		}
		text, err := s.unseal(ctx, f.tenant, "factor|"+f.id+"|secret", f.secret)
		if err != nil {
			return nil, nil, err
		}
		k, err := mfa.ParsePasskey([]byte(text))
		if err != nil {
			return nil, nil, err
		}
		keys, rows = append(keys, k.WithCount(f.moved)), append(rows, f)
	}
	return keys, rows, nil
}

// ask returns what a browser needs to have one of a person's passkeys answer.
func (s *Service) ask(ctx context.Context, a account, subject string) (json.RawMessage, error) {
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
	if len(keys) == 0 {
		return nil, errs.New(errs.NotFound, "You have no passkey here.")
	}
	return s.passkeys.Ask(subject, keys, false)
}

// ownerOfPasskey finds the account of a passkey that claims to answer. The error is the same for one that nobody has as for a wrong answer.
func (s *Service) ownerOfPasskey(ctx context.Context, answer json.RawMessage) (account, error) {
	if s.passkeys == nil {
		return account{}, errNoPasskeys
	}
	hash, err := mfa.Which(answer)
	if err != nil {
		return account{}, errWrongProof
	}
	f, err := factorByCredential(ctx, s.o.DB.Read(ctx), hash)
	if errs.CodeOf(err) == errs.NotFound {
		return account{}, errWrongProof
	}
	if err != nil {
		return account{}, err
	}
	return in(s.o.DB.Read(ctx), f.tenant).account(ctx, f.account)
}

func (s *Service) proveAlone(ctx context.Context, a account, answer json.RawMessage) (*proved, error) {
	return s.provePasskey(ctx, a, "alone", true, answer)
}

func (s *Service) provePasskey(ctx context.Context, a account, subject string, alone bool, answer json.RawMessage) (*proved, error) {
	if s.passkeys == nil {
		return nil, errNoPasskeys
	}
	factors, err := in(s.o.DB.Read(ctx), a.tenant).factors(ctx, a.id)
	if err != nil {
		return nil, err
	}
	keys, rows, err := s.passkeysOf(ctx, factors)
	if err != nil {
		return nil, err
	}
	k, answered, err := s.passkeys.Check(mfa.Person{ID: a.id, Passkeys: keys}, subject, alone, answer)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(rows, func(f factorRow) bool { return string(f.credential) == string(k.Hash()) })
	if i < 0 {
		return nil, errWrongProof
	}
	now := s.o.Now().UnixMicro()
	return &proved{FactorPasskey, func(ctx context.Context, q scoped) error {
		if err := noteAnswer(ctx, q.q, answered.Challenge, answered.Ends); err != nil {
			return once(err)
		}
		return once(q.moveFactor(ctx, rows[i].id, k.Count(), now))
	}}, nil
}

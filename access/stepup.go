package access

import (
	"context"
	"database/sql"
	"encoding/json"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// StepUpPolicy is what the API asks of people before something grave.
func (s *Service) StepUpPolicy() *api.StepUpPolicy {
	return &api.StepUpPolicy{Within: s.o.StepUpFor, Ways: s.Ways, Now: s.o.Now}
}

// AskStepUp returns what a browser needs to have one of the caller's passkeys answer for this session.
func (s *Service) AskStepUp(ctx context.Context, p actor.Principal) (json.RawMessage, error) {
	a, err := s.person(ctx, p)
	if err != nil {
		return nil, err
	}
	return s.ask(ctx, a, "step-up|"+p.SessionID)
}

// StepUp notes that the person of the caller's session has proved anew who they are: with a factor, or with the password when there is none. Guesses are slowed down per session and address.
func (s *Service) StepUp(ctx context.Context, p actor.Principal, password string, proof Proof) error {
	a, err := s.person(ctx, p)
	if err != nil {
		return err
	}
	attempt := s.factorThrottles(ctx, "session|"+p.SessionID, proof)
	if password != "" {
		attempt = append(attempt, throttled{subject: s.index("throttle|password|session|" + p.SessionID), free: freePerAccount})
	}
	if err := s.charge(ctx, attempt); err != nil {
		return err
	}
	given, err := s.proveAnew(ctx, a, p, password, proof)
	if err == nil {
		e := aboutUser(newEvent(ctx, actionStepUp, "auth", "other", p), User{ID: p.UserID, Name: p.Name})
		e.Data = []event.Member{selfaudit.Member("way", given.way)}
		err = s.o.Recorder.RecordLater(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
			q := in(tx, p.TenantID)
			if err := given.use(ctx, q); err != nil {
				return err
			}
			if err := forgive(ctx, tx, attempt); err != nil {
				return err
			}
			return q.stepUp(ctx, p.SessionID, p.UserID, s.o.Now().UnixMicro())
		})
	}
	if err == nil {
		return nil
	}
	if err := s.refuseFactor(ctx, a, actionStepUp, p, err); err != errWrongProof { //nolint:errorlint // the one value that it returns unwrapped
		return err
	}
	pointer := "/code"
	switch {
	case password != "":
		pointer = "/password"
	case len(proof.Passkey) > 0:
		pointer = "/passkey"
	}
	return errs.Field(pointer, "wrong", "%s", errWrongProof.Message)
}

func (s *Service) proveAnew(ctx context.Context, a account, p actor.Principal, password string, proof Proof) (*proved, error) {
	if password == "" {
		return s.prove(ctx, a, "step-up|"+p.SessionID, proof)
	}
	confirmed, _, err := in(s.o.DB.Read(ctx), a.tenant).countFactors(ctx, a.id)
	if err != nil {
		return nil, err
	}
	if confirmed > 0 {
		return nil, errs.Field("/password", "not_allowed", "You have a second factor; the password alone does not do.")
	}
	ok, err := s.hasher.verify(ctx, a.hash, password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errWrongProof
	}
	return &proved{WayPassword, func(ctx context.Context, q scoped) error {
		now, err := q.account(ctx, a.id)
		if err != nil {
			return err
		}
		if now.hash != a.hash {
			return errs.New(errs.Conflict, "The password was changed elsewhere at the same time.")
		}
		if confirmed, _, err := q.countFactors(ctx, a.id); err != nil || confirmed > 0 {
			return errs.New(errs.Conflict, "A second factor was set up at the same time.")
		}
		return nil
	}}, nil
}

// Restrict lets a session do hardly anything until that is lifted: be looked at, step up, and end. It is for whoever doubts whose session it is; reason says why.
func (s *Service) Restrict(ctx context.Context, by actor.Principal, sessionID string, on bool, reason string) error {
	if !by.IsSystem() {
		if err := mayManage(by); err != nil {
			return err
		}
	}
	row, err := in(s.o.DB.Read(ctx), by.TenantID).session(ctx, sessionID)
	if err != nil {
		return err
	}
	a, err := in(s.o.DB.Read(ctx), by.TenantID).account(ctx, row.account)
	if err != nil {
		return err
	}
	u, err := s.open(ctx, a)
	if err != nil {
		return err
	}
	action, activity := actionSessionFree, "enable"
	if on {
		action, activity = actionSessionRestrict, "disable"
	}
	e := aboutUser(newEvent(ctx, action, "security", activity, by), u)
	e.Resource, e.Reason = event.Resource{Type: "session", ID: sessionID}, reason
	e.Changes = []event.Change{selfaudit.Change("/restricted", !on, on)}
	return s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		return in(tx, by.TenantID).restrict(ctx, sessionID, on, s.o.Now().UnixMicro())
	})
}

package access

import (
	"context"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// BySession returns the caller of a session of a tenant as the session's own cookie would make it now, and when the session ends at the latest. It is no use of the session: it does not keep it from ending. The error is
// Unauthorized when the session has ended, its person is locked, or it is held in memory only (see [Service.Login]).
func (s *Service) BySession(ctx context.Context, tenantID, sessionID string) (actor.Principal, time.Time, error) {
	ended := errs.New(errs.Unauthorized, "The session has ended; sign in again.")
	if s.held.over(sessionID) {
		return actor.Principal{}, time.Time{}, ended
	}
	q := in(s.o.DB.Read(ctx), tenantID)
	row, err := q.session(ctx, sessionID)
	if errs.CodeOf(err) == errs.NotFound {
		err = ended
	}
	if err != nil {
		return actor.Principal{}, time.Time{}, err
	}
	a, err := q.account(ctx, row.account)
	if errs.CodeOf(err) == errs.NotFound {
		err = ended
	}
	if err != nil {
		return actor.Principal{}, time.Time{}, err
	}
	p, err := s.sessionCaller(ctx, row, a)
	return p, time.UnixMicro(row.expiresAt).UTC(), err
}

// Index is a keyed hash of the installation, by which the sub-packages find what is personal without storing it. label begins with what it is for and a bar.
func (s *Service) Index(label string) []byte { return s.index(label) }

// OnlyTenant returns the id of the tenant when the installation has exactly one, "" otherwise.
func (s *Service) OnlyTenant(ctx context.Context) (string, error) {
	return onlyTenant(ctx, s.o.DB.Read(ctx))
}

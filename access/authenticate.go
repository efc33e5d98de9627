package access

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
)

var _ api.Authenticator = (*Service)(nil)

// Authenticate implements [api.Authenticator]: an Authorization header with an API key, else the session cookie. A request that sends either twice is refused, because two readers might
// believe two different ones.
func (s *Service) Authenticate(ctx context.Context, r *http.Request) (actor.Principal, error) {
	switch auth := r.Header.Values("Authorization"); len(auth) {
	case 0:
	case 1:
		scheme, text, _ := strings.Cut(auth[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return actor.Principal{}, errs.New(errs.Unauthorized, "Send the API key as Authorization: Bearer pk_…")
		}
		return s.byKey(ctx, strings.TrimSpace(text))
	default:
		return actor.Principal{}, errs.New(errs.Unauthorized, "There must be one Authorization header.")
	}
	switch cookies := r.CookiesNamed(api.SessionCookie); len(cookies) {
	case 0:
		return actor.Principal{}, nil
	case 1:
		return s.bySession(ctx, cookies[0].Value)
	default:
		return actor.Principal{}, errs.New(errs.Unauthorized, "There must be one session cookie.")
	}
}

// noSuchKey is compared with when a prefix is unknown, so that knowing one takes as long as not knowing it.
var noSuchKey = make([]byte, 32)

func (s *Service) byKey(ctx context.Context, text string) (actor.Principal, error) {
	prefix, ok := splitKey(text)
	if !ok {
		return actor.Principal{}, errWrongKey
	}
	k, err := s.keyOf(ctx, prefix)
	if errs.CodeOf(err) == errs.NotFound {
		k.hash = noSuchKey
	} else if err != nil {
		return actor.Principal{}, err
	}
	now := s.o.Now()
	hash := hashToken(text)
	same := subtle.ConstantTimeCompare(k.hash, hash)|(subtle.ConstantTimeCompare(k.oldHash, hash)&before(now, k.OldUntil)) == 1
	if !same || err != nil || !k.RevokedAt.IsZero() || k.locked || (!k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)) {
		return actor.Principal{}, errWrongKey
	}
	s.noteKey(k.ID, now)
	return actor.Principal{TenantID: k.TenantID, KeyID: k.ID, Name: k.Name, Permissions: k.Scopes, Sources: k.Sources}, nil
}

// before is 1 when now is before t, otherwise 0.
func before(now, t time.Time) int {
	if now.Before(t) {
		return 1
	}
	return 0
}

func (s *Service) bySession(ctx context.Context, token string) (actor.Principal, error) {
	ended := errs.New(errs.Unauthorized, "The session has ended; sign in again.")
	if len(token) < 40 || len(token) > 64 {
		return actor.Principal{}, ended
	}
	row, a, err := s.sessionOf(ctx, token)
	if errs.CodeOf(err) == errs.NotFound {
		return actor.Principal{}, ended
	}
	if err != nil {
		return actor.Principal{}, err
	}
	p, err := s.sessionCaller(ctx, row, a)
	if err == nil {
		s.noteSession(row.id, s.o.Now())
	}
	return p, err
}

// sessionCaller returns the caller of a session that has not ended.
func (s *Service) sessionCaller(ctx context.Context, row sessionRow, a account) (actor.Principal, error) {
	if a.lockedAt.Valid || !s.lasts(row) {
		return actor.Principal{}, errs.New(errs.Unauthorized, "The session has ended; sign in again.")
	}
	u, err := s.open(ctx, a)
	if err != nil {
		return actor.Principal{}, err
	}
	p := person(u)
	p.SessionID, p.SteppedUpAt, p.Restricted = row.id, timeOf(row.steppedUp), row.restricted.Valid
	return p, nil
}

// StillThere reports whether a caller who was let in may go on. It is no use of the session, which therefore ends when nobody does anything else. The error is Unauthorized when the session or key has ended.
func (s *Service) StillThere(ctx context.Context, p actor.Principal) error {
	switch {
	case p.SessionID != "":
		row, err := in(s.o.DB.Read(ctx), p.TenantID).session(ctx, p.SessionID)
		if errs.CodeOf(err) == errs.NotFound && s.held.has(p.SessionID) {
			return nil
		}
		if errs.CodeOf(err) == errs.NotFound || err == nil && !s.lasts(row) {
			return errs.New(errs.Unauthorized, "The session has ended.")
		}
		return err
	case p.KeyID != "":
		_, err := s.Present(ctx, p)
		return err
	case p.UserID != "":
		_, err := s.Working(ctx, p.TenantID, p.UserID)
		return err
	}
	return nil
}

// lasts reports whether a session has not ended by time.
func (s *Service) lasts(row sessionRow) bool {
	now := s.o.Now()
	seen := time.UnixMicro(max(row.lastSeenAt, s.lastSeen(row.id)))
	return now.Before(time.UnixMicro(row.expiresAt)) && now.Sub(seen) < s.idle() && !s.held.over(row.id)
}

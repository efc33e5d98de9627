package access

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

var errMayNot = errs.New(errs.Forbidden, "Whoever asked for this may not do it any more.")

// Present returns the rights that somebody has now who asked for something earlier, as far as they were asked with: a user, an API key, or the server itself. It is Forbidden for a user who is locked or gone, and for a key that is
// revoked, expired or of a locked user.
func (s *Service) Present(ctx context.Context, asked actor.Principal) (actor.Principal, error) {
	now, err := s.Now(ctx, asked)
	if err != nil || asked.IsSystem() {
		return now, err
	}
	return within(asked, now), nil
}

// Now returns everything that a user, an API key or the server itself may do now, as [Service.Present] does for those who asked with all their rights.
func (s *Service) Now(ctx context.Context, who actor.Principal) (actor.Principal, error) {
	switch {
	case who.UserID != "":
		u, err := s.Working(ctx, who.TenantID, who.UserID)
		if err != nil {
			return actor.Principal{}, err
		}
		return person(u), nil
	case who.KeyID != "":
		return s.presentKey(ctx, who)
	}
	return who, nil
}

// Account is what tells whether two accounts are of one person: a keyed digest of its e-mail address, and when it was made. The error is NotFound when there is none.
func (s *Service) Account(ctx context.Context, tenantID, userID string) (alias string, made time.Time, err error) {
	a, err := in(s.o.DB.Read(ctx), tenantID).account(ctx, userID)
	return hex.EncodeToString(a.emailIndex), time.UnixMicro(a.createdAt).UTC(), err
}

// Working returns a user of a tenant who may sign in, and Forbidden when there is none with that id.
func (s *Service) Working(ctx context.Context, tenantID, userID string) (User, error) {
	a, err := in(s.o.DB.Read(ctx), tenantID).account(ctx, userID)
	if errs.CodeOf(err) == errs.NotFound || err == nil && a.lockedAt.Valid {
		return User{}, errMayNot
	}
	if err != nil {
		return User{}, err
	}
	return s.open(ctx, a)
}

func (s *Service) presentKey(ctx context.Context, asked actor.Principal) (actor.Principal, error) {
	q := in(s.o.DB.Read(ctx), asked.TenantID)
	k, err := q.key(ctx, asked.KeyID)
	if errs.CodeOf(err) == errs.NotFound {
		return actor.Principal{}, errMayNot
	}
	if err != nil {
		return actor.Principal{}, err
	}
	if !k.RevokedAt.IsZero() || !k.ExpiresAt.IsZero() && !s.o.Now().Before(k.ExpiresAt) {
		return actor.Principal{}, errMayNot
	}
	if k.CreatedBy != "" {
		if _, err := s.Working(ctx, asked.TenantID, k.CreatedBy); err != nil {
			return actor.Principal{}, err
		}
	}
	if err := s.openKey(ctx, &k); err != nil {
		return actor.Principal{}, err
	}
	return actor.Principal{TenantID: k.TenantID, KeyID: k.ID, Name: k.Name, Permissions: k.Scopes, Sources: k.Sources}, nil
}

// within leaves of somebody's rights those that they asked with: a role that has grown since, or a view that was masked on purpose, opens nothing more.
func within(asked, now actor.Principal) actor.Principal {
	if now.Unmasked() && !asked.Unmasked() {
		now.Roles, now.MaskAs = asked.Roles, asked.MaskAs
	}
	now.Permissions = slices.DeleteFunc(slices.Clone(now.Permissions), func(p string) bool { return !asked.Can(p) })
	return now
}

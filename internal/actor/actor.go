package actor

import (
	"context"
	"slices"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/glob"
)

// Principal is the authenticated caller of one request: a person at the console, an application with an API key, or the system
// itself. It is a value: holders never see it change.
type Principal struct {
	// TenantID is the tenant that every query of this caller is confined to. It is never empty for an authenticated caller.
	TenantID string
	// UserID is set for a person, KeyID for an API key or a service (see [ServiceKeyID]); exactly one of them is, except for the system, which has neither.
	UserID string
	KeyID  string
	// Name and Email describe a person (the name of a key for a key). They are personal: never log them.
	Name  string
	Email string
	// Roles are the ids of a person's roles in force everywhere in the tenant, the primary one first; none for a key.
	Roles []string
	// MaskAs are the built-in roles whose masking applies, those of the tenant's own roles included; where there are none, Roles are.
	MaskAs []string
	// Permissions are what this caller may do. They are shared: whoever changes them copies them first.
	Permissions []string
	// Sources are the globs of event sources that a key is bound to (* is any run of bytes); nil lets the caller write as any source.
	Sources []string
	// SessionID is the opaque identifier of the console session, "" without one. It is not the cookie and cannot be used as one.
	SessionID string
	// SteppedUpAt is when the person of the session last proved who they are, zero for never in this session.
	SteppedUpAt time.Time
	// Restricted says that the session may only be looked at, proved anew and ended, because somebody doubts whose it is.
	Restricted bool
	// Purpose is what the caller says the data is for, "" when he says nothing.
	Purpose string
	// IP is the client's address as far as the trusted proxies vouch for it.
	IP string
	// UserAgent is the client's own description of itself, cut to a sane length.
	UserAgent string
}

// System returns the principal under which the server itself acts for a tenant (scheduled work, the command line on the data
// directory). It may do everything within that tenant.
func System(tenantID string) Principal {
	return Principal{TenantID: tenantID, Name: "system", Permissions: Permissions()}
}

// IsSystem reports whether the principal is the server itself.
func (p Principal) IsSystem() bool { return p.TenantID != "" && p.UserID == "" && p.KeyID == "" }

// Role is the primary role of a person, "" for a person without one and for a key.
func (p Principal) Role() string {
	if len(p.Roles) == 0 {
		return ""
	}
	return p.Roles[0]
}

// Masked returns the caller without the right to read personal values as they are: it sees what an auditor sees where its role has that right.
func (p Principal) Masked() Principal {
	without := func(roles []string) []string {
		var out []string
		for _, r := range roles {
			if slices.Contains(RolePermissions(r), LedgerViewUnmasked) {
				r = RoleAuditor
			}
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
		return out
	}
	p.Roles, p.MaskAs = without(p.Roles), without(p.MaskAs)
	p.Permissions = slices.DeleteFunc(slices.Clone(p.Permissions), func(s string) bool { return s == LedgerViewUnmasked })
	return p
}

// Can reports whether the caller has a permission.
func (p Principal) Can(permission string) bool { return slices.Contains(p.Permissions, permission) }

// Unmasked reports whether the caller reads personal fields as they are.
func (p Principal) Unmasked() bool { return p.Can(LedgerViewUnmasked) }

// MayWriteAs reports whether the caller may append events under a source. A key that is bound to sources may use those only.
func (p Principal) MayWriteAs(source string) bool {
	if len(p.Sources) == 0 {
		return true
	}
	return slices.ContainsFunc(p.Sources, func(pattern string) bool { return glob.Match(pattern, source) })
}

// Type returns the actor type under which the caller appears in events: user, service_account, api_key or system.
func (p Principal) Type() string {
	switch {
	case p.UserID != "":
		return "user"
	case p.IsService():
		return "service_account"
	case p.KeyID != "":
		return "api_key"
	}
	return "system"
}

// ID returns the identifier under which the caller appears in events.
func (p Principal) ID() string {
	switch {
	case p.UserID != "":
		return p.UserID
	case p.KeyID != "":
		return p.KeyID
	}
	return "system"
}

type contextKey struct{}

// With returns a context that carries the caller.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the caller carried by ctx, and whether there is one.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(Principal)
	return p, ok && p.TenantID != ""
}

// Require returns the caller if it has the permission ("" asks for any authenticated caller). The error is Unauthorized when
// nobody is signed in and Forbidden, naming the missing permission, otherwise.
func Require(ctx context.Context, permission string) (Principal, error) {
	p, ok := From(ctx)
	if !ok {
		return Principal{}, errs.New(errs.Unauthorized, "Sign in or send an API key.")
	}
	if permission != "" && !p.Can(permission) {
		return Principal{}, errs.New(errs.Forbidden, "This needs the permission %s.", permission)
	}
	return p, nil
}

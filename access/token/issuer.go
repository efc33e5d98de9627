package token

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Issuer is a service outside that a tenant trusts to say who calls.
type Issuer struct {
	ID       string `json:"id"`
	TenantID string `json:"-"`
	Definition
	Paused    bool      `json:"paused"`
	CreatedAt time.Time `json:"created_at"`
}

// Definition is what an admin enters about an issuer.
type Definition struct {
	Name     string `json:"name" minLength:"1" maxLength:"100" doc:"What people call it"`
	Issuer   string `json:"issuer" maxLength:"1024" doc:"The iss of its tokens, to the letter" example:"https://login.example.com/"`
	Audience string `json:"audience" maxLength:"1024" doc:"What the aud of its tokens has to hold. Together with the issuer it leads to the tenant, so take one that no other tenant uses" example:"https://audit.example.com/api"`
	JWKSURL  string `json:"jwks_url" maxLength:"2048" doc:"Where its public keys are" example:"https://login.example.com/.well-known/jwks.json"`
	Claim    string `json:"claim,omitempty" maxLength:"100" doc:"The claim that lists scopes or roles, as a list or separated by spaces; dots lead into objects, as in realm_access.roles. scope when left out"`
	// Permissions is the most that any of its callers may do.
	Permissions []string            `json:"permissions" minItems:"1" maxItems:"200" doc:"The most that callers of this issuer may do. A scope operations.X grants the permission X if it is listed here"`
	Grants      map[string][]string `json:"grants,omitempty" doc:"What other values of the claim grant, by value; within permissions"`
}

const (
	maxIssuers = 100 // of a tenant
	maxGrants  = 100
	// scopePrefix begins the scopes that grant permissions without a mapping.
	scopePrefix  = "operations."
	defaultClaim = "scope"
)

// check applies the rules for an issuer and fills in what was left out. Nobody can let an issuer do what he may not do himself.
func (d *Definition) check(by actor.Principal, guard Guard) error {
	d.Name = strings.TrimSpace(d.Name)
	if d.Name == "" {
		return errs.Field("/name", "required", "Give the issuer a name.")
	}
	if u, err := url.Parse(d.Issuer); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return errs.Field("/issuer", "wrong_format", "The issuer is the web address that stands in iss.")
	}
	if strings.TrimSpace(d.Audience) == "" {
		return errs.Field("/audience", "required", "Say which audience the tokens must be for.")
	}
	if _, err := guard.CheckURL(d.JWKSURL); err != nil {
		return errs.Field("/jwks_url", "not_allowed", "%s", sentence(err))
	}
	if d.Claim == "" {
		d.Claim = defaultClaim
	}
	if err := checkPermissions("/permissions", d.Permissions, by); err != nil {
		return err
	}
	if len(d.Grants) > maxGrants {
		return errs.Field("/grants", "too_many", "At most %d values can be mapped.", maxGrants)
	}
	for value, list := range d.Grants {
		if value == "" || len(value) > maxText {
			return errs.Field("/grants", "wrong_format", "A value is 1 to %d bytes.", maxText)
		}
		for _, p := range list {
			if !slices.Contains(d.Permissions, p) {
				return errs.Field("/grants", "not_allowed", "%s is not among the permissions of the issuer.", p)
			}
		}
	}
	slices.Sort(d.Permissions)
	d.Permissions = slices.Compact(d.Permissions)
	return nil
}

// sentence is the message of an outbound error as a sentence of its own.
func sentence(err error) string {
	if e := outbound.AsError(err); e != nil {
		s := e.Error()
		return strings.ToUpper(s[:1]) + s[1:] + "."
	}
	return errs.Message(err)
}

func checkPermissions(pointer string, list []string, by actor.Principal) error {
	for _, p := range list {
		if !slices.Contains(actor.Permissions(), p) {
			return errs.Field(pointer, "not_allowed", "The permissions are %s.", strings.Join(actor.Permissions(), ", "))
		}
		if !by.Can(p) {
			err := errs.Field(pointer, "not_allowed", "You cannot give %s, because you do not have it.", p)
			err.Code = errs.Forbidden
			return err
		}
	}
	return nil
}

// allows returns what the values of a token's claim grant. Without a value that is known, that is nothing.
func (d *Definition) allows(values []string) []string {
	out := []string{}
	for _, v := range values {
		out = append(out, scoped(v)...)
		out = append(out, d.Grants[v]...)
	}
	out = slices.DeleteFunc(out, func(p string) bool {
		return !slices.Contains(d.Permissions, p) || !slices.Contains(actor.Permissions(), p)
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// scoped returns the permission that a scope names: operations.ledger.search names ledger.search, and a permission that begins with operations. is its own scope.
func scoped(scope string) []string {
	rest, ok := strings.CutPrefix(scope, scopePrefix)
	if !ok {
		return nil
	}
	return []string{rest, scope}
}

// scopeOf is the scope that grants a permission.
func scopeOf(permission string) string {
	if strings.HasPrefix(permission, scopePrefix) {
		return permission
	}
	return scopePrefix + permission
}

// Issuers returns the issuers that the caller's tenant trusts, oldest first.
func (s *Service) Issuers(ctx context.Context, by actor.Principal) ([]Issuer, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	return issuersOf(ctx, s.o.DB.Read(ctx), by.TenantID)
}

// Trust adds an issuer to the caller's tenant. Its keys are fetched first: an address that does not lead to any is refused. The error is a Conflict when this issuer and audience are entered already, here or elsewhere.
func (s *Service) Trust(ctx context.Context, by actor.Principal, d Definition) (Issuer, error) {
	if err := mayManage(by); err != nil {
		return Issuer{}, err
	}
	if err := s.checked(ctx, by, &d); err != nil {
		return Issuer{}, err
	}
	is := Issuer{ID: uuid.Must(uuid.NewV7()).String(), TenantID: by.TenantID, Definition: d, CreatedAt: s.o.Now().UTC().Truncate(time.Microsecond)}
	e := issuerEvent(ctx, "token_issuer.create", "create", by, is)
	e.Changes = changes(nil, &is)
	return is, s.recorded(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		all, err := issuersOf(ctx, tx, by.TenantID)
		if err == nil && len(all) >= maxIssuers {
			err = errs.New(errs.Conflict, "A tenant trusts at most %d issuers.", maxIssuers)
		}
		if err != nil {
			return err
		}
		return insertIssuer(ctx, tx, is)
	})
}

func (s *Service) checked(ctx context.Context, by actor.Principal, d *Definition) error {
	if err := d.check(by, s.o.Guard); err != nil {
		return err
	}
	if s.o.PublicURL != "" && d.Issuer == s.o.PublicURL {
		return errs.Field("/issuer", "not_allowed", "This is this installation's own name.")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	if _, err := fetchJWKS(ctx, s.o.HTTP, d.JWKSURL); err != nil {
		return errs.Field("/jwks_url", "not_reachable", "The keys cannot be fetched: %s", sentence(err))
	}
	return nil
}

// Change replaces what was entered about an issuer of the caller's tenant, and pauses or resumes it. Tokens that were accepted are not asked for again: they hold for the change at once.
func (s *Service) Change(ctx context.Context, by actor.Principal, id string, d Definition, paused bool) (Issuer, error) {
	if err := mayManage(by); err != nil {
		return Issuer{}, err
	}
	old, err := issuerOf(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return Issuer{}, err
	}
	if !paused || d.JWKSURL != old.JWKSURL { // pausing must not need an issuer that answers
		if err := s.checked(ctx, by, &d); err != nil {
			return Issuer{}, err
		}
	} else if err := d.check(by, s.o.Guard); err != nil {
		return Issuer{}, err
	}
	next := old
	next.Definition, next.Paused = d, paused
	e := issuerEvent(ctx, "token_issuer.update", "update", by, next)
	if e.Changes = changes(&old, &next); len(e.Changes) == 0 {
		return old, nil
	}
	return next, s.recorded(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return updateIssuer(ctx, tx, next) })
}

// Distrust removes an issuer of the caller's tenant; its tokens are refused from then on.
func (s *Service) Distrust(ctx context.Context, by actor.Principal, id string) error {
	if err := mayManage(by); err != nil {
		return err
	}
	old, err := issuerOf(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return err
	}
	e := issuerEvent(ctx, "token_issuer.delete", "delete", by, old)
	e.Changes = changes(&old, nil)
	return s.recorded(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return deleteIssuer(ctx, tx, by.TenantID, id) })
}

// recorded records an event with its effect and forgets what this server remembers of issuers.
func (s *Service) recorded(ctx context.Context, tenantID string, e *event.Event, effect func(context.Context, *sql.Tx) error) error {
	err := s.o.Recorder.Record(ctx, tenantID, e, effect)
	s.issuers.clear()
	return err
}

func mayManage(p actor.Principal) error {
	if p.TenantID == "" || !p.Can(actor.AccessManage) {
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessManage)
	}
	return nil
}

func issuerEvent(ctx context.Context, action, activity string, by actor.Principal, is Issuer) *event.Event {
	return selfaudit.New(ctx, by, "access", action, activity, event.Resource{Type: "token_issuer", ID: is.ID, Name: is.Name})
}

// changes lists what differs between two states of an issuer, nil standing for none.
func changes(before, after *Issuer) []event.Change {
	fields := func(is *Issuer) map[string]any {
		if is == nil {
			return map[string]any{}
		}
		return map[string]any{"/name": is.Name, "/issuer": is.Issuer, "/audience": is.Audience, "/jwks_url": is.JWKSURL, "/claim": is.Claim, "/permissions": is.Permissions, "/grants": is.Grants, "/paused": is.Paused}
	}
	return selfaudit.Changes(fields(before), fields(after))
}

func definitionText(d Definition) string {
	b, err := json.Marshal(d)
	if err != nil {
		panic("token: a definition cannot be written: " + err.Error())
	}
	return string(b)
}

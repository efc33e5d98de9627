package oidc

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity.dev/access/scope"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Provider is an OpenID provider of a tenant.
type Provider struct {
	ID string `json:"id"`
	Definition
	HasSecret   bool      `json:"has_secret"`
	Paused      bool      `json:"paused"`
	CreatedAt   time.Time `json:"created_at"`
	RedirectURL string    `json:"redirect_url" doc:"What to enter at the provider as the address to return to"`

	// LogoutURL and BackchannelURL are for signing out.
	LogoutURL      string `json:"logout_url" doc:"What to enter at the provider as the address to return to after signing out (post-logout redirect URI)"`
	BackchannelURL string `json:"backchannel_logout_url" doc:"What to enter at the provider as the address for back-channel logout, with which it ends sessions here"`

	tenant string
	sealed []byte
}

// Definition is what an admin enters about a provider.
type Definition struct {
	Name     string   `json:"name" minLength:"1" maxLength:"60" doc:"What stands on the button of the sign-in page"`
	Issuer   string   `json:"issuer" maxLength:"1024" example:"https://login.example.com"`
	ClientID string   `json:"client_id" minLength:"1" maxLength:"256"`
	Domains  []string `json:"domains,omitempty" maxItems:"50" doc:"Domains for whose e-mail addresses the provider is trusted: only people with a verified address there get in, and find the account that has it. Empty: accounts are found by issuer and sub alone"`
	// GroupsClaim and Roles say which role somebody gets; without Roles, roles are left as they are.
	GroupsClaim string            `json:"groups_claim,omitempty" maxLength:"100" doc:"The claim of the ID token that lists groups; groups when left out"`
	Roles       map[string]string `json:"roles,omitempty" doc:"Role by group. Somebody who is in none of them gets default_role, or is refused when there is none"`
	DefaultRole string            `json:"default_role,omitempty" doc:"The role of people who sign in for the first time, and of those whom roles gives none"`
	CreateUsers bool              `json:"create_users" doc:"Whether people who have no account get one at their first sign-in, which needs domains"`
}

// address fills in what is to be entered at the provider.
func (s *Service) address(p *Provider) {
	p.RedirectURL, p.LogoutURL, p.BackchannelURL = s.redirectURL(p.ID), s.logoutURL(p.ID), s.backchannelURL(p.ID)
}

const maxProviders = 20 // of a tenant

var domainPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`)

// check applies the rules. Nobody can let a provider give a role that may do more than he may.
func (d *Definition) check(by actor.Principal, guard Guard) error {
	d.Name, d.ClientID = strings.TrimSpace(d.Name), strings.TrimSpace(d.ClientID)
	if d.Name == "" || d.ClientID == "" {
		return errs.Field("/name", "required", "Give a name and a client id.")
	}
	u, err := url.Parse(d.Issuer)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return errs.Field("/issuer", "wrong_format", "The issuer is a web address without ? and #.")
	}
	if _, err := guard.CheckURL(d.Issuer); err != nil {
		return errs.Field("/issuer", "not_allowed", "%s", sentence(err))
	}
	for i, x := range d.Domains {
		if d.Domains[i] = strings.ToLower(strings.TrimSpace(x)); !domainPattern.MatchString(d.Domains[i]) {
			return errs.Field("/domains", "wrong_format", "A domain is what follows the @, such as example.com.")
		}
	}
	if d.GroupsClaim == "" {
		d.GroupsClaim = "groups"
	}
	if d.CreateUsers && (d.DefaultRole == "" && len(d.Roles) == 0 || len(d.Domains) == 0) {
		return errs.Field("/create_users", "required", "To make accounts, name the domains whose people get one, and a role for them.")
	}
	for _, role := range append(slices.Collect(values(d.Roles)), d.DefaultRole) {
		if role == "" {
			continue
		}
		if !slices.Contains(actor.Roles(), role) {
			return errs.Field("/roles", "not_allowed", "The role is one of %s.", strings.Join(actor.Roles(), ", "))
		}
		for _, p := range actor.RolePermissions(role) {
			if !by.Can(p) {
				err := errs.Field("/roles", "not_allowed", "You cannot give the role %s, because it may do more than you.", role)
				err.Code = errs.Forbidden
				return err
			}
		}
	}
	return nil
}

func values(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// role returns the role that groups give: of several the strongest, in the order of [actor.Roles]; "" for none.
func (d *Definition) role(groups []string) string {
	for _, role := range actor.Roles() {
		for _, g := range groups {
			if d.Roles[g] == role {
				return role
			}
		}
	}
	return d.DefaultRole
}

// trusts returns whether the provider is trusted for the domain of an address.
func (d *Definition) trusts(email string) bool {
	at := strings.LastIndexByte(email, '@')
	return at > 0 && slices.Contains(d.Domains, strings.ToLower(email[at+1:]))
}

func mayManage(p actor.Principal) error {
	if p.TenantID == "" || !p.Can(actor.AccessManage) {
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessManage)
	}
	return nil
}

const columns = `id, tenant_id, definition, secret, paused, created_at`

func (s *Service) scan(r scope.Scanner) (Provider, error) {
	var p Provider
	var definition string
	var paused, created int64
	if err := r.Scan(&p.ID, &p.tenant, &definition, &p.sealed, &paused, &created); err != nil {
		return p, scope.Scanned(err, "There is no such provider.")
	}
	if err := json.Unmarshal([]byte(definition), &p.Definition); err != nil {
		return p, errs.Wrap(errs.Internal, err, "a provider cannot be read")
	}
	p.HasSecret, p.Paused, p.CreatedAt = len(p.sealed) > 0, paused != 0, time.UnixMicro(created).UTC()
	s.address(&p)
	return p, nil
}

func (s *Service) of(ctx context.Context, tenant string) ([]Provider, error) {
	rows, err := scope.In(s.o.DB.Read(ctx), tenant).Rows(ctx, `SELECT `+columns+` FROM oidc_provider WHERE tenant_id = $1 ORDER BY created_at, id`)
	return scope.Collect(rows, err, s.scan)
}

func (s *Service) one(ctx context.Context, tenant, id string) (Provider, error) {
	return s.scan(scope.In(s.o.DB.Read(ctx), tenant).Row(ctx, `SELECT `+columns+` FROM oidc_provider WHERE id = $1 AND tenant_id = $2`, id))
}

// named returns a provider of whatever tenant, for somebody who is not signed in yet: its id says which.
func (s *Service) named(ctx context.Context, id string) (Provider, error) {
	return s.scan(s.o.DB.Read(ctx).QueryRowContext(ctx, `SELECT `+columns+` FROM oidc_provider WHERE id = $1 AND paused = 0`, id))
}

// Providers returns the providers of the caller's tenant, oldest first.
func (s *Service) Providers(ctx context.Context, by actor.Principal) ([]Provider, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	return s.of(ctx, by.TenantID)
}

// Add adds a provider to the caller's tenant. Its description is fetched first: an address that does not lead to one is refused.
func (s *Service) Add(ctx context.Context, by actor.Principal, d Definition, secret string) (Provider, error) {
	if err := mayManage(by); err != nil {
		return Provider{}, err
	}
	if s.o.PublicURL == "" {
		return Provider{}, errNoAddress
	}
	if err := s.checked(ctx, by, &d); err != nil {
		return Provider{}, err
	}
	p := Provider{ID: uuid.Must(uuid.NewV7()).String(), Definition: d, CreatedAt: s.o.Now().UTC().Truncate(time.Microsecond), HasSecret: secret != "", tenant: by.TenantID}
	s.address(&p)
	var err error
	if p.sealed, err = s.sealSecret(ctx, p, secret); err != nil {
		return Provider{}, err
	}
	e := providerEvent(ctx, "oidc_provider.create", "create", by, p)
	e.Changes = selfaudit.Changes(map[string]any{}, fields(p))
	return p, s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		q := scope.In(tx, by.TenantID)
		var n int
		if err := q.Row(ctx, `SELECT COUNT(*) FROM oidc_provider WHERE tenant_id = $1`).Scan(&n); err != nil {
			return err
		}
		if n >= maxProviders {
			return errs.New(errs.Conflict, "A tenant has at most %d providers.", maxProviders)
		}
		_, err := q.Exec(ctx, `INSERT INTO oidc_provider (id, definition, secret, paused, created_at, tenant_id) VALUES ($1, $2, $3, 0, $4, $5)`, p.ID, text(d), p.sealed, p.CreatedAt.UnixMicro())
		return err
	})
}

var errNoAddress = errs.New(errs.Conflict, "Providers send people back to the public address of this installation, which the operator has not set (public-url).")

func (s *Service) checked(ctx context.Context, by actor.Principal, d *Definition) error {
	if err := d.check(by, s.o.Guard); err != nil {
		return err
	}
	if _, err := s.discover(ctx, d.Issuer); err != nil {
		return errs.Field("/issuer", "not_reachable", "The provider's description cannot be fetched: %s", sentence(err))
	}
	return nil
}

func (s *Service) sealSecret(ctx context.Context, p Provider, secret string) ([]byte, error) {
	if secret == "" {
		return []byte{}, nil
	}
	return s.o.Sealer.Seal(ctx, p.tenant, "oidc_provider|"+p.ID, []byte(secret))
}

// Change replaces what was entered about a provider of the caller's tenant; secret nil keeps the one that there is. Accounts that are linked stay so while the issuer is the same.
func (s *Service) Change(ctx context.Context, by actor.Principal, id string, d Definition, secret *string, paused bool) (Provider, error) {
	if err := mayManage(by); err != nil {
		return Provider{}, err
	}
	old, err := s.one(ctx, by.TenantID, id)
	if err != nil {
		return Provider{}, err
	}
	if paused { // which must not need a provider that answers
		err = d.check(by, s.o.Guard)
	} else {
		err = s.checked(ctx, by, &d)
	}
	if err != nil {
		return Provider{}, err
	}
	next := old
	next.Definition, next.Paused = d, paused
	if secret != nil {
		if next.sealed, err = s.sealSecret(ctx, next, *secret); err != nil {
			return Provider{}, err
		}
		next.HasSecret = *secret != ""
	}
	e := providerEvent(ctx, "oidc_provider.update", "update", by, next)
	if e.Changes = selfaudit.Changes(fields(old), fields(next)); secret != nil {
		e.Data = []event.Member{selfaudit.Member("secret", "replaced")}
	} else if len(e.Changes) == 0 {
		return old, nil
	}
	return next, s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		n := 0
		if paused {
			n = 1
		}
		return scope.In(tx, by.TenantID).Must(ctx, errNone, `UPDATE oidc_provider SET definition = $1, secret = $2, paused = $3 WHERE id = $4 AND tenant_id = $5`, text(d), next.sealed, n, id)
	})
}

var errNone = errs.New(errs.NotFound, "There is no such provider.")

// Remove removes a provider of the caller's tenant. Sessions that began there go on.
func (s *Service) Remove(ctx context.Context, by actor.Principal, id string) error {
	if err := mayManage(by); err != nil {
		return err
	}
	old, err := s.one(ctx, by.TenantID, id)
	if err != nil {
		return err
	}
	e := providerEvent(ctx, "oidc_provider.delete", "delete", by, old)
	e.Changes = selfaudit.Changes(fields(old), map[string]any{})
	return s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		return scope.In(tx, by.TenantID).Must(ctx, errNone, `DELETE FROM oidc_provider WHERE id = $1 AND tenant_id = $2`, id)
	})
}

func providerEvent(ctx context.Context, action, activity string, by actor.Principal, p Provider) *event.Event {
	return selfaudit.New(ctx, by, "access", action, activity, event.Resource{Type: "oidc_provider", ID: p.ID, Name: p.Name})
}

func fields(p Provider) map[string]any {
	return map[string]any{"/name": p.Name, "/issuer": p.Issuer, "/client_id": p.ClientID, "/domains": p.Domains, "/groups_claim": p.GroupsClaim, "/roles": p.Roles, "/default_role": p.DefaultRole,
		"/create_users": p.CreateUsers, "/paused": p.Paused}
}

func text(d Definition) string {
	b, err := json.Marshal(d)
	if err != nil {
		panic("oidc: a definition cannot be written: " + err.Error())
	}
	return string(b)
}

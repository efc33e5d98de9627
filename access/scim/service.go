package scim

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"probity.dev/access/denial"
	"probity.dev/access/scope"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Recorder records an event together with its effect; see access.Recorder.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Sealer keeps what a directory says of people.
type Sealer interface {
	Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
	Unseal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
}

// Account is an account of the tenant.
type Account struct {
	ID, Email, Name string
	Active          bool
	CreatedAt       time.Time
}

// Accounts are the accounts that a directory manages. by is the directory's key, with the rights that the tenant's settings give it.
type Accounts interface {
	List(ctx context.Context, by actor.Principal) ([]Account, error)
	Provision(ctx context.Context, by actor.Principal, email, name, role, source string, also func(ctx context.Context, tx *sql.Tx, userID string) error) (string, error)
	// Change renames an account, changes its address, locks or unlocks it; also runs in the last transaction, or in one of its own when nothing changes.
	Change(ctx context.Context, by actor.Principal, next Account, also func(ctx context.Context, tx *sql.Tx) error) error
	SetRole(ctx context.Context, by actor.Principal, userID, role string) error
}

// Options of [New].
type Options struct {
	DB       *sqldb.DB
	Recorder Recorder
	Sealer   Sealer
	Accounts Accounts
	Denials  *denial.Log
	// Index is a keyed hash of the installation.
	Index func(label string) []byte
	// PublicURL is where resources say that they are, without a trailing slash; "" gives paths.
	PublicURL string
	Logger    *slog.Logger
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service provisions accounts. It is safe for concurrent use.
type Service struct{ o Options }

// New returns the service.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o}
}

// Settings say what a directory's people may do.
type Settings struct {
	DefaultRole string            `json:"default_role" doc:"The role of people whom the directory adds, and of those whose groups give none"`
	Roles       map[string]string `json:"roles,omitempty" doc:"Role by the name of a group; of several the weightiest. Empty: roles are left as they are after an account is made"`
}

// Settings returns those of the caller's tenant.
func (s *Service) Settings(ctx context.Context, by actor.Principal) (Settings, error) {
	if !by.Can(actor.AccessManage) {
		return Settings{}, errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessManage)
	}
	return s.settings(ctx, by.TenantID)
}

func (s *Service) settings(ctx context.Context, tenant string) (Settings, error) {
	out := Settings{DefaultRole: actor.RoleViewer}
	var text string
	err := scope.In(s.o.DB.Read(ctx), tenant).Row(ctx, `SELECT definition FROM scim_setting WHERE tenant_id = $1`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return out, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &out)
	}
	return out, sqldb.Translate(err)
}

// SetSettings replaces those of the caller's tenant. Nobody can let a directory give a role that may do more than he may.
func (s *Service) SetSettings(ctx context.Context, by actor.Principal, next Settings) (Settings, error) {
	old, err := s.Settings(ctx, by)
	if err != nil {
		return old, err
	}
	for _, role := range append([]string{next.DefaultRole}, valuesOf(next.Roles)...) {
		if !slices.Contains(actor.Roles(), role) {
			return old, errs.Field("/roles", "not_allowed", "The role is one of %s.", strings.Join(actor.Roles(), ", "))
		}
		for _, p := range actor.RolePermissions(role) {
			if !by.Can(p) {
				err := errs.Field("/roles", "not_allowed", "You cannot give the role %s, because it may do more than you.", role)
				err.Code = errs.Forbidden
				return old, err
			}
		}
	}
	e := selfaudit.New(ctx, by, "access", "scim.configure", "update", event.Resource{Type: "directory", ID: by.TenantID})
	if e.Changes = selfaudit.Changes(fieldsOf(old), fieldsOf(next)); len(e.Changes) == 0 {
		return old, nil
	}
	b, err := json.Marshal(next)
	if err != nil {
		return old, err
	}
	return next, s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		_, err := scope.In(tx, by.TenantID).Exec(ctx, `INSERT INTO scim_setting (definition, tenant_id) VALUES ($1, $2) ON CONFLICT (tenant_id) DO UPDATE SET definition = excluded.definition`, string(b))
		return err
	})
}

func fieldsOf(x Settings) map[string]any {
	return map[string]any{"/default_role": x.DefaultRole, "/roles": x.Roles}
}

func valuesOf(m map[string]string) (out []string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// empowered is a directory's key with the rights that the tenant's settings give it: what it may cause is bounded by this package and the settings, not by its scopes.
func empowered(by actor.Principal) actor.Principal {
	by.Permissions = actor.Permissions()
	return by
}

// role returns the role that groups give.
func (x Settings) role(groups []string) string {
	for _, role := range actor.Roles() {
		for _, g := range groups {
			if x.Roles[g] == role {
				return role
			}
		}
	}
	return x.DefaultRole
}

// assign gives accounts the roles of their groups. That the last admin keeps his role, or the one who made the key his, is no error of the directory.
func (s *Service) assign(ctx context.Context, by actor.Principal, accounts []string) error {
	x, err := s.settings(ctx, by.TenantID)
	if err != nil || len(x.Roles) == 0 || len(accounts) == 0 {
		return err
	}
	groups, err := s.groups(ctx, by.TenantID)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, g := range groups {
		names[g.id] = str(g.resource["displayName"])
	}
	members, err := s.memberships(ctx, by.TenantID)
	if err != nil {
		return err
	}
	of := map[string][]string{}
	for _, m := range members {
		of[m.account] = append(of[m.account], names[m.group])
	}
	for _, a := range accounts {
		err := s.o.Accounts.SetRole(ctx, empowered(by), a, x.role(of[a]))
		if code := errs.CodeOf(err); code != "" && code != errs.Conflict {
			return err
		}
	}
	return nil
}

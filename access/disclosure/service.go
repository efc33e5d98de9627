package disclosure

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"probity.dev/access/masking"
	"probity.dev/access/scope"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// fresh is how long a policy is used before it is looked whether another server has changed it.
const fresh = 500 * time.Millisecond

// Recorder records an event together with its effect; see access.Recorder.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Own is what a tenant has decided: what it names replaces what the operator's policy says.
type Own struct {
	Roles          map[string]masking.Role    `json:"roles,omitempty"`
	Purposes       map[string]masking.Purpose `json:"purposes,omitempty"`
	RequirePurpose bool                       `json:"require_purpose,omitempty"`
}

// Version is one state of a tenant's decisions.
type Version struct {
	Version   int64     `json:"version" format:"int53"`
	ChangedBy string    `json:"changed_by" doc:"Id of the user or API key"`
	ChangedAt time.Time `json:"changed_at"`
	Own
}

// Service keeps the policies. It is safe for concurrent use.
type Service struct {
	db       *sqldb.DB
	recorder Recorder
	base     masking.Policy
	now      func() time.Time
	// Find is the detector of personal data in texts, for previews.
	Find masking.Finder

	mu   sync.Mutex
	held map[string]held
}

type held struct {
	version int64
	policy  masking.Policy
	at      time.Time
}

// New returns the service; base is the operator's policy, and now replaces the clock when it is not nil.
func New(db *sqldb.DB, r Recorder, base masking.Policy, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{db: db, recorder: r, base: base, now: now, held: map[string]held{}}
}

// Policy returns the policy in force for a tenant, and its version: 0 while the tenant has decided nothing. What another server changes holds here within half a second.
func (s *Service) Policy(ctx context.Context, tenant string) (masking.Policy, int64, error) {
	s.mu.Lock()
	h, ok := s.held[tenant]
	s.mu.Unlock()
	if ok && s.now().Sub(h.at) < fresh {
		return h.policy, h.version, nil
	}
	at := s.now()
	v, err := s.newest(ctx, tenant)
	if err != nil {
		return masking.Policy{}, 0, err
	}
	if !ok || v.Version != h.version {
		h = held{version: v.Version, policy: s.apply(v.Own)}
	}
	h.at = at
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[tenant] = h
	return h.policy, h.version, nil
}

// apply puts what a tenant has decided over the operator's policy.
func (s *Service) apply(o Own) masking.Policy {
	p := s.base
	p.Roles, p.Purposes = maps.Clone(s.base.Roles), maps.Clone(s.base.Purposes)
	maps.Copy(p.Roles, o.Roles)
	if p.Purposes == nil {
		p.Purposes = map[string]masking.Purpose{}
	}
	maps.Copy(p.Purposes, o.Purposes)
	p.RequirePurpose = s.base.RequirePurpose || o.RequirePurpose
	return p
}

func scan(r scope.Scanner) (v Version, err error) {
	var text string
	var at int64
	if err := r.Scan(&v.Version, &text, &v.ChangedBy, &at); err != nil {
		return v, scope.Scanned(err, "There is no such version.")
	}
	v.ChangedAt = scope.Time(at)
	if err := json.Unmarshal([]byte(text), &v.Own); err != nil {
		return v, errs.Wrap(errs.Internal, err, "a masking policy cannot be read")
	}
	return v, nil
}

func (s *Service) newest(ctx context.Context, tenant string) (Version, error) {
	v, err := scan(scope.In(s.db.Read(ctx), tenant).Row(ctx, `SELECT version, policy, changed_by, changed_at FROM masking_policy WHERE tenant_id = $1 ORDER BY version DESC LIMIT 1`))
	if errs.CodeOf(err) == errs.NotFound {
		return Version{}, nil
	}
	return v, err
}

func mayManage(p actor.Principal) error {
	if p.TenantID == "" || !p.Can(actor.SettingsManage) {
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.SettingsManage)
	}
	return nil
}

// Versions returns the newest 100 versions of the caller's tenant, newest first.
func (s *Service) Versions(ctx context.Context, by actor.Principal) ([]Version, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	rows, err := scope.In(s.db.Read(ctx), by.TenantID).Rows(ctx, `SELECT version, policy, changed_by, changed_at FROM masking_policy WHERE tenant_id = $1 ORDER BY version DESC LIMIT 100`)
	return scope.Collect(rows, err, scan)
}

// check refuses what cannot apply.
func (s *Service) check(o Own) error {
	for name := range o.Roles {
		if !slices.Contains(actor.Roles(), name) {
			return errs.Field("/roles", "unknown", "Masks are given to the built-in roles; a role of your own is masked as the one that it was copied from.")
		}
	}
	return s.apply(o).Validate()
}

// Set replaces what the caller's tenant has decided. based is the version that the caller saw; the error is a Conflict when there is a newer one.
func (s *Service) Set(ctx context.Context, by actor.Principal, o Own, based int64, reason string) (Version, error) {
	if err := mayManage(by); err != nil {
		return Version{}, err
	}
	if err := s.check(o); err != nil {
		return Version{}, err
	}
	old, err := s.newest(ctx, by.TenantID)
	if err != nil {
		return Version{}, err
	}
	if old.Version != based {
		return Version{}, errChanged
	}
	v := Version{Version: based + 1, ChangedBy: by.ID(), ChangedAt: s.now().UTC().Truncate(time.Microsecond), Own: o}
	e := selfaudit.New(ctx, by, "governance", "settings.masking", "update", event.Resource{Type: "masking_policy", ID: by.TenantID})
	e.Reason = reason
	e.Data = []event.Member{selfaudit.Member("version", v.Version)}
	if e.Changes = changes(s.apply(old.Own), s.apply(o)); len(e.Changes) == 0 {
		return old, nil
	}
	text, err := json.Marshal(o)
	if err != nil {
		return Version{}, err
	}
	err = s.recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		q := scope.In(tx, by.TenantID)
		var newest int64
		if err := q.Row(ctx, `SELECT COALESCE(MAX(version), 0) FROM masking_policy WHERE tenant_id = $1`).Scan(&newest); err != nil {
			return sqldb.Translate(err)
		}
		if newest != based {
			return errChanged
		}
		_, err := q.Exec(ctx, `INSERT INTO masking_policy (version, policy, changed_by, changed_at, tenant_id) VALUES ($1, $2, $3, $4, $5)`, v.Version, string(text), v.ChangedBy, v.ChangedAt.UnixMicro())
		return err
	})
	if err != nil {
		return Version{}, err
	}
	s.mu.Lock()
	delete(s.held, by.TenantID)
	s.mu.Unlock()
	return v, nil
}

var errChanged = errs.New(errs.Conflict, "Somebody has changed the masking policy meanwhile; look at it again.")

// maxChanges bounds the changes that an event lists; each is one role or purpose.
const maxChanges = 20

// changes says what differs, by role and purpose.
func changes(before, after masking.Policy) (out []event.Change) {
	add := func(path string, a, b any) {
		if !reflect.DeepEqual(a, b) && len(out) < maxChanges {
			out = append(out, selfaudit.Change(path, a, b))
		}
	}
	add("/require_purpose", before.RequirePurpose, after.RequirePurpose)
	for _, name := range slices.Sorted(maps.Keys(after.Roles)) {
		add("/roles/"+name, before.Roles[name], after.Roles[name])
	}
	names := maps.Clone(before.Purposes)
	maps.Copy(names, after.Purposes)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		add("/purposes/"+name, before.Purposes[name], after.Purposes[name])
	}
	return out
}

package flag

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

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

// Sealer keeps what people write about a flag.
type Sealer interface {
	Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
	Unseal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
}

// Service keeps the flags. It is safe for concurrent use.
type Service struct {
	db       *sqldb.DB
	recorder Recorder
	sealer   Sealer
	now      func() time.Time
}

// New returns the service; now replaces the clock when it is not nil.
func New(db *sqldb.DB, r Recorder, s Sealer, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{db: db, recorder: r, sealer: s, now: now}
}

func label(name string) string { return "feature_flag|" + name }

func (s *Service) scan(ctx context.Context, tenant string) func(scope.Scanner) (Flag, error) {
	return func(r scope.Scanner) (Flag, error) {
		f := Flag{tenant: tenant}
		var sealed []byte
		var changed int64
		if err := r.Scan(&f.Name, &sealed, &changed); err != nil {
			return f, scope.Scanned(err, "There is no such flag.")
		}
		f.ChangedAt = scope.Time(changed)
		b, err := s.sealer.Unseal(ctx, tenant, label(f.Name), sealed)
		if err == nil {
			err = json.Unmarshal(b, &f.Definition)
		}
		if err != nil {
			return f, errs.Wrap(errs.Internal, err, "a flag cannot be read")
		}
		return f, nil
	}
}

func (s *Service) all(ctx context.Context, tenant string) ([]Flag, error) {
	rows, err := scope.In(s.db.Read(ctx), tenant).Rows(ctx, `SELECT name, definition, changed_at FROM feature_flag WHERE tenant_id = $1 ORDER BY name`)
	return scope.Collect(rows, err, s.scan(ctx, tenant))
}

func (s *Service) one(ctx context.Context, q scope.Querier, tenant, name string) (Flag, error) {
	return s.scan(ctx, tenant)(scope.In(q, tenant).Row(ctx, `SELECT name, definition, changed_at FROM feature_flag WHERE name = $1 AND tenant_id = $2`, name))
}

func mayManage(p actor.Principal) error {
	if p.TenantID == "" || !p.Can(actor.SettingsManage) {
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.SettingsManage)
	}
	return nil
}

// Flags returns the flags of the caller's tenant by name.
func (s *Service) Flags(ctx context.Context, by actor.Principal) ([]Flag, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	return s.all(ctx, by.TenantID)
}

// Set makes or replaces a flag of the caller's tenant. The error is a Conflict when somebody else changed it at the same time.
func (s *Service) Set(ctx context.Context, by actor.Principal, name string, d Definition) (Flag, error) {
	if err := mayManage(by); err != nil {
		return Flag{}, err
	}
	if !namePattern.MatchString(name) {
		return Flag{}, errs.Field("path/name", "wrong_format", "A flag is named by a letter and up to 63 of a-z, 0-9 and _.-.")
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	if err := d.check(now); err != nil {
		return Flag{}, err
	}
	old, err := s.one(ctx, s.db.Read(ctx), by.TenantID, name)
	isNew := errs.CodeOf(err) == errs.NotFound
	if err != nil && !isNew {
		return Flag{}, err
	}
	next := Flag{Name: name, Definition: d, ChangedAt: now, tenant: by.TenantID}
	action, activity, before := "feature_flag.update", "update", fields(&old)
	if isNew {
		action, activity, before = "feature_flag.create", "create", map[string]any{}
	}
	e := newEvent(ctx, by, action, activity, name)
	if e.Changes = selfaudit.Changes(before, fields(&next)); len(e.Changes) == 0 {
		return old, nil
	}
	text, err := json.Marshal(d)
	if err != nil {
		return Flag{}, err
	}
	sealed, err := s.sealer.Seal(ctx, by.TenantID, label(name), text)
	if err != nil {
		return Flag{}, err
	}
	return next, s.recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		q := scope.In(tx, by.TenantID)
		if !isNew {
			return q.Must(ctx, errChanged, `UPDATE feature_flag SET definition = $1, changed_at = $2 WHERE name = $3 AND changed_at = $4 AND tenant_id = $5`, sealed, now.UnixMicro(), name, old.ChangedAt.UnixMicro())
		}
		var n, same int
		if err := q.Row(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN name = $1 THEN 1 ELSE 0 END), 0) FROM feature_flag WHERE tenant_id = $2`, name).Scan(&n, &same); err != nil {
			return sqldb.Translate(err)
		}
		switch {
		case same > 0:
			return errChanged
		case n >= maxFlags:
			return errs.New(errs.Conflict, "A tenant has at most %d flags; remove some that have done their work.", maxFlags)
		}
		_, err := q.Exec(ctx, `INSERT INTO feature_flag (name, definition, changed_at, tenant_id) VALUES ($1, $2, $3, $4)`, name, sealed, now.UnixMicro())
		return err
	})
}

var errChanged = errs.New(errs.Conflict, "The flag was changed by somebody else at the same time; look again.")

// Remove deletes a flag of the caller's tenant: it is off for everybody who still asks.
func (s *Service) Remove(ctx context.Context, by actor.Principal, name string) error {
	if err := mayManage(by); err != nil {
		return err
	}
	old, err := s.one(ctx, s.db.Read(ctx), by.TenantID, name)
	if err != nil {
		return err
	}
	e := newEvent(ctx, by, "feature_flag.delete", "delete", name)
	e.Changes = selfaudit.Changes(fields(&old), map[string]any{})
	return s.recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		return scope.In(tx, by.TenantID).Must(ctx, errChanged, `DELETE FROM feature_flag WHERE name = $1 AND changed_at = $2 AND tenant_id = $3`, name, old.ChangedAt.UnixMicro())
	})
}

// Value is a flag for a user.
type Value struct {
	On     bool   `json:"on"`
	Reason Reason `json:"reason"`
}

// Evaluate returns the flags of a tenant for a user with roles: the named ones, or all. A name that no flag has is off.
func (s *Service) Evaluate(ctx context.Context, tenant, subject string, roles, names []string) (map[string]Value, error) {
	list, err := s.all(ctx, tenant)
	if err != nil {
		return nil, err
	}
	out := map[string]Value{}
	for _, n := range names {
		out[n] = Value{Reason: UnknownFlag}
	}
	now := s.now()
	for i := range list {
		if names == nil || slices.Contains(names, list[i].Name) {
			on, why := list[i].Evaluate(subject, roles, now)
			out[list[i].Name] = Value{on, why}
		}
	}
	return out, nil
}

func newEvent(ctx context.Context, by actor.Principal, action, activity, name string) *event.Event {
	return selfaudit.New(ctx, by, "config", action, activity, event.Resource{Type: "feature_flag", ID: name})
}

func fields(f *Flag) map[string]any {
	m := map[string]any{"/default": f.Default, "/percentage": f.Percentage, "/killed": f.Killed}
	if f.Description != "" {
		m["/description"] = f.Description
	}
	if f.Owner != "" {
		m["/owner"] = f.Owner
	}
	if f.Roles != nil {
		m["/roles"] = f.Roles
	}
	if f.ExpiresAt != nil {
		m["/expires_at"] = f.ExpiresAt
	}
	return m
}

package subscription

import (
	"context"
	"database/sql"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"probity.dev/access/scope"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Subscription is what a tenant or one of its users has paid for.
type Subscription struct {
	// Subject is the user as tokens name him (sub), "" for the whole tenant.
	Subject   string     `json:"subject" maxLength:"1024" doc:"The user, by the sub of his tokens or the id of his account; empty for the tenant as a whole"`
	Status    string     `json:"status" enum:"active,trial,past_due,suspended,cancelled"`
	StartsAt  *time.Time `json:"starts_at,omitempty"`
	EndsAt    *time.Time `json:"ends_at,omitempty" doc:"From when on it no longer counts"`
	ChangedAt time.Time  `json:"changed_at" readOnly:"true"`

	key string
}

// Statuses are those that a subscription may have; only the first two let anybody in.
var Statuses = []string{"active", "trial", "past_due", "suspended", "cancelled"}

// maxSubscriptions is how many are listed, and how many a tenant has.
const maxSubscriptions = 100_000

// Recorder records an event together with its effect; see access.Recorder.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Sealer keeps the ids of users.
type Sealer interface {
	Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
	Unseal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
}

func mayManage(p actor.Principal) error {
	if p.TenantID == "" || !p.Can(actor.AccessManage) {
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessManage)
	}
	return nil
}

// keyOf is what a user is found by, "" for the tenant as a whole.
func (s *Service) keyOf(tenant, subject string) string {
	if subject == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.o.Index("subscription|" + tenant + "|" + subject))
}

const columns = `subject, label, status, starts_at, ends_at, changed_at`

func (s *Service) scan(ctx context.Context, tenant string) func(scope.Scanner) (Subscription, error) {
	return func(r scope.Scanner) (Subscription, error) {
		var u Subscription
		var sealed []byte
		var starts, ends, changed int64
		if err := r.Scan(&u.key, &sealed, &u.Status, &starts, &ends, &changed); err != nil {
			return u, scope.Scanned(err, "There is no such subscription.")
		}
		u.StartsAt, u.EndsAt, u.ChangedAt = scope.Optional(scope.Time(starts)), scope.Optional(scope.Time(ends)), scope.Time(changed)
		b, err := s.o.Sealer.Unseal(ctx, tenant, "subscription|"+u.key, sealed)
		if err != nil {
			return u, errs.Wrap(errs.Internal, err, "a subscription cannot be read")
		}
		u.Subject = string(b)
		return u, nil
	}
}

func (s *Service) one(ctx context.Context, tenant, key string) (Subscription, error) {
	return s.scan(ctx, tenant)(scope.In(s.o.DB.Read(ctx), tenant).Row(ctx, `SELECT `+columns+` FROM subscription WHERE subject = $1 AND tenant_id = $2`, key))
}

// List returns the subscriptions of the caller's tenant, that of the whole tenant first.
func (s *Service) List(ctx context.Context, by actor.Principal) ([]Subscription, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	rows, err := scope.In(s.o.DB.Read(ctx), by.TenantID).Rows(ctx, `SELECT `+columns+` FROM subscription WHERE tenant_id = $1 ORDER BY subject LIMIT 100000`)
	return scope.Collect(rows, err, s.scan(ctx, by.TenantID))
}

// Set makes or replaces a subscription in the caller's tenant. The error is a Conflict when somebody else changed it at the same time.
func (s *Service) Set(ctx context.Context, by actor.Principal, u Subscription) (Subscription, error) {
	if err := mayManage(by); err != nil {
		return u, err
	}
	if !slices.Contains(Statuses, u.Status) {
		return u, errs.Field("/status", "not_allowed", "The status is one of %s.", strings.Join(Statuses, ", "))
	}
	if u.StartsAt != nil && u.EndsAt != nil && !u.EndsAt.After(*u.StartsAt) {
		return u, errs.Field("/ends_at", "too_early", "A subscription ends after it starts.")
	}
	u.key = s.keyOf(by.TenantID, u.Subject)
	u.StartsAt, u.EndsAt, u.ChangedAt = rounded(u.StartsAt), rounded(u.EndsAt), s.o.Now().UTC().Truncate(time.Microsecond)
	old, err := s.one(ctx, by.TenantID, u.key)
	isNew := errs.CodeOf(err) == errs.NotFound
	if err != nil && !isNew {
		return u, err
	}
	before := fields(&old)
	action, activity := "subscription.update", "update"
	if isNew {
		before, action, activity = map[string]any{}, "subscription.create", "create"
	}
	e := newEvent(ctx, by, action, activity, u.Subject)
	if e.Changes = selfaudit.Changes(before, fields(&u)); len(e.Changes) == 0 {
		return old, nil
	}
	sealed, err := s.o.Sealer.Seal(ctx, by.TenantID, "subscription|"+u.key, []byte(u.Subject))
	if err != nil {
		return u, err
	}
	return u, s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return store(ctx, tx, by.TenantID, u, sealed, old, isNew) })
}

func store(ctx context.Context, tx *sql.Tx, tenant string, u Subscription, sealed []byte, old Subscription, isNew bool) error {
	q := scope.In(tx, tenant)
	starts, ends, changed := micros(u.StartsAt), micros(u.EndsAt), u.ChangedAt.UnixMicro()
	if !isNew {
		return q.Must(ctx, errChanged, `UPDATE subscription SET status = $1, starts_at = $2, ends_at = $3, changed_at = $4 WHERE subject = $5 AND changed_at = $6 AND tenant_id = $7`,
			u.Status, starts, ends, changed, u.key, old.ChangedAt.UnixMicro())
	}
	var n, same int
	if err := q.Row(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN subject = $1 THEN 1 ELSE 0 END), 0) FROM subscription WHERE tenant_id = $2`, u.key).Scan(&n, &same); err != nil {
		return sqldb.Translate(err)
	}
	switch {
	case same > 0:
		return errChanged
	case n >= maxSubscriptions:
		return errs.New(errs.Conflict, "A tenant has at most %d subscriptions.", maxSubscriptions)
	}
	_, err := q.Exec(ctx, `INSERT INTO subscription (subject, label, status, starts_at, ends_at, changed_at, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, $7)`, u.key, sealed, u.Status, starts, ends, changed)
	return err
}

var errChanged = errs.New(errs.Conflict, "The subscription was changed by somebody else at the same time; look again.")

// Remove deletes the subscription of a user, or of the tenant as a whole, in the caller's tenant.
func (s *Service) Remove(ctx context.Context, by actor.Principal, subject string) error {
	if err := mayManage(by); err != nil {
		return err
	}
	key := s.keyOf(by.TenantID, subject)
	old, err := s.one(ctx, by.TenantID, key)
	if err != nil {
		return err
	}
	e := newEvent(ctx, by, "subscription.delete", "delete", subject)
	e.Changes = selfaudit.Changes(fields(&old), map[string]any{})
	return s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		return scope.In(tx, by.TenantID).Must(ctx, errChanged, `DELETE FROM subscription WHERE subject = $1 AND changed_at = $2 AND tenant_id = $3`, key, old.ChangedAt.UnixMicro())
	})
}

// inForce returns the subscription that counts for a user: his own, or that of the tenant.
func (s *Service) inForce(ctx context.Context, tenant, subject string) (Subscription, error) {
	u, err := s.one(ctx, tenant, s.keyOf(tenant, subject))
	if subject != "" && errs.CodeOf(err) == errs.NotFound {
		return s.one(ctx, tenant, "")
	}
	return u, err
}

func newEvent(ctx context.Context, by actor.Principal, action, activity, subject string) *event.Event {
	e := selfaudit.New(ctx, by, "access", action, activity, event.Resource{Type: "subscription", ID: by.TenantID})
	if subject != "" {
		e.Subject = &event.Ref{Type: "user", ID: subject}
	}
	return e
}

func fields(u *Subscription) map[string]any {
	m := map[string]any{"/status": u.Status}
	if u.StartsAt != nil {
		m["/starts_at"] = u.StartsAt
	}
	if u.EndsAt != nil {
		m["/ends_at"] = u.EndsAt
	}
	return m
}

func rounded(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	at := t.UTC().Truncate(time.Microsecond)
	return &at
}

func micros(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMicro()
}

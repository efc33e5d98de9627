package tenant

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// every is how often it is looked which tenants are due.
const every = 5 * time.Second

// Kept are the tables that still have something of a deleted tenant: what proves its log, and that it was there. None holds personal data.
func Kept() []string {
	return []string{"tenant_standing", "log", "tenant_secret", "pending_event"}
}

// rowsAtOnce bounds one transaction of a deletion.
const rowsAtOnce = 5000

// forgotten are the tables whose rows of a tenant are deleted, those that refer to others first.
var forgotten = []string{
	"session_reach", "oidc_session", "oidc_logout", "password_reset", "invitation", "approval_rule", "access_review_item", "access_review", "access_role_owner", "access_system_run", "access_system", "pending_login", "recovery_code", "factor", "session", "api_key", "role_assignment", "access_role", "access_permission", "access_policy", "access_version", "factor_demand",
	"approval_decision", "approval", "approval_tenant", "oidc_login", "oidc_identity", "oidc_provider", "scim_member", "scim_group", "scim_user", "scim_setting", "token_issuer", "token_key", "subscription", "feature_flag", "masking_policy",
	"download_link", "schedule_run", "schedule", "alert", "alert_rule", "export", "notify_attempt", "notify_delivery", "notify_notification", "notify_channel", "notify_stream", "saved_view", "setting", "idempotency", "job_turn", "account",
}

// Forgotten are the tables whose rows of a deleted tenant are deleted, those of other tables that whoever provides [Ledger] clears left out.
func Forgotten() []string { return append([]string(nil), forgotten...) }

// Run tells tenants' own logs of what has changed, and deletes those that are due, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "background work on tenants; it will be tried again", slog.Any("error", err))
		}
	}
}

// Sweep does once what [Service.Run] does. Of several servers one works on a tenant.
func (s *Service) Sweep(ctx context.Context) error {
	ctx = everybody(ctx)
	rows, err := s.rows(ctx, s.o.DB.Read(ctx), "")
	if err != nil {
		return err
	}
	var first error
	for i := range rows {
		r := &rows[i]
		var err error
		if !r.told && r.State != Deleted {
			if err = s.complete(ctx, r); err == nil {
				err = s.tell(ctx, r)
			}
		}
		if err == nil && r.State == Leaving && !s.o.Now().Before(r.DeleteAt) {
			_, err = s.o.DB.Alone(ctx, "tenant/"+r.ID, func(ctx context.Context, _ *sqldb.Lease) error { return s.delete(ctx, r.ID) })
		}
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}

// delete deletes what can be deleted of a tenant. Every step may be done again.
func (s *Service) delete(ctx context.Context, id string) error {
	r, err := s.one(ctx, id)
	if err != nil || r.State != Leaving || s.o.Now().Before(r.DeleteAt) {
		return err
	}
	operating, err := s.Operating(ctx)
	if err != nil {
		return err
	}
	by := actor.System(operating)
	if err := s.heldBack(ctx, id); err != nil {
		return s.blocked(ctx, by, &r, err)
	}
	if err := s.o.Ledger.Forget(ctx, id); err != nil {
		return err
	}
	for _, table := range forgotten {
		if err := s.clear(ctx, table, id); err != nil {
			return err
		}
	}
	next := r
	next.State, next.ChangedAt, next.Problem, next.by, next.told, next.sealed = Deleted, s.o.Now().UTC().Truncate(time.Microsecond), "", by.ID(), true, []byte{}
	e := newEvent(ctx, by, actionDelete, "delete", id)
	e.Resource.Name, e.Changes = r.Name, []event.Change{selfaudit.Change("/state", r.State, next.State)}
	e.Data = []event.Member{selfaudit.Member("events_kept", r.Events), selfaudit.Member("log_id", r.LogID)}
	err = s.o.Recorder.Record(ctx, operating, e, func(ctx context.Context, tx *sql.Tx) error { return put(ctx, tx, &r, &next) })
	s.standings.forget()
	return err
}

// blocked notes why a tenant that is due is kept; the event comes once.
func (s *Service) blocked(ctx context.Context, by actor.Principal, r *row, why error) error {
	if errs.CodeOf(why) != errs.Conflict {
		return why
	}
	problem := errs.Message(why)
	if r.Problem == problem {
		return nil
	}
	e := newEvent(ctx, by, actionBlocked, "other", r.ID)
	e.Resource.Name, e.Outcome = r.Name, event.Outcome{Status: "denied", Reason: "legal hold"}
	return s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return setProblem(ctx, tx, r.ID, problem) })
}

// clear deletes the rows of a tenant from a table, a bounded number in each transaction.
func (s *Service) clear(ctx context.Context, table, id string) error {
	where := `ctid IN (SELECT ctid FROM ` + table + ` WHERE tenant_id = $1 LIMIT $2)`
	if !s.o.DB.Shared() {
		where = `rowid IN (SELECT rowid FROM ` + table + ` WHERE tenant_id = $1 LIMIT $2)`
	}
	for {
		var n int64
		err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
			r, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE `+where, id, rowsAtOnce) //nolint:gosec // tables and conditions are those of the list above
			if err != nil {
				return sqldb.Translate(err)
			}
			n, err = r.RowsAffected()
			return err
		})
		if err != nil || n < rowsAtOnce {
			return err
		}
	}
}

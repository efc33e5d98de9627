package role

import (
	"context"
	"database/sql"
	"errors"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// sweepAtOnce bounds how many ends one sweep records.
const sweepAtOnce = 1000

// Sweep records the end of assignments that have expired, each once, on whichever server comes to it first. That they have ended holds without it.
func (s *Service) Sweep(ctx context.Context) error {
	_, err := s.o.DB.Alone(ctx, "access-expiry", func(ctx context.Context, _ *sqldb.Lease) error { return s.sweep(ctx) })
	return err
}

func (s *Service) sweep(ctx context.Context) error {
	now := s.o.Now().UTC()
	rows, err := s.o.DB.Read(ctx).QueryContext(ctx, `SELECT tenant_id, id FROM role_assignment WHERE ended_at IS NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2`, now.UnixMicro(), sweepAtOnce)
	if err != nil {
		return sqldb.Translate(err)
	}
	list, err := over(rows)
	if err != nil {
		return err
	}
	var failed error
	for _, a := range list {
		if err := s.expire(ctx, a[0], a[1]); err != nil && errs.CodeOf(err) != errs.Conflict {
			failed = errors.Join(failed, err) // the log of one tenant may take no events while that of another does
		}
	}
	return failed
}

// expire ends one assignment whose time is over.
func (s *Service) expire(ctx context.Context, tenant, id string) error {
	x, err := s.Of(ctx, tenant)
	if err != nil {
		return err
	}
	list, err := collect(ctx, in(s.o.DB.Read(ctx), tenant), scanAssignment, `SELECT `+assignmentColumns+` FROM role_assignment WHERE id = $1 AND ended_at IS NULL AND tenant_id = $2`, id)
	if err != nil || len(list) == 0 || list[0].InForce(s.o.Now()) {
		return err
	}
	a := list[0]
	e := newEvent(ctx, actionExpire, actor.System(tenant), a.RoleID, a.UserID)
	if r := x.roles[a.RoleID]; r != nil {
		e.Resource.Name = r.Name
	}
	e.Changes = []event.Change{selfaudit.Change("/assignment", givenOf(&a.Assignment), nil)}
	defer s.Forget(tenant)
	return s.o.Recorder.Record(ctx, tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, tenant)
		version, err := q.bump(ctx)
		if err != nil {
			return err
		}
		if err := q.end(ctx, a.ID, "system", "expired", *a.ExpiresAt, version); err != nil {
			return err
		}
		return settle(ctx, q, x, a.UserID, 0)
	})
}

// over reads tenants and ids of assignments, and closes the rows.
func over(rows *sql.Rows) (list [][2]string, err error) {
	defer rows.Close()
	for rows.Next() {
		var a [2]string
		if err := rows.Scan(&a[0], &a[1]); err != nil {
			return nil, sqldb.Translate(err)
		}
		list = append(list, a)
	}
	return list, sqldb.Translate(rows.Err())
}

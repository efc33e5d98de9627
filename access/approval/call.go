package approval

import (
	"context"
	"database/sql"

	"probity.dev/access/scope"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// Called returns a request that waits and the users who may decide it at this moment, to be told of it; nobody when it does not wait any more.
func (s *Service) Called(ctx context.Context, tenantID, id string) (*Request, []string, error) {
	db := s.o.DB.Read(ctx)
	stored, err := get(ctx, db, tenantID, id)
	if err != nil {
		return nil, nil, err
	}
	r, err := s.open(ctx, db, stored)
	if err != nil || r.State != Pending {
		return r, nil, err
	}
	people, err := s.o.People.Approvers(ctx, tenantID)
	if err != nil {
		return r, nil, err
	}
	asker, err := s.asker(ctx, r)
	if err != nil {
		return r, nil, err
	}
	var may []string
	for _, user := range people {
		who, err := s.o.People.Standing(ctx, tenantID, user)
		if err != nil {
			return r, nil, err
		}
		// As he could when he were signed in.
		if refusal(r, actor.Principal{TenantID: tenantID, UserID: user, SessionID: "called"}, who, asker, s.o.Now()) == nil {
			may = append(may, user)
		}
	}
	return r, may, nil
}

// remind tells those who may decide of requests once more, when a quarter of the time is left.
func (s *Service) remind(ctx context.Context) error {
	rows, err := unreminded(ctx, s.o.DB.Read(ctx), s.o.Now().UnixMicro(), sweepAt)
	if err != nil {
		return err
	}
	for _, stored := range rows {
		err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
			if err := reminded(ctx, tx, stored.TenantID, stored.ID, s.o.Now().UnixMicro()); err != nil {
				return err
			}
			return s.o.Remind(ctx, tx, &stored.Request)
		})
		if err != nil && errs.CodeOf(err) != errs.Conflict { // decided, or reminded of by another server
			return err
		}
	}
	return nil
}

// unreminded returns requests of all tenants that wait and soon do not, for the sweep. They are not opened.
func unreminded(ctx context.Context, q scope.Querier, now int64, limit int) ([]*row, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+` FROM approval WHERE state = 'pending' AND reminded_at = 0 AND expires_at - (expires_at - created_at) / 4 <= $1 AND expires_at > $1 ORDER BY expires_at LIMIT $2`, now, limit)
	return scope.Collect(rows, err, scan)
}

func reminded(ctx context.Context, tx *sql.Tx, tenant, id string, at int64) error {
	return scope.In(tx, tenant).Must(ctx, errMoved, `UPDATE approval SET reminded_at = $1 WHERE id = $2 AND state = 'pending' AND reminded_at = 0 AND tenant_id = $3`, at, id)
}

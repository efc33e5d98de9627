package approval

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

const (
	sweepEvery = 5 * time.Second
	sweepAt    = 100 // requests at once
)

// Start begins to end requests whose time is over, and to apply what was approved and not applied, and returns at once. [Service.Close] ends it.
func (s *Service) Start(ctx context.Context) { s.workers.Start(ctx, s.loop) }

// Close stops what Start began and waits for it.
func (s *Service) Close() { s.workers.Close() }

func (s *Service) loop(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		_, err := s.o.DB.Alone(ctx, "approvals", func(ctx context.Context, _ *sqldb.Lease) error { return s.Sweep(ctx) })
		if err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "approvals cannot be looked after", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Sweep ends what is over and applies what waits for it. Each step checks in its transaction that it is still to be done.
func (s *Service) Sweep(ctx context.Context) error {
	db := s.o.DB.Read(ctx)
	late, err := over(ctx, db, s.o.Now().UnixMicro(), sweepAt)
	if err != nil {
		return err
	}
	var all error
	for _, stored := range late {
		r, err := s.open(ctx, db, stored)
		if err == nil {
			err = s.close(ctx, actor.System(r.TenantID), r, actionExpire, Expired)
		}
		if errs.CodeOf(err) != errs.Conflict {
			all = errors.Join(all, err)
		}
	}
	tenants, err := s.o.People.Tenants(ctx)
	all = errors.Join(all, err)
	for _, id := range tenants { // also before anybody asks: otherwise the second person could be removed first
		_, err := s.Armed(ctx, id)
		all = errors.Join(all, err)
	}
	all = errors.Join(all, s.remind(ctx))
	waiting, err := unapplied(ctx, db, sweepAt)
	all = errors.Join(all, err)
	for _, stored := range waiting {
		r, err := s.open(ctx, db, stored)
		if err == nil {
			err = s.apply(ctx, r)
		}
		all = errors.Join(all, err)
	}
	return all
}

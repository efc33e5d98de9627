package app

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"probity.dev/report/schedule"
)

// queueOfSchedules is where the runs of schedules wait to be made into exports.
const queueOfSchedules = "schedules"

func (a *App) openSchedules() {
	a.schedules = schedule.New(schedule.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Exports: a.exports.Service, Jobs: a.jobs, Queue: queueOfSchedules,
		Present: a.Access.Present, Zone: a.zone, Logger: a.telemetry.Logger})
}

// zone is the time zone in which a tenant counts days.
func (a *App) zone(ctx context.Context, tenantID string) (*time.Location, error) {
	s, err := a.Ledger.Settings(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	loc, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return time.UTC, nil // settings of another machine, which knew the zone
	}
	return loc, nil
}

// fire runs what waits for a trigger; that it could not be stored is all that can be said about a failure.
func (a *App) fire(ctx context.Context, tenantID, trigger string) {
	err := a.db.Write(ctx, func(tx *sql.Tx) error { return a.schedules.Fire(ctx, tx, tenantID, trigger) })
	if err != nil {
		a.telemetry.Logger.LogAttrs(ctx, slog.LevelError, "schedules that wait for an event were not run", slog.String("trigger", trigger), slog.Any("error", err))
	}
}

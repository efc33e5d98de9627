package app

import (
	"context"
	"database/sql"
	"time"

	"probity.dev/report/schedule"
)

// queueOfSchedules is where the runs of schedules wait to be made into exports.
const queueOfSchedules = "schedules"

func (a *App) openSchedules() {
	a.schedules = schedule.New(schedule.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Exports: a.exports.Service, Jobs: a.jobs, Queue: queueOfSchedules,
		Mails: a.links.Mails(), Present: a.present, Zone: a.zone, Logger: a.telemetry.Logger})
}

// holdPlaced runs the schedules that wait for a legal hold.
func (a *App) holdPlaced(ctx context.Context, tx *sql.Tx, tenantID string) error {
	return a.schedules.Fire(ctx, tx, tenantID, schedule.TriggerHoldPlaced)
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

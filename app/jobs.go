package app

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/jobs"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// queueOfExports is where exports wait for their turn.
const queueOfExports = "exports"

// newJobs makes the service of background jobs. Exports and verifications read with all cores, so few run at a time, and one of each tenant.
func (a *App) newJobs() *jobs.Service {
	return jobs.New(jobs.Options{DB: a.db, Owner: processName(), Alone: !sharable(a.Config),
		Queues: map[string]jobs.Queue{queueOfExports: {Workers: 2, PerTenant: 1}, queueOfVerifications: {Workers: 2, PerTenant: 1}, queueOfMail: {Workers: 4, PerTenant: 2}, queueOfSchedules: {Workers: 2}, queueOfAccess: {Workers: 2, PerTenant: 1}},
		Logger: a.telemetry.Logger, Registry: a.telemetry.Registry, Recorder: jobRecorder{a.Ledger}})
}

// patienceWithJobs is how long a stopping server waits for running jobs to notice. What is left after it goes on after the next start all the same.
const patienceWithJobs = 20 * time.Second

func (a *App) stopJobs() error {
	ctx, cancel := context.WithTimeout(context.Background(), patienceWithJobs)
	defer cancel()
	return a.jobs.Close(ctx)
}

// processName is different for every process that works on a database at the same time.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return fmt.Sprintf("%.80s-%d-%.8s", host, os.Getpid(), uuid.NewString())
}

// jobRecorder records what people do to jobs.
type jobRecorder struct{ l *ledger.Ledger }

// RecordJob implements jobs.Recorder.
func (r jobRecorder) RecordJob(ctx context.Context, by actor.Principal, action, activity string, j *jobs.Job, effect func(ctx context.Context, tx *sql.Tx) error) error {
	e := selfaudit.New(ctx, by, "governance", action, activity, event.Resource{Type: "job", ID: strconv.FormatInt(j.ID, 10)})
	e.Data = []event.Member{selfaudit.Member("kind", j.Kind), selfaudit.Member("args", j.Args), selfaudit.Member("state", j.State)}
	return r.l.Record(ctx, by.TenantID, e, effect)
}

package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/jobs"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
)

// queueOfExports is where exports wait for their turn.
const queueOfExports = "exports"

// newJobs makes the service of background jobs. One process at a time works on a data directory, and on a database. Exports read and encrypt with all cores, so few run at a time, and one of each tenant.
func (a *App) newJobs() *jobs.Service {
	return jobs.New(jobs.Options{DB: a.db, Owner: processName(), Alone: true, Queues: map[string]jobs.Queue{queueOfExports: {Workers: 2, PerTenant: 1}, queueOfMail: {Workers: 4, PerTenant: 2}, queueOfSchedules: {Workers: 2}},
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
	e := &event.Event{Source: "probity", Action: action, Category: "governance", Activity: activity, Severity: "notice",
		Actor:    event.Actor{Type: by.Type(), ID: by.ID(), Name: by.Name, Email: by.Email},
		Resource: event.Resource{Type: "job", ID: strconv.FormatInt(j.ID, 10)},
		Context:  event.Context{IP: by.IP, UserAgent: by.UserAgent, SessionID: by.SessionID, RequestID: api.RequestID(ctx)},
		Data:     []event.Member{member("kind", j.Kind), member("args", j.Args), member("state", j.State)}}
	if by.Role != "" {
		e.Actor.Roles = []string{by.Role}
	}
	return r.l.Record(ctx, by.TenantID, e, effect)
}

// member makes a member of an event's data from a value of our own making, which always marshals.
func member(name string, v any) event.Member {
	b, err := json.Marshal(v)
	if err != nil {
		panic("app: an event cannot be written: " + err.Error())
	}
	return event.Member{Name: name, Value: jsontext.Value(b)}
}

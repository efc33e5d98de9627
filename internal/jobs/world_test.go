package jobs

import (
	"context"
	"crypto/rand"
	"database/sql"
	"log/slog"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
)

// task is a job whose work a test gives.
type task struct {
	Name string `json:"name"`
}

func (task) Kind() string { return "test.task" }

// world is a database with a service of jobs on it.
type world struct {
	t  testing.TB
	db *sqldb.DB
	s  *Service

	stopped  bool
	mu       sync.Mutex
	recorded []string
}

func openDB(t testing.TB, dir string) *sqldb.DB {
	t.Helper()
	return sqldbtest.OpenIn(t, dir)
}

func newWorld(t testing.TB, db *sqldb.DB, q Queue, k Kind[task]) *world {
	t.Helper()
	w := &world{t: t, db: db}
	w.s = New(Options{DB: db, Owner: rand.Text(), Alone: true, Queues: map[string]Queue{"q": q}, Lease: 2 * time.Second, Poll: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler), Recorder: w})
	k.Queue = "q"
	if k.BackOff == 0 {
		k.BackOff = 20 * time.Millisecond
	}
	Register(w.s, k)
	return w
}

// world1 opens a database of its own and starts.
func world1(t testing.TB, q Queue, k Kind[task]) *world {
	t.Helper()
	db := openDB(t, t.TempDir())
	t.Cleanup(func() { db.Close() })
	w := newWorld(t, db, q, k)
	w.start()
	return w
}

func (w *world) start() {
	w.t.Helper()
	if err := w.s.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.stop)
}

func (w *world) stop() {
	if w.stopped {
		return
	}
	w.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.s.Close(ctx); err != nil {
		w.t.Error(err)
	}
}

func (w *world) RecordJob(ctx context.Context, _ actor.Principal, action, _ string, _ *Job, effect func(context.Context, *sql.Tx) error) error {
	if err := w.db.Write(ctx, func(tx *sql.Tx) error { return effect(ctx, tx) }); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recorded = append(w.recorded, action)
	return nil
}

func (w *world) enqueue(tenant, name string, o Enqueuing) (id int64) {
	w.t.Helper()
	err := w.db.Write(context.Background(), func(tx *sql.Tx) (err error) {
		id, err = w.s.Enqueue(context.Background(), tx, tenant, task{Name: name}, o)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// wait follows a job until it is in a state.
func (w *world) wait(tenant string, id int64, state string) *Job {
	w.t.Helper()
	var j *Job
	for range 1500 {
		var err error
		if j, err = w.s.Get(context.Background(), tenant, id); err != nil {
			w.t.Fatal(err)
		}
		if j.State == state {
			return j
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("the job is %s and never became %s: %+v", j.State, state, j)
	return nil
}

func by(tenant string) actor.Principal {
	return actor.Principal{TenantID: tenant, UserID: "u", Permissions: actor.Permissions()}
}

func wantCode(t testing.TB, err error, code errs.Code) {
	t.Helper()
	if errs.CodeOf(err) != code {
		t.Errorf("the error is %v, not of the code %s", err, code)
	}
}

package jobs

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
)

// addressVar and pathVar tell a process of this test where its database is.
const (
	addressVar = "JOBS_TEST_ADDRESS"
	pathVar    = "JOBS_TEST_DIR"
)

// TestKilledProcess kills a process in the middle of a job and expects the next to take the job over.
func TestKilledProcess(t *testing.T) {
	if os.Getenv(pathVar) != "" || os.Getenv(addressVar) != "" {
		work(t)
	}
	sqldbtest.Each(t, testKilledProcess)
}

func testKilledProcess(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	w := newWorld(t, db, Queue{Workers: 1}, Kind[task]{Work: func(context.Context, *Run, task) error { return nil }})
	id := w.enqueue("a", "x", Enqueuing{})
	w.stop()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range defaultAttempts {
		kill(t, dir)
	}
	db = openDB(t, dir)
	defer db.Close()
	given := make(chan error, 1)
	w = newWorld(t, db, Queue{Workers: 1}, Kind[task]{
		Work:   func(context.Context, *Run, task) error { return nil },
		Failed: func(_ context.Context, _ *Run, _ task, cause error) { given <- cause },
	})
	w.start()
	defer w.stop()
	if j := w.wait("a", id, StateDead); len(j.Errors) != defaultAttempts+1 || j.Done != 7 {
		t.Errorf("%+v", j)
	}
	if err := <-given; !errors.Is(err, errInterrupted) {
		t.Error(err)
	}
}

// work begins a job that never ends.
func work(t *testing.T) {
	t.Helper()
	var db *sqldb.DB
	var err error
	if address := os.Getenv(addressVar); address != "" {
		db, err = sqldb.OpenPostgres(t.Context(), address)
	} else {
		db, err = sqldb.OpenSQLite(t.Context(), os.Getenv(pathVar)+"/probity.db")
	}
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, db, Queue{Workers: 1}, Kind[task]{Work: func(_ context.Context, r *Run, _ task) error {
		r.Progress(7, 10)
		time.Sleep(500 * time.Millisecond) // a sign of life comes five times a second
		os.Stdout.WriteString("running\n")
		select {}
	}})
	w.start()
	select {}
}

// kill lets another process work until its job runs, and kills it.
func kill(t *testing.T, dir string) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$")
	c.Env = append(os.Environ(), pathVar+"="+dir)
	if sqldbtest.Kind(t) == sqldbtest.Postgres {
		c.Env = append(os.Environ(), addressVar+"="+sqldbtest.Address(t, dir))
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "running\n" {
		t.Errorf("the other process says %q (%v)", line, err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
}

// TestTakenOverWhileServing kills one of two processes that work at the same time: the other takes its job over when the lease has run out, not before.
func TestTakenOverWhileServing(t *testing.T) {
	sqldbtest.Only(t, sqldbtest.Postgres, func(t *testing.T) {
		dir := t.TempDir()
		db := openDB(t, dir)
		defer db.Close()
		var ran time.Time
		w := newWorld(t, db, Queue{Workers: 1}, Kind[task]{Work: func(context.Context, *Run, task) error { ran = time.Now(); return nil }})
		w.s.o.Alone = false
		id := w.enqueue("a", "x", Enqueuing{})
		kill(t, dir)
		killed := time.Now()
		w.start()
		defer w.stop()
		if j := w.wait("a", id, StateDone); j.Attempt != 2 || len(j.Errors) != 1 {
			t.Errorf("%+v", j)
		}
		if after := ran.Sub(killed); after < w.s.o.Lease/2 || after > 3*w.s.o.Lease {
			t.Errorf("the job was taken over after %s", after)
		}
	})
}

// TestJobOfAnotherIsNotEnded lets a job end here after another process has taken it over.
func TestJobOfAnotherIsNotEnded(t *testing.T) {
	sqldbtest.Only(t, sqldbtest.Postgres, func(t *testing.T) {
		started, release := make(chan struct{}), make(chan struct{})
		w := world1(t, Queue{Workers: 1}, Kind[task]{Work: func(_ context.Context, _ *Run, a task) error {
			if a.Name == "x" {
				close(started)
				<-release
			}
			return nil
		}})
		id := w.enqueue("a", "x", Enqueuing{})
		<-started
		err := w.db.Write(t.Context(), func(tx *sql.Tx) error {
			return leaseJob(t.Context(), tx, id, "another", sqldb.Now(), sqldb.Now()+time.Hour.Microseconds())
		})
		if err != nil {
			t.Fatal(err)
		}
		close(release)
		w.wait("b", w.enqueue("b", "y", Enqueuing{}), StateDone) // another tenant, because "a" has as many running as it may
		if j, err := w.s.Get(t.Context(), "a", id); err != nil || j.State != StateRunning {
			t.Errorf("%+v %v", j, err)
		}
	})
}

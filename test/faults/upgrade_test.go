package faults

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"probity.dev/internal/sqldb/pgserver"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/test/instance"
)

// apart is an installation whose servers sign in as an application role.
type apart struct {
	*sqldbtest.Separate
	dir, key, vkey string
}

// initApart makes an installation on a PostgreSQL server, that of the test process when it is nil: the owner applies the schema, the application role does the rest.
func initApart(t *testing.T, on *pgserver.Server) *apart {
	t.Helper()
	a := &apart{Separate: sqldbtest.NewSeparate(t, on), dir: filepath.Join(t.TempDir(), "data")}
	instance.UseDatabase(a.dir, a.App)
	if _, errOut, code := instance.Run(t, "init", "--data", a.dir); code != 3 || !strings.Contains(errOut, "probity migrate apply") {
		t.Fatalf("init on an empty database as the application role: %d %s", code, errOut)
	}
	if out, errOut, code := instance.Run(t, "migrate", "apply", "--database", a.Owner, "--app-role", a.AppRole); code != 0 {
		t.Fatalf("%d %s %s", code, out, errOut)
	}
	founded := instance.Init(t, a.dir)
	a.key, a.vkey = founded.APIKey, founded.VKey
	return a
}

// TestKillAsApplicationRole kills servers that may not change what they have recorded, while they append and seal.
func TestKillAsApplicationRole(t *testing.T) {
	sqldbtest.Only(t, sqldbtest.Postgres, func(t *testing.T) {
		a := initApart(t, nil)
		flags := []string{"--seal-after", "100ms", "--checkpoint-interval", "50ms"}
		book := instance.NewBook(t, a.vkey)
		s := instance.Start(t, a.dir, a.key, flags...)
		for round := range rounds() {
			l := start(s, book, round, 3, 2*time.Millisecond)
			sleepy(300*time.Millisecond, 1200*time.Millisecond)
			s.Kill()
			l.end()
			if n := l.refused.Load(); n > 0 {
				t.Errorf("%d requests were refused", n)
			}
			s = instance.Start(t, a.dir, a.key, flags...)
			book.Check(s)
			l.resend(s)
		}
		s.Until(30*time.Second, "something was sealed", func() bool { return s.State().Segments > 0 })
		if strings.Contains(s.Log(), "sealing failed") {
			t.Error("sealing failed")
		}
		s.Stop()
		book.VerifyStopped(a.dir)
	})
}

// TestUpgradeUnderLoad brings the database to the schema of the next version while servers of this one work on it, kills the migration and the servers at random, and ends with servers of the next version.
func TestUpgradeUnderLoad(t *testing.T) {
	sqldbtest.Only(t, sqldbtest.Postgres, func(t *testing.T) {
		next := instance.Build(t, "probity_next")
		a := initApart(t, nil)
		flags := []string{"--seal-after", "500ms"}
		book := instance.NewBook(t, a.vkey)
		instance.UseProgram(a.dir, next)
		if _, errOut := instance.TryStart(t, a.dir, a.key); !strings.Contains(errOut, "has schema version") || !strings.Contains(errOut, "probity migrate apply") {
			t.Fatalf("the next version starts on this schema, though its role may not change it: %s", errOut)
		}
		instance.UseProgram(a.dir, instance.Binary())
		s := instance.Start(t, a.dir, a.key, flags...)
		l := start(s, book, 0, 3, 2*time.Millisecond)
		time.Sleep(300 * time.Millisecond)
		killed := 0
		for range 4 {
			if a.migrate(t, next, time.Duration(rand.IntN(600))*time.Millisecond) {
				killed++
			}
		}
		if !a.migrate(t, next, 0) {
			t.Fatal("the migration was not applied")
		}
		time.Sleep(300 * time.Millisecond)
		s.Kill() // under load
		l.end()
		if n := l.refused.Load(); n > 0 {
			t.Errorf("%d requests were refused while the schema changed:\n%s", n, s.Log())
		}
		s = instance.Start(t, a.dir, a.key, flags...) // this version goes on on the next schema
		book.Check(s)
		recorded, missing := l.resend(s)
		t.Logf("%d migrations killed, %d events acknowledged, %d recorded, %d that had no answer recorded now", killed, book.Acked(), recorded, missing)
		l = start(s, book, 1, 3, 2*time.Millisecond)
		time.Sleep(300 * time.Millisecond)
		s.Kill()
		l.end()
		instance.UseProgram(a.dir, next)
		s = instance.Start(t, a.dir, a.key, flags...)
		book.Check(s)
		l.resend(s)
		s.Stop()
		instance.UseProgram(a.dir, instance.Binary())
		book.VerifyStopped(a.dir)
		a.leavesWindow(t)
	})
}

// migrate runs the migration of another version, and kills it after a time unless that is zero. It reports whether it did what it was to do: be killed, or succeed.
func (a *apart) migrate(t *testing.T, program string, killAfter time.Duration) bool {
	t.Helper()
	c := exec.Command(program, "migrate", "apply", "--database", a.Owner)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if killAfter > 0 {
		time.Sleep(killAfter)
		_ = c.Process.Kill() // it may have ended
	}
	err := c.Wait()
	if killAfter == 0 && err != nil {
		t.Errorf("%v: %s", err, out.String())
	}
	return (err != nil) == (killAfter > 0)
}

// leavesWindow moves the schema on by one version more: what runs is refused to write, what starts is refused.
func (a *apart) leavesWindow(t *testing.T) {
	t.Helper()
	s := instance.Start(t, a.dir, a.key)
	c, err := pgx.Connect(context.Background(), a.Super)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(context.Background(), `UPDATE schema_window SET version = 9100, compatible = 9001`); err != nil {
		t.Fatal(err)
	}
	const want = "run a newer probity"
	if r := s.Do("POST", "/api/events", batch("late", 0, 1), "Content-Type", "application/json"); r.Status != 503 || !strings.Contains(string(r.Body), want) {
		t.Errorf("a server that is two versions behind answers %d %s", r.Status, r.Body)
	}
	s.Kill()
	if _, errOut := instance.TryStart(t, a.dir, a.key); !strings.Contains(errOut, want) || !strings.Contains(errOut, "9100") {
		t.Errorf("a server that is two versions behind says %q", errOut)
	}
}

// TestUpgradeOnSQLite goes to the next version, which migrates at its start and is killed on the way, and back to this one.
func TestUpgradeOnSQLite(t *testing.T) {
	next := instance.Build(t, "probity_next")
	dir := filepath.Join(t.TempDir(), "data")
	founded := instance.Init(t, dir)
	book := instance.NewBook(t, founded.VKey)
	s := instance.Start(t, dir, founded.APIKey)
	l := start(s, book, 0, 3, 2*time.Millisecond)
	time.Sleep(300 * time.Millisecond)
	s.Kill()
	l.end()
	for range rounds() {
		c := exec.Command(next, "migrate", "apply", "--data", dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		_ = c.Process.Kill() // it may have ended
		_ = c.Wait()
	}
	for _, program := range []string{next, instance.Binary()} {
		instance.UseProgram(dir, program)
		s = instance.Start(t, dir, founded.APIKey)
		book.Check(s)
		book.Receipt("after", s.Append(batch("after", 0, 10)))
		s.Stop()
	}
	if out, errOut, code := instance.Run(t, "migrate", "status", "--data", dir); code != 0 || !strings.Contains(out, "9001") {
		t.Errorf("%d %s %s", code, out, errOut)
	}
	book.Verify(dir)
}

// TestDatabaseRestartsUnderLoad stops PostgreSQL in order and by force while clients write. Requests wait or are told to come again; nothing that was acknowledged is lost.
func TestDatabaseRestartsUnderLoad(t *testing.T) {
	sqldbtest.Only(t, sqldbtest.Postgres, func(t *testing.T) {
		pg := sqldbtest.OwnDurable(t)
		a := initApart(t, pg)
		book := instance.NewBook(t, a.vkey)
		s := instance.Start(t, a.dir, a.key, "--seal-after", "500ms")
		l := start(s, book, 0, 3, 2*time.Millisecond)
		for i := range 4 {
			sleepy(200*time.Millisecond, 600*time.Millisecond)
			stop := pg.Stop
			if i%2 == 1 {
				stop = pg.Crash
			}
			if err := stop(); err != nil {
				t.Logf("the database ended with %v", err)
			}
			sleepy(50*time.Millisecond, 500*time.Millisecond)
			if err := pg.Start(context.Background()); err != nil {
				t.Fatal(err)
			}
			before := book.Acked()
			s.Until(30*time.Second, "events were taken again", func() bool { return book.Acked() > before })
		}
		l.stop.Store(true)
		l.end()
		t.Logf("%d events acknowledged, %d requests refused", book.Acked(), l.refused.Load())
		book.Check(s)
		l.resend(s)
		book.Check(s)
		s.Stop()
		book.VerifyStopped(a.dir)
	})
}

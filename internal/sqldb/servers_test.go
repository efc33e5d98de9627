package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
)

// pair opens one database twice, as two processes would.
func pair(t *testing.T) (dbs [2]*sqldb.DB, address string) {
	t.Helper()
	address = sqldbtest.Address(t, t.TempDir())
	for i := range dbs {
		dbs[i] = openAt(t, address)
	}
	return dbs, address
}

func openAt(t *testing.T, address string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.OpenPostgres(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func take(t *testing.T, l *sqldb.Lease, want bool) {
	t.Helper()
	got, err := l.Take(t.Context())
	if err != nil || got != want || l.Held() != want {
		t.Errorf("a lease was taken: %v, held: %v, want %v (%v)", got, l.Held(), want, err)
	}
}

func fence(t *testing.T, db *sqldb.DB, l *sqldb.Lease) error {
	t.Helper()
	return db.Write(t.Context(), func(tx *sql.Tx) error { return l.Fence(t.Context(), tx) })
}

// expire has a lease run out, as if its holder had stood still.
func expire(t *testing.T, db *sqldb.DB, name string) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE lease SET until_at = 0 WHERE name = $1`, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLease(t *testing.T) {
	dbs, _ := pair(t)
	a, b := dbs[0].Lease("x"), dbs[1].Lease("x")
	take(t, a, true)
	take(t, b, false)
	take(t, a, true)
	if err := fence(t, dbs[0], a); err != nil {
		t.Errorf("the holder was fenced off: %v", err)
	}
	expire(t, dbs[0], "x")
	if err := fence(t, dbs[0], a); err != nil {
		t.Errorf("a lease that ran out and that nobody else has taken is as good as held: %v", err)
	}
	take(t, b, true)
	if !a.Held() {
		t.Error("a process that stood still cannot know yet that it has lost the lease")
	}
	if err := fence(t, dbs[0], a); !errors.Is(err, sqldb.ErrLeaseLost) {
		t.Errorf("who has lost the lease was let through: %v", err)
	}
	if err := a.Release(t.Context()); err != nil {
		t.Error(err)
	}
	take(t, a, false)
	if err := b.Release(t.Context()); err != nil || b.Held() {
		t.Errorf("held after its release: %v (%v)", b.Held(), err)
	}
	take(t, a, true)
}

// TestFenceHoldsOthersOff keeps a lease from changing hands within a transaction that depends on it.
func TestFenceHoldsOthersOff(t *testing.T) {
	dbs, _ := pair(t)
	a, b := dbs[0].Lease("x"), dbs[1].Lease("x")
	take(t, a, true)
	expire(t, dbs[0], "x")
	taken := make(chan time.Time, 1)
	var left time.Time
	err := dbs[0].Write(t.Context(), func(tx *sql.Tx) error {
		if err := a.Fence(t.Context(), tx); err != nil {
			return err
		}
		go func() {
			if held, err := b.Take(context.Background()); err != nil || !held {
				t.Errorf("%v %v", held, err)
			}
			taken <- time.Now()
		}()
		time.Sleep(200 * time.Millisecond)
		left = time.Now()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if at := <-taken; at.Before(left) {
		t.Error("the lease changed hands within the transaction")
	}
}

func TestAlone(t *testing.T) {
	dbs, _ := pair(t)
	try := func(i int, fn func()) bool {
		t.Helper()
		ran, err := dbs[i].Alone(t.Context(), "sealing", func(ctx context.Context, l *sqldb.Lease) error {
			if !l.Held() || ctx.Err() != nil {
				t.Error("it ran without the lease")
			}
			fn()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ran
	}
	nothing := func() {}
	if !try(0, func() {
		if try(1, nothing) || try(0, nothing) {
			t.Error("two were at it at once")
		}
	}) || !try(1, nothing) || !try(0, nothing) {
		t.Error("nobody was at it")
	}
	lost := errors.New("stopped")
	ran, err := dbs[0].Alone(t.Context(), "long", func(ctx context.Context, _ *sqldb.Lease) error {
		expire(t, dbs[1], "long")
		take(t, dbs[1].Lease("long"), true)
		select {
		case <-ctx.Done():
			return lost
		case <-time.After(20 * time.Second):
			return errors.New("nobody said that the lease was lost")
		}
	})
	if !ran || !errors.Is(err, sqldb.ErrLeaseLost) || !errors.Is(err, lost) {
		t.Errorf("losing a lease ended with %v (%v)", err, ran)
	}
}

func enter(t *testing.T, db *sqldb.DB, alone, want bool, first func() error) {
	t.Helper()
	got, err := db.Enter(t.Context(), alone, first)
	if err != nil || got != want {
		t.Errorf("entered: %v, want %v (%v)", got, want, err)
	}
}

func TestEnter(t *testing.T) {
	dbs, address := pair(t)
	firsts := 0
	first := func() error { firsts++; return nil }
	enter(t, dbs[0], false, true, first)
	enter(t, dbs[1], false, true, first)
	if firsts != 1 {
		t.Errorf("%d were the first", firsts)
	}
	if only, err := dbs[1].Lone(t.Context()); only || err != nil {
		t.Errorf("one of two is alone: %v", err)
	}
	enter(t, openAt(t, address), true, false, nil)
	dead := dbs[0].Lease("x")
	take(t, dead, true)
	if err := dbs[0].Close(); err != nil {
		t.Error(err)
	}
	take(t, dbs[1].Lease("x"), false)
	if only, err := dbs[1].Lone(t.Context()); !only || err != nil {
		t.Errorf("the last of two is not alone: %v", err)
	}
	take(t, dbs[1].Lease("x"), true) // of somebody who is gone
	if err := dbs[1].Close(); err != nil {
		t.Error(err)
	}
	third := openAt(t, address)
	enter(t, third, true, true, first)
	enter(t, openAt(t, address), true, false, first)
	if firsts != 2 {
		t.Errorf("%d were the first", firsts)
	}
}

// TestGeneration restarts a database server under a database.
func TestGeneration(t *testing.T) {
	s := sqldbtest.Own(t)
	db := openAt(t, s.URL("postgres"))
	nothing := func(*sql.Tx) error { return nil }
	if _, _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := db.Write(t.Context(), nothing); err != nil {
			t.Fatal(err)
		}
	}
	before := db.Generation()
	take(t, db.Lease("x"), true)
	c, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'probity'`); err != nil {
		t.Error(err)
	}
	if err := errors.Join(c.Close(t.Context()), db.Write(t.Context(), nothing)); err != nil || db.Generation() != before {
		t.Errorf("a lost connection is taken for another server (%v)", err)
	}
	for _, look := range []func() error{
		func() error { return db.Write(t.Context(), nothing) },
		func() error { _, err := db.Lease("x").Take(t.Context()); return err },
	} {
		if err := errors.Join(s.Stop(), s.Start(t.Context()), look()); err != nil {
			t.Fatal(err)
		}
		if now := db.Generation(); now != before+1 {
			t.Errorf("after a restart the generation is %d, it was %d", now, before)
		}
		before = db.Generation()
	}
}

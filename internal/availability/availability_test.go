package availability

import (
	"context"
	"math"
	"testing"
	"time"

	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
)

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func meter(t *testing.T, at string) (*Meter, *clock, *sqldb.DB) {
	t.Helper()
	db := sqldbtest.Open(t)
	start, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{start}
	return New(db, c.now), c, db
}

// serve lets minutes pass in which everything is well, unless spoil says otherwise.
func serve(t *testing.T, m *Meter, c *clock, minutes int, spoil func(i int, m *Meter) (skip bool)) {
	t.Helper()
	for i := range minutes {
		skip := false
		if spoil != nil {
			skip = spoil(i, m)
		}
		if !skip {
			for range 6 {
				m.Check(true)
			}
			m.Request(false)
		}
		c.t = c.t.Add(time.Minute)
		if i%97 == 0 {
			store(t, m, false)
		}
	}
	store(t, m, false)
}

func store(t *testing.T, m *Meter, all bool) {
	t.Helper()
	if err := m.Store(context.Background(), all); err != nil {
		t.Fatal(err)
	}
}

func report(t *testing.T, m *Meter) *Report {
	t.Helper()
	r, err := m.Report(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMinutesThatAreLost(t *testing.T) { sqldbtest.Each(t, testMinutesThatAreLost) }

func testMinutesThatAreLost(t *testing.T) {
	m, c, db := meter(t, "2026-11-20T23:00:00Z")
	if r := report(t, m); r.Measured != 0 || r.Ratio() != 1 || r.Left != 216 || !r.Since.IsZero() || len(r.Days) != Days {
		t.Errorf("before the first minute: %+v", r)
	}
	serve(t, m, c, 60, nil)
	serve(t, m, c, 100, func(i int, m *Meter) bool {
		switch {
		case i < 10: // nobody serves
			return true
		case i < 15: // checks fail, most of them
			for range 7 {
				m.Check(false)
			}
		case i < 20: // and here half of them, which is not enough
			for range 6 {
				m.Check(false)
			}
		case i < 23: // requests fail
			for range 18 {
				m.Request(false)
			}
			m.Request(true)
			m.Request(true)
		case i < 26: // one in twenty does not count
			for range 18 {
				m.Request(false)
			}
			m.Request(true)
		}
		return false
	})
	c.t = c.t.Add(time.Minute) // the minute that has just passed is not judged yet
	r := report(t, m)
	last, before := r.Days[Days-1], r.Days[Days-2]
	if last.Date != "2026-11-21" || last.Measured != 100 || last.Down != 18 || before.Date != "2026-11-20" || before.Measured != 60 || before.Down != 0 {
		t.Errorf("%+v %+v", before, last)
	}
	if r.Measured != 160 || r.Down != 18 || r.Budget != 216 || r.Left != 198 || math.Abs(r.Ratio()-(1-18.0/160)) > 1e-9 || r.Since.Format(time.RFC3339) != "2026-11-20T23:00:00Z" {
		t.Errorf("%+v", r)
	}
	// A second server adds what it sees to the same minutes.
	other := New(db, func() time.Time { return time.Date(2026, 11, 21, 0, 0, 30, 0, time.UTC) })
	other.Check(true)
	store(t, other, true)
	if r = report(t, m); r.Down != 17 {
		t.Errorf("with a second server: %+v", r)
	}
}

// TestRestartWithinAMinute: a minute that two processes share is one minute, and no gap.
func TestRestartWithinAMinute(t *testing.T) { sqldbtest.Each(t, testRestartWithinAMinute) }

func testRestartWithinAMinute(t *testing.T) {
	m, c, db := meter(t, "2026-11-22T10:00:00Z")
	serve(t, m, c, 5, nil)
	m.Check(true)
	store(t, m, true) // as at the end of a process
	m.Check(true)
	store(t, m, true) // what was stored is not stored again
	next := New(db, c.now)
	next.Check(false)
	serve(t, next, c, 5, nil)
	c.t = c.t.Add(time.Minute)
	if r := report(t, next); r.Measured != 10 || r.Down != 0 {
		t.Errorf("%+v", r)
	}
	var checks, failed int
	if err := db.Read(context.Background()).QueryRowContext(context.Background(), `SELECT checks, failed_checks FROM availability_minute WHERE minute = $1`,
		time.Date(2026, 11, 22, 10, 5, 0, 0, time.UTC).Unix()/60).Scan(&checks, &failed); err != nil || checks != 9 || failed != 1 {
		t.Error(checks, failed, err)
	}
}

// TestWindow: what is older than thirty days counts no more and is forgotten, except since when is measured.
func TestWindow(t *testing.T) { sqldbtest.Each(t, testWindow) }

func testWindow(t *testing.T) {
	m, c, db := meter(t, "2026-09-01T00:00:00Z")
	serve(t, m, c, 30, nil)
	c.t = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	serve(t, m, c, 61, nil)
	r := report(t, m)
	if r.Measured != 29*dayMinutes+60 || r.Down != 29*dayMinutes || r.Days[0].Date != "2026-10-24" || r.Days[0].Down != dayMinutes || r.Days[Days-1].Down != 0 || r.Left >= 0 {
		t.Errorf("%+v", r)
	}
	var n int
	if err := db.Read(context.Background()).QueryRowContext(context.Background(), `SELECT COUNT(*) FROM availability_minute`).Scan(&n); err != nil || n != 62 {
		t.Error(n, err)
	}
}

// TestDatabaseThatTakesNothing: what could not be stored is stored when it can.
func TestDatabaseThatTakesNothing(t *testing.T) {
	m, c, _ := meter(t, "2026-11-22T10:00:00Z")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m.Check(true)
	c.t = c.t.Add(time.Minute)
	if m.Store(ctx, false) == nil {
		t.Fatal("a cancelled write succeeded")
	}
	m.Check(true)
	c.t = c.t.Add(time.Minute)
	store(t, m, false)
	if r := report(t, m); r.Measured != 1 || r.Down != 0 || len(m.pending) != 0 {
		t.Errorf("%+v %v", r, m.pending)
	}
	for range 2 * maxPending { // memory is bounded meanwhile
		m.Check(true)
		c.t = c.t.Add(time.Minute)
	}
	if len(m.pending) != maxPending {
		t.Error(len(m.pending))
	}
	if _, err := m.Report(ctx); err == nil {
		t.Error("a database that does not answer gave a report")
	}
}

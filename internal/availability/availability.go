package availability

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"probity.dev/internal/sqldb"
)

// The objective, and the days over which it holds.
const (
	Objective = 0.995
	Days      = 30
)

const (
	dayMinutes = 24 * 60
	// keep is how long minutes are stored: the window, and a day for clocks that differ.
	keep = (Days + 1) * dayMinutes
	// maxPending bounds the minutes that wait in memory while the database takes nothing.
	maxPending = dayMinutes
)

// counts are those of one minute.
type counts struct{ checks, failedChecks, requests, failedRequests int64 }

// Meter counts. It is safe for concurrent use; several servers may count into one database.
type Meter struct {
	db  *sqldb.DB
	now func() time.Time

	mu      sync.Mutex
	pending map[int64]*counts // by minute, what is not in the database yet
}

// New returns a meter on db. now is the clock; nil for the system's.
func New(db *sqldb.DB, now func() time.Time) *Meter {
	if now == nil {
		now = time.Now
	}
	return &Meter{db: db, now: now, pending: map[int64]*counts{}}
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

func (m *Meter) add(f func(*counts)) {
	minute := minuteOf(m.now())
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.pending[minute]
	if c == nil {
		if len(m.pending) >= maxPending {
			return
		}
		c = &counts{}
		m.pending[minute] = c
	}
	f(c)
}

// Check counts one look at whether the service can do its work. A minute without any counts as lost, so it should be called several times a minute.
func (m *Meter) Check(ok bool) {
	m.add(func(c *counts) {
		c.checks++
		if !ok {
			c.failedChecks++
		}
	})
}

// Request counts an answered request. failed means that the service was at fault.
func (m *Meter) Request(failed bool) {
	m.add(func(c *counts) {
		c.requests++
		if failed {
			c.failedRequests++
		}
	})
}

// Store writes the minutes that have passed to the database, with all also the present one, and forgets what is older than the window. What cannot be written is kept for the next time.
func (m *Meter) Store(ctx context.Context, all bool) error {
	present := minuteOf(m.now())
	m.mu.Lock()
	batch := map[int64]counts{}
	for minute, c := range m.pending {
		if all || minute < present {
			batch[minute] = *c
		}
	}
	m.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := m.db.Write(ctx, func(tx *sql.Tx) error {
		for minute, c := range batch {
			if _, err := tx.ExecContext(ctx, `INSERT INTO availability_minute (minute, checks, failed_checks, requests, failed_requests) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (minute) DO UPDATE SET checks = availability_minute.checks + excluded.checks, failed_checks = availability_minute.failed_checks + excluded.failed_checks,
				requests = availability_minute.requests + excluded.requests, failed_requests = availability_minute.failed_requests + excluded.failed_requests`,
				minute, c.checks, c.failedChecks, c.requests, c.failedRequests); err != nil {
				return sqldb.Translate(err)
			}
		}
		// The first minute of all says since when is measured.
		_, err := tx.ExecContext(ctx, `DELETE FROM availability_minute WHERE minute < $1 AND minute > (SELECT MIN(minute) FROM availability_minute)`, present-keep)
		return sqldb.Translate(err)
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for minute, stored := range batch {
		c := m.pending[minute]
		c.checks -= stored.checks
		c.failedChecks -= stored.failedChecks
		c.requests -= stored.requests
		c.failedRequests -= stored.failedRequests
		if *c == (counts{}) {
			delete(m.pending, minute)
		}
	}
	return nil
}

// Day is one day of UTC.
type Day struct {
	Date     string // 2026-11-22
	Measured int    // minutes of it that have passed since the measurement began
	Down     int    // those that were lost
}

// Report says how much of the window was lost.
type Report struct {
	// Since is when the measurement began, the beginning of the window at the earliest; zero when nothing has been measured yet.
	Since time.Time
	// Days of the window, oldest first.
	Days []Day
	// Measured and Down are minutes.
	Measured, Down int
	// Budget is how many minutes of the window may be lost; Left is what of it is left, negative when more was lost.
	Budget, Left int
}

// Ratio is the share of the measured minutes that were not lost, 1 when nothing has been measured yet.
func (r *Report) Ratio() float64 {
	if r.Measured == 0 {
		return 1
	}
	return 1 - float64(r.Down)/float64(r.Measured)
}

// Report reads the window that ends now. The minute that has just passed is left out: a server may not have stored it yet.
func (m *Meter) Report(ctx context.Context) (*Report, error) {
	budget := Days * dayMinutes * (1 - Objective)
	r := &Report{Budget: int(budget + 0.5)}
	r.Left = r.Budget
	now := m.now().UTC()
	end := minuteOf(now) - 1
	from := now.Truncate(24*time.Hour).AddDate(0, 0, 1-Days)
	var first sql.NullInt64
	db := m.db.Read(ctx)
	if err := db.QueryRowContext(ctx, `SELECT MIN(minute) FROM availability_minute`).Scan(&first); err != nil {
		return nil, sqldb.Translate(err)
	}
	begin := minuteOf(from)
	if first.Valid {
		begin = max(begin, first.Int64)
		r.Since = time.Unix(begin*60, 0).UTC()
	} else {
		begin = end
	}
	up := map[int64]int{}
	rows, err := db.QueryContext(ctx, `SELECT minute / 1440, COUNT(*) FROM availability_minute WHERE minute >= $1 AND minute < $2 AND checks > 0
		AND failed_checks * 2 <= checks AND failed_requests * 20 <= requests GROUP BY minute / 1440`, begin, end)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var day int64
		var n int
		if err := rows.Scan(&day, &n); err != nil {
			return nil, sqldb.Translate(err)
		}
		up[day] = n
	}
	if err := rows.Err(); err != nil {
		return nil, sqldb.Translate(err)
	}
	for i := range Days {
		date := from.AddDate(0, 0, i)
		start := minuteOf(date)
		d := Day{Date: date.Format(time.DateOnly), Measured: int(max(0, min(start+dayMinutes, end)-max(start, begin)))}
		d.Down = max(0, d.Measured-up[start/dayMinutes])
		r.Days = append(r.Days, d)
		r.Measured += d.Measured
		r.Down += d.Down
	}
	r.Left = r.Budget - r.Down
	return r, nil
}

package app

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"probity.dev/internal/backup"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/telemetry"
)

// logLines collects what is logged.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logLines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// TestDailyBackup makes the backup of a day, prunes, tells the metrics, finds out after a start when the newest was made, and says when one fails.
func TestDailyBackup(t *testing.T) {
	ctx := context.Background()
	s := newSite(t)
	lines := &logLines{}
	logs, err := telemetry.New(ctx, telemetry.Options{Version: "test", Instance: "probity.local", LogLevel: "info", LogFormat: "json", Output: lines})
	if err != nil {
		t.Fatal(err)
	}
	s.telemetry = logs
	s.cfg.BackupTo, s.cfg.BackupRecipients, s.cfg.BackupKeepDaily = s.to, []string{s.recipient}, 1
	sch := newDailyBackup(s.App)
	s.record(t, 3)
	if err := sch.look(ctx); err != nil {
		t.Errorf("before the first: %v", err)
	}
	if f := figures(t, s.App); f["probity_backup_timestamp_seconds"] != 0 {
		t.Errorf("%v", f)
	}
	for range 3 {
		if !sch.once(ctx) {
			t.Fatal("no backup was made")
		}
	}
	f := figures(t, s.App)
	if age := time.Since(time.UnixMilli(int64(f["probity_backup_timestamp_seconds"] * 1000))); age > time.Minute || f["probity_backup_bytes"] == 0 || f["probity_backup_failures_total"] != 0 || !lines.has(`"msg":"backup"`) {
		t.Errorf("%v", f)
	}
	r, err := OpenBackups(ctx, s.cfg, s.to, false)
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.List(ctx)
	if err != nil || len(all) != 1 || !lines.has("old backups pruned") {
		t.Errorf("%d backups are kept of a day, %v", len(all), err)
	}
	again := &dailyBackup{a: s.App}
	if err := again.look(ctx); err != nil || again.newest.Load() != all[0].CreatedAt.UnixMicro() {
		t.Errorf("after a start: %d %v", again.newest.Load(), err)
	}
	if p, err := r.Prune(ctx, backup.Keep{Daily: 1}, true); err != nil || p.Parts != 0 {
		t.Errorf("left over: %+v %v", p, err)
	}
	s.cfg.BackupRecipients = []string{"age1nothing"}
	if sch.once(ctx) || figures(t, s.App)["probity_backup_failures_total"] != 1 || !lines.has("backup failed") {
		t.Error("a failure is not told")
	}
}

// TestOneBackupOfSeveralServers lets two servers of a database wake at the same time of day: one makes the backup, and both know of it.
func TestOneBackupOfSeveralServers(t *testing.T) {
	sqldbtest.Only(t, sqldbtest.Postgres, func(t *testing.T) {
		ctx := context.Background()
		s := newSite(t)
		s.cfg.BackupTo, s.cfg.BackupRecipients, s.cfg.BackupKeepDaily = s.to, []string{s.recipient}, 7
		s.record(t, 1)
		var two [2]*dailyBackup
		for i := range two {
			two[i] = &dailyBackup{a: s.App, failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "failed"})}
		}
		for i, sch := range two {
			if !sch.once(ctx) {
				t.Errorf("server %d has something left to do", i)
			}
		}
		r, err := OpenBackups(ctx, s.cfg, s.to, false)
		if err != nil {
			t.Fatal(err)
		}
		if all, err := r.List(ctx); err != nil || len(all) != 1 || two[0].newest.Load() != two[1].newest.Load() || two[0].newest.Load() == 0 {
			t.Errorf("%d backups, the newest at %d and %d: %v", len(all), two[0].newest.Load(), two[1].newest.Load(), err)
		}
		// While one is at it, the other looks again later.
		_, err = s.db.Alone(ctx, "backup", func(context.Context, *sqldb.Lease) error {
			if two[1].once(ctx) {
				t.Error("nothing is left to do, though nobody knows how the other's backup ends")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestFirstBackup is soon after a start when the newest is older than a day, and at its time otherwise.
func TestFirstBackup(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	soon, night := now.Add(time.Minute), now.Add(15*time.Hour+30*time.Minute)
	for newest, want := range map[time.Time]time.Time{{}: soon, now.Add(-40 * time.Hour): soon, now.Add(-24 * time.Hour): night, now.Add(-8 * time.Hour): night} {
		if at := firstBackup(newest, "03:30", now); !at.Equal(want) {
			t.Errorf("newest %v: %v, want %v", newest, at, want)
		}
	}
}

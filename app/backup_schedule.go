package app

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"probity.dev/internal/backup"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// What the daily backup waits for after a start that finds the newest one old, and after a failure.
const (
	backupAfterStart = time.Minute
	backupRetry      = 15 * time.Minute
	backupRetries    = 3
	backupOld        = 25 * time.Hour
)

// dailyBackup makes the daily backup.
type dailyBackup struct {
	a *App
	// newest is when the newest complete backup was made, in microseconds since 1970 UTC; 0 while that is unknown or there is none.
	newest atomic.Int64
	bytes  atomic.Int64
	took   atomic.Int64 // microseconds
	failed prometheus.Counter
}

var (
	backupAtGauge    = gauge("backup_timestamp_seconds", "When the newest complete backup at backup_to was made, in seconds since 1970; 0 when there is none.")
	backupBytesGauge = gauge("backup_bytes", "Size of what the newest backup that this process made holds.")
	backupTookGauge  = gauge("backup_seconds", "How long the newest backup that this process made took.")
)

func newDailyBackup(a *App) *dailyBackup {
	s := &dailyBackup{a: a, failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "probity_backup_failures_total", Help: "Daily backups, or attempts at one, that failed."})}
	a.telemetry.Registry.MustRegister(s, s.failed)
	return s
}

// Describe implements prometheus.Collector.
func (s *dailyBackup) Describe(to chan<- *prometheus.Desc) {
	to <- backupAtGauge
	to <- backupBytesGauge
	to <- backupTookGauge
}

// Collect implements prometheus.Collector.
func (s *dailyBackup) Collect(to chan<- prometheus.Metric) {
	if s.a.Config.BackupTo == "" {
		return // somebody else makes them
	}
	to <- prometheus.MustNewConstMetric(backupAtGauge, prometheus.GaugeValue, float64(s.newest.Load())/1e6)
	to <- prometheus.MustNewConstMetric(backupBytesGauge, prometheus.GaugeValue, float64(s.bytes.Load()))
	to <- prometheus.MustNewConstMetric(backupTookGauge, prometheus.GaugeValue, float64(s.took.Load())/1e6)
}

// run makes a backup at the configured time of each day until ctx ends; one more soon after the start when the newest is older than a day, as after an outage.
func (s *dailyBackup) run(ctx context.Context) {
	cfg := s.a.Config
	if cfg.BackupTo == "" || cfg.BackupAt == "off" {
		return
	}
	if err := s.look(ctx); err != nil && ctx.Err() == nil {
		s.a.telemetry.Logger.LogAttrs(ctx, slog.LevelWarn, "the backups cannot be listed", slog.Any("error", err))
	}
	due := firstBackup(time.UnixMicro(s.newest.Load()), cfg.BackupAt, time.Now().UTC())
	for retries := 0; ; {
		timer := time.NewTimer(time.Until(due))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		due = nextScrub(cfg.BackupAt, time.Now().UTC())
		if s.once(ctx) {
			retries = 0
		} else if retries++; retries <= backupRetries {
			due = time.Now().Add(backupRetry)
		} else {
			retries = 0
		}
	}
}

// firstBackup is when the first backup after a start is due.
func firstBackup(newest time.Time, at string, now time.Time) time.Time {
	if now.Sub(newest) > backupOld {
		return now.Add(backupAfterStart)
	}
	return nextScrub(at, now)
}

// look finds out when the newest backup was made.
func (s *dailyBackup) look(ctx context.Context) error {
	r, err := OpenBackups(ctx, s.a.Config, s.a.Config.BackupTo, false)
	if errs.CodeOf(err) == errs.NotFound {
		return nil // there are none yet
	}
	if err != nil {
		return err
	}
	newest, err := r.Find(ctx, "")
	if errs.CodeOf(err) == errs.NotFound {
		return nil
	}
	if err == nil {
		s.newest.Store(newest.CreatedAt.UnixMicro())
	}
	return err
}

// once makes a backup and prunes the old ones, unless another server of this database has just made one, or is at it. It reports whether there is nothing to try, or to look at, again.
func (s *dailyBackup) once(ctx context.Context) bool {
	log := s.a.telemetry.Logger
	ran, err := s.a.db.Alone(ctx, "backup", func(ctx context.Context, _ *sqldb.Lease) error {
		start := time.Now()
		if s.a.db.Shared() {
			if err := s.look(ctx); err != nil || start.Sub(time.UnixMicro(s.newest.Load())) < backupRetry*backupRetries {
				return err
			}
		}
		r, err := BackUp(ctx, s.a.Config, BackupOptions{To: s.a.Config.BackupTo, Recipients: s.a.Config.BackupRecipients})
		if err != nil {
			return err
		}
		s.newest.Store(r.CreatedAt.UnixMicro())
		s.bytes.Store(r.Bytes)
		s.took.Store(time.Since(start).Microseconds())
		log.LogAttrs(ctx, slog.LevelInfo, "backup", slog.String("id", r.ID), slog.Int64("bytes", r.Bytes), slog.Int64("new_bytes", r.NewBytes), slog.Duration("took", time.Since(start)))
		return s.prune(ctx)
	})
	if err != nil && ctx.Err() == nil {
		s.failed.Inc()
		log.LogAttrs(ctx, slog.LevelError, "backup failed", slog.Any("error", err))
	}
	return ran && err == nil
}

func (s *dailyBackup) prune(ctx context.Context) error {
	r, err := OpenBackups(ctx, s.a.Config, s.a.Config.BackupTo, false)
	if err != nil {
		return err
	}
	p, err := r.Prune(ctx, backup.Keep{Daily: s.a.Config.BackupKeepDaily, Monthly: s.a.Config.BackupKeepMonthly}, false)
	if err == nil && len(p.Removed) > 0 {
		s.a.telemetry.Logger.LogAttrs(ctx, slog.LevelInfo, "old backups pruned", slog.Int("backups", len(p.Removed)), slog.Int64("bytes", p.Freed))
	}
	return err
}

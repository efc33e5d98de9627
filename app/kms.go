package app

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"probity.dev/internal/config"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/kms"
	"probity.dev/internal/sqldb"
)

// masterKeyPath is the file of the master key in a data directory, where it is not kept elsewhere.
func masterKeyPath(dir string) string { return filepath.Join(dir, "keys", "master.key") }

// kmsLocation is where the master key of cfg is.
func kmsLocation(cfg *config.Config) (kms.Location, error) {
	if cfg.KMS == "" {
		return kms.Location{Kind: kms.KindFile, Path: masterKeyPath(cfg.Data)}, nil
	}
	return kms.Parse(cfg.KMS)
}

func kmsSecrets(cfg *config.Config) kms.Secrets {
	return kms.Secrets{Token: cfg.KMSToken, SecretID: cfg.KMSSecretID}
}

// openKMS opens the key-management service of cfg.
func openKMS(ctx context.Context, cfg *config.Config) (crypt.KMS, error) {
	l, err := kmsLocation(cfg)
	if err != nil {
		return nil, err
	}
	return kms.Open(ctx, l, kmsSecrets(cfg))
}

// createKMS is openKMS for a new installation: a master key in a file is made. Another service is asked first, because a data directory without a master key is of no use.
func createKMS(ctx context.Context, cfg *config.Config) (crypt.KMS, error) {
	l, err := kmsLocation(cfg)
	if err != nil {
		return nil, err
	}
	if l.Kind == kms.KindFile {
		return crypt.CreateFileKMS(l.Path)
	}
	k, err := kms.Open(ctx, l, kmsSecrets(cfg))
	if err == nil {
		_, err = kms.Check(ctx, k)
	}
	return k, err
}

// MasterKey names the master key of cfg for people: the path of a file, or the name of a key elsewhere.
func MasterKey(cfg *config.Config) string {
	l, err := kmsLocation(cfg)
	switch {
	case err != nil:
		return ""
	case l.Kind == kms.KindFile:
		return l.Path
	}
	return l.Name()
}

// MasterKeyFile reports whether the master key of cfg is a file, which somebody has to back up.
func MasterKeyFile(cfg *config.Config) bool {
	l, err := kmsLocation(cfg)
	return err == nil && l.Kind == kms.KindFile
}

// HasMasterKey reports whether the master key of a data directory is there, without which values cannot be read. One that is not a file is taken to be.
func HasMasterKey(cfg *config.Config) bool {
	l, err := kmsLocation(cfg)
	if err != nil || l.Kind != kms.KindFile {
		return err == nil
	}
	_, err = os.Stat(l.Path)
	return err == nil
}

// kmsPatience is how long a start waits for a service that does not answer: after a power cut, both start at once.
var kmsPatience = 20 * time.Second

// startKMS asks the service whether it will do its work.
func (a *App) startKMS(ctx context.Context) error {
	end := time.Now().Add(kmsPatience)
	for pause := time.Second; ; pause *= 2 {
		_, err := a.kms.Check(ctx)
		if errs.CodeOf(err) != errs.Unavailable || time.Now().Add(pause).After(end) || ctx.Err() != nil {
			return err
		}
		a.telemetry.Logger.Warn("the key-management service does not answer; the start waits for it", "kms", a.kms.Name(), "problem", errs.Message(err))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// checkMasterKey compares the master key in use with the one that the database names, which it names at the first start.
func (a *App) checkMasterKey(ctx context.Context) error {
	var name, version string
	err := a.db.Read(ctx).QueryRowContext(ctx, `SELECT kms, version FROM master_key WHERE no = 1`).Scan(&name, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return a.db.Write(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO master_key (no, kms, version, since) VALUES (1, $1, $2, COALESCE((SELECT MIN(created_at) FROM tenant), $3)) ON CONFLICT DO NOTHING`,
				a.kms.Name(), a.kms.Current(), sqldb.Now())
			return sqldb.Translate(err)
		})
	}
	if err != nil {
		return sqldb.Translate(err)
	}
	if name != a.kms.Name() {
		return errs.New(errs.Invalid, "the keys in this database are wrapped by %s, and the setting kms names %s: correct the setting, or move the keys with probity keys rewrap --to", named(name), named(a.kms.Name()))
	}
	return nil
}

// named words the name of a master key.
func named(name string) string {
	if name == kms.KindFile {
		return "a master key in a file"
	}
	return name
}

// observeKMS counts what the key-management service is asked.
func observeKMS(r prometheus.Registerer) kms.Observer {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "probity_kms_requests_total", Help: "Requests to the key-management service, by operation and by whether they failed."}, []string{"operation", "outcome"})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "probity_kms_seconds", Help: "Time of a request to the key-management service.", Buckets: prometheus.ExponentialBuckets(0.0005, 3, 10)})
	r.MustRegister(requests, seconds)
	return func(operation string, failed bool, took time.Duration) {
		outcome := "ok"
		if failed {
			outcome = "failed"
		}
		requests.WithLabelValues(operation, outcome).Inc()
		seconds.Observe(took.Seconds())
	}
}

// watchKMS looks whether the service answers and says in the log when that changes.
func (a *App) watchKMS(ctx context.Context) {
	a.kms.Run(ctx, func(problem string) {
		if problem != "" {
			a.telemetry.Logger.Error("the key-management service cannot be used; what is open stays open, but a restart would fail", "kms", a.kms.Name(), "problem", problem)
			return
		}
		a.telemetry.Logger.Info("the key-management service can be used again", "kms", a.kms.Name())
	})
}

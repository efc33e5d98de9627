package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// databasePath is the file of the database in a data directory, where it is not PostgreSQL.
func databasePath(dir string) string { return filepath.Join(dir, "probity.db") }

// highWaterPath is the file of the high-water mark in a data directory.
func highWaterPath(dir string) string { return filepath.Join(dir, "highwater.json") }

// hasData reports whether a data directory has been initialised.
func hasData(cfg *config.Config) bool {
	paths := []string{databasePath(cfg.Data)}
	if cfg.Database != "" {
		paths = []string{masterKeyPath(cfg.Data), highWaterPath(cfg.Data)} // the first where the master key is a file there
	}
	for _, p := range paths {
		if _, err := os.Stat(p); !errors.Is(err, os.ErrNotExist) {
			return true
		}
	}
	return false
}

// initialised reports whether there is an installation for cfg, made by init. Where the master key is elsewhere and the high-water mark in an object store, nothing need be in
// the directory, and the database knows.
func initialised(ctx context.Context, cfg *config.Config) (bool, error) {
	if hasData(cfg) || cfg.Database == "" || cfg.KMS == "" {
		return hasData(cfg), nil
	}
	tenants, err := countTenants(ctx, cfg)
	return tenants > 0, err
}

// noData says what is missing in the directory of an installation that is not there.
func noData(cfg *config.Config) error {
	further := ""
	if cfg.Database != "" && cfg.KMS == "" {
		further = "; a further server of an installation needs a copy of the first one's keys/master.key instead"
	}
	return errs.New(errs.NotFound, "%s holds no data yet: run probity init --data %s first%s", cfg.Data, cfg.Data, further)
}

// Connect opens the database of an installation as it is, whatever its schema. The caller closes it.
func Connect(ctx context.Context, cfg *config.Config) (*sqldb.DB, error) {
	if cfg.Database == "" && !hasData(cfg) {
		return nil, noData(cfg)
	}
	return connect(ctx, cfg)
}

// connect opens the database of cfg as it is.
func connect(ctx context.Context, cfg *config.Config) (*sqldb.DB, error) {
	if cfg.Database != "" {
		return sqldb.OpenPostgres(ctx, cfg.Database)
	}
	return sqldb.OpenSQLite(ctx, databasePath(cfg.Data))
}

// openSchema opens the database of cfg with a schema that this program can work on. The database's owner makes or migrates it.
func openSchema(ctx context.Context, cfg *config.Config) (*sqldb.DB, *sqldb.Standing, error) {
	db, err := connect(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	s, err := db.Prepare(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, s, nil
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkEmpty refuses a PostgreSQL database that holds an installation already. It comes before anything is made, and finds out what is wrong with the address.
func checkEmpty(ctx context.Context, cfg *config.Config) error {
	if cfg.Database == "" {
		return nil
	}
	tenants, err := countTenants(ctx, cfg)
	if err == nil && tenants > 0 {
		err = errs.New(errs.Conflict, "the database holds data already; choose another one")
	}
	return err
}

// countTenants counts the tenants in the database of cfg, whose schema it makes or migrates where the role may.
func countTenants(ctx context.Context, cfg *config.Config) (n int, err error) {
	db, _, err := openSchema(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return n, sqldb.Translate(db.Read(ctx).QueryRowContext(ctx, `SELECT COUNT(*) FROM tenant`).Scan(&n))
}

// openDatabase opens the database, and says in the log what is wrong with the rights of the role and does not keep it from working.
func (a *App) openDatabase(ctx context.Context) error {
	db, s, err := openSchema(ctx, a.Config)
	if err != nil {
		return err
	}
	a.db = db
	for _, r := range s.AppRoles {
		if r.Role == s.Role && len(r.Excess) > 0 {
			a.telemetry.Logger.Warn("the database role may do more than it needs; probity migrate apply with the owner's address and --app-role takes that away", "role", r.Role, "excess", r.Excess)
		}
	}
	return nil
}

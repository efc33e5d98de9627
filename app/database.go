package app

import (
	"context"
	"errors"
	"fmt"
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

// openDatabase opens the database of cfg as it is.
func openDatabase(ctx context.Context, cfg *config.Config) (*sqldb.DB, error) {
	if cfg.Database != "" {
		return sqldb.OpenPostgres(ctx, cfg.Database)
	}
	return sqldb.OpenSQLite(ctx, databasePath(cfg.Data))
}

// openSchema opens the database of cfg with the present schema.
func openSchema(ctx context.Context, cfg *config.Config) (*sqldb.DB, error) {
	db, err := openDatabase(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, _, err = db.Migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("bring the database up to date: %w", err), db.Close())
	}
	return db, nil
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkEmpty refuses a PostgreSQL database that holds an installation already. It comes before anything is made, and finds out what is wrong with the address.
func checkEmpty(ctx context.Context, cfg *config.Config) (err error) {
	if cfg.Database == "" {
		return nil
	}
	db, err := openSchema(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var tenants int
	if err := db.Read(ctx).QueryRowContext(ctx, `SELECT COUNT(*) FROM tenant`).Scan(&tenants); err != nil {
		return sqldb.Translate(err)
	}
	if tenants > 0 {
		return errs.New(errs.Conflict, "the database holds data already; choose another one")
	}
	return nil
}

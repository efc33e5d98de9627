package app

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"strings"

	"probity.dev/internal/blob"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger"
)

// sharable reports whether several servers may work with the database of cfg: when nothing but copies lies in their data directories.
func sharable(cfg *config.Config) bool { return cfg.Database != "" && cfg.Storage != "" }

// enter has the server work on the database beside others, or alone where what is sealed lies in its data directory, in which another server would miss it.
func (a *App) enter(ctx context.Context) error {
	shared := sharable(a.Config)
	entered, err := a.db.Enter(ctx, !shared, func() error { return a.first(ctx) })
	if err != nil {
		return err
	}
	if !entered && shared {
		return errs.New(errs.Conflict, "another probity works on this database and keeps sealed files in its data directory; several servers need a common object store: set storage for all of them")
	}
	if !entered {
		return errs.New(errs.Conflict, "another probity works on this database, with another data directory; several servers need a common object store: set storage for all of them, or use --server to reach the other")
	}
	if !shared {
		return nil
	}
	return a.sameStorage(ctx)
}

// first notes what the other servers must have in common with the first one. A server that is alone may change it.
func (a *App) first(ctx context.Context) error {
	if a.Config.Database == "" {
		return nil
	}
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		for name, value := range storagePlaces(a.Config) {
			if _, err := tx.ExecContext(ctx, `INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value); err != nil {
				return sqldb.Translate(err)
			}
		}
		return nil
	})
}

// inDirectory is the place of files that are in no object store.
const inDirectory = "a data directory"

// storageSaid refuses to look for sealed files in a data directory when the servers of the database have them in an object store: they would seem to be missing.
func storageSaid(ctx context.Context, db *sqldb.DB, cfg *config.Config) error {
	if cfg.Database == "" || cfg.Storage != "" {
		return nil
	}
	var known bool // a schema may be of before
	if err := db.Read(ctx).QueryRowContext(ctx, `SELECT to_regclass('installation') IS NOT NULL`).Scan(&known); err != nil || !known {
		return sqldb.Translate(err)
	}
	var place string
	err := db.Read(ctx).QueryRowContext(ctx, `SELECT value FROM installation WHERE name = 'storage'`).Scan(&place)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return sqldb.Translate(err)
	case place != inDirectory:
		return errs.New(errs.Invalid, "%s; the servers of the database have them at %s", storageForgotten, place)
	}
	return nil
}

// storagePlaces are the bucket and prefix of each store; the address of its server may differ from machine to machine.
func storagePlaces(cfg *config.Config) map[string]string {
	place := func(text string) string {
		if text == "" {
			return inDirectory
		}
		l, err := blob.ParseLocation(text)
		if err != nil {
			return text
		}
		return l.Bucket + "/" + l.Prefix
	}
	working := cfg.StorageWorking
	if working == "" {
		working = cfg.Storage
	}
	return map[string]string{"storage": place(cfg.Storage), "storage-working": place(working)}
}

func (a *App) sameStorage(ctx context.Context) error {
	for name, own := range storagePlaces(a.Config) {
		var common string
		if err := a.db.Read(ctx).QueryRowContext(ctx, `SELECT value FROM installation WHERE name = $1`, name).Scan(&common); err != nil {
			return sqldb.Translate(err)
		}
		if own != common {
			return errs.New(errs.Conflict, "the other servers of this database have the setting %s at %s, this one at %s; it must be the same on all of them", name, common, own)
		}
	}
	return nil
}

// installationID is what the object store knows the installation by: the same on all servers of a database. A data directory that has claimed its storage without other servers hands its id over.
func (a *App) installationID(ctx context.Context) (id string, err error) {
	path := claimPath(a.Config.Data)
	if a.Config.Database == "" {
		return claimID(path)
	}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	own := strings.TrimSpace(string(b))
	if own == "" {
		own = newClaimID()
	}
	err = a.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO installation (name, value) VALUES ('id', $1) ON CONFLICT DO NOTHING`, own); err != nil {
			return sqldb.Translate(err)
		}
		return sqldb.Translate(tx.QueryRowContext(ctx, `SELECT value FROM installation WHERE name = 'id'`).Scan(&id))
	})
	return id, err
}

// commonID is the id under which the servers of a copied database have claimed their storage, "" if they have not.
func commonID(ctx context.Context, q ledger.Asker) (id string, err error) {
	rows, err := q.QueryContext(ctx, `SELECT value FROM installation WHERE name = 'id'`)
	if err != nil {
		return "", sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&id); err != nil {
			return "", err
		}
	}
	return id, sqldb.Translate(rows.Err())
}

// forgetID makes a restored database one of another installation than that which was backed up: the storage of that is not its own.
func forgetID(ctx context.Context, address string) (err error) {
	db, err := sqldb.OpenPostgres(ctx, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Write(ctx, func(tx *sql.Tx) error {
		var known bool
		if err := tx.QueryRowContext(ctx, `SELECT to_regclass('installation') IS NOT NULL`).Scan(&known); err != nil || !known {
			return sqldb.Translate(err)
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM installation WHERE name = 'id'`)
		return sqldb.Translate(err)
	})
}

// lone makes sure that no other server works on the database, for decisions that may not be made while one does.
func (a *App) lone(ctx context.Context) error {
	only, err := a.db.Lone(ctx)
	if err == nil && !only {
		err = errs.New(errs.Conflict, "other servers work on this database; stop them first")
	}
	return err
}

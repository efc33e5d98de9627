package sqldb

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/mattn/go-sqlite3"
)

// The kinds of databases that a [Copy] can be of.
const (
	KindSQLite   = "sqlite"
	KindPostgres = "postgres"
)

// Copy is one state of a database, while others go on writing to it: what queries see and what [Copy.WriteTo] writes is that state.
type Copy struct {
	// Kind says what WriteTo writes: the file of a SQLite database, or the container of package sqldb for PostgreSQL.
	Kind string
	// Schema is the number of the newest migration.
	Schema int64

	query func(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	write func(ctx context.Context, w io.Writer) error
	close func() error
}

// QueryContext asks the copied state.
func (c *Copy) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.query(ctx, query, args...)
}

// Write writes the copied state to w, for [RestoreSQLite] or [RestorePostgres].
func (c *Copy) Write(ctx context.Context, w io.Writer) error { return c.write(ctx, w) }

// Close ends the copy and removes what it took.
func (c *Copy) Close() error { return c.close() }

// readSchema reads the version that the migrations have noted.
func (c *Copy) readSchema(ctx context.Context) error {
	rows, err := c.query(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`)
	if err != nil {
		return Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&c.Schema); err != nil {
			return err
		}
	}
	return Translate(rows.Err())
}

// CopySQLite copies the database file at path, which a server may have open, to the file at temp, which must not exist and is removed by Close. What was deleted is not in the copy: it is written anew, row by
// row, and pages that are free now are left out.
func CopySQLite(ctx context.Context, path, temp string) (*Copy, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	from, err := openPlain(ctx, path, "_busy_timeout=10000")
	if err != nil {
		return nil, err
	}
	_, err = from.ExecContext(ctx, `VACUUM INTO $1`, temp)
	if err = errors.Join(Translate(err), from.Close()); err != nil {
		return nil, errors.Join(err, removeIfThere(temp))
	}
	db, err := openPlain(ctx, temp, "mode=ro&immutable=1")
	if err != nil {
		return nil, errors.Join(err, removeIfThere(temp))
	}
	c := &Copy{Kind: KindSQLite, query: db.QueryContext, close: func() error { return errors.Join(db.Close(), removeIfThere(temp)) }}
	c.write = func(_ context.Context, w io.Writer) error {
		f, err := os.Open(temp)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, f)
		return errors.Join(err, f.Close())
	}
	if err := c.readSchema(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// openPlain opens a SQLite file on one connection, without any of what [OpenSQLite] arranges for a server.
func openPlain(ctx context.Context, path, options string) (*sql.DB, error) {
	db := sql.OpenDB(connector{&sqlite3.SQLiteDriver{}, "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options})
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, Translate(err)), db.Close())
	}
	return db, nil
}

func removeIfThere(path string) error {
	var err error
	for _, side := range []string{"", "-journal", "-wal", "-shm"} {
		if e := os.Remove(path + side); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// RestoreSQLite writes a database file that [Copy.Write] wrote. There must be none at path. The file is durable and private to its owner.
func RestoreSQLite(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = write(w)
	return errors.Join(err, w.Flush(), f.Sync(), f.Close())
}

package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Statement is a statement that returns no rows, with its arguments.
type Statement struct {
	SQL  string
	Args []any
}

// Exec runs statements one after another in tx, which MUST be a transaction of this DB's Write, and returns how many rows each has changed. On PostgreSQL all of them take one round trip.
func (db *DB) Exec(ctx context.Context, tx *sql.Tx, statements ...Statement) ([]int64, error) {
	if len(statements) == 0 {
		return nil, nil
	}
	changed := make([]int64, len(statements))
	if db.pg != nil {
		if conn, ok := db.pg.txs.Load(tx); ok {
			return changed, Translate(execBatch(ctx, conn.(*sql.Conn), statements, changed))
		}
	}
	var put *sql.Stmt
	defer func() {
		if put != nil {
			put.Close()
		}
	}()
	for i, s := range statements {
		if i == 0 || s.SQL != statements[i-1].SQL {
			if put != nil {
				put.Close()
			}
			var err error
			if put, err = tx.PrepareContext(ctx, s.SQL); err != nil {
				return nil, Translate(err)
			}
		}
		res, err := put.ExecContext(ctx, s.Args...)
		if err != nil {
			return nil, Translate(err)
		}
		if changed[i], err = res.RowsAffected(); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

// execBatch sends all statements before it reads the first answer.
func execBatch(ctx context.Context, conn *sql.Conn, statements []Statement, changed []int64) error {
	return conn.Raw(func(c any) error {
		own, ok := c.(raw)
		if !ok {
			return fmt.Errorf("a connection to PostgreSQL is a %T", c)
		}
		var batch pgx.Batch
		for _, s := range statements {
			batch.Queue(s.SQL, s.Args...)
		}
		results := own.Conn().SendBatch(ctx, &batch)
		for i := range statements {
			tag, err := results.Exec()
			if err != nil {
				return errors.Join(err, results.Close())
			}
			changed[i] = tag.RowsAffected()
		}
		return results.Close()
	})
}

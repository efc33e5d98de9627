package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"

	"probity.dev/internal/errs"
)

// ErrDiskFull is in the chain of every error that says the disk has no room left.
var ErrDiskFull = errors.New("no space left on the disk of the database")

// Translate gives driver errors the codes of package errs: a full or read-only disk, a busy database and one that cannot be reached are Unavailable, a violated
// constraint is a Conflict. Other errors, nil and the end of a context included, come back unchanged.
func Translate(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var coded *errs.Error
	if errors.As(err, &coded) {
		return err
	}
	if se, ok := errors.AsType[sqlite3.Error](err); ok {
		return translateSQLite(err, se.Code)
	}
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return translatePostgres(err, pe.Code)
	}
	if lost(err) {
		return unavailable(5*time.Second, err, "the database cannot be reached")
	}
	return err
}

func unavailable(after time.Duration, cause error, message string) error {
	e := errs.Wrap(errs.Unavailable, cause, "%s", message)
	e.RetryAfter = after
	return e
}

const (
	fullText     = "the disk is full; nothing was recorded. Free space and retry"
	busyText     = "the database is busy"
	conflictText = "the change contradicts what is stored"
)

func translateSQLite(err error, code sqlite3.ErrNo) error {
	switch code {
	case sqlite3.ErrFull:
		return unavailable(30*time.Second, errors.Join(ErrDiskFull, err), fullText)
	case sqlite3.ErrIoErr, sqlite3.ErrReadonly, sqlite3.ErrCantOpen:
		return unavailable(10*time.Second, err, "the database cannot be read or written")
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return unavailable(time.Second, err, busyText)
	case sqlite3.ErrConstraint:
		return errs.Wrap(errs.Conflict, err, conflictText)
	}
	return err
}

// translatePostgres judges by SQLSTATE (PostgreSQL documentation, appendix A).
func translatePostgres(err error, state string) error {
	switch state {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, lock not available
		return unavailable(time.Second, err, busyText)
	case "57014": // cancelled, by a timeout
		return unavailable(5*time.Second, err, "the database took too long")
	case "53100":
		return unavailable(30*time.Second, errors.Join(ErrDiskFull, err), fullText)
	case "42501":
		return unavailable(0, err, "the database does not allow this to the role that probity signs in as: give it the rights with probity migrate apply --app-role, or run the command with the address of the database's owner")
	case refused:
		return errs.Wrap(errs.Conflict, err, "the database refuses the change: %s", pgMessage(err))
	case "22021": // a zero byte or a broken character: PostgreSQL keeps no such text
		return errs.Wrap(errs.NotFound, err, "nothing has a name with such characters")
	case "25006":
		return unavailable(10*time.Second, err, "the database takes no changes at the moment; is this the address of a standby?")
	case "3D000":
		return unavailable(0, err, "there is no such database on this server: make it first (CREATE DATABASE)")
	case "58030": // I/O error
		return unavailable(10*time.Second, err, "the database cannot be read or written")
	}
	switch state[:min(2, len(state))] {
	case "23":
		return errs.Wrap(errs.Conflict, err, conflictText)
	case "28":
		return unavailable(0, err, "the database refuses the role or the password")
	case "53":
		return unavailable(5*time.Second, err, "the database is overloaded")
	case "08", "57":
		return unavailable(5*time.Second, err, "the database cannot be reached")
	}
	return err
}

// refused is the SQLSTATE of what the append-only tables do not allow (migration 20). Its messages name logs and seqs, nothing else.
const refused = "PB001"

func pgMessage(err error) string {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pe.Message
	}
	return err.Error()
}

// sqlState is PostgreSQL's code of an error, "" for any other error.
func sqlState(err error) string {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pe.Code
	}
	return ""
}

// lost reports whether an error says that there is no connection, or no longer.
func lost(err error) bool {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pe.Code[:min(2, len(pe.Code))] == "08" || pe.Code == "57P01" || pe.Code == "57P02" || pe.Code == "57P03"
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		pgconn.SafeToRetry(err)
}

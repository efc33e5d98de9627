package ledger

import (
	"context"
	"database/sql"

	"golang.org/x/mod/sumdb/note"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
)

// logKeys are the keys of a log, of every epoch. They never change: a rotation replaces them as a whole.
type logKeys struct {
	signers []logSigner // those that may still sign, the newest first
	vkeys   []string    // every key that ever signed, the newest first
}

// logSigner is a key that signs until it retires.
type logSigner struct {
	note.Signer
	retires int64 // microseconds since 1970 UTC; 0 for a key that has no successor
}

// with returns the keys with a newer one.
func (k *logKeys) with(signer note.Signer, vkey string) *logKeys {
	return &logKeys{signers: append([]logSigner{{Signer: signer}}, k.signers...), vkeys: append([]string{vkey}, k.vkeys...)}
}

// of are the keys that sign for an origin at a time, the newest first: a signature counts only by a key whose name is the origin.
func (k *logKeys) of(origin string, now int64) []note.Signer {
	var out []note.Signer
	for _, s := range k.signers {
		if s.Name() == origin && (s.retires == 0 || now < s.retires) {
			out = append(out, s.Signer)
		}
	}
	return out
}

// signersOf are the keys that sign for an origin now.
func (t *tenant) signersOf(origin string) []note.Signer {
	return t.logKeys.Load().of(origin, sqldb.Now())
}

// loadKeys reads the keys of a log.
func (l *Ledger) loadKeys(ctx context.Context, q queryer, t *tenant) error {
	rows, err := q.QueryContext(ctx, `SELECT vkey, skey, retired_at FROM log_key WHERE log_id = $1 ORDER BY created_at DESC`, t.logID)
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	k, now := &logKeys{}, sqldb.Now()
	for rows.Next() {
		var vkey string
		var sealed []byte
		var retires sql.NullInt64
		if err := rows.Scan(&vkey, &sealed, &retires); err != nil {
			return err
		}
		k.vkeys = append(k.vkeys, vkey)
		if retires.Valid && retires.Int64 <= now {
			continue
		}
		skey, err := t.keys.Open("log-key|"+vkey, sealed)
		if err != nil {
			return errs.Wrap(errs.Internal, err, "a signing key of the log does not open")
		}
		s, err := tlog.NewSigner(string(skey))
		if err != nil {
			return err
		}
		k.signers = append(k.signers, logSigner{s, retires.Int64})
	}
	if err := rows.Err(); err != nil {
		return sqldb.Translate(err)
	}
	t.logKeys.Store(k)
	return nil
}

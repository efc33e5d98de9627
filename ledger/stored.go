package ledger

import (
	"context"
	"database/sql"

	"probity.dev/internal/blob"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
)

// StoredLog is a log's evidence as it lies in a data directory, read without any key: leaves, tiles, checkpoint and verifier keys are not secret. It checks
// nothing and repairs nothing; that is a verifier's business.
type StoredLog struct {
	l *Ledger
	t *tenant
	// TenantID is whose log it is.
	TenantID string
	// Head is what the database says. Root, SignedAt and the sizes of files are not set.
	Head Head
}

// OpenStored lists the logs in a database and the store of their evidence, in order of creation, each epoch by itself, the earlier ones first. The caller keeps the database open as long as it reads.
func OpenStored(ctx context.Context, db *sqldb.DB, evidence blob.Files) ([]*StoredLog, error) {
	l := &Ledger{opt: Options{Evidence: evidence}, db: db, noCopies: true}
	rows, err := db.Read(ctx).QueryContext(ctx, `SELECT tenant_id, log_id, instance, epoch, base, size, recorded_at, published, checkpoint FROM log ORDER BY created_at, log_id`)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var out []*StoredLog
	for rows.Next() {
		s := &StoredLog{l: l, t: &tenant{}}
		h := &s.Head
		var size, published uint64
		var recorded int64
		if err := rows.Scan(&s.t.id, &s.t.logID, &s.t.instance, &h.Epoch, &h.Base, &size, &recorded, &published, &h.Checkpoint); err != nil {
			return nil, err
		}
		s.TenantID = s.t.id
		h.LogID, h.Origin, h.Next, h.Published = s.t.logID, s.t.origin(h.Epoch), h.Base+size, h.Base+published
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		return nil, sqldb.Translate(err)
	}
	var all []*StoredLog
	for _, s := range out {
		if err := s.load(ctx, db.Read(ctx)); err != nil {
			return nil, err
		}
		ended, err := s.ended(ctx, db.Read(ctx))
		if err != nil {
			return nil, err
		}
		all = append(append(all, ended...), s)
	}
	return all, nil
}

// ended lists the epochs of the log before the present one.
func (s *StoredLog) ended(ctx context.Context, db *sql.DB) ([]*StoredLog, error) {
	rows, err := db.QueryContext(ctx, `SELECT epoch, base, size, published, checkpoint FROM log_epoch WHERE log_id = $1 ORDER BY epoch`, s.t.logID)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var out []*StoredLog
	for rows.Next() {
		o := &StoredLog{l: s.l, t: s.t, TenantID: s.TenantID, Head: Head{LogID: s.t.logID, VKeys: s.Head.VKeys, Ended: true}}
		var size, published uint64
		if err := rows.Scan(&o.Head.Epoch, &o.Head.Base, &size, &published, &o.Head.Checkpoint); err != nil {
			return nil, err
		}
		o.Head.Origin, o.Head.Next, o.Head.Published = s.t.origin(o.Head.Epoch), o.Head.Base+size, o.Head.Base+published
		out = append(out, o)
	}
	return out, sqldb.Translate(rows.Err())
}

func (s *StoredLog) load(ctx context.Context, db *sql.DB) error {
	segments, err := s.l.loadSegments(ctx, s.l.db.Read(ctx), s.t.logID)
	if err != nil {
		return err
	}
	s.t.hot.setSegments(segments)
	rows, err := db.QueryContext(ctx, `SELECT vkey FROM log_key WHERE log_id = $1 ORDER BY created_at DESC`, s.t.logID)
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var vkey string
		if err := rows.Scan(&vkey); err != nil {
			return err
		}
		s.Head.VKeys = append(s.Head.VKeys, vkey)
	}
	return sqldb.Translate(rows.Err())
}

// Leaves yields the stored leaves of [from, to) in order of seq. A leaf is valid during the call only. Where a running ledger seals events meanwhile, they are read
// from where they have gone.
func (s *StoredLog) Leaves(ctx context.Context, from, to uint64, yield func(seq uint64, leaf []byte) error) error {
	var stop error
	_, before := s.t.hot.view()
	for {
		err := s.l.leaves(ctx, s.t, from, to, func(seq uint64, leaf []byte) error {
			from = seq + 1
			stop = yield(seq, leaf)
			return stop
		})
		if err == nil || stop != nil || ctx.Err() != nil {
			return err
		}
		after, e := s.l.loadSegments(ctx, s.l.db.Read(ctx), s.t.logID)
		if e != nil || len(after) == len(before) {
			return err
		}
		s.t.hot.setSegments(after)
		before = after
	}
}

// Tiles reads the stored full tiles.
func (s *StoredLog) Tiles() tlog.TileReader { return s.l.tiles(s.t, s.Head.Epoch) }

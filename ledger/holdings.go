package ledger

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"probity.dev/internal/blob"
	"probity.dev/internal/sqldb"
)

// Asker is one state of a database that can be asked, such as a transaction or a copy.
type Asker interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Holding is where a log stands in one state of the database, and what belongs to it outside of the database.
type Holding struct {
	TenantID, LogID, Origin string
	Epoch                   int64
	// Base and Size are those of the present epoch, Checkpoint its newest stored checkpoint, VKeys every key of the log, the newest first.
	Base, Size uint64
	Checkpoint string
	VKeys      []string
	// Evidence and Working are the sealed files that the state names, each once.
	Evidence, Working []blob.Ref
	// Aside is the prefix below which, in both stores, lie files that a lossy restore has set aside; other files below it belong to no one.
	Aside string
}

// Holdings lists the logs of one state of a database in order of creation, with their sealed files.
func Holdings(ctx context.Context, q Asker) ([]Holding, error) {
	out, err := logsIn(ctx, q)
	if err != nil {
		return nil, err
	}
	for i := range out {
		h := &out[i]
		if h.VKeys, err = keysIn(ctx, q, h.LogID); err != nil {
			return nil, err
		}
		if err := h.files(ctx, q); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func logsIn(ctx context.Context, q Asker) ([]Holding, error) {
	rows, err := q.QueryContext(ctx, `SELECT tenant_id, log_id, instance, epoch, base, size, checkpoint FROM log ORDER BY created_at, log_id`)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var out []Holding
	for rows.Next() {
		var h Holding
		t := &tenant{}
		if err := rows.Scan(&h.TenantID, &h.LogID, &t.instance, &h.Epoch, &h.Base, &h.Size, &h.Checkpoint); err != nil {
			return nil, err
		}
		t.logID = h.LogID
		h.Origin, h.Aside = t.origin(h.Epoch), segmentsPrefix+h.LogID+"/"
		out = append(out, h)
	}
	return out, sqldb.Translate(rows.Err())
}

func keysIn(ctx context.Context, q Asker, logID string) (vkeys []string, err error) {
	rows, err := q.QueryContext(ctx, `SELECT vkey FROM log_key WHERE log_id = $1 ORDER BY created_at DESC`, logID)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var vkey string
		if err := rows.Scan(&vkey); err != nil {
			return nil, err
		}
		vkeys = append(vkeys, vkey)
	}
	return vkeys, sqldb.Translate(rows.Err())
}

func (h *Holding) files(ctx context.Context, q Asker) error {
	segments, err := (&Ledger{}).loadSegments(ctx, q, h.LogID, 0)
	if err != nil {
		return err
	}
	forgotten, err := forgottenIn(ctx, q, h.TenantID)
	if err != nil {
		return err
	}
	for i := range segments {
		h.Evidence = append(h.Evidence, segments[i].evidence())
		if !forgotten {
			h.Working = append(h.Working, segments[i].working())
		}
	}
	byName := func(a, b blob.Ref) int { return strings.Compare(a.Name, b.Name) }
	same := func(a, b blob.Ref) bool { return a.Name == b.Name }
	slices.SortFunc(h.Working, byName)
	h.Working = slices.CompactFunc(h.Working, same)
	return nil
}

// IsAside reports whether a file below [Holding.Aside] is one that a lossy restore has set aside: it lies in a folder of its own.
func (h *Holding) IsAside(name string) bool {
	return strings.HasPrefix(strings.TrimPrefix(name, h.Aside), "lost-before-epoch-")
}

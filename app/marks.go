package app

import (
	"context"
	"slices"
	"strings"

	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
)

// sharedMarks keeps the high-water marks of servers with a common database in their common object store: a database that has been replaced by an older copy is noticed by all of them.
type sharedMarks struct {
	store *blob.S3
	// own is the file in which a server that was alone has kept its marks. What is in it is put into the store where that has no mark.
	own *ledger.MarkFile
}

const marksPrefix = "highwater/"

func markName(logID string) string { return marksPrefix + logID + ".json" }

// Where implements [ledger.Marks].
func (m *sharedMarks) Where(logID string) string {
	return "the object " + markName(logID) + " of the storage " + m.store.String()
}

// All implements [ledger.Marks].
func (m *sharedMarks) All(ctx context.Context) (map[string]ledger.StoredMark, error) {
	out, err := m.own.All(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	err = m.store.List(ctx, marksPrefix, func(i blob.Info) error {
		ids = append(ids, strings.TrimSuffix(strings.TrimPrefix(i.Name, marksPrefix), ".json"))
		return nil
	})
	if err != nil {
		return nil, err
	}
	for id, s := range out {
		if slices.Contains(ids, id) {
			continue
		}
		// From now on every server finds it.
		if _, err := m.Swap(ctx, id, "", s.Text); err != nil && errs.CodeOf(err) != errs.Conflict {
			return nil, err
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		if out[id], err = m.Load(ctx, id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Load implements [ledger.Marks].
func (m *sharedMarks) Load(ctx context.Context, logID string) (ledger.StoredMark, error) {
	text, tag, err := m.store.Fetch(ctx, markName(logID))
	return ledger.StoredMark{Text: text, Version: tag}, err
}

// Swap implements [ledger.Marks].
func (m *sharedMarks) Swap(ctx context.Context, logID, version string, text []byte) (string, error) {
	return m.store.Swap(ctx, markName(logID), version, text)
}

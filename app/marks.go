package app

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"probity.dev/internal/blob"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
)

// sharedMarks keeps the high-water marks of servers with a common database in their common object store: a database that has been replaced by an older copy is noticed by all of them.
type sharedMarks struct {
	store *blob.S3
	// own is the file in which a server that was alone has kept its marks. What is in it is put into the store where that has no mark.
	own *ledger.FileMarks
}

const marksPrefix = "highwater/"

func markName(logID string) string { return marksPrefix + logID + ".json" }

// Where implements [ledger.MarkStore].
func (m *sharedMarks) Where(logID string) string {
	return "the object " + markName(logID) + " of the storage " + m.store.String()
}

// All implements [ledger.MarkStore].
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

// Load implements [ledger.MarkStore].
func (m *sharedMarks) Load(ctx context.Context, logID string) (ledger.StoredMark, error) {
	text, tag, err := m.store.Fetch(ctx, markName(logID))
	return ledger.StoredMark{Text: text, Version: tag}, err
}

// Swap implements [ledger.MarkStore].
func (m *sharedMarks) Swap(ctx context.Context, logID, version string, text []byte) (string, error) {
	return m.store.Swap(ctx, markName(logID), version, text)
}

// storedMarks are the marks that servers with a common object store have there.
func storedMarks(ctx context.Context, cfg *config.Config) (out ledger.Marks, err error) {
	_, working, err := sealedBuckets(cfg)
	if err != nil {
		return out, err
	}
	m := &sharedMarks{store: working, own: ledger.NewFileMarks(markPath(cfg.Data), false)}
	all, err := m.All(ctx)
	if err != nil {
		return out, err
	}
	logs := make(map[string]json.RawMessage, len(all))
	for id, s := range all {
		if s.Version != "" {
			logs[id] = s.Text
		}
	}
	text, err := json.Marshal(logs)
	if err != nil {
		return out, err
	}
	return out, out.Add(text)
}

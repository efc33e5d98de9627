package app

import (
	"context"
	"strings"

	"probity.dev/internal/blob"
	"probity.dev/ledger"
)

// sharedMarks keeps the high-water marks of servers with a common database in their common object store: a database that has been replaced by an older copy is noticed by all of them.
type sharedMarks struct {
	store *blob.S3
	// own is the file in which a server that was alone has kept its marks. What is in it counts until the first mark is in the store.
	own *ledger.MarkFile
}

const marksPrefix = "highwater/"

func markName(logID string) string { return marksPrefix + logID + ".json" }

// Where implements [ledger.Marks].
func (m *sharedMarks) Where(logID string) string {
	return "highwater.json or " + m.store.String() + markName(logID)
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
	for id := range out {
		ids = append(ids, id)
	}
	for _, id := range ids {
		if out[id], err = m.Load(ctx, id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ofFile is put before versions of marks that are in the file only.
const ofFile = "file "

// Load implements [ledger.Marks].
func (m *sharedMarks) Load(ctx context.Context, logID string) (ledger.StoredMark, error) {
	text, tag, err := m.store.Fetch(ctx, markName(logID))
	if err != nil || tag != "" {
		return ledger.StoredMark{Text: text, Version: tag}, err
	}
	s, err := m.own.Load(ctx, logID)
	if err == nil && s.Version != "" {
		s.Version = ofFile + s.Version
	}
	return s, err
}

// Swap implements [ledger.Marks].
func (m *sharedMarks) Swap(ctx context.Context, logID, version string, text []byte) (string, error) {
	if strings.HasPrefix(version, ofFile) {
		version = ""
	}
	return m.store.Swap(ctx, markName(logID), version, text)
}

package ledger

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync"

	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
)

// MarkStore keeps the high-water mark of each log outside of the database, where every server of the database finds it.
type MarkStore interface {
	// All returns the marks of all logs, by log id, with their versions.
	All(ctx context.Context) (map[string]StoredMark, error)
	// Load returns the mark of one log; a log without one has the zero value.
	Load(ctx context.Context, logID string) (StoredMark, error)
	// Swap puts text in place of the mark of the given version, "" for none, durably, and returns the new version. A mark of another version is left, and is a Conflict.
	Swap(ctx context.Context, logID, version string, text []byte) (string, error)
	// Where names the place of a log's mark for the operator.
	Where(logID string) string
}

// StoredMark is a mark as it is stored. Version differs for any two marks of a log that followed one another; it is "" where there is none.
type StoredMark struct {
	Text    []byte
	Version string
}

// highWater is the record, outside the database, of the newest checkpoint that was signed for each log. A database that does not extend it has been rolled
// back or forked, and must not be signed for.
type highWater struct {
	store MarkStore

	mu       sync.Mutex
	logs     map[string]highMark
	versions map[string]string // of what is stored
	assumed  map[string]bool   // marks that are not stored yet
}

type highMark struct {
	Epoch      int64  `json:"epoch"`
	Base       uint64 `json:"base"`
	Size       uint64 `json:"size"`
	Root       string `json:"root"`
	Checkpoint string `json:"checkpoint"`
	SignedAt   int64  `json:"signed_at,omitempty"` // microseconds since 1970 UTC
}

func (w *highWater) open(ctx context.Context, store MarkStore) error {
	w.store, w.logs, w.versions, w.assumed = store, map[string]highMark{}, map[string]string{}, map[string]bool{}
	all, err := store.All(ctx)
	if err != nil {
		return err
	}
	for id, s := range all {
		if err := w.take(id, s); err != nil {
			return err
		}
	}
	return nil
}

// take takes a stored mark up. The caller holds w.mu, or is alone.
func (w *highWater) take(logID string, s StoredMark) error {
	w.versions[logID] = s.Version
	if s.Version == "" {
		if !w.assumed[logID] {
			delete(w.logs, logID)
		}
		return nil
	}
	var m highMark
	if err := json.Unmarshal(s.Text, &m); err != nil {
		return errs.Wrap(errs.Invalid, err, "the high-water mark %s is damaged; put the newest copy of it back, or move it away and see what the server says of each log", w.store.Where(logID))
	}
	w.logs[logID] = m
	return nil
}

// load looks what other servers have made of the mark of a log.
func (w *highWater) load(ctx context.Context, logID string) error {
	s, err := w.store.Load(ctx, logID)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.take(logID, s)
}

// knows refuses a database that lacks a log which was signed for.
func (w *highWater) knows(logs map[string]*tenant) error {
	for id, m := range w.logs {
		if logs[id] == nil && m.Size > 0 {
			return errs.New(errs.Unavailable, "a checkpoint of size %d was signed for log %s, which this database does not have: it is an older copy or another database", m.Size, id)
		}
	}
	return nil
}

// transient reports whether an error says nothing about the log: the database or the storage does not answer, or nobody waits any more.
func transient(err error) bool {
	return errs.CodeOf(err) == errs.Unavailable || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// check proves that h extends what was signed last. why says that it does not, err that nobody knows.
func (w *highWater) check(ctx context.Context, t *tenant, h *headState, tiles tlog.TileReader) (why, err error) {
	m, ok := w.mark(t.logID)
	if !ok {
		if p := t.published.Load(); p.size > 0 || h.epoch > 0 {
			return errs.New(errs.Unavailable, "%s says nothing of this log, though a checkpoint of %d events was signed for it: put the newest copy of the file back, or accept what the database says with probity log accept-database", w.store.Where(t.logID), p.size), nil
		}
		return nil, nil
	}
	if m.Size == 0 && h.epoch == m.Epoch {
		return nil, nil
	}
	b, err := hex.DecodeString(m.Root)
	if err != nil || len(b) != len(tlog.Hash{}) {
		return errors.New("the high-water mark is damaged"), nil
	}
	size := h.tree.Size()
	switch {
	case h.epoch < m.Epoch:
		return errs.New(errs.Unavailable, "the database is older than the last signed checkpoint: it knows nothing of epoch %d, of which %d events were signed for", m.Epoch, m.Size), nil
	case h.epoch == m.Epoch && size < m.Size:
		return errs.New(errs.Unavailable, "the database is older than the last signed checkpoint: it holds %d events, %d were signed for", size, m.Size), nil
	case h.epoch > m.Epoch && h.base < m.Base+m.Size:
		return errs.New(errs.Unavailable, "epoch %d begins at seq %d, within the %d numbers that were signed for", h.epoch, h.base, m.Base+m.Size), nil
	case h.epoch > m.Epoch:
		return nil, nil
	}
	extends, err := h.extends(ctx, tiles, m.Size, tlog.Hash(b))
	if err != nil || extends {
		return nil, err
	}
	return errs.New(errs.Unavailable, "the log does not extend the last signed checkpoint (size %d): its history has been changed", m.Size), nil
}

// extends reports whether the tree extends the one of the given size and root, which is not larger. An error means that nobody knows.
func (h *headState) extends(ctx context.Context, tiles tlog.TileReader, size uint64, root tlog.Hash) (bool, error) {
	proof, err := tlog.Consistency(ctx, h.edge.Reader(tiles), size, h.edge.Size())
	if err != nil {
		if transient(err) {
			return false, err
		}
		return false, nil
	}
	return tlog.VerifyConsistency(size, h.edge.Size(), root, h.edge.Root(), proof) == nil, nil
}

// mark is what was signed last for a log, as far as this server has looked.
func (w *highWater) mark(logID string) (highMark, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.logs[logID]
	return m, ok
}

// raise stores a mark in place of the one that is known. A Conflict says that another server has raised it meanwhile.
func (w *highWater) raise(ctx context.Context, logID string, m highMark) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	w.mu.Lock()
	version := w.versions[logID]
	w.mu.Unlock()
	if version, err = w.store.Swap(ctx, logID, version, text); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[logID], w.versions[logID] = m, version
	delete(w.assumed, logID)
	return nil
}

package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
)

// highWater is the record, outside the database, of the newest checkpoint that was signed for each log. A database that does not extend it has been rolled
// back or forked, and must not be signed for.
type highWater struct {
	path string
	// shared says that other processes may raise the same marks.
	shared bool
	mu     sync.Mutex
	logs   map[string]highMark
}

type highMark struct {
	Epoch      int64  `json:"epoch"`
	Base       uint64 `json:"base"`
	Size       uint64 `json:"size"`
	Root       string `json:"root"`
	Checkpoint string `json:"checkpoint"`
	SignedAt   int64  `json:"signed_at,omitempty"` // microseconds since 1970 UTC
}

func (w *highWater) open(path string) error {
	w.path, w.logs = path, map[string]highMark{}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, &w.logs)
	}
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "the high-water mark %s is damaged; put the newest copy of the file back, or move it away and see what the server says of each log", path)
	}
	return nil
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

// check proves that h extends what was signed last.
func (w *highWater) check(ctx context.Context, t *tenant, h *headState, tiles tlog.TileReader) error {
	m, ok := w.mark(t.logID)
	if !ok {
		if p := t.published.Load(); p.size > 0 || h.epoch > 0 {
			return errs.New(errs.Unavailable, "%s says nothing of this log, though a checkpoint of %d events was signed for it: put the newest copy of the file back, or accept what the database says with probity log accept-database", filepath.Base(w.path), p.size)
		}
		return nil
	}
	if m.Size == 0 && h.epoch == m.Epoch {
		return nil
	}
	b, err := hex.DecodeString(m.Root)
	if err != nil || len(b) != len(tlog.Hash{}) {
		return errors.New("the high-water mark is damaged")
	}
	size := h.tree.Size()
	switch {
	case h.epoch < m.Epoch:
		return errs.New(errs.Unavailable, "the database is older than the last signed checkpoint: it knows nothing of epoch %d, of which %d events were signed for", m.Epoch, m.Size)
	case h.epoch == m.Epoch && size < m.Size:
		return errs.New(errs.Unavailable, "the database is older than the last signed checkpoint: it holds %d events, %d were signed for", size, m.Size)
	case h.epoch > m.Epoch && h.base < m.Base+m.Size:
		return errs.New(errs.Unavailable, "epoch %d begins at seq %d, within the %d numbers that were signed for", h.epoch, h.base, m.Base+m.Size)
	case h.epoch > m.Epoch:
		return nil
	}
	proof, err := tlog.Consistency(ctx, h.edge.Reader(tiles), m.Size, size)
	if err != nil {
		return err
	}
	if err := tlog.VerifyConsistency(m.Size, size, tlog.Hash(b), h.edge.Root(), proof); err != nil {
		return errs.New(errs.Unavailable, "the log does not extend the last signed checkpoint (size %d): its history has been changed", m.Size)
	}
	return nil
}

// mark is what was signed last for a log.
func (w *highWater) mark(logID string) (highMark, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.logs[logID]
	return m, ok
}

func (w *highWater) raise(logID string, m highMark) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, had := w.logs[logID]
	w.logs[logID] = m
	err := w.write()
	if err != nil {
		if had {
			w.logs[logID] = old
		} else {
			delete(w.logs, logID)
		}
	}
	return err
}

func (l *Ledger) publishLoop(ctx context.Context) {
	tick := time.NewTicker(l.opt.CheckpointInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err := l.refreshAll(ctx)
			if err == nil {
				err = l.publishAll(ctx)
			}
			if err != nil && ctx.Err() == nil {
				l.metrics.publishFailed()
				l.log.Error("checkpoint not published", "error", err)
			}
		}
	}
}

func (l *Ledger) publishAll(ctx context.Context) error {
	var err error
	for _, t := range l.opened() {
		if t.frozen.Load() == nil && !t.held.Load() {
			err = errors.Join(err, l.publish(ctx, t))
		}
	}
	return err
}

// publish signs a checkpoint of what is durable, if that has grown. The order is fixed: prove that the head extends what was signed before, write the
// high-water mark, then the database. A crash between the two leaves a signed size that the database does reach, never one that it does not.
func (l *Ledger) publish(ctx context.Context, t *tenant) (err error) {
	h := t.committed.Load()
	size := h.tree.Size()
	if old := t.published.Load(); size == old.size && (size == 0 || old.text != "") {
		return l.republish(ctx, t, h, old)
	}
	ctx, end := l.span(ctx, spanCheckpoint, attribute.String("probity.log_id", t.logID), attribute.Int64("probity.size", int64(size)))
	defer func() { end(err) }()
	if err := l.high.check(ctx, t, h, l.tiles(t, h.epoch)); err != nil {
		return l.freeze(t, h, err)
	}
	root := h.edge.Root()
	text, err := tlog.Sign(t.origin(h.epoch), size, root, t.signersOf(t.origin(h.epoch))...)
	if err != nil {
		return err
	}
	now := sqldb.Now()
	if err := l.high.raise(t.logID, highMark{Epoch: h.epoch, Base: h.base, Size: size, Root: hex.EncodeToString(root[:]), Checkpoint: string(text), SignedAt: now}); err != nil {
		return err
	}
	err = l.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE log SET published = $1, checkpoint = $2 WHERE log_id = $3 AND epoch = $4 AND published <= $1`, size, string(text), t.logID, h.epoch)
		return sqldb.Translate(err)
	})
	if err != nil {
		return err
	}
	t.published.Store(&publishedState{size: size, root: root, text: string(text), signedAt: now, edge: h.edge})
	l.feed.notify(t.logID)
	return nil
}

// republish completes the in-memory state after a start: the stored checkpoint's root and edge.
func (l *Ledger) republish(ctx context.Context, t *tenant, h *headState, old *publishedState) error {
	if size := h.tree.Size(); size == 0 && old.text == "" {
		root := h.edge.Root()
		text, err := tlog.Sign(t.origin(h.epoch), 0, root, t.signersOf(t.origin(h.epoch))...)
		if err != nil {
			return err
		}
		t.published.Store(&publishedState{root: root, text: string(text), signedAt: sqldb.Now(), edge: h.edge})
		return nil
	}
	if old.signedAt == 0 && old.size > 0 {
		t.published.Store(&publishedState{size: old.size, root: h.edge.Root(), text: old.text, signedAt: sqldb.Now(), edge: h.edge})
	}
	return ctx.Err()
}

// waitPublished waits until a checkpoint covers size.
func (l *Ledger) waitPublished(ctx context.Context, t *tenant, size uint64) (*publishedState, error) {
	for {
		changed := l.feed.wait(t.logID)
		if p := t.published.Load(); p.size >= size {
			return p, nil
		}
		if err := t.usable(); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, errs.Wrap(errs.Unavailable, ctx.Err(), "no checkpoint covers the event yet")
		case <-changed:
		case <-time.After(2 * l.opt.CheckpointInterval):
		}
	}
}

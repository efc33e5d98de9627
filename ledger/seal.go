package ledger

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/segment"
)

// sealEvery is how often the sealer looks; a full block waits no longer than this. maxSealPause is the longest pause after a failure.
const (
	sealEvery    = time.Second
	maxSealPause = 30 * time.Second
)

// sealRetry says when a log whose sealing failed is tried again.
type sealRetry struct {
	fails int
	at    time.Time
}

// failed doubles the pause, up to its limit; half of it is random, so that many logs do not press on a storage that comes back.
func (r *sealRetry) failed() {
	d := min(maxSealPause, sealEvery<<min(r.fails, 10))
	r.fails++
	r.at = time.Now().Add(d/2 + rand.N(d/2))
}

func (l *Ledger) sealLoop(ctx context.Context) {
	clean := map[*tenant]bool{}
	retries := map[*tenant]*sealRetry{}
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, t := range l.opened() {
			r := retries[t]
			if r != nil && time.Now().Before(r.at) {
				continue
			}
			var err error
			if !clean[t] {
				clean[t], err = l.removeStray(ctx, t)
			}
			if err == nil {
				err = l.sealTenant(ctx, t, time.Now().Add(-l.opt.SealAfter))
			}
			if err == nil || ctx.Err() != nil {
				delete(retries, t)
				continue
			}
			if r == nil {
				r = &sealRetry{}
				retries[t] = r
			}
			r.failed()
			l.metrics.sealFailed(t.logID)
			l.log.Error("sealing failed; it will be tried again", "log_id", t.logID, "again_at", r.at.UTC().Truncate(time.Second), "error", err)
		}
	}
}

// Seal seals everything that is published and was recorded before the given time, besides full blocks.
func (l *Ledger) Seal(ctx context.Context, tenantID string, before time.Time) error {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return err
	}
	return l.sealTenant(ctx, t, before)
}

// sealTenant seals block after block, as long as there is one to seal.
func (l *Ledger) sealTenant(ctx context.Context, t *tenant, before time.Time) error {
	t.sealMu.Lock()
	defer t.sealMu.Unlock()
	if _, count := t.sealable(before.UnixMicro()); count == 0 && l.db.Shared() {
		return nil // without asking the other processes
	}
	_, err := l.alone(ctx, t, func(ctx context.Context, lease *sqldb.Lease) error { return l.sealAlone(ctx, t, lease, before) })
	return err
}

// alone runs fn while no other server moves files of a log, unless the log is frozen, and reports whether it did. What other servers have done is known then, and on a database that may have been replaced by an older copy,
// that it has not been: files which such a copy does not name may be all that is left of what it lacks.
func (l *Ledger) alone(ctx context.Context, t *tenant, fn func(ctx context.Context, lease *sqldb.Lease) error) (ran bool, err error) {
	return l.db.Alone(ctx, "seal/"+t.logID, func(ctx context.Context, lease *sqldb.Lease) error {
		if l.db.Shared() {
			if err := l.commit.submit(&submission{ctx: ctx, t: t, refresh: true, prove: true}); err != nil {
				return err
			}
		}
		if t.usable() != nil {
			return nil
		}
		return fn(ctx, lease)
	})
}

// sealAlone is sealTenant when nobody else is at it.
func (l *Ledger) sealAlone(ctx context.Context, t *tenant, lease *sqldb.Lease, before time.Time) error {
	for ctx.Err() == nil {
		first, count := t.sealable(before.UnixMicro())
		if count == 0 {
			return l.pruneDedupe(ctx, t)
		}
		start := time.Now()
		if err := l.sealRange(ctx, t, lease, first, count); err != nil {
			return err
		}
		l.metrics.sealed(count, time.Since(start))
	}
	return ctx.Err()
}

// sealable returns the next range to seal: a full block, or what is older than before, never beyond the signed checkpoint.
func (t *tenant) sealable(before int64) (first, count uint64) {
	batches, _ := t.hot.view()
	if len(batches) == 0 {
		return 0, 0
	}
	h := t.committed.Load()
	published := h.base + t.published.Load().size
	first = batches[0].First
	block := h.base + ((first-h.base)/blockEvents+1)*blockEvents
	old := first
	for _, b := range batches {
		end := b.First + b.Count
		if end > published || end > block {
			break
		}
		if b.Recorded < before || end == block {
			old = end
		}
	}
	if old == block || old > first && batches[0].Recorded < before {
		return first, old - first
	}
	return 0, 0
}

// sealRange writes the range's two files, reads the evidence back and compares it with the tiles, and only then lets the hot rows go.
func (l *Ledger) sealRange(ctx context.Context, t *tenant, lease *sqldb.Lease, first, count uint64) (err error) {
	ctx, end := l.span(ctx, spanSeal, attribute.String("probity.log_id", t.logID), attribute.Int64("probity.events", int64(count)))
	defer func() { end(err) }()
	s := Segment{First: first, Count: count, WorkingFirst: first, WorkingCount: count}
	s.EvidencePath, s.WorkingPath = segmentNames(t.logID, first, count)
	if err := l.sealEvidence(ctx, t, &s); err != nil {
		return err
	}
	if err := l.sealWorking(ctx, t, &s); err != nil {
		return err
	}
	t.moving.Lock()
	defer t.moving.Unlock()
	covered := s.First+s.Count <= t.committed.Load().base+t.published.Load().size
	err = l.db.Write(ctx, func(tx *sql.Tx) error {
		// Whoever has taken over may have taken the files for those of a dead server.
		if err := lease.Fence(ctx, tx); err != nil {
			return err
		}
		return l.storeSegment(ctx, tx, t.logID, &s, covered)
	})
	if err != nil {
		return err
	}
	t.hot.seal(s)
	l.wakeHolds()
	return nil
}

// storeSegment stores a segment in the place of its hot rows. On PostgreSQL a function of the database's owner removes them, which looks once more whether the segment has the root of the tiles and
// a signed checkpoint covers it; what none covers, only the owner removes.
func (l *Ledger) storeSegment(ctx context.Context, tx *sql.Tx, logID string, s *Segment, covered bool) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO segment (log_id, first_seq, count, evidence_path, evidence_sha256, evidence_bytes, working_path, working_first, working_count,
		working_sha256, working_bytes, root, min_recorded, max_recorded, min_occurred, max_occurred, sealed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`, logID, s.First, s.Count, s.EvidencePath, s.EvidenceSHA, s.EvidenceBytes,
		s.WorkingPath, s.WorkingFirst, s.WorkingCount, s.WorkingSHA, s.WorkingSize, s.Root[:], s.MinRecorded, s.MaxRecorded, s.MinOccurred, s.MaxOccurred, sqldb.Now()); err != nil {
		return sqldb.Translate(err)
	}
	if err := holdNew(ctx, tx, logID, s); err != nil {
		return err
	}
	if covered && l.db.Shared() {
		_, err := tx.ExecContext(ctx, `SELECT seal_hot($1, $2)`, logID, s.First)
		return sqldb.Translate(err)
	}
	for _, q := range []string{`DELETE FROM hot_evidence WHERE log_id = $1 AND first_seq >= $2 AND first_seq < $3`,
		`DELETE FROM hot_working WHERE log_id = $1 AND first_seq >= $2 AND first_seq < $3`} {
		if _, err := tx.ExecContext(ctx, q, logID, s.First, s.First+s.Count); err != nil {
			return sqldb.Translate(err)
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE log SET sealed = $1 WHERE log_id = $2`, s.First+s.Count, logID)
	return sqldb.Translate(err)
}

// tileHashes are the range's leaf hashes as the tiles have them.
func (l *Ledger) tileHashes(ctx context.Context, t *tenant, first, count uint64) ([]tlog.Hash, error) {
	h := t.committed.Load()
	r := h.edge.Reader(l.tiles(t, h.epoch))
	hashes := make([]tlog.Hash, 0, count)
	for i, end := first-h.base, first-h.base+count; i < end; {
		index := i / tlog.TileWidth
		width := tlog.TileWidthAt(0, index, h.edge.Size())
		b, err := r.ReadTile(ctx, 0, index, width)
		if err != nil {
			return nil, err
		}
		for k := int(i % tlog.TileWidth); k < width && i < end; k++ {
			hashes = append(hashes, tlog.Hash(b[k*tlog.HashSize:(k+1)*tlog.HashSize]))
			i++
		}
	}
	return hashes, nil
}

// sealEvidence writes the evidence, reads it back, and compares every leaf with the tiles' hash of it.
func (l *Ledger) sealEvidence(ctx context.Context, t *tenant, s *Segment) error {
	hashes, err := l.tileHashes(ctx, t, s.First, s.Count)
	if err != nil {
		return err
	}
	s.Root = tlog.MTH(hashes)
	if err := l.writeEvidence(ctx, s, func(w io.Writer) (segment.Info, error) {
		return segment.WriteEvidence(w, segment.EvidenceMeta{Log: t.logID, First: s.First, Root: s.Root}, func(yield func([]byte, error) bool) {
			err := hotLeaves(ctx, l.db.Read(ctx), t.logID, s.First, s.First+s.Count, func(_ uint64, leaf []byte) error {
				if !yield(leaf, nil) {
					return errStop
				}
				return nil
			})
			if err != nil && !errors.Is(err, errStop) {
				yield(nil, err)
			}
		})
	}); err != nil {
		return err
	}
	e, err := l.openEvidence(ctx, s, true)
	if err != nil {
		return err
	}
	defer e.Close()
	matched, err := matches(e, s, hashes)
	if err != nil {
		return err
	}
	if matched != s.Count {
		return errs.New(errs.Internal, "the evidence of seq %d does not match the log's tiles: nothing from seq %d to %d is sealed", s.First+matched, s.First, s.First+s.Count-1)
	}
	return nil
}

// matches reads a segment's evidence and returns how many leaves from the first on have the hashes of the log's tiles.
func matches(e *segment.Evidence, s *Segment, hashes []tlog.Hash) (uint64, error) {
	var h tlog.Hasher
	got := make([]tlog.Hash, 0, len(hashes))
	err := e.Scan(0, 1<<63, func(seq uint64, leaf []byte) error {
		if at := len(got) + h.Len(); seq != s.First+uint64(at) || at == len(hashes) {
			return errStop
		}
		if h.Leaf(leaf); h.Len() == tlog.LeavesAtOnce {
			got = h.Leaves(got)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		return 0, err
	}
	got = h.Leaves(got)
	for i, hash := range got {
		if hash != hashes[i] {
			return uint64(i), nil
		}
	}
	return uint64(len(got)), nil
}

func (l *Ledger) sealWorking(ctx context.Context, t *tenant, s *Segment) error {
	batches, _ := t.hot.view()
	info, err := l.writeAside(ctx, l.opt.Working, &s.WorkingPath, blob.NoLock, func(w io.Writer) (segment.Info, error) {
		return segment.WriteBatches(w, func(yield func([]byte, error) bool) {
			for _, b := range batches {
				if b.First >= s.First && b.First < s.First+s.Count && !yield(b.Body, nil) {
					return
				}
			}
		})
	})
	if err != nil {
		return err
	}
	if uint64(info.Rows) != s.Count || uint64(info.MinSeq) != s.First {
		return errs.New(errs.Internal, "%d working copies of %d were written", info.Rows, s.Count)
	}
	s.WorkingSHA, s.WorkingSize = info.SHA256[:], info.Bytes
	if err := blob.Verify(ctx, l.opt.Working, s.working()); err != nil {
		return err
	}
	s.MinRecorded, s.MaxRecorded, s.MinOccurred, s.MaxOccurred = info.MinRecorded, info.MaxRecorded, info.MinOccurred, info.MaxOccurred
	return nil
}

// pruneDedupe drops fingerprints that no window can hold any more.
func (l *Ledger) pruneDedupe(ctx context.Context, t *tenant) error {
	size := t.committed.Load().tree.Size()
	if size <= dedupeGenerations*generationEvents {
		return nil
	}
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM dedupe WHERE log_id = $1 AND first_seq + count < $2`, t.logID, size-dedupeGenerations*generationEvents)
		return sqldb.Translate(err)
	})
}

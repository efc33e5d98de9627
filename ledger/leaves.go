package ledger

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"probity.dev/internal/errs"
	"probity.dev/ledger/segment"
)

// errStop ends an iteration early without an error.
var errStop = errors.New("stop")

// path is the place of a segment's file.
func (l *Ledger) path(name string) string { return filepath.Join(l.opt.Dir, name) }

// leaves yields the leaves of [from, to) in order, from segments and then from hot rows. The slice is valid only during the call.
func (l *Ledger) leaves(ctx context.Context, t *tenant, from, to uint64, yield func(seq uint64, leaf []byte) error) error {
	for attempt := 0; from < to; attempt++ {
		_, segments := t.hot.view()
		for _, s := range segments {
			if s.First+s.Count <= from || s.First >= to {
				continue
			}
			if s.First > from {
				return errs.New(errs.NotFound, "the evidence of seq %d is missing", from)
			}
			if err := l.segmentLeaves(s, &from, to, yield); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		start := from
		err := l.hotLeaves(ctx, t.logID, from, to, func(seq uint64, leaf []byte) error {
			if seq != from {
				return errs.New(errs.NotFound, "the evidence of seq %d is missing", from)
			}
			from = seq + 1
			return yield(seq, leaf)
		})
		if err != nil {
			return err
		}
		// Rows may have been sealed between the two looks; then the second look at the segments has them.
		if from < to && start == from && attempt > 0 {
			return errs.New(errs.NotFound, "the evidence of seq %d is missing", from)
		}
	}
	return nil
}

// segmentLeaves yields the leaves of [*from, to) that a segment holds and moves *from past them.
func (l *Ledger) segmentLeaves(s Segment, from *uint64, to uint64, yield func(seq uint64, leaf []byte) error) error {
	e, err := segment.OpenEvidence(l.path(s.EvidencePath))
	if err != nil {
		return fmt.Errorf("segment %s: %w", s.EvidencePath, err)
	}
	defer e.Close()
	var inner error
	err = e.Scan(*from, min(to, s.First+s.Count), func(seq uint64, leaf []byte) error {
		*from = seq + 1
		inner = yield(seq, leaf)
		return inner
	})
	if err != nil && inner == nil {
		return fmt.Errorf("segment %s: %w", s.EvidencePath, err)
	}
	return err
}

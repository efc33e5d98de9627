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
				return errs.New(errs.Internal, "no segment holds seq %d", from)
			}
			err := segment.ReadEvidence(l.path(s.EvidencePath), func(seq uint64, leaf []byte) error {
				switch {
				case seq < from:
					return nil
				case seq >= to:
					return errStop
				}
				from = seq + 1
				return yield(seq, leaf)
			})
			if err != nil && !errors.Is(err, errStop) {
				return fmt.Errorf("segment %s: %w", s.EvidencePath, err)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		start := from
		err := l.hotLeaves(ctx, t.logID, from, to, func(seq uint64, leaf []byte) error {
			if seq != from {
				return errs.New(errs.Internal, "the evidence of seq %d is missing", from)
			}
			from = seq + 1
			return yield(seq, leaf)
		})
		if err != nil {
			return err
		}
		// Rows may have been sealed between the two looks; then the second look at the segments has them.
		if from < to && start == from && attempt > 0 {
			return errs.New(errs.Internal, "the evidence of seq %d is missing", from)
		}
	}
	return nil
}

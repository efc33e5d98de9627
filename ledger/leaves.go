package ledger

import (
	"context"
	"errors"
	"fmt"

	"probity.dev/internal/errs"
)

// errStop ends an iteration early without an error.
var errStop = errors.New("stop")

// errGap says that the next hot row begins after the leaf that was asked for.
var errGap = errors.New("gap")

// leaves yields the leaves of [from, to) in order, from segments and then from hot rows. The slice is valid only during the call.
func (l *Ledger) leaves(ctx context.Context, t *tenant, from, to uint64, yield func(seq uint64, leaf []byte) error) error {
	return l.leavesOf(ctx, l.db.Read(ctx), t, from, to, yield, func() error {
		// Once the move is over, the list of segments has the rows.
		t.moving.RLock()
		t.moving.RUnlock() //nolint:staticcheck // waiting is all that is wanted
		if l.db.Shared() && l.commit != nil {
			return l.refresh(ctx, t)
		}
		return nil
	})
}

// leavesOf is leaves with the hot rows that q sees. moved is called when rows have moved to a segment since the list of segments was read, to bring the list up to date.
func (l *Ledger) leavesOf(ctx context.Context, q queryer, t *tenant, from, to uint64, yield func(seq uint64, leaf []byte) error, moved func() error) error {
	for again := true; from < to; {
		start := from
		if err := l.sealedLeaves(ctx, t, &from, to, yield); err != nil {
			return err
		}
		err := hotLeaves(ctx, q, t.logID, from, to, func(seq uint64, leaf []byte) error {
			if seq != from {
				return errGap
			}
			from = seq + 1
			return yield(seq, leaf)
		})
		switch {
		case err != nil && !errors.Is(err, errGap):
			return err
		case from > start:
			again = true
		case !again:
			return errs.New(errs.NotFound, "the evidence of seq %d is missing", from)
		default:
			if err := moved(); err != nil {
				return err
			}
			again = false
		}
	}
	return nil
}

// sealedLeaves yields those leaves of [*from, to) that segments hold, and moves *from past them.
func (l *Ledger) sealedLeaves(ctx context.Context, t *tenant, from *uint64, to uint64, yield func(seq uint64, leaf []byte) error) error {
	_, segments := t.hot.view()
	for _, s := range segments {
		if s.First+s.Count <= *from || s.First >= to {
			continue
		}
		if s.First > *from {
			return errs.New(errs.NotFound, "the evidence of seq %d is missing", *from)
		}
		if err := l.segmentLeaves(ctx, s, from, to, yield); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// segmentLeaves yields the leaves of [*from, to) that a segment holds and moves *from past them.
func (l *Ledger) segmentLeaves(ctx context.Context, s Segment, from *uint64, to uint64, yield func(seq uint64, leaf []byte) error) error {
	e, err := l.openEvidence(ctx, &s, l.noCopies)
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

package ledger

import (
	"context"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// dropRecorded takes those events out of a submission that the log holds beyond the dedupe window, and answers them. It returns the places of the rest.
func (l *Ledger) dropRecorded(ctx context.Context, s *submission, r *Receipt, places []int) ([]int, error) {
	h := s.t.committed.Load()
	next := h.base + h.tree.Size()
	if next-s.t.skipped(h.base) <= dedupeEvents || len(s.events) == 0 {
		return places, nil
	}
	type key struct{ source, id string }
	at := make(map[key]int, len(s.events))
	f := query.Filter{SeqTo: next - dedupeEvents}
	for i := range s.events {
		row := &s.events[i].row
		at[key{row.Source, row.EventID}] = i
		f.EventIDs = append(f.EventIDs, row.EventID)
	}
	gone := make([]bool, len(s.events))
	dec := &decoder{l: l, t: s.t}
	enc := encoders.Get().(*encoder)
	defer encoders.Put(enc)
	err := l.opt.Engine.Rows(ctx, s.t.snapshot(l.path, f.SeqTo), f, query.Page{Columns: segment.AllColumns}, func(row *segment.Row) error {
		i, ok := at[key{row.Source, row.EventID}]
		if !ok || gone[i] {
			return nil
		}
		rec, err := dec.record(ctx, row)
		if err != nil {
			return err
		}
		gone[i] = true
		res := Result{Index: places[i], Status: StatusDuplicate, Seq: uint64(row.Seq), ID: rec.ID}
		if enc.recordDigest(s.t, rec, s.events[i].undated) != s.events[i].digest {
			res.Status = StatusRejected
			res.Err = errs.Field("/id", "conflict", "an event with the same source and id but other content is recorded as seq %d", row.Seq)
			res.Err.Code = errs.Conflict
		}
		r.Results[places[i]] = res
		return nil
	})
	if err != nil {
		return nil, err
	}
	kept, rest := s.events[:0], places[:0]
	for i := range s.events {
		if !gone[i] {
			kept, rest = append(kept, s.events[i]), append(rest, places[i])
		}
	}
	s.events = kept
	return rest, nil
}

// recordDigest is the content digest of an event as it was recorded, with or without its time, which a producer may leave out.
func (enc *encoder) recordDigest(t *tenant, r *event.Record, undated bool) uint64 {
	e := &event.Event{OccurredAt: r.OccurredAt, Undated: undated, Source: r.Source, ID: r.ID, Action: r.Action, Outcome: event.Outcome{Status: r.Outcome}, Resource: event.Resource{Type: r.ResourceType}}
	enc.fields = append(enc.fields[:0], r.Fields...)
	_, digest := enc.prints(t, e)
	return digest
}

package ledger

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/evidence/bundle"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/event"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// BundleOptions choose what a bundle proves and shows.
type BundleOptions struct {
	// Inclusion proves each event by itself, in a small file; else every leaf of the range is in it, and that nothing was left out is proven too.
	Inclusion bool
	// Mask is what the recipient may see; nil means everything.
	Mask event.Masker
	// Epoch is the epoch that the bundle is of; nil means the one that the query's bounds on seq or recorded_at lie in, else the present one.
	Epoch *int64
	// Masking says in words which rules Mask applies.
	Masking string
	// Progress is told how many events are written of how many; total is -1 while unknown.
	Progress func(done, total int64)
}

// Bundle writes the events that a query finds as a file which anybody with the log's key can check (ledger/DESIGN.md). It covers what the newest checkpoint
// covers, and waits for one that covers what is recorded now.
func (l *Ledger) Bundle(ctx context.Context, tenantID string, q Query, opt BundleOptions, w io.Writer) (uint64, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return 0, err
	}
	f, post, err := l.resolveQuery(ctx, t, q, opt.Mask)
	if err != nil {
		return 0, err
	}
	e, err := t.epochFor(f, opt.Epoch)
	if err != nil {
		return 0, err
	}
	p := e.published
	if !e.closed {
		if p, err = l.waitPublished(ctx, t, e.size); err != nil {
			return 0, err
		}
	}
	b := &bundler{l: l, t: t, q: q, f: f, post: post, opt: opt, e: e, p: p}
	if err := b.bounds(ctx); err != nil {
		return 0, err
	}
	if err := b.clauses(ctx); err != nil {
		return 0, err
	}
	return b.write(ctx, w)
}

type bundler struct {
	l    *Ledger
	t    *tenant
	q    Query
	f    query.Filter
	post *postFilter
	opt  BundleOptions
	e    epoch
	p    *publishedState

	first, end uint64 // seqs of the range, boundary leaves included
	filter     []bundle.Clause
	tags       []bundle.TagKey
}

// bounds maps the seq and recorded_at conditions to a range of seq, and widens it by a leaf on each side, which show that the range ends where it should.
func (b *bundler) bounds(ctx context.Context) error {
	b.first, b.end = b.e.base, b.e.base+b.p.size
	b.f.SeqFrom = max(b.f.SeqFrom, b.e.base)
	if b.f.SeqTo == 0 || b.f.SeqTo > b.end {
		b.f.SeqTo = b.end
	}
	b.first, b.end = max(b.first, b.f.SeqFrom), b.f.SeqTo
	for _, x := range []struct {
		set  bool
		f    query.Filter
		page query.Page
		move func(seq uint64)
	}{
		{b.f.RecordedFrom != 0, query.Filter{SeqFrom: b.e.base, SeqTo: b.end, RecordedTo: b.f.RecordedFrom}, query.Page{Desc: true, Limit: 1}, func(seq uint64) { b.first = max(b.first, seq) }},
		{b.f.RecordedTo != 0, query.Filter{SeqFrom: b.e.base, SeqTo: b.end, RecordedFrom: b.f.RecordedTo}, query.Page{Limit: 1}, func(seq uint64) { b.end = min(b.end, seq+1) }},
	} {
		if !x.set {
			continue
		}
		err := b.l.opt.Engine.Rows(ctx, b.t.snapshot(b.l.path, b.e.base+b.p.size), x.f, x.page, func(r *segment.Row) error {
			x.move(uint64(r.Seq))
			return nil
		})
		if err != nil {
			return err
		}
	}
	if b.end < b.first {
		b.end = b.first
	}
	return nil
}

// clauses states the query in the terms of a bundle: what leaves can show is a clear, time or tag clause, the rest a claim.
func (b *bundler) clauses(ctx context.Context) error {
	clear := func(field string, values []string) {
		if len(values) > 0 {
			b.filter = append(b.filter, bundle.Clause{Kind: bundle.KindClear, Field: field, Values: values})
		}
	}
	clear("action", b.f.Actions)
	clear("source", b.f.Sources)
	clear("category", b.f.Categories)
	clear("activity", b.f.Activities)
	clear("outcome", b.f.Outcomes)
	clear("resource_type", b.f.ResourceTypes)
	b.timeClause("occurred_at", b.f.OccurredFrom, b.f.OccurredTo)
	b.timeClause("recorded_at", b.f.RecordedFrom, b.f.RecordedTo)
	for _, x := range []struct {
		field   string
		handles []int64
		roles   []string
	}{{"actor", b.f.Actors, []string{"actor"}}, {"subject", b.f.Subjects, []string{"subject"}}, {"resource", b.f.Resources, []string{"resource"}},
		{"person", b.f.Persons, []string{"actor", "subject", "resource"}}} {
		if len(x.handles) == 0 {
			continue
		}
		if err := b.personClause(ctx, x.field, x.handles, x.roles); err != nil {
			return err
		}
	}
	if len(b.f.ResourceIDs) > 0 {
		if err := b.resourceClause(ctx); err != nil {
			return err
		}
	}
	claim := func(field string, n int) {
		if n > 0 {
			b.filter = append(b.filter, bundle.Clause{Kind: bundle.KindClaim, Field: field, Text: "as asked for"})
		}
	}
	claim("ip", len(b.f.IPs))
	claim("severity", len(b.f.Severities))
	claim("correlation_id", len(b.f.CorrelationIDs))
	claim("id", len(b.f.EventIDs))
	if b.post != nil {
		claim("text", len(b.post.text))
		claim("custom field", len(b.post.fields))
		claim("resource", len(b.post.resources))
	}
	return nil
}

func (b *bundler) timeClause(field string, from, to int64) {
	if from == 0 && to == 0 {
		return
	}
	c := bundle.Clause{Kind: bundle.KindTime, Field: field}
	if from != 0 {
		c.From = &from
	}
	if to != 0 {
		c.To = &to
	}
	b.filter = append(b.filter, c)
}

// periods are the months that the range's leaves were recorded in.
func (b *bundler) periods(ctx context.Context) ([]periodID, error) {
	if b.first >= b.end {
		return nil, nil
	}
	var at [2]int64
	for i, seq := range [...]uint64{b.first, b.end - 1} {
		if err := b.l.leaves(ctx, b.t, seq, seq+1, func(_ uint64, leaf []byte) error {
			at[i] = evidence.RecordedAt(leaf)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	var out []periodID
	for p := evidence.Period(at[0]); p <= evidence.Period(at[1]); p++ {
		out = append(out, periodID{period: p})
	}
	return out, nil
}

func (b *bundler) personClause(ctx context.Context, field string, handles []int64, roles []string) error {
	n := len(b.filter)
	b.filter = append(b.filter, bundle.Clause{Kind: bundle.KindTag, Field: field, Roles: roles, Text: fmt.Sprintf("%s is one of %d directory entries", field, len(handles))})
	periods, err := b.periods(ctx)
	if err != nil {
		return err
	}
	for _, h := range handles {
		for _, period := range periods {
			if h == nobody {
				continue
			}
			key, err := b.t.personTag(ctx, b.l.db, period, h)
			if err != nil {
				return err
			}
			for _, r := range roles {
				b.tags = append(b.tags, bundle.TagKey{Clause: n, Role: r, Period: period.period, Key: evidence.B64(key)})
			}
		}
	}
	return b.blankTags(n, roles, periods)
}

// blankTags gives a clause without keys one that matches nothing in each period, so that a verifier sees the months were covered.
func (b *bundler) blankTags(clause int, roles []string, periods []periodID) error {
	for _, k := range b.tags {
		if k.Clause == clause {
			return nil
		}
	}
	var derive evidence.Deriver
	for _, period := range periods {
		s, err := b.t.period(context.Background(), b.l.db, period)
		if err != nil {
			return err
		}
		for _, r := range roles {
			b.tags = append(b.tags, bundle.TagKey{Clause: clause, Role: r, Period: period.period, Key: evidence.B64(derive.ResourceTagKey(evidence.ResourceTags(s), "", ""))})
		}
	}
	return nil
}

func (b *bundler) resourceClause(ctx context.Context) error {
	if len(b.f.ResourceTypes) == 0 {
		b.filter = append(b.filter, bundle.Clause{Kind: bundle.KindClaim, Field: "resource_id", Text: "without a type no tag can show it"})
		return nil
	}
	n := len(b.filter)
	b.filter = append(b.filter, bundle.Clause{Kind: bundle.KindTag, Field: "resource", Roles: []string{"resource"}, Text: "resource is " + strings.Join(b.q.Resource, " or ")})
	periods, err := b.periods(ctx)
	if err != nil {
		return err
	}
	for _, period := range periods {
		s, err := b.t.period(ctx, b.l.db, period)
		if err != nil {
			return err
		}
		var derive evidence.Deriver
		tags := evidence.ResourceTags(s)
		for _, typ := range b.f.ResourceTypes {
			for _, id := range b.f.ResourceIDs {
				b.tags = append(b.tags, bundle.TagKey{Clause: n, Role: "resource", Period: period.period, Key: evidence.B64(derive.ResourceTagKey(tags, typ, id))})
			}
		}
	}
	return nil
}

func (b *bundler) write(ctx context.Context, w io.Writer) (uint64, error) {
	meta := bundle.Meta{CreatedAt: time.UnixMicro(sqldb.Now()), Origin: b.t.origin(b.e.number), LogID: b.t.logID, Epoch: uint64(b.e.number), Base: b.e.base, Checkpoint: []byte(b.p.text), TreeSize: b.p.size,
		Filter: b.filter, Tags: b.tags, Masking: b.opt.Masking, Keys: strings.Join(b.t.vkeysOf(b.e.number), "\n") + "\n"}
	reader := b.p.edge.Reader(b.l.tiles(b.t, b.e.number))
	if !b.opt.Inclusion {
		var err error
		if meta.Range, err = tlog.ProveRange(ctx, reader, b.first-b.e.base, b.end-b.first, b.p.size); err != nil {
			return 0, err
		}
	}
	out, err := bundle.NewWriter(w, meta)
	if err != nil {
		return 0, err
	}
	if !b.opt.Inclusion {
		err := b.l.leaves(ctx, b.t, b.first, b.end, func(_ uint64, leaf []byte) error { return out.AddLeaf(leaf) })
		if err != nil {
			return 0, err
		}
	}
	n, err := b.events(ctx, out, reader)
	if err != nil {
		return n, err
	}
	if b.opt.Progress != nil {
		b.opt.Progress(int64(n), int64(n))
	}
	return n, out.Close(b.t.signersOf(b.t.origin(b.e.number))...)
}

func (b *bundler) events(ctx context.Context, out *bundle.Writer, tiles tlog.TileReader) (n uint64, err error) {
	d := newDiscloser(b.l, b.t)
	var view []byte
	err = b.l.opt.Engine.Rows(ctx, b.t.snapshot(b.l.path, b.e.base+b.p.size), b.f, query.Page{Columns: segment.AllColumns}, func(row *segment.Row) error {
		full, err := d.record(ctx, row)
		if err != nil {
			return err
		}
		shown := *full
		if b.opt.Mask != nil {
			shown.Fields = append([]event.Field(nil), full.Fields...)
			b.opt.Mask.Mask(&shown)
		}
		if b.post != nil && !b.post.match(&shown) {
			return nil
		}
		disclosure, err := d.discloseRecord(ctx, row, full, &shown)
		if err != nil {
			return err
		}
		view = shown.AppendJSON(view[:0])
		if n++; b.opt.Progress != nil && n%1024 == 0 {
			b.opt.Progress(int64(n), -1)
		}
		if !b.opt.Inclusion {
			return out.AddEvent(uint64(row.Seq), disclosure, view)
		}
		return b.proven(ctx, out, tiles, uint64(row.Seq), disclosure, view)
	})
	return n, err
}

func (b *bundler) proven(ctx context.Context, out *bundle.Writer, tiles tlog.TileReader, seq uint64, d *evidence.Disclosure, view []byte) error {
	path, err := tlog.Inclusion(ctx, tiles, seq-b.e.base, b.p.size)
	if err != nil {
		return err
	}
	found := false
	err = b.l.leaves(ctx, b.t, seq, seq+1, func(_ uint64, leaf []byte) error {
		found = true
		return out.AddProvenEvent(seq, leaf, path, d, view)
	})
	if err == nil && !found {
		err = errs.New(errs.Internal, "the evidence of seq %d is missing", seq)
	}
	return err
}

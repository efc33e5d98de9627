package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/glob"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
)

// Status says what became of one event of an append.
type Status string

// The statuses.
const (
	StatusAccepted  Status = "accepted"
	StatusDuplicate Status = "duplicate" // recorded before, with the same content
	StatusRejected  Status = "rejected"
	StatusDisabled  Status = "disabled" // the tenant has switched off logging for the event's class
)

// Result is the answer for one event of an append.
type Result struct {
	Index    int
	Status   Status
	Seq      uint64 // when accepted or duplicate
	ID       string
	LeafHash tlog.Hash // when accepted
	Err      *errs.Error
}

// Receipt is the answer to an append. It is returned after the accepted events are durable.
type Receipt struct {
	Results []Result
	// First is the seq of the first accepted event; the others follow without a gap.
	First      uint64
	Accepted   int
	Duplicates int
	Rejected   int
	Disabled   int
	RecordedAt time.Time
	// Promise is the log's signed word that events are durably at their seq, the accepted ones of this receipt among them; empty when there are none.
	Promise string
	// PromiseProof shows that the accepted events are those of the promise at their place, when it covers those of other requests too.
	PromiseProof *tlog.RangeProof

	shared *sharedPromise
}

// Item is one event to append, or the reason why it could not be read.
type Item struct {
	Event *event.Event
	Err   *errs.Error
}

// AppendOptions are the choices of one append.
type AppendOptions struct {
	// Atomic records all events or none.
	Atomic bool
	// Lifetime looks for duplicates in the whole log instead of its newest 10 million events.
	Lifetime bool
	// Sources restricts which sources the caller may write for, as globs; nil allows all.
	Sources []string
	// Governance marks events of the product itself: they are recorded whatever the tenant's settings.
	Governance bool
	// Archive marks events that were recorded before, here or elsewhere, and whose proofs the caller has verified: those of the product itself and of classes that are switched off are among them.
	Archive bool
}

// Append records events. Each is judged by itself unless opt.Atomic: a bad event among good ones is rejected with its reason. The returned error is about the request as a whole;
// nothing was recorded then. The events are the caller's again when Append returns; strings and values taken from them must not change.
func (l *Ledger) Append(ctx context.Context, tenantID string, items []Item, opt AppendOptions) (_ *Receipt, err error) {
	ctx, end := l.span(ctx, spanAppend, attribute.Int("probity.events", len(items)))
	defer func() { end(err) }()
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	if err := t.usable(); err != nil {
		return nil, err
	}
	if n := t.hot.events(); n >= l.opt.MaxUnsealed {
		return nil, &errs.Error{Code: errs.Unavailable, RetryAfter: maxSealPause,
			Message: fmt.Sprintf("%d events wait to be moved to sealed files, which fails or is too slow; no more are taken until some are", n)}
	}
	r := &Receipt{Results: make([]Result, len(items))}
	at := make([]int, 0, len(items)) // index in items of each event that goes on
	events := make([]*event.Event, 0, len(items))
	now := time.Now()
	for i, it := range items {
		res := &r.Results[i]
		res.Index = i
		if res.Status, res.Err = l.admit(t, it, opt, now); res.Status != "" {
			continue
		}
		at, events = append(at, i), append(events, it.Event)
	}
	if opt.Atomic {
		for i := range r.Results {
			if e := r.Results[i].Err; e != nil {
				return nil, atomicError(e, i)
			}
		}
	}
	if len(events) > 0 {
		if err := l.record(ctx, t, r, at, events, opt, nil); err != nil {
			return nil, err
		}
	}
	return r, l.finish(t, r)
}

func atomicError(e *errs.Error, i int) error {
	return &errs.Error{Code: e.Code, Message: fmt.Sprintf("nothing was recorded, because the request is atomic and event %d (from 0) is wrong: %s", i, e.Message), Fields: e.Fields}
}

// ownSource is the source of the product's own events. Nobody else may use it.
const ownSource = "probity"

// Record records one event of the product itself together with its effect: both or neither, in one transaction.
func (l *Ledger) Record(ctx context.Context, tenantID string, e *event.Event, effect Effect) error {
	return l.RecordAll(ctx, tenantID, []*event.Event{e}, effect)
}

// RecordAll is [Ledger.Record] for several events that have one effect: all of them or none, next to each other in the log.
func (l *Ledger) RecordAll(ctx context.Context, tenantID string, events []*event.Event, effect Effect) error {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return err
	}
	r := &Receipt{Results: make([]Result, len(events))}
	opt := AppendOptions{Atomic: true, Governance: true}
	at := make([]int, len(events))
	for i, e := range events {
		if e.Category == "" {
			e.Category = "governance"
		}
		if e.Source == "" {
			e.Source = ownSource
		}
		if _, bad := l.admit(t, Item{Event: e}, opt, time.Now()); bad != nil {
			return errs.Wrap(errs.Internal, bad, "the product's own event is malformed")
		}
		at[i] = i
	}
	return l.record(ctx, t, r, at, events, opt, effect)
}

// admit normalises an event and applies the rules that need no look-up. An empty status lets it pass.
func (l *Ledger) admit(t *tenant, it Item, opt AppendOptions, now time.Time) (Status, *errs.Error) {
	if it.Err != nil {
		return StatusRejected, it.Err
	}
	e := it.Event
	if err := e.Normalise(now); err != nil {
		return StatusRejected, asError(err)
	}
	for _, c := range [...]struct{ pointer, text string }{{"/action", e.Action}, {"/source", e.Source}, {"/resource/type", e.Resource.Type}} {
		if c.text != "" && l.opt.Classifier.Suspicious(c.text) {
			return StatusRejected, errs.Field(c.pointer, "personal", "this is kept in clear for ever and looks like personal data; put personal values into actor, subject, resource.id or data")
		}
	}
	if !opt.Governance && !opt.Archive {
		if e.Source == ownSource {
			return StatusRejected, errs.Field("/source", "reserved", "the source probity is reserved for the product's own events")
		}
		if !sourceAllowed(opt.Sources, e.Source) {
			err := errs.Field("/source", "not_allowed", "this key may not write for this source")
			err.Code = errs.Forbidden
			return StatusRejected, err
		}
		if s := t.settings.Load(); !s.enabled(e.Category) {
			return StatusDisabled, nil
		}
	}
	if err := t.settings.Load().checkCustom(e); err != nil {
		return StatusRejected, asError(err)
	}
	return "", nil
}

func asError(err error) *errs.Error {
	var e *errs.Error
	if errors.As(err, &e) {
		return e
	}
	return errs.Wrap(errs.Internal, err, "the event could not be read")
}

func sourceAllowed(globs []string, source string) bool {
	if globs == nil {
		return true
	}
	for _, g := range globs {
		if glob.Match(g, source) {
			return true
		}
	}
	return false
}

// maxAttempts bounds how often a submission is encoded again because the month changed under it, or because another server made one of its persons.
const maxAttempts = 5

func (l *Ledger) record(ctx context.Context, t *tenant, r *Receipt, at []int, events []*event.Event, opt AppendOptions, effect Effect) error {
	if t.forgotten {
		return errForgotten
	}
	for attempt := 0; ; attempt++ {
		// The month is that of recorded_at, which stands still while the clock lies behind the newest event.
		stamp := max(sqldb.Now(), t.committed.Load().recordedAt)
		s := &submission{ctx: ctx, t: t, effect: effect, atomic: opt.Atomic, period: periodID{period: evidence.Period(stamp)}}
		old, err := l.prepare(ctx, s, r, at, events, opt)
		if err != nil {
			return err
		}
		if err = l.commit.submit(s); err == nil {
			collect(r, s, old)
			return nil
		}
		if !errors.Is(err, errPeriod) && !errors.Is(err, person.ErrStale) || attempt == maxAttempts {
			return err
		}
	}
}

// prepare encodes the events. With opt.Lifetime, those that the log already holds beyond the window are answered here; old maps the rest to their place.
func (l *Ledger) prepare(ctx context.Context, s *submission, r *Receipt, at []int, events []*event.Event, opt AppendOptions) ([]int, error) {
	enc := encoders.Get().(*encoder)
	defer func() {
		enc.arena = nil // it belongs to the submission now
		encoders.Put(enc)
	}()
	if err := enc.begin(ctx, l, s.t, s.period, len(events)); err != nil {
		return nil, err
	}
	s.events = make([]encoded, 0, len(events))
	places := make([]int, 0, len(events))
	if err := l.prefetch(ctx, s.t, &s.people, events); err != nil {
		return nil, err
	}
	for i, e := range events {
		x, err := l.encode(ctx, s.t, enc, &s.people, e, s.period)
		if err != nil {
			var bad *errs.Error
			if !errors.As(err, &bad) || bad.Code == errs.Internal || bad.Code == errs.Unavailable || opt.Atomic {
				return nil, err
			}
			r.Results[at[i]] = Result{Index: at[i], Status: StatusRejected, Err: bad}
			continue
		}
		s.bytes += len(x.leaf) + len(x.row.Clear) + len(x.row.Sealed) + 200
		s.events = append(s.events, x)
		places = append(places, at[i])
		if enc.tree.Len() >= evidence.TreeEvents {
			enc.hash()
		}
	}
	enc.hash()
	s.t.people.Prepare(&s.people)
	if opt.Lifetime {
		return l.dropRecorded(ctx, s, r, places)
	}
	return places, nil
}

func collect(r *Receipt, s *submission, places []int) {
	for i, res := range s.results {
		res.Index = places[i]
		r.Results[places[i]] = res
	}
	r.First, r.Accepted, r.RecordedAt = s.first, s.accepted, time.UnixMicro(s.recorded).UTC()
	r.shared = s.promise
}

// finish counts the results and signs the promise.
func (l *Ledger) finish(t *tenant, r *Receipt) error {
	for i := range r.Results {
		switch r.Results[i].Status {
		case StatusDuplicate:
			r.Duplicates++
		case StatusRejected:
			r.Rejected++
		case StatusDisabled:
			r.Disabled++
		}
	}
	l.metrics.results(r)
	if r.Accepted == 0 {
		return nil
	}
	var err error
	r.Promise, r.PromiseProof, err = r.shared.cut(t, r.First, uint64(r.Accepted))
	return err
}

// appended tells followers and streams that a log grew.
func (l *Ledger) appended(t *tenant) { l.feed.notify(t.logID) }

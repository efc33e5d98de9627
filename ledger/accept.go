package ledger

import (
	"context"
	"encoding/hex"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/event"
)

// Unmarked is a log that was signed for and of which the high-water mark says nothing.
type Unmarked struct {
	LogID, Origin string
	// Stored is the number of events that the database holds, Signed how many its own newest checkpoint covers.
	Stored, Signed uint64
	Checkpoint     string
	tenant         *tenant
	root           tlog.Hash
}

// Unmarked describes a log that is frozen because its high-water mark is missing. A log that is not is a Conflict.
func (l *Ledger) Unmarked(ctx context.Context, tenantID string) (*Unmarked, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	why := t.frozen.Load()
	if why == nil {
		return nil, errs.New(errs.Conflict, "the log is not frozen; there is nothing to accept")
	}
	if _, ok := l.high.mark(t.logID); ok || !t.sound {
		return nil, errs.New(errs.Conflict, "accepting the database does not help here, because the log is frozen for another reason: %s", *why)
	}
	e := t.present()
	out := &Unmarked{LogID: t.logID, Origin: t.origin(e.number), Stored: e.size, Signed: e.published.size, Checkpoint: e.published.text, tenant: t, root: e.published.root}
	if out.Signed == 0 {
		return out, nil
	}
	h := t.committed.Load()
	proof, err := tlog.Consistency(ctx, h.edge.Reader(l.tiles(t, h.epoch)), out.Signed, e.size)
	if err == nil {
		err = tlog.VerifyConsistency(out.Signed, e.size, out.root, h.edge.Root(), proof)
	}
	if err != nil {
		return nil, errs.Wrap(errs.Conflict, err, "the events do not extend the checkpoint that the database itself holds: its history has been changed")
	}
	return out, nil
}

// AcceptDatabase takes the database's own newest checkpoint for what was signed last, in place of a high-water mark that is missing, and records who decided so and why. It must not be called while the
// log is served. Afterwards nobody can tell from this installation whether the database is an older copy.
func (l *Ledger) AcceptDatabase(ctx context.Context, tenantID string, by event.Actor, reason string) (*Unmarked, error) {
	u, err := l.Unmarked(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	t := u.tenant
	e := t.present()
	member := func(name string, n uint64) event.Member {
		return event.Member{Name: name, Value: jsontext.Value(strconv.FormatUint(n, 10))}
	}
	accepted := &event.Event{Action: "log.mark_accepted", Activity: "approve", Severity: "critical", Actor: by, Reason: reason, Resource: event.Resource{Type: "log", ID: t.logID},
		Data: []event.Member{member("epoch", uint64(e.number)), member("stored_size", u.Stored), member("signed_size", u.Signed), {Name: "last_checkpoint", Value: quote(u.Checkpoint)}}}
	// Recorded before anything is signed: a crash in between leaves the log frozen as it was.
	t.held.Store(true)
	t.frozen.Store(nil)
	err = l.Record(ctx, tenantID, accepted, nil)
	if err != nil {
		why := "what the database says was not accepted"
		t.frozen.Store(&why)
		t.held.Store(false)
		return nil, err
	}
	l.high.assume(t.logID, highMark{Epoch: e.number, Base: e.base, Size: u.Signed, Root: hex.EncodeToString(u.root[:]), Checkpoint: u.Checkpoint})
	t.held.Store(false)
	return u, l.publish(ctx, t)
}

// assume takes m for what was signed last, until the next checkpoint is written down.
func (w *highWater) assume(logID string, m highMark) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[logID], w.assumed[logID] = m, true
}

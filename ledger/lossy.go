package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/event"
)

// epochGap is what an epoch's base is a multiple of, and the least distance to what was signed before: events that were acknowledged after the last checkpoint have
// seqs above it, which no other event may get.
const epochGap = 1 << 20

// Loss is what a database lacks that a checkpoint was signed for, and what the epoch after it would be.
type Loss struct {
	LogID  string
	Origin string // of the epoch that the database holds
	// Held is the number of events of that epoch that are there, Covered how many of them its last stored checkpoint covers.
	Held, Covered uint64
	// SignedOrigin and Signed are those of the newest checkpoint that was ever signed, Checkpoint its text.
	SignedOrigin string
	Signed       uint64
	Checkpoint   string
	// Lost is how many events that were signed for are missing at least; those that were acknowledged after the last checkpoint are not counted anywhere.
	Lost uint64
	// NewOrigin and NewBase are what a new epoch would have.
	NewOrigin string
	NewBase   uint64
	// Strays are the names of files of sealed events that the database does not name.
	Strays []string

	number int64
	base   uint64
	mark   highMark
}

// Loss tells what a frozen log lacks. A log that is not frozen, or for another reason than that its database is older than what was signed, is a Conflict: then a new epoch is no way on.
func (l *Ledger) Loss(ctx context.Context, tenantID string) (*Loss, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	why := t.frozen.Load()
	if why == nil {
		return nil, errs.New(errs.Conflict, "the log is not frozen; a new epoch is for a log whose newest events are lost")
	}
	e, h := t.present(), t.committed.Load()
	m, ok := l.high.mark(t.logID)
	if !ok || !t.sound || h.epoch > m.Epoch || h.epoch == m.Epoch && e.size >= m.Size {
		return nil, errs.New(errs.Conflict, "a new epoch does not help here, because the log is frozen for another reason: %s", *why)
	}
	out := &Loss{LogID: t.logID, Origin: t.origin(e.number), Held: e.size, Covered: e.published.size, SignedOrigin: t.origin(m.Epoch), Signed: m.Size, Checkpoint: m.Checkpoint, Lost: m.Size, number: m.Epoch + 1,
		mark: m}
	if h.epoch == m.Epoch {
		out.Lost = m.Size - e.size
	}
	out.base = (max(m.Base+m.Size, e.base+e.size)/epochGap + 2) * epochGap
	out.NewOrigin, out.NewBase = t.origin(out.number), out.base
	out.Strays, err = l.strays(ctx, t)
	return out, err
}

// strays lists the files of sealed events that the database does not name.
func (l *Ledger) strays(ctx context.Context, t *tenant) ([]string, error) {
	var out []string
	for _, store := range l.stores() {
		err := l.strayFiles(ctx, t, store, func(name string) error { out = append(out, name); return nil })
		if err != nil {
			return nil, fmt.Errorf("list the sealed files: %w", err)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// OpenEpoch ends the present epoch of a log that a lossy restore has frozen and begins the next, whose first event says by whom, why, and what was lost. It must not be
// called while the log is served. The old epoch stays as it is and is never signed for again; files of lost events are set aside.
func (l *Ledger) OpenEpoch(ctx context.Context, tenantID string, by event.Actor, reason string) (*Loss, error) {
	loss, err := l.Loss(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	if err := l.setAside(ctx, t, loss); err != nil {
		return nil, err
	}
	// From now on only what belongs to the present epoch is hot.
	if err := l.sealAll(ctx, t); err != nil {
		return nil, err
	}
	if err := l.switchEpoch(ctx, t, loss, loss.opening(t, by, reason)); err != nil {
		return nil, err
	}
	return loss, l.recordOpening(ctx, t)
}

// setAside moves files of events that the database lacks to a folder of their own, where nothing overwrites or removes them.
func (l *Ledger) setAside(ctx context.Context, t *tenant, loss *Loss) error {
	if len(loss.Strays) == 0 {
		return nil
	}
	dir := path.Join(segmentsPrefix, t.logID, fmt.Sprintf("lost-before-epoch-%d", loss.number))
	for i, p := range loss.Strays {
		to := path.Join(dir, path.Base(p))
		store := l.opt.Working
		if strings.HasPrefix(path.Base(p), "evidence-") {
			store = l.opt.Evidence
		}
		if err := store.Move(ctx, p, to); err != nil && !errors.Is(err, fs.ErrExist) { // it is there when an attempt was interrupted, or when the original is locked
			return err
		}
		loss.Strays[i] = to
	}
	return nil
}

// sealAll seals whatever is hot, covered by a checkpoint or not. Nobody else works on the log.
func (l *Ledger) sealAll(ctx context.Context, t *tenant) error {
	t.sealMu.Lock()
	defer t.sealMu.Unlock()
	ran, err := l.db.Alone(ctx, "seal/"+t.logID, func(ctx context.Context, lease *sqldb.Lease) error { return l.sealHot(ctx, t, lease) })
	if err == nil && !ran {
		err = errs.New(errs.Conflict, "another server works on the log; stop it first")
	}
	return err
}

func (l *Ledger) sealHot(ctx context.Context, t *tenant, lease *sqldb.Lease) error {
	e := t.present()
	for {
		batches, _ := t.hot.view()
		if len(batches) == 0 {
			return nil
		}
		first := batches[0].First
		end := min(e.base+((first-e.base)/blockEvents+1)*blockEvents, e.base+e.size)
		if err := l.sealRange(ctx, t, lease, first, end-first); err != nil {
			return err
		}
	}
}

// opening is the first event of the new epoch.
func (o *Loss) opening(t *tenant, by event.Actor, reason string) *event.Event {
	e := t.present()
	root := t.committed.Load().edge.Root()
	number := func(name string, n uint64) event.Member {
		return event.Member{Name: name, Value: jsontext.Value(strconv.FormatUint(n, 10))}
	}
	text := func(name, s string) event.Member { return event.Member{Name: name, Value: quote(s)} }
	return &event.Event{Action: "log.epoch_opened", Activity: "start", Severity: "critical", Actor: by, Reason: reason, Resource: event.Resource{Type: "log", ID: t.logID},
		Data: []event.Member{number("epoch", uint64(o.number)), number("base", o.base), number("previous_epoch", uint64(e.number)), number("previous_base", e.base), number("held_size", o.Held),
			text("held_root", hex.EncodeToString(root[:])), number("covered_size", o.Covered), number("signed_epoch", uint64(o.mark.Epoch)), number("signed_size", o.Signed), number("lost", o.Lost),
			text("last_checkpoint", o.Checkpoint)}}
}

// switchEpoch ends the present epoch in the database and in memory. The event that opens the next is kept sealed beside it until it is recorded, so that a crash in between leaves no epoch
// that begins with anything else.
func (l *Ledger) switchEpoch(ctx context.Context, t *tenant, loss *Loss, opening *event.Event) error {
	h, e, now := t.committed.Load(), t.present(), sqldb.Now()
	if e.published.text == "" { // nothing was ever signed
		text, err := tlog.Sign(t.origin(e.number), 0, tlog.EmptyRoot, t.signersOf(t.origin(e.number))...)
		if err != nil {
			return err
		}
		e.published = &publishedState{root: tlog.EmptyRoot, text: string(text), edge: tlog.NewTree().Edge()}
	}
	root := h.edge.Root()
	skey, vkey, err := tlog.GenerateKey(loss.NewOrigin)
	if err != nil {
		return err
	}
	signer, err := tlog.NewSigner(skey)
	if err != nil {
		return err
	}
	sealedKey, err := t.keys.Seal("log-key|"+vkey, []byte(skey))
	if err != nil {
		return err
	}
	sealed, err := t.sealEvent("opening", opening)
	if err != nil {
		return err
	}
	err = l.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO log_epoch (log_id, epoch, base, size, root, recorded_at, published, checkpoint, lost_checkpoint, closed_at, opening)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, t.logID, e.number, e.base, e.size, root[:], e.recordedAt, e.published.size, e.published.text, loss.Checkpoint, now, sealed); err != nil {
			return sqldb.Translate(err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO log_key (log_id, vkey, skey, created_at) VALUES ($1, $2, $3, $4)`, t.logID, vkey, sealedKey, now); err != nil {
			return sqldb.Translate(err)
		}
		_, err := tx.ExecContext(ctx, `UPDATE log SET epoch = $1, base = $2, size = 0, root = $3, published = 0, checkpoint = '' WHERE log_id = $4 AND epoch = $5`,
			loss.number, loss.base, tlog.EmptyRoot[:], t.logID, e.number)
		return sqldb.Translate(err)
	})
	if err != nil {
		return err
	}
	e.closed = true
	t.closed, t.stored = append(t.closed, e), 0
	t.logKeys.Store(t.logKeys.Load().with(signer, vkey))
	tree := tlog.NewTree()
	t.held.Store(true) // until the first event is there
	t.published.Store(&publishedState{edge: tree.Edge()})
	t.committed.Store(&headState{epoch: loss.number, base: loss.base, tree: tree, edge: tree.Edge(), recordedAt: e.recordedAt})
	t.frozen.Store(nil)
	return nil
}

// recordOpening records the event that opens the present epoch, if that is still to be done, and publishes it.
func (l *Ledger) recordOpening(ctx context.Context, t *tenant) error {
	defer t.held.Store(false)
	if t.usable() != nil || len(t.closed) == 0 {
		return nil
	}
	last := t.closed[len(t.closed)-1].number
	var sealed []byte
	err := l.db.Read(ctx).QueryRowContext(ctx, `SELECT opening FROM log_epoch WHERE log_id = $1 AND epoch = $2`, t.logID, last).Scan(&sealed)
	if err != nil || sealed == nil {
		return sqldb.Translate(err)
	}
	e, err := t.openEvent("opening", sealed)
	if err != nil {
		return err
	}
	err = l.Record(ctx, t.id, e, func(ctx context.Context, tx *sql.Tx) error {
		return once(tx.ExecContext(ctx, `UPDATE log_epoch SET opening = NULL WHERE log_id = $1 AND epoch = $2 AND opening IS NOT NULL`, t.logID, last))
	})
	if err != nil && !errors.Is(err, errDone) {
		return err
	}
	return l.publish(ctx, t)
}

// sealEvent encrypts an event that is yet to be recorded.
func (t *tenant) sealEvent(label string, e *event.Event) ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return t.keys.Seal("event|"+label, b)
}

// openEvent decrypts what sealEvent returned.
func (t *tenant) openEvent(label string, sealed []byte) (*event.Event, error) {
	b, err := t.keys.Open("event|"+label, sealed)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "an event that is yet to be recorded does not open")
	}
	e := new(event.Event)
	return e, json.Unmarshal(b, e)
}

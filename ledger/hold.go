package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
)

// A legal hold on evidence is a hold of the object store's own (S3 Object Lock): while it is on, the store deletes no version of an object, whatever retention it has and whoever asks. What the
// database says is what shall be; every change and every sealing adds to the hold's work, which is done at once where the store answers and otherwise when it does.

// holdEvery is how often work that is left is tried again.
const holdEvery = 30 * time.Second

// maxHolds bounds how many holds of a log may be active at a time.
const maxHolds = 1000

// EvidenceHold is a legal hold on the sealed evidence of a range of a log.
type EvidenceHold struct {
	ID string
	// First is the first seq, End the seq after the last; 0 for a hold that covers whatever is recorded later too.
	First, End uint64
	Reason     string
	PlacedAt   time.Time
	PlacedBy   string
	// ReleasedAt is zero while the hold is active.
	ReleasedAt    time.Time
	ReleasedBy    string
	ReleaseReason string
	// Objects counts the sealed files in the range, Pending says that the store does not reflect the hold, or its release, yet.
	Objects int
	Pending bool

	work int64
}

// Active reports whether the hold has not been released.
func (h *EvidenceHold) Active() bool { return h.ReleasedAt.IsZero() }

func (h *EvidenceHold) covers(s *Segment) bool {
	return s.First+s.Count > h.First && (h.End == 0 || s.First < h.End)
}

// holdBody is what is sealed of a hold.
type holdBody struct {
	Reason        string `json:"reason"`
	By            string `json:"by"`
	ReleaseReason string `json:"release_reason,omitempty"`
	ReleasedBy    string `json:"released_by,omitempty"`
}

// PlaceHold puts a legal hold on the evidence of [first, end), sealed now or later; end 0 has no end. It is recorded with its reason. A store that cannot hold objects, such as a data
// directory, is Unsupported. When the store does not answer, the hold is pending and takes effect as soon as it does.
func (l *Ledger) PlaceHold(ctx context.Context, tenantID string, first, end uint64, by event.Actor, reason string) (*EvidenceHold, error) {
	if reason = strings.TrimSpace(reason); reason == "" || end != 0 && end <= first {
		return nil, errs.New(errs.Invalid, "a hold needs a reason, and an end after its beginning")
	}
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	h := &EvidenceHold{ID: uuid.Must(uuid.NewV7()).String(), First: first, End: end, Reason: reason, PlacedAt: time.Now().UTC(), PlacedBy: name(by)}
	if err := l.canHold(ctx, t, h); err != nil {
		return nil, err
	}
	body, err := t.sealHold(h)
	if err != nil {
		return nil, err
	}
	err = l.Record(ctx, t.id, h.event("evidence.hold_placed", by, reason), func(ctx context.Context, tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM evidence_hold WHERE log_id = $1 AND released_at IS NULL`, t.logID).Scan(&n); err != nil {
			return sqldb.Translate(err)
		}
		if n >= maxHolds {
			return errs.New(errs.TooLarge, "%d holds are active; release some first, or place one that covers more", n)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO evidence_hold (log_id, id, first_seq, end_seq, body, placed_at, work) VALUES ($1, $2, $3, $4, $5, $6, 1)`, t.logID, h.ID, first, end, body, h.PlacedAt.UnixMicro())
		if err != nil || l.opt.Held == nil {
			return sqldb.Translate(err)
		}
		return l.opt.Held(ctx, tx, t.id)
	})
	if err != nil {
		return nil, err
	}
	return l.settled(ctx, t, h.ID)
}

// ReleaseHold ends a legal hold. What another hold covers stays held; what a retention locks stays locked.
func (l *Ledger) ReleaseHold(ctx context.Context, tenantID, id string, by event.Actor, reason string) (*EvidenceHold, error) {
	if reason = strings.TrimSpace(reason); reason == "" {
		return nil, errs.New(errs.Invalid, "a release needs a reason")
	}
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	h, err := l.hold(ctx, t, id)
	if err != nil {
		return nil, err
	}
	h.ReleaseReason, h.ReleasedBy = reason, name(by)
	body, err := t.sealHold(h)
	if err != nil {
		return nil, err
	}
	err = l.Record(ctx, t.id, h.event("evidence.hold_released", by, reason), func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE evidence_hold SET released_at = $1, body = $2, work = work + 1 WHERE log_id = $3 AND id = $4 AND released_at IS NULL`, sqldb.Now(), body, t.logID, id)
		if err != nil {
			return sqldb.Translate(err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, errs.New(errs.Conflict, "the hold is released already"))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l.settled(ctx, t, id)
}

// Holds lists the holds on a tenant's evidence, the newest first, released ones included.
func (l *Ledger) Holds(ctx context.Context, tenantID string) ([]EvidenceHold, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return l.holds(ctx, t)
}

func (l *Ledger) holds(ctx context.Context, t *tenant) ([]EvidenceHold, error) {
	rows, err := l.db.Read(ctx).QueryContext(ctx, `SELECT id, first_seq, end_seq, body, placed_at, released_at, work FROM evidence_hold WHERE log_id = $1 ORDER BY placed_at DESC, id DESC`, t.logID)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var out []EvidenceHold
	for rows.Next() {
		var h EvidenceHold
		var body []byte
		var placed int64
		var released sql.NullInt64
		if err := rows.Scan(&h.ID, &h.First, &h.End, &body, &placed, &released, &h.work); err != nil {
			return nil, err
		}
		if err := t.openHold(&h, body); err != nil {
			return nil, err
		}
		h.PlacedAt, h.Pending = time.UnixMicro(placed).UTC(), h.work > 0
		if released.Valid {
			h.ReleasedAt = time.UnixMicro(released.Int64).UTC()
		}
		out = append(out, h)
	}
	if err := rows.Err(); err != nil {
		return nil, sqldb.Translate(err)
	}
	segments, err := l.loadSegments(ctx, l.db.Read(ctx), t.logID, 0)
	if err != nil {
		return nil, err
	}
	for i := range out {
		for k := range segments {
			if out[i].covers(&segments[k]) {
				out[i].Objects++
			}
		}
	}
	return out, nil
}

func (l *Ledger) hold(ctx context.Context, t *tenant, id string) (*EvidenceHold, error) {
	all, err := l.holds(ctx, t)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(h EvidenceHold) bool { return h.ID == id })
	if i < 0 {
		return nil, errs.New(errs.NotFound, "there is no such hold")
	}
	return &all[i], nil
}

// HoldsPossible reports whether sealed evidence lies in a store that may be able to hold it; a folder is not.
func (l *Ledger) HoldsPossible() bool {
	_, folder := l.opt.Evidence.(*blob.Dir)
	return !folder
}

// canHold finds out whether the store can hold objects, where there is an object to try.
func (l *Ledger) canHold(ctx context.Context, t *tenant, h *EvidenceHold) error {
	if !l.HoldsPossible() {
		return errs.New(errs.Unsupported, "the sealed files lie in a folder, which cannot hold them: legal holds need an object store with Object Lock (setting storage)")
	}
	_, segments := t.hot.view()
	for i := range segments {
		if h.covers(&segments[i]) {
			if err := l.opt.Evidence.Hold(ctx, segments[i].EvidencePath, true); errs.CodeOf(err) == errs.Unsupported {
				return err
			}
			return nil // other errors may pass
		}
	}
	return nil
}

// settled does the work of a hold and returns it as it is then.
func (l *Ledger) settled(ctx context.Context, t *tenant, id string) (*EvidenceHold, error) {
	if err := l.settleHolds(ctx, t); err != nil {
		l.log.Error("a legal hold has not reached the object store yet; it will be tried again", "log_id", t.logID, "error", err)
	}
	return l.hold(ctx, t, id)
}

// settleHolds brings the object store to what the database says, for holds with work left.
func (l *Ledger) settleHolds(ctx context.Context, t *tenant) error {
	t.holdMu.Lock()
	defer t.holdMu.Unlock()
	all, err := l.holds(ctx, t) // before the segments: what is sealed later adds to the work
	if err != nil || !slices.ContainsFunc(all, func(h EvidenceHold) bool { return h.Pending }) {
		return err
	}
	segments, err := l.loadSegments(ctx, l.db.Read(ctx), t.logID, 0)
	if err != nil {
		return err
	}
	for i := range segments {
		s := &segments[i]
		on, touched := false, false
		for k := range all {
			if all[k].covers(s) {
				on, touched = on || all[k].Active(), touched || all[k].Pending
			}
		}
		if !touched {
			continue
		}
		if err := l.holdObject(ctx, s.EvidencePath, on); err != nil {
			return err
		}
	}
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		for _, h := range all {
			if !h.Pending {
				continue
			}
			if _, err := tx.ExecContext(ctx, `UPDATE evidence_hold SET work = 0 WHERE log_id = $1 AND id = $2 AND work = $3`, t.logID, h.ID, h.work); err != nil {
				return sqldb.Translate(err)
			}
		}
		return nil
	})
}

// holdObject sets or lifts the hold of an object and looks whether the store says so.
func (l *Ledger) holdObject(ctx context.Context, path string, on bool) error {
	if err := l.opt.Evidence.Hold(ctx, path, on); err != nil {
		return err
	}
	info, err := l.opt.Evidence.Stat(ctx, path)
	if err == nil && info.Held != on {
		err = errs.New(errs.Unavailable, "the object store took the legal hold of %s and does not show it", path)
	}
	return err
}

// holdNew has the holds that cover a new segment be applied to it. It is part of the transaction that stores the segment.
func holdNew(ctx context.Context, tx *sql.Tx, logID string, s *Segment) error {
	_, err := tx.ExecContext(ctx, `UPDATE evidence_hold SET work = work + 1 WHERE log_id = $1 AND released_at IS NULL AND first_seq < $2 AND (end_seq = 0 OR end_seq > $3)`, logID, s.First+s.Count, s.First)
	return sqldb.Translate(err)
}

// holdLoop does what work is left of holds.
func (l *Ledger) holdLoop(ctx context.Context) {
	if !l.HoldsPossible() {
		return
	}
	tick := time.NewTicker(holdEvery)
	defer tick.Stop()
	for {
		for _, t := range l.opened() {
			if err := l.settleHolds(ctx, t); err != nil && ctx.Err() == nil {
				l.log.Error("legal holds have not reached the object store yet; it will be tried again", "log_id", t.logID, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.holdWake:
		}
	}
}

// wakeHolds has the loop look at once.
func (l *Ledger) wakeHolds() {
	select {
	case l.holdWake <- struct{}{}:
	default:
	}
}

func (h *EvidenceHold) event(action string, by event.Actor, reason string) *event.Event {
	number := func(name string, n uint64) event.Member {
		return event.Member{Name: name, Value: jsontext.Value(strconv.FormatUint(n, 10))}
	}
	return &event.Event{Action: action, Activity: "update", Severity: "high", Actor: by, Reason: reason, Resource: event.Resource{Type: "evidence_hold", ID: h.ID},
		Data: []event.Member{number("first_seq", h.First), number("end_seq", h.End)}}
}

func (t *tenant) sealHold(h *EvidenceHold) ([]byte, error) {
	b, err := json.Marshal(holdBody{h.Reason, h.PlacedBy, h.ReleaseReason, h.ReleasedBy})
	if err != nil {
		return nil, err
	}
	return t.keys.Seal("hold|"+h.ID, b)
}

func (t *tenant) openHold(h *EvidenceHold, sealed []byte) error {
	b, err := t.keys.Open("hold|"+h.ID, sealed)
	var body holdBody
	if err == nil {
		err = json.Unmarshal(b, &body)
	}
	if err != nil {
		return fmt.Errorf("a legal hold cannot be read: %w", err)
	}
	h.Reason, h.PlacedBy, h.ReleaseReason, h.ReleasedBy = body.Reason, body.By, body.ReleaseReason, body.ReleasedBy
	return nil
}

// name is what a list calls an actor.
func name(a event.Actor) string { return cmp.Or(a.Name, a.Email, a.ID, a.Type) }

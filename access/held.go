package access

import (
	"context"
	"database/sql"
	"log/slog"
	"maps"
	"sync"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
)

// Bounds of what is held in memory while the database takes nothing.
const (
	maxHeld         = 1000 // events
	maxHeldSessions = 100
	maxHeldThrottle = 10_000
)

// held is what the access domain does while the database takes nothing, on a full disk above all: people must get in to see what is wrong. Sessions, the ends of sessions, attempts and the events
// about them are kept in this process and written in order as soon as that works. A crash before then forgets them; a line in the log of the process says of each that it was held.
type held struct {
	mu        sync.Mutex
	list      []*heldRecord
	sessions  map[string]*heldRecord // by token hash
	ended     map[string]bool        // ids of sessions
	throttles map[string]throttleRow
}

// heldRecord is an event that waits, with its effect.
type heldRecord struct {
	tenant  string
	event   *event.Event
	effect  func(context.Context, *sql.Tx) error
	session *sessionRow // of a sign-in
	ends    string      // id of the session that it ends
}

// record records an event with its effect, or holds both while that is impossible. What is held goes first: the end of a session must not be written before its beginning.
func (s *Service) record(ctx context.Context, r *heldRecord) error {
	err := s.settle(ctx)
	if err == nil {
		err = s.o.Recorder.RecordLater(ctx, r.tenant, r.event, r.effect)
	}
	if errs.CodeOf(err) != errs.Unavailable || !s.held.add(r) {
		return err
	}
	s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "held until it can be recorded", slog.String("action", r.event.Action), slog.String("tenant", r.tenant),
		slog.String("request_id", ClientOf(ctx).RequestID), slog.Any("error", err))
	return nil
}

// add holds r, unless there is too much already.
func (h *held) add(r *heldRecord) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.list) >= maxHeld || r.session != nil && len(h.sessions) >= maxHeldSessions {
		return false
	}
	if r.event.OccurredAt.IsZero() {
		r.event.OccurredAt = time.Now()
	}
	h.list = append(h.list, r)
	if r.session != nil {
		if h.sessions == nil {
			h.sessions = map[string]*heldRecord{}
		}
		h.sessions[string(r.session.tokenHash)] = r
	}
	if r.ends != "" {
		if h.ended == nil {
			h.ended = map[string]bool{}
		}
		h.ended[r.ends] = true
	}
	return true
}

// session returns a held session.
func (h *held) session(tokenHash []byte) (sessionRow, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.sessions[string(tokenHash)]
	if r == nil {
		return sessionRow{}, false
	}
	row := *r.session
	row.tenant = r.tenant
	return row, true
}

// has reports whether a session is held, by its id.
func (h *held) has(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.sessions {
		if r.session.id == id {
			return true
		}
	}
	return false
}

// over reports whether a session has been ended, though the database does not say so yet.
func (h *held) over(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended[id]
}

func (h *held) first() *heldRecord {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.list) == 0 {
		return nil
	}
	return h.list[0]
}

// done forgets the first record, which has been written or cannot be.
func (h *held) done(r *heldRecord) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = h.list[1:]
	if r.session != nil {
		delete(h.sessions, string(r.session.tokenHash))
	}
	delete(h.ended, r.ends)
}

// settle writes what is held, in order, as far as that works now.
func (s *Service) settle(ctx context.Context) error {
	s.settleMu.Lock()
	defer s.settleMu.Unlock()
	for r := s.held.first(); r != nil; r = s.held.first() {
		err := s.o.Recorder.RecordLater(ctx, r.tenant, r.event, r.effect)
		if errs.CodeOf(err) == errs.Unavailable || ctx.Err() != nil {
			return err
		}
		if err != nil { // the account was locked meanwhile, say: the sign-in does not stand
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "what was held is refused", slog.String("action", r.event.Action), slog.String("tenant", r.tenant), slog.Any("error", err))
		}
		s.held.done(r)
	}
	return s.settleThrottles(ctx)
}

func (s *Service) settleThrottles(ctx context.Context) error {
	s.held.mu.Lock()
	rows := maps.Clone(s.held.throttles)
	s.held.mu.Unlock()
	if len(rows) == 0 {
		return nil
	}
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		for subject, row := range rows {
			if err := putThrottle(ctx, tx, []byte(subject), row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.held.mu.Lock()
	defer s.held.mu.Unlock()
	for subject, row := range rows {
		if s.held.throttles[subject] == row {
			delete(s.held.throttles, subject)
		}
	}
	return nil
}

// throttleStore is where the counters of attempts are read and written.
type throttleStore interface {
	get(ctx context.Context, subject []byte) (throttleRow, error)
	put(ctx context.Context, subject []byte, row throttleRow) error
}

// storedThrottles are those of the database.
type storedThrottles struct{ tx *sql.Tx }

func (t storedThrottles) get(ctx context.Context, subject []byte) (throttleRow, error) {
	return throttleOf(ctx, t.tx, subject)
}

func (t storedThrottles) put(ctx context.Context, subject []byte, row throttleRow) error {
	return putThrottle(ctx, t.tx, subject, row)
}

// heldThrottles count on from those of the database in memory. The lock of held is taken.
type heldThrottles struct {
	h  *held
	db *sqldb.DB
}

func (t heldThrottles) get(ctx context.Context, subject []byte) (throttleRow, error) {
	if row, ok := t.h.throttles[string(subject)]; ok {
		return row, nil
	}
	return throttleOf(ctx, t.db.Read(ctx), subject)
}

func (t heldThrottles) put(_ context.Context, subject []byte, row throttleRow) error {
	if _, ok := t.h.throttles[string(subject)]; !ok && len(t.h.throttles) >= maxHeldThrottle {
		return &errs.Error{Code: errs.Throttled, Message: "Too many attempts. Wait before you try again.", RetryAfter: maxWait}
	}
	if t.h.throttles == nil {
		t.h.throttles = map[string]throttleRow{}
	}
	t.h.throttles[string(subject)] = row
	return nil
}

// forgive takes a successful attempt back where it is counted in memory.
func (h *held) forgive(list []throttled) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range list {
		row, ok := h.throttles[string(t.subject)]
		switch {
		case !ok:
		case !t.address:
			row = throttleRow{}
			h.throttles[string(t.subject)] = row
		case row.failures > 0:
			row.failures--
			h.throttles[string(t.subject)] = row
		}
	}
}

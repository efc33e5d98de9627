package tenant

import (
	"context"
	"sync"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// How old what a server knows of the tenants' states may be: it is read anew when it is older than fresh, and not relied on when it is older than stale, as when the database does not answer.
const (
	fresh = 400 * time.Millisecond
	stale = 5 * time.Second
)

// standings is what this server knows of tenants that are not at work. Every request asks, so that it is read a few times a second at most.
type standings struct {
	s       *Service
	mu      sync.RWMutex
	at      time.Time
	states  map[string]State
	reading sync.Mutex
	told    map[string]bool // deleted ones, of which the ledger knows
}

// forget has the states read at the next request.
func (s *standings) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = time.Time{}
}

func (s *standings) known() (states map[string]State, age time.Duration) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.states, time.Since(s.at)
}

// of returns the states of tenants that are not at work.
func (s *standings) of(ctx context.Context) (map[string]State, error) {
	states, age := s.known()
	if age < fresh {
		return states, nil
	}
	if age < stale && states != nil && age < time.Second {
		if !s.reading.TryLock() {
			return states, nil // somebody is at it
		}
	} else {
		s.reading.Lock()
	}
	defer s.reading.Unlock()
	if states, age = s.known(); age < fresh {
		return states, nil
	}
	began := time.Now()
	next, err := s.read(everybody(context.WithoutCancel(ctx)))
	if err != nil {
		if states != nil && age < stale {
			return states, nil
		}
		return nil, err
	}
	s.mu.Lock()
	s.states, s.at = next, began
	s.mu.Unlock()
	return next, nil
}

func (s *standings) read(ctx context.Context) (map[string]State, error) {
	rows, err := s.s.o.DB.Read(ctx).QueryContext(ctx, `SELECT tenant_id, state FROM tenant_standing WHERE state <> 'active'`)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	out := map[string]State{}
	for rows.Next() {
		var id, state string
		if err := rows.Scan(&id, &state); err != nil {
			return nil, sqldb.Translate(err)
		}
		out[id] = State(state)
	}
	if err := rows.Err(); err != nil {
		return nil, sqldb.Translate(err)
	}
	if s.told == nil {
		s.told = map[string]bool{}
	}
	for id, state := range out {
		if state == Deleted && !s.told[id] {
			s.told[id] = true
			s.s.o.Ledger.Forgotten(id)
		}
	}
	return out, nil
}

// Check refuses the callers of a tenant that is not at work: Forbidden, of the kind [errs.TenantSuspended]. What another server has changed is known within half a second.
func (s *Service) Check(ctx context.Context, tenantID string) error {
	states, err := s.standings.of(ctx)
	if err != nil {
		return err
	}
	switch states[tenantID] {
	case Suspended:
		return &errs.Error{Code: errs.Forbidden, Kind: errs.TenantSuspended, Message: "This tenant is suspended: nobody can read or change anything in it until whoever operates the installation lets it go on."}
	case Leaving, Deleted:
		return &errs.Error{Code: errs.Forbidden, Kind: errs.TenantSuspended, Message: "This tenant has been given up: nobody can read or change anything in it."}
	}
	return nil
}

package access

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"maps"
	"time"
)

const (
	flushEvery = 15 * time.Second
	sweepEvery = 10 * time.Minute
)

// Run writes down when sessions and keys were last used, and deletes what has expired, until ctx ends; it then writes once more. Uses are collected in memory, so
// that a request never waits for the database to remember it; a crash forgets at most flushEvery of them.
func (s *Service) Run(ctx context.Context) {
	flush, clean := time.NewTicker(flushEvery), time.NewTicker(sweepEvery)
	defer flush.Stop()
	defer clean.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := s.Flush(last); err != nil {
				s.o.Logger.Warn("last uses of sessions and keys were not written", slog.Any("error", err))
			}
			return
		case <-s.asked:
			err = s.AnswerForgotten(ctx)
		case <-flush.C:
			err = errors.Join(s.Flush(ctx), s.roles.Sweep(ctx), s.AnswerForgotten(ctx))
		case <-clean.C:
			err = s.Sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.o.Logger.Warn("background work of the access domain", slog.Any("error", err))
		}
	}
}

// Flush writes what is held and the collected uses. What could not be written is kept for the next time.
func (s *Service) Flush(ctx context.Context) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	s.seenMu.Lock()
	sessions, used := maps.Clone(s.sessions), maps.Clone(s.used)
	s.seenMu.Unlock()
	if len(sessions)+len(used) == 0 {
		return nil
	}
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		for id, at := range sessions {
			if err := touchSession(ctx, tx, id, at); err != nil {
				return err
			}
		}
		for id, at := range used {
			if err := touchKey(ctx, tx, id, at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	drop(s.sessions, sessions)
	drop(s.used, used)
	return nil
}

// drop removes what has been written, unless it was used again meanwhile.
func drop(current, written map[string]int64) {
	for id, at := range written {
		if current[id] == at {
			delete(current, id)
		}
	}
}

// Sweep deletes expired sessions and forgotten attempts, and ends invitations whose time is over.
func (s *Service) Sweep(ctx context.Context) error {
	if err := s.Flush(ctx); err != nil {
		return err
	}
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		if err := forgetResets(ctx, tx, s.o.Now().Add(-24*time.Hour).UnixMicro()); err != nil {
			return err
		}
		return sweep(ctx, tx, s.o.Now(), s.idle())
	})
	return errors.Join(err, s.sweepInvitations(ctx))
}

// idle is after how long without a use a session ends. Of uses on other servers, the database knows some time later.
func (s *Service) idle() time.Duration {
	if s.o.DB.Shared() {
		return s.o.SessionIdle + 2*flushEvery
	}
	return s.o.SessionIdle
}

func (s *Service) noteSession(id string, at time.Time) { s.note(s.sessions, id, at) }

func (s *Service) noteKey(id string, at time.Time) { s.note(s.used, id, at) }

func (s *Service) note(m map[string]int64, id string, at time.Time) {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	m[id] = at.UnixMicro()
}

func (s *Service) lastSeen(id string) int64 {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	return s.sessions[id]
}

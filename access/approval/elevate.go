package approval

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// The kinds that this package brings.
const (
	// KindElevation is a person who wants to see values as they are, for one investigation and a time.
	KindElevation = "access.elevation"
	// KindReview is the review of a break-glass by somebody else: approved when it was justified.
	KindReview = "access.break_glass_review"
)

// Bounds of an elevation and of a break-glass.
const (
	MinElevation  = 5 * time.Minute
	MaxElevation  = 8 * time.Hour
	MaxBreakGlass = 4 * time.Hour

	elevationWindow = 24 * time.Hour
	reviewWindow    = 7 * 24 * time.Hour
	minJustified    = 20 // bytes: "test" says nothing to whoever reviews it
)

// Granter gives and takes time-boxed roles, and records both.
type Granter interface {
	// Grant gives a person a role until a time. done runs in the transaction, when it is not nil. A critical one raises the alarm.
	Grant(ctx context.Context, by actor.Principal, g Grant, done Done) error
	// Withdraw takes away what Grant has given, if it is in force.
	Withdraw(ctx context.Context, by actor.Principal, g Grant) error
}

// Grant is a role for a person, for a time.
type Grant struct {
	UserID  string    `json:"user_id"`
	RoleID  string    `json:"role_id"`
	Minutes int       `json:"minutes"`
	Until   time.Time `json:"until,omitzero"`
	Purpose string    `json:"purpose,omitempty"`
	Case    string    `json:"case,omitempty"`
	// Critical marks a break-glass.
	Critical bool `json:"critical,omitempty"`
}

// AddElevations registers the two kinds.
func (s *Service) AddElevations(needed int, g Granter) {
	s.granter = g
	s.Add(Kind{Name: KindElevation, Title: "See values as they are", Needed: needed, Window: elevationWindow, Apply: func(ctx context.Context, r *Request, done Done) error {
		grant, err := grantOf(r)
		if err != nil {
			return err
		}
		grant.Until = s.o.Now().Add(time.Duration(grant.Minutes) * time.Minute).UTC().Truncate(time.Microsecond)
		return g.Grant(ctx, actor.System(r.TenantID), grant, done)
	}})
	s.Add(Kind{Name: KindReview, Title: "Review of a break-glass", Needed: 1, Window: reviewWindow, Apply: func(ctx context.Context, r *Request, done Done) error {
		return s.o.DB.Write(ctx, func(tx *sql.Tx) error { return done(ctx, tx) })
	}})
}

func grantOf(r *Request) (g Grant, err error) {
	if err = json.Unmarshal(r.Change, &g); err != nil {
		err = errs.Wrap(errs.Invalid, err, "what was approved cannot be read")
	}
	return g, err
}

// Elevate asks for the right to see values as they are. The time begins when it is approved.
func (s *Service) Elevate(ctx context.Context, by actor.Principal, minutes int, purpose, investigation string) (*Request, error) {
	d := time.Duration(minutes) * time.Minute
	switch {
	case by.UserID == "" || by.SessionID == "":
		return nil, errs.New(errs.Forbidden, "Only a person who is signed in can ask to see more.")
	case !by.Can(actor.LedgerSearch):
		return nil, errs.New(errs.Forbidden, "This needs the permission %s.", actor.LedgerSearch)
	case by.Unmasked():
		return nil, errs.New(errs.Conflict, "You see values as they are already.")
	case d < MinElevation || d > MaxElevation:
		return nil, errs.Field("/minutes", "out_of_range", "Ask for %d to %d minutes.", int(MinElevation.Minutes()), int(MaxElevation.Minutes()))
	case len(investigation) > 200:
		return nil, errs.Field("/case", "too_long", "At most 200 bytes.")
	}
	purpose = strings.TrimSpace(purpose)
	if err := checkText("/purpose", purpose, maxReason, true); err != nil {
		return nil, err
	}
	g := Grant{UserID: by.UserID, RoleID: actor.RoleElevated, Minutes: minutes, Purpose: purpose, Case: investigation}
	return s.Ask(ctx, by, KindElevation, fmt.Sprintf("See values as they are for %d minutes", minutes), g, purpose)
}

// BreakGlass gives a person a role at once, raises the alarm, and has somebody else review it. Only a role that does not manage access is given so.
func (s *Service) BreakGlass(ctx context.Context, by actor.Principal, minutes int, justification string) (*Request, error) {
	d := time.Duration(minutes) * time.Minute
	justification = strings.TrimSpace(justification)
	switch {
	case by.UserID == "" || by.SessionID == "":
		return nil, errs.New(errs.Forbidden, "Only a person who is signed in breaks the glass.")
	case !by.Can(actor.AccessBreakGlass):
		return nil, errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessBreakGlass)
	case d < MinElevation || d > MaxBreakGlass:
		return nil, errs.Field("/minutes", "out_of_range", "Ask for %d to %d minutes.", int(MinElevation.Minutes()), int(MaxBreakGlass.Minutes()))
	case len(justification) < minJustified:
		return nil, errs.Field("/justification", "too_short", "Say in at least %d characters what the emergency is; somebody else reviews it.", minJustified)
	}
	g := Grant{UserID: by.UserID, RoleID: actor.RoleElevated, Minutes: minutes, Until: s.o.Now().Add(d).UTC().Truncate(time.Microsecond), Purpose: justification, Critical: true}
	r, err := s.ask(ctx, by, KindReview, fmt.Sprintf("Saw values as they are for %d minutes, in an emergency", minutes), g, justification, actionBreak)
	if err != nil {
		return nil, err
	}
	if err := s.granter.Grant(ctx, by, g, nil); err != nil {
		return nil, err // the review stays: that somebody tried is worth a look too
	}
	return r, nil
}

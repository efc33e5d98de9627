package approval

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// State is where a request stands.
type State string

// The states. Every one but Pending is final.
const (
	Pending   State = "pending"
	Approved  State = "approved"
	Denied    State = "denied"
	Expired   State = "expired"
	Cancelled State = "cancelled"
)

// Bounds of what people write.
const (
	maxReason  = 2000 // bytes
	maxSummary = 500
	maxChange  = 64 << 10
)

// Request is something that waits for approval, or waited.
type Request struct {
	ID       string `json:"id"`
	TenantID string `json:"-"`
	Kind     string `json:"kind" doc:"What would be done, such as role.assign"`
	Title    string `json:"title" doc:"The kind in words"`
	// Requester is the user or API key that asked, Behind the person responsible for it: himself, or the maker of the key.
	Requester     string `json:"requester"`
	Behind        string `json:"requested_by"`
	RequesterName string `json:"requested_by_name,omitempty" mask:"user.name,access.approve"`
	// Summary is the change in a sentence, Change exactly as it will be made, Reason why it was asked for.
	Summary string          `json:"summary"`
	Change  json.RawMessage `json:"change"`
	Reason  string          `json:"reason"`
	// Needed is how many people must approve, Given how many have.
	Needed    int        `json:"needed" format:"int32" doc:"How many people must approve, as it was when it was asked for"`
	Given     int        `json:"approvals" format:"int32" doc:"How many have approved so far"`
	State     State      `json:"state" enum:"pending,approved,denied,expired,cancelled"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	// AppliedAt is when what was approved was done; Problem says why it could not be.
	AppliedAt *time.Time `json:"applied_at,omitempty"`
	Problem   string     `json:"problem,omitempty"`
	Decisions []Decision `json:"decisions"`
	// MayDecide says whether the caller may approve or deny it now, WhyNot why not.
	MayDecide bool   `json:"may_decide"`
	WhyNot    string `json:"why_not,omitempty"`
}

// Decision is what one person decided.
type Decision struct {
	UserID  string    `json:"user_id"`
	Name    string    `json:"name,omitempty" mask:"user.name,access.approve"`
	Approve bool      `json:"approve"`
	Comment string    `json:"comment,omitempty" mask:"label,access.approve"`
	At      time.Time `json:"decided_at"`
}

// Approvals counts those who approved.
func (r *Request) Approvals() (n int) {
	for _, d := range r.Decisions {
		if d.Approve {
			n++
		}
	}
	return n
}

// Standing is what is known about somebody who would decide.
type Standing struct {
	// May says that the person has [actor.AccessApprove] now, is not locked, and is a person.
	May bool
	// Since is when the right to decide was given, GivenBy the id of the user who gave it; "" when it was the system.
	Since   time.Time
	GivenBy string
	// MadeAt is when the account was made.
	MadeAt time.Time
	// Alias is a keyed digest of the person's e-mail address: two accounts with one address are one person.
	Alias string
}

// freshRight is how long before a request a right to decide must have been given by whoever asks: a helper who is made an approver first is no second person.
const freshRight = 24 * time.Hour

// refusal says why p may not decide r, nil when he may. asker is the standing of the person behind the request.
func refusal(r *Request, p actor.Principal, who, asker Standing, now time.Time) error {
	switch {
	case r.State != Pending:
		return errs.New(errs.Conflict, "The request is %s already.", r.State)
	case !now.Before(r.ExpiresAt):
		return errs.New(errs.Conflict, "The time to decide is over.")
	case p.UserID == "" || p.SessionID == "":
		return errs.New(errs.Forbidden, "Only a person who is signed in decides, not an API key.")
	case !who.May:
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessApprove)
	case p.UserID == r.Behind || p.UserID == r.Requester || who.Alias != "" && who.Alias == asker.Alias:
		return errs.New(errs.Forbidden, "Nobody decides what he asked for himself.")
	case beneficiary(r) == p.UserID:
		return errs.New(errs.Forbidden, "Nobody decides what he would get himself.")
	case who.Since.After(r.CreatedAt) || who.MadeAt.After(r.CreatedAt):
		return errs.New(errs.Forbidden, "Your right to decide is younger than the request; somebody else has to.")
	case r.Behind != "" && who.GivenBy == r.Behind && r.CreatedAt.Sub(who.Since) < freshRight:
		return errs.New(errs.Forbidden, "Whoever asks has given you the right to decide less than a day before; somebody else has to.")
	case slices.ContainsFunc(r.Decisions, func(d Decision) bool { return d.UserID == p.UserID }):
		return errs.New(errs.Conflict, "You have decided already.")
	}
	return nil
}

// beneficiary is the user who would get something by a request, "" when its change names none.
func beneficiary(r *Request) string {
	var c struct {
		Camel string `json:"userId"`
		Snake string `json:"user_id"`
	}
	if err := json.Unmarshal(r.Change, &c); err != nil {
		return "" // a change of another form
	}
	return cmp.Or(c.Camel, c.Snake)
}

func checkText(pointer, text string, limit int, required bool) error {
	switch {
	case required && text == "":
		return errs.Field(pointer, "required", "Say why: others decide by it, and it is recorded.")
	case len(text) > limit:
		return errs.Field(pointer, "too_long", "At most %d bytes.", limit)
	}
	return nil
}

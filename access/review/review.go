package review

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"probity.dev/internal/errs"
)

// Kinds of grants.
const (
	KindAssignment = "assignment" // of a role
	KindElevation  = "elevation"  // an assignment of the role that shows personal values as they are
	KindKey        = "api_key"
	KindGroup      = "group" // a membership elsewhere that gives a role
)

// Scopes of a review.
const (
	ScopeAll         = "all"
	ScopeSensitivity = "sensitivity" // of this sensitivity or a higher one
	ScopeRole        = "role"
	ScopePart        = "part" // of the tenant: dataset:NAME or resource_type:NAME
)

// Who reviews.
const (
	ByNamed  = "named"
	ByOwners = "owners" // the owner of each role; for what has none, whoever began the review
)

// States of a review.
const (
	Open   = "open"
	Closed = "closed"
)

// States of an item.
const (
	Waiting   = "waiting"
	Confirmed = "confirmed"
	Revoked   = "revoked"
	Gone      = "gone"      // had ended before anybody decided
	Undecided = "undecided" // when the review was closed
)

// Limits.
const (
	MaxItems     = 20_000 // of a review
	MaxAtOnce    = 200    // items in one decision
	maxReviewers = 50
	maxName      = 120  // characters
	maxReason    = 1000 // characters
)

// Scope says what a review is about.
type Scope struct {
	Kind  string `json:"kind" enum:"all,sensitivity,role,part"`
	Value string `json:"value,omitempty" maxLength:"200" doc:"normal, high or admin (this or higher); the id of a role; dataset:NAME or resource_type:NAME"`
}

// Definition is what somebody enters about a review.
type Definition struct {
	Name      string   `json:"name" mask:"label,access.manage" minLength:"1" maxLength:"120"`
	Scope     Scope    `json:"scope"`
	By        string   `json:"by" enum:"named,owners" doc:"Named people, or the owner of each role; what nobody else can review falls to whoever began the review"`
	Reviewers []string `json:"reviewers,omitempty" maxItems:"50" doc:"Ids of users, for named"`
	// Days is how long there is to decide, RepeatMonths after how many months the next one begins.
	Days         int `json:"days" minimum:"1" maximum:"180" format:"int32" doc:"How long there is to decide"`
	RepeatMonths int `json:"repeat_months" minimum:"0" maximum:"24" format:"int32" doc:"After how many months the next one begins; 0 for never"`
	RemindDays   int `json:"remind_days" minimum:"0" maximum:"90" format:"int32" doc:"How often reviewers with open items get an e-mail; 0 for only at the start"`
	// AutoRevoke ends what nobody has decided on when the time is over.
	AutoRevoke bool `json:"auto_revoke" doc:"Revoke what nobody has decided on in time"`
}

func (d *Definition) check() error {
	d.Name = strings.TrimSpace(d.Name)
	if n := utf8.RuneCountInString(d.Name); n == 0 || n > maxName || strings.ContainsFunc(d.Name, unicode.IsControl) {
		return errs.Field("/name", "required", "Give the review a name of 1 to %d characters, in one line.", maxName)
	}
	switch d.Scope.Kind {
	case ScopeAll:
		d.Scope.Value = ""
	case ScopeSensitivity:
		if !slices.Contains([]string{"normal", "high", "admin"}, d.Scope.Value) {
			return errs.Field("/scope/value", "not_allowed", "The sensitivity is normal, high or admin.")
		}
	case ScopeRole:
		if d.Scope.Value == "" {
			return errs.Field("/scope/value", "required", "Name the role.")
		}
	case ScopePart:
		kind, name, _ := strings.Cut(d.Scope.Value, ":")
		if kind != "dataset" && kind != "resource_type" || name == "" {
			return errs.Field("/scope/value", "wrong_format", "Write dataset:NAME or resource_type:NAME.")
		}
	default:
		return errs.Field("/scope/kind", "not_allowed", "The scope is all, sensitivity, role or part.")
	}
	switch {
	case d.By == ByOwners:
		d.Reviewers = nil
	case d.By != ByNamed:
		return errs.Field("/by", "not_allowed", "Reviewers are named or owners.")
	case len(d.Reviewers) == 0 || len(d.Reviewers) > maxReviewers:
		return errs.Field("/reviewers", "count", "Name 1 to %d reviewers.", maxReviewers)
	}
	return nil
}

// covers reports whether a grant belongs to a review.
func (s Scope) covers(g *Grant) bool {
	switch s.Kind {
	case ScopeAll:
		return true
	case ScopeSensitivity:
		order := []string{"normal", "high", "admin"}
		return slices.Index(order, g.Sensitivity) >= slices.Index(order, s.Value)
	case ScopeRole:
		return g.RoleID == s.Value
	case ScopePart:
		return g.Scope == s.Value
	}
	return false
}

// Grant is something that somebody has, as it was when the review began.
type Grant struct {
	Kind string `json:"kind" enum:"assignment,elevation,api_key,group"`
	// Target is the id of the assignment, the key or the group.
	Target   string `json:"target"`
	UserID   string `json:"user_id,omitempty" doc:"Who has it, or made the key"`
	UserName string `json:"user_name,omitempty"`
	// What is the name of the role, the key or the group.
	What   string `json:"what"`
	RoleID string `json:"role_id,omitempty"`
	// Scope is the part of the tenant, empty for all of it.
	Scope       string     `json:"scope,omitempty"`
	Permissions []string   `json:"permissions,omitempty" doc:"Of a key"`
	Sensitivity string     `json:"sensitivity" enum:"normal,high,admin"`
	GrantedBy   string     `json:"granted_by,omitempty"`
	GrantedAt   *time.Time `json:"granted_at,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	LastUsedAt  *time.Time `json:"last_used_at,omitempty" doc:"When the key was used, or the person signed in"`
	// Elsewhere says what outside gives it, which has to be ended there as well.
	Elsewhere string `json:"elsewhere,omitempty"`
}

// Review is a campaign.
type Review struct {
	ID       string `json:"id"`
	TenantID string `json:"-"`
	Definition
	State       string     `json:"state" enum:"open,closed"`
	Follows     string     `json:"follows,omitempty" doc:"The review before it, of which it is the repetition"`
	CreatedBy   string     `json:"created_by"`
	CreatorName string     `json:"created_by_name,omitempty" mask:"user.name,access.manage"`
	CreatedAt   time.Time  `json:"created_at"`
	DueAt       time.Time  `json:"due_at"`
	NextAt      *time.Time `json:"next_at,omitempty" doc:"When the next one begins"`
	OverdueAt   *time.Time `json:"overdue_at,omitempty" doc:"When it was noticed that the time is over"`
	ClosedAt    *time.Time `json:"closed_at,omitempty"`
	ClosedBy    string     `json:"closed_by,omitempty"`
	SHA256      string     `json:"sha256,omitempty" doc:"Of the decisions as a CSV file, in hex; the event of closing holds it too"`
	Counts      Counts     `json:"counts"`
	Mine        int        `json:"mine" format:"int32" doc:"Items that wait for the caller"`

	changes                      int64
	nextAt, overdueAt, remindsAt int64
	sealed                       []byte
}

// Counts are the items of a review by their state.
type Counts struct {
	Total     int `json:"total" format:"int32"`
	Waiting   int `json:"waiting" format:"int32"`
	Confirmed int `json:"confirmed" format:"int32"`
	Revoked   int `json:"revoked" format:"int32"`
	Gone      int `json:"gone" format:"int32"`
	Undecided int `json:"undecided" format:"int32"`
}

// Item is a grant with what was decided on it.
type Item struct {
	ID string `json:"id"`
	Grant
	Reviewers     []string   `json:"reviewers"`
	ReviewerNames []string   `json:"reviewer_names"`
	State         string     `json:"state" enum:"waiting,confirmed,revoked,gone,undecided"`
	DecidedBy     string     `json:"decided_by,omitempty"`
	DeciderName   string     `json:"decided_by_name,omitempty"`
	DecidedAt     *time.Time `json:"decided_at,omitempty"`
	Reason        string     `json:"reason,omitempty"`
	EventID       string     `json:"event_id,omitempty" doc:"The event of the decision"`
	MayDecide     bool       `json:"may_decide"`
	WhyNot        string     `json:"why_not,omitempty"`

	snapshot, reason []byte
	reviewers        string
}

// MaskTexts implements api.Maskable. Whoever is to decide on an item sees whose it is.
func (i *Item) MaskTexts(mask func(category, text string) string) any {
	if i.MayDecide {
		return i
	}
	out := *i
	hide := func(category, text string) string {
		if text == "" {
			return ""
		}
		return mask(category, text)
	}
	out.UserName, out.DeciderName, out.What, out.Reason = hide("user.name", i.UserName), hide("user.name", i.DeciderName), hide("label", i.What), hide("unknown", i.Reason)
	out.ReviewerNames = make([]string, len(i.ReviewerNames))
	for n, name := range i.ReviewerNames {
		out.ReviewerNames[n] = hide("user.name", name)
	}
	return &out
}

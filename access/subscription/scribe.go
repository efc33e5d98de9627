package subscription

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"probity.dev/access/denial"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// ScribeRole is the role that a clinician's token must have.
const ScribeRole = "scribe_user"

// Token is what a token says, all of it checked.
type Token struct {
	TenantID  string
	Caller    actor.Principal
	Subject   string // the sub, or the id of the person of a session
	Roles     []string
	ExpiresAt time.Time
}

// Refused is the error of a token that is not accepted.
type Refused struct {
	Reason   string // a reason of package token
	TenantID string // whose issuer it names, "" when that is nobody's
	// Undecided is set when the token may be good and cannot be checked now.
	Undecided bool
}

// Error returns the reason.
func (r *Refused) Error() string { return r.Reason }

// Options of [New].
type Options struct {
	DB       *sqldb.DB
	Recorder Recorder
	Sealer   Sealer
	// Check checks the token of a request; nil without an error when it carries none. The error is a [Refused], or of a code that says that nothing could be decided.
	Check   func(ctx context.Context, h http.Header) (*Token, error)
	Denials *denial.Log
	// Index is a keyed hash of the installation.
	Index func(label string) []byte
	// Features returns which features are on for a user.
	Features func(ctx context.Context, tenantID, subject string, roles []string) (map[string]bool, error)
	// OnlyTenant returns the tenant of an installation that has one, for attempts that belong to none; "" otherwise.
	OnlyTenant func(ctx context.Context) (string, error)
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service keeps subscriptions and decides on clinicians. It is safe for concurrent use.
type Service struct{ o Options }

// New returns the service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o}
}

// Authorization says that a clinician may use the scribe.
type Authorization struct {
	Authorized   bool            `json:"authorized"`
	TenantID     string          `json:"tenant_id"`
	Subject      string          `json:"subject" doc:"The clinician, as the token names him"`
	Subscription string          `json:"subscription" enum:"active,trial"`
	EndsAt       *time.Time      `json:"subscription_ends_at,omitempty"`
	ExpiresAt    time.Time       `json:"expires_at" doc:"When the token ends; ask again before"`
	Features     map[string]bool `json:"features" doc:"Which features are on for the clinician"`
}

// The reasons for which a clinician is refused. They are the problem's reason, and stand in the event.
const (
	TokenMissing         = "token_missing"
	TokenInvalid         = "token_invalid"
	TokenExpired         = "token_expired"
	TokenNotYetValid     = "token_not_yet_valid"
	IssuerNotTrusted     = "issuer_not_trusted"
	SessionEnded         = "session_ended"
	RoleMissing          = "role_missing"
	SubscriptionMissing  = "subscription_missing"
	SubscriptionInactive = "subscription_inactive"
	SubscriptionExpired  = "subscription_expired"
	SubscriptionNotBegun = "subscription_not_started"
)

var sentences = map[string]string{
	TokenMissing: "Send the clinician's token as Authorization: Bearer.", TokenInvalid: "The token is not valid.", TokenExpired: "The token has expired.",
	TokenNotYetValid: "The token is not valid yet.", IssuerNotTrusted: "Nobody here trusts the issuer of this token for its audience.", SessionEnded: "The session of this token has ended.",
	RoleMissing: "The token does not have the role " + ScribeRole + ".", SubscriptionMissing: "There is no subscription.", SubscriptionInactive: "The subscription is neither active nor on trial.",
	SubscriptionExpired: "The subscription has ended.", SubscriptionNotBegun: "The subscription has not begun yet.",
}

// fromToken translates the reasons of package token; the others are TokenInvalid.
var fromToken = map[string]string{"expired": TokenExpired, "not_yet_valid": TokenNotYetValid, "issued_in_the_future": TokenNotYetValid, "unknown_issuer_or_audience": IssuerNotTrusted, "session_ended": SessionEnded}

// Authorize decides whether whoever sent a request may use the scribe. The error is Forbidden with one of the reasons; Unavailable or another code says that nothing was decided.
func (s *Service) Authorize(ctx context.Context, h http.Header) (*Authorization, error) {
	v, err := s.o.Check(ctx, h)
	var refused *Refused
	switch {
	case errors.As(err, &refused) && refused.Undecided:
		return nil, errs.New(errs.Unavailable, "The keys of the token's issuer cannot be had at the moment.")
	case refused != nil:
		reason := fromToken[refused.Reason]
		if reason == "" {
			reason = TokenInvalid
		}
		return nil, s.refuse(ctx, nil, refused.TenantID, reason, refused.Reason)
	case err != nil:
		return nil, err
	case v == nil:
		return nil, s.refuse(ctx, nil, "", TokenMissing, "")
	}
	if !slices.Contains(v.Roles, ScribeRole) {
		return nil, s.refuse(ctx, &v.Caller, v.TenantID, RoleMissing, "")
	}
	u, err := s.inForce(ctx, v.TenantID, v.Subject)
	if err != nil && errs.CodeOf(err) != errs.NotFound {
		return nil, err
	}
	if reason := s.judge(u, err != nil); reason != "" {
		return nil, s.refuse(ctx, &v.Caller, v.TenantID, reason, "")
	}
	features, err := s.o.Features(ctx, v.TenantID, v.Subject, v.Roles)
	if err != nil {
		return nil, err
	}
	return &Authorization{Authorized: true, TenantID: v.TenantID, Subject: v.Subject, Subscription: u.Status, EndsAt: u.EndsAt, ExpiresAt: v.ExpiresAt, Features: features}, nil
}

// judge returns why a subscription lets nobody in, "" when it does.
func (s *Service) judge(u Subscription, missing bool) string {
	now := s.o.Now()
	switch {
	case missing:
		return SubscriptionMissing
	case u.Status != "active" && u.Status != "trial":
		return SubscriptionInactive
	case u.StartsAt != nil && now.Before(*u.StartsAt):
		return SubscriptionNotBegun
	case u.EndsAt != nil && !now.Before(*u.EndsAt):
		return SubscriptionExpired
	}
	return ""
}

// refuse records a refused attempt and returns the error. An attempt that belongs to no tenant is recorded where the installation has only one.
func (s *Service) refuse(ctx context.Context, by *actor.Principal, tenant, reason, detail string) error {
	out := &errs.Error{Code: errs.Forbidden, Reason: reason, Message: sentences[reason]}
	if tenant == "" {
		var err error
		if tenant, err = s.o.OnlyTenant(ctx); err != nil || tenant == "" {
			return out
		}
	}
	caller := actor.Principal{TenantID: tenant}
	if by != nil {
		caller = *by
	}
	e := selfaudit.New(ctx, caller, "access", "scribe.authorize", "deny", event.Resource{Type: "service", ID: "scribe"})
	if by == nil {
		e.Actor = event.Actor{Type: "anonymous"}
	}
	if detail != "" {
		e.Data = []event.Member{selfaudit.Member("token", detail)}
	}
	s.o.Denials.Note(ctx, tenant, e, reason)
	return out
}

package access

import (
	"context"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
)

// The actions that this package records.
const (
	actionLogin          = "session.login"
	actionLogout         = "session.logout"
	actionPasswordChange = "user.password_change"
	actionUserCreate     = "user.create"
	actionUserUpdate     = "user.update"
	actionUserLock       = "user.lock"
	actionUserUnlock     = "user.unlock"
	actionKeyCreate      = "api_key.create"
	actionKeyRevoke      = "api_key.revoke"
)

// newEvent starts an event of the product with the actor and where the request came from.
func newEvent(ctx context.Context, action, category, activity string, by actor.Principal) *event.Event {
	c := ClientOf(ctx)
	e := &event.Event{Source: "probity", Action: action, Category: category, Activity: activity, Severity: "notice",
		Actor:   event.Actor{Type: by.Type(), ID: by.ID(), Name: by.Name, Email: by.Email},
		Context: event.Context{UserAgent: c.UserAgent, SessionID: by.SessionID, RequestID: c.RequestID, ForwardedFor: addresses(c.Hops)}}
	if by.Role != "" {
		e.Actor.Roles = []string{by.Role}
	}
	if c.IP.IsValid() {
		e.Context.IP = c.IP.String()
	}
	return e
}

// addresses leaves out hops that are no address.
func addresses(hops []string) []string {
	var out []string
	for _, h := range hops {
		if h != "unknown" {
			out = append(out, h)
		}
	}
	return out
}

func aboutUser(e *event.Event, u User) *event.Event {
	e.Resource = event.Resource{Type: "user", ID: u.ID, Name: u.Name}
	e.Subject = &event.Ref{Type: "user", ID: u.ID, Name: u.Name}
	return e
}

func aboutKey(e *event.Event, k Key) *event.Event {
	e.Resource = event.Resource{Type: "api_key", ID: k.ID, Name: k.Name}
	return e
}

func change(path string, before, after any) event.Change {
	c := event.Change{Path: path, Op: "replace", Before: jsonText(before), After: jsonText(after)}
	switch {
	case before == nil:
		c.Op = "add"
	case after == nil:
		c.Op = "remove"
	}
	return c
}

// jsonText renders values of our own making: strings, booleans and lists of strings, which always marshal.
func jsonText(v any) jsontext.Value {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic("access: a change cannot be written: " + err.Error())
	}
	return b
}

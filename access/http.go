package access

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

// Register adds the operations of this domain to the API.
func (s *Service) Register(a *api.API) {
	s.registerSession(a)
	s.registerSecondStep(a)
	s.registerStepUp(a)
	s.registerSessions(a)
	s.registerFactors(a)
	s.registerKeys(a)
	s.registerUsers(a)
	s.registerInvitations(a)
	s.registerLinks(a)
	s.roles.Register(a)
}

// orNone is a list that is never null in JSON.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

type sessionInfo struct {
	User   sessionUser   `json:"user"`
	Tenant sessionTenant `json:"tenant"`
	// Tenants is left out for most people.
	Tenants     []TenantChoice `json:"tenants,omitempty" doc:"Where the password of the sign-in opened an account too, this tenant included: POST /api/session/switch goes there"`
	CSRFToken   string         `json:"csrf_token" doc:"Send it as X-CSRF-Token with every POST, PUT, PATCH and DELETE"`
	ExpiresAt   time.Time      `json:"expires_at" doc:"When the session ends at the latest"`
	SteppedUpAt *time.Time     `json:"stepped_up_at,omitempty" doc:"When the person last proved who they are; some operations ask for a late proof"`
	Restricted  bool           `json:"restricted,omitempty" doc:"The session can only be looked at, proved anew and ended"`
	Notices     []string       `json:"notices,omitempty" doc:"What every page should show: that the log is frozen, that this sign-in is not recorded yet"`
}

type sessionUser struct {
	ID          string   `json:"id"`
	Email       string   `json:"email"`
	Name        string   `json:"name"`
	Role        string   `json:"role" doc:"The weightiest of the roles, empty without any" example:"auditor"`
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
}

type sessionTenant struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Operates bool   `json:"operates,omitempty" doc:"Its people with tenants.manage manage the tenants of the installation"`
}

func infoOf(v *Session, token string) sessionInfo {
	u := v.User
	return sessionInfo{
		User:   sessionUser{ID: u.ID, Email: u.Email, Name: u.Name, Role: u.Role, Roles: orNone(u.Roles), Permissions: orNone(u.rights.Permissions)},
		Tenant: sessionTenant{ID: u.TenantID, Name: v.TenantName, Operates: v.Operates}, Tenants: v.Tenants, CSRFToken: api.CSRFToken(token), ExpiresAt: v.ExpiresAt, Notices: v.Notices, SteppedUpAt: optional(v.SteppedUpAt), Restricted: v.Restricted,
	}
}

type loginRequest struct {
	Cookie string `cookie:"probity_session" hidden:"true"`
	Body   struct {
		Email    string `json:"email" maxLength:"254"`
		Password string `json:"password" maxLength:"1024" writeOnly:"true"`
		TenantID string `json:"tenant_id,omitempty" maxLength:"64" doc:"Needed only by people who have the same address and password in several tenants"`
	} `nameHint:"LoginRequest"`
}

type sessionResponse struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      sessionInfo   `nameHint:"Session"`
}

type cookieOnly struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

// cookie is the session cookie: unreadable for scripts, sent to us only and only from our own pages or by following a link to them. An empty token deletes it.
func (s *Service) cookie(token string, expires time.Time) []http.Cookie {
	c := http.Cookie{Name: api.SessionCookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.o.Secure}
	if token == "" {
		c.MaxAge = -1
	} else {
		c.Expires = expires
	}
	return []http.Cookie{c}
}

func (s *Service) registerSession(a *api.API) {
	huma.Register(a, api.Op("login", "POST /api/session", "Sign in", api.Public(), api.MaxBody(16<<10), api.Errors(401, 403, 429),
		api.Describe("Starts a console session and sets its cookie (200). Somebody who has a second factor, or must have one, gets a token that waits for it (202), which is no session: "+
			"send it to `POST /api/session/second-factor`, or to `POST /api/session/enrolment` where `enrol` is true. Wrong attempts are slowed down per account and per address; 429 says how long to wait.")),
		func(ctx context.Context, r *loginRequest) (*loginResponse, error) {
			return s.loggedIn(s.Login(ctx, r.Body.Email, r.Body.Password, r.Body.TenantID, r.Cookie))
		})
	huma.Register(a, api.Op("switch-tenant", "POST /api/session/switch", "Go on in another tenant", api.MaxBody(4<<10), api.Errors(401, 403, 404),
		api.Describe("Ends this session and starts one in another tenant in which the password of the sign-in opened an account of the same address (`tenants` of the session). Where that account has a second factor, or must have one, the answer is 202, "+
			"as of `POST /api/session`, and this session goes on until the second step.")),
		func(ctx context.Context, r *struct {
			Cookie string `cookie:"probity_session" hidden:"true"`
			Body   struct {
				TenantID string `json:"tenant_id" maxLength:"64"`
			} `nameHint:"TenantSwitch"`
		}) (*loginResponse, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			return s.loggedIn(s.Switch(ctx, p, r.Body.TenantID, r.Cookie))
		})
	huma.Register(a, api.Op("get-session", "GET /api/session", "Show who is signed in", api.WhileRestricted(), api.Errors(401)),
		func(ctx context.Context, r *struct {
			Cookie string `cookie:"probity_session" hidden:"true"`
		}) (*sessionResponse, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			v, err := s.Current(ctx, p, r.Cookie)
			if err != nil {
				return nil, err
			}
			return &sessionResponse{Body: infoOf(v, r.Cookie)}, nil
		})
	huma.Register(a, api.Op("logout", "DELETE /api/session", "Sign out", api.WhileRestricted(), api.Status(http.StatusNoContent), api.Errors(401)),
		func(ctx context.Context, _ *struct{}) (*cookieOnly, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			return &cookieOnly{s.cookie("", time.Time{})}, s.Logout(ctx, p)
		})
	huma.Register(a, api.Op("change-password", "POST /api/session/password", "Change one's own password", api.StepUp(), api.MaxBody(16<<10), api.Status(http.StatusNoContent), api.Errors(400, 401, 403, 429),
		api.Describe("Ends the person's other sessions.")),
		func(ctx context.Context, r *struct {
			Body struct {
				Current string `json:"current" maxLength:"1024" writeOnly:"true"`
				New     string `json:"new" maxLength:"1024" writeOnly:"true" doc:"At least 12 characters, not the e-mail address"`
			} `nameHint:"PasswordChange"`
		}) (*struct{}, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			return nil, s.ChangePassword(ctx, p, r.Body.Current, r.Body.New)
		})
}

// optional turns a time into what JSON leaves out when it is zero.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

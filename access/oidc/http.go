package oidc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
)

type choice struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type choiceOutput struct {
	Body struct {
		Items []choice `json:"items"`
	} `nameHint:"SignInProviderList"`
}

type listOutput struct {
	Body struct {
		Items []Provider `json:"items"`
	} `nameHint:"OIDCProviderList"`
}

type oneOutput struct {
	Body Provider `nameHint:"OIDCProvider"`
}

type addInput struct {
	Body struct {
		Definition
		Secret string `json:"client_secret,omitempty" maxLength:"1024" writeOnly:"true" doc:"Left out for public clients"`
	} `nameHint:"NewOIDCProvider"`
}

type changeInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Definition
		Secret *string `json:"client_secret,omitempty" maxLength:"1024" writeOnly:"true" doc:"Left out to keep the one that there is"`
		Paused bool    `json:"paused,omitempty" doc:"Nobody signs in there until this is taken back"`
	} `nameHint:"OIDCProviderChange"`
}

// Register adds the operations of sign-in through providers to an API.
func (s *Service) Register(a *api.API) {
	s.registerManage(a)
	huma.Register(a, api.Op("list-sign-in-providers", "GET /api/session/providers", "List where people can sign in", api.Anonymous(),
		api.Describe("An installation with several tenants needs `tenant_id`: what tenants use is not told to everybody.")), s.choices)
	public := api.Rule{Public: true, Anonymous: true, LooseQuery: true, MaxBody: 1 << 10}
	a.Handle("GET /api/session/oidc/{id}/start", public, http.HandlerFunc(s.start))
	a.Handle("GET /api/session/oidc/{id}/callback", public, http.HandlerFunc(s.callback))
	s.registerLogout(a, public)
}

func (s *Service) choices(ctx context.Context, in *struct {
	TenantID string `query:"tenant_id" maxLength:"64"`
}) (*choiceOutput, error) {
	out := &choiceOutput{}
	out.Body.Items = []choice{}
	tenant := in.TenantID
	if tenant == "" {
		var err error
		if tenant, err = s.o.OnlyTenant(ctx); err != nil {
			return nil, err
		}
	}
	if tenant == "" || s.o.PublicURL == "" {
		return out, nil
	}
	list, err := s.of(ctx, tenant)
	for _, p := range list {
		if !p.Paused {
			out.Body.Items = append(out.Body.Items, choice{p.ID, p.Name})
		}
	}
	return out, err
}

// start sends a browser to a provider.
func (s *Service) start(w http.ResponseWriter, r *http.Request) {
	address, browser, err := s.Begin(r.Context(), r.PathValue("id"), r.URL.Query().Get("next"))
	if err != nil {
		s.back(w, r, err)
		return
	}
	http.SetCookie(w, s.cookie(browser))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, address, http.StatusSeeOther) //nolint:gosec // the address is that of the provider, which an administrator has set; next is checked by Begin
}

// cookie is sent back with the browser's way from the provider to us; "" deletes it.
func (s *Service) cookie(browser string) *http.Cookie {
	//nolint:gosec // Secure is set where people come by https, as with the session
	c := &http.Cookie{Name: BrowserCookie, Value: browser, Path: "/api/session/oidc/", HttpOnly: true, Secure: s.o.Secure, SameSite: http.SameSiteLaxMode, MaxAge: int(loginFor.Seconds())}
	if browser == "" {
		c.MaxAge = -1
	}
	return c
}

// callback is where a provider sends a browser back.
func (s *Service) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	a := Answer{Provider: r.PathValue("id"), State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss"), Error: q.Get("error"), Browser: cookieOf(r, BrowserCookie), Session: cookieOf(r, api.SessionCookie)}
	for _, name := range []string{"state", "code", "iss"} {
		if len(q[name]) > 1 { // two readers might believe two different ones
			a.State = ""
		}
	}
	http.SetCookie(w, s.cookie(""))
	cookies, next, err := s.Finish(r.Context(), a)
	if err != nil {
		s.back(w, r, err)
		return
	}
	for i := range cookies {
		http.SetCookie(w, &cookies[i])
	}
	s.redirect(w, next)
}

func cookieOf(r *http.Request, name string) string {
	list := r.CookiesNamed(name)
	if len(list) != 1 {
		return ""
	}
	return list[0].Value
}

// back sends a browser to the sign-in page, which says why.
func (s *Service) back(w http.ResponseWriter, r *http.Request, err error) {
	reason := reasonTemporary
	var why refused
	switch {
	case errors.As(err, &why):
		reason = string(why)
	case errs.CodeOf(err) == errs.NotFound:
		reason = reasonState
	default:
		s.o.Logger.LogAttrs(r.Context(), slog.LevelWarn, "a sign-in through a provider was not decided", slog.String("request_id", api.RequestID(r.Context())), slog.String("code", string(errs.CodeOf(err))))
	}
	s.redirect(w, "/signin?problem="+url.QueryEscape(reason))
}

// redirect leads to one of our own pages. The code and the state must not stand in a Referer.
func (s *Service) redirect(w http.ResponseWriter, path string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
}

func (s *Service) registerManage(a huma.API) {
	manage := api.Needs(actor.AccessManage)
	huma.Register(a, api.Op("list-oidc-providers", "GET /api/oidc-providers", "List the OpenID providers of the tenant", manage),
		func(ctx context.Context, _ *struct{}) (*listOutput, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			out := &listOutput{}
			out.Body.Items, err = s.Providers(ctx, by)
			return out, err
		})
	huma.Register(a, api.Op("add-oidc-provider", "POST /api/oidc-providers", "Let people sign in at an OpenID provider", manage, api.MaxBody(64<<10), api.Status(http.StatusCreated), api.Errors(400, 403, 409)),
		func(ctx context.Context, in *addInput) (*oneOutput, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			p, err := s.Add(ctx, by, in.Body.Definition, in.Body.Secret)
			return &oneOutput{p}, err
		})
	huma.Register(a, api.Op("change-oidc-provider", "PUT /api/oidc-providers/{id}", "Change, pause or resume an OpenID provider", manage, api.MaxBody(64<<10), api.Errors(400, 403, 404)),
		func(ctx context.Context, in *changeInput) (*oneOutput, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			p, err := s.Change(ctx, by, in.ID, in.Body.Definition, in.Body.Secret, in.Body.Paused)
			return &oneOutput{p}, err
		})
	huma.Register(a, api.Op("remove-oidc-provider", "DELETE /api/oidc-providers/{id}", "Remove an OpenID provider", manage, api.Status(http.StatusNoContent), api.Errors(404)),
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"64"`
		}) (*struct{}, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			return nil, s.Remove(ctx, by, in.ID)
		})
}

package oidc

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	oidclib "github.com/coreos/go-oidc/v3/oidc"
	"github.com/danielgtaylor/huma/v2"

	"probity.dev/access/scope"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const (
	logoutEvent     = "http://schemas.openid.net/event/backchannel-logout" // OpenID Connect Back-Channel Logout 1.0, section 2.4
	logoutTokenLate = 5 * time.Minute                                      // how old a logout token may be
	clockSkew       = time.Minute
	maxLogoutToken  = 16 << 10 // bytes
	findWithin      = 3 * time.Second
	defaultSession  = 90 * 24 * time.Hour
)

func (s *Service) logoutURL(id string) string {
	return s.o.PublicURL + "/api/session/oidc/" + id + "/signed-out"
}

func (s *Service) backchannelURL(id string) string {
	return s.o.PublicURL + "/api/session/oidc/" + id + "/backchannel-logout"
}

// remember keeps with a session what is needed to end it at the provider and from there.
func (s *Service) remember(ctx context.Context, tx *sql.Tx, p Provider, who person, session string) error {
	sealed, err := s.o.Sealer.Seal(ctx, p.tenant, "oidc_session|"+session, []byte(who.token))
	if err != nil {
		return err
	}
	sid := ""
	if who.session != "" {
		sid = s.sessionKey(p, who.session)
	}
	now, lasts := s.o.Now(), s.o.SessionFor
	if lasts == 0 {
		lasts = defaultSession
	}
	for _, query := range []string{`DELETE FROM oidc_session WHERE expires_at < $1`, `DELETE FROM oidc_logout WHERE expires_at < $1`} {
		if _, err := tx.ExecContext(ctx, query, now.UnixMicro()); err != nil {
			return sqldb.Translate(err)
		}
	}
	_, err = scope.In(tx, p.tenant).Exec(ctx, `INSERT INTO oidc_session (session_id, provider_id, subject, sid, token, created_at, expires_at, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		session, p.ID, s.subjectKey(p, who.issuer, who.subject), sid, sealed, now.UnixMicro(), now.Add(lasts).UnixMicro())
	return err
}

// sessionKey is how the sessions of a provider's session are found.
func (s *Service) sessionKey(p Provider, sid string) string {
	return base64.RawURLEncoding.EncodeToString(s.o.Index("oidc_sid|" + p.tenant + "|" + p.ID + "|" + sid))
}

// LogoutAt returns where to send the browser of a session so that the person is signed out at the provider too (OpenID Connect RP-Initiated Logout 1.0), and the value for its [BrowserCookie]. Both are "" for a session that did not
// begin at a provider, and where the provider knows no such thing or cannot be reached: the session here ends all the same.
func (s *Service) LogoutAt(ctx context.Context, by actor.Principal) (address, browser string) {
	address, browser, err := s.logoutAt(ctx, by)
	if err != nil {
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a person is not signed out at the provider", slog.String("request_id", api.RequestID(ctx)), slog.String("code", string(errs.CodeOf(err))))
	}
	return address, browser
}

func (s *Service) logoutAt(ctx context.Context, by actor.Principal) (address, browser string, err error) {
	var id string
	var sealed []byte
	err = scope.In(s.o.DB.Read(ctx), by.TenantID).Row(ctx, `SELECT provider_id, token FROM oidc_session WHERE session_id = $1 AND tenant_id = $2`, by.SessionID).Scan(&id, &sealed)
	if errors.Is(err, sql.ErrNoRows) || s.o.PublicURL == "" {
		return "", "", nil
	}
	if err != nil {
		return "", "", sqldb.Translate(err)
	}
	p, err := s.one(ctx, by.TenantID, id)
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	d, err := s.discover(ctx, p.Issuer)
	if err != nil {
		return "", "", err
	}
	var more struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := d.Claims(&more); err != nil || more.EndSession == "" {
		return "", "", err
	}
	u, err := s.o.Guard.CheckURL(more.EndSession)
	if err != nil {
		return "", "", err
	}
	token, err := s.o.Sealer.Unseal(ctx, p.tenant, "oidc_session|"+by.SessionID, sealed)
	if err != nil {
		return "", "", err
	}
	browser = random()
	q := u.Query()
	q.Set("id_token_hint", string(token))
	q.Set("client_id", p.ClientID)
	q.Set("post_logout_redirect_uri", s.logoutURL(p.ID))
	q.Set("state", hashed(browser))
	u.RawQuery = q.Encode()
	return u.String(), browser, nil
}

func (s *Service) forget(ctx context.Context, by actor.Principal) error {
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := scope.In(tx, by.TenantID).Exec(ctx, `DELETE FROM oidc_session WHERE session_id = $1 AND tenant_id = $2`, by.SessionID)
		return err
	})
}

type signOutOutput struct {
	SetCookie    []http.Cookie `header:"Set-Cookie"`
	CacheControl string        `header:"Cache-Control"`
	Body         struct {
		URL string `json:"url,omitempty" doc:"Where to send the browser to be signed out there too; left out when there is nothing to do. It holds the person's ID token: do not log it"`
	} `nameHint:"SignOut"`
}

func (s *Service) registerLogout(a *api.API, public api.Rule) {
	huma.Register(a, api.Op("sign-out-everywhere", "POST /api/session/sign-out", "Sign out here and at the provider", api.WhileRestricted(), api.Status(http.StatusOK), api.Errors(401),
		api.Describe("Ends the session, as `DELETE /api/session` does. For one that began at an OpenID provider which can be asked to end its own session too, `url` says where to send the browser next.")),
		func(ctx context.Context, _ *struct{}) (*signOutOutput, error) {
			by, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			address, browser := s.LogoutAt(ctx, by)
			out := &signOutOutput{CacheControl: "no-store"}
			if out.SetCookie, err = s.o.Accounts.SignOut(ctx, by); err != nil {
				return nil, err
			}
			// The ID token is of no more use. What is left by a failure goes with the session's time.
			if err := s.forget(ctx, by); err != nil {
				s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "an ID token is kept until its session would have ended", slog.Any("error", err))
			}
			out.Body.URL = address
			if address != "" {
				out.SetCookie = append(out.SetCookie, *s.cookie(browser))
			}
			return out, nil
		})
	a.Handle("GET /api/session/oidc/{id}/signed-out", public, http.HandlerFunc(s.signedOut))
	public.MaxBody = maxLogoutToken
	a.Handle("POST /api/session/oidc/{id}/backchannel-logout", public, http.HandlerFunc(s.backchannel))
}

// signedOut is where a provider sends a browser back after signing out. It changes nothing; that the state is the one that we gave decides only what the sign-in page says.
func (s *Service) signedOut(w http.ResponseWriter, r *http.Request) {
	browser, state := cookieOf(r, BrowserCookie), r.URL.Query()["state"]
	http.SetCookie(w, s.cookie(""))
	path := "/signin"
	if browser != "" && len(state) == 1 && subtle.ConstantTimeCompare([]byte(hashed(browser)), []byte(state[0])) == 1 {
		path += "?signed-out=1"
	}
	s.redirect(w, path)
}

// backchannel takes a logout token from a provider, and ends the sessions that it names.
func (s *Service) backchannel(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	err := r.ParseForm()
	var tokens []string
	if err == nil {
		tokens = r.PostForm["logout_token"]
	}
	if len(tokens) != 1 {
		err = errNoLogout
	} else {
		err = s.EndFrom(r.Context(), r.PathValue("id"), tokens[0])
	}
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, errNoLogout), errs.CodeOf(err) == errs.NotFound:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_request"}`)) // the provider may be gone; nobody is left to tell
	default:
		api.WriteError(w, r, err)
	}
}

// errNoLogout is all that is said of a logout token that is not accepted.
var errNoLogout = errs.New(errs.Invalid, "This is no valid logout token.")

// logoutClaims are what a logout token says beyond what every token does.
type logoutClaims struct {
	Subject string                     `json:"sub"`
	Session string                     `json:"sid"`
	ID      string                     `json:"jti"`
	Nonce   *json.RawMessage           `json:"nonce"`
	Events  map[string]json.RawMessage `json:"events"`
}

// EndFrom ends the sessions that a provider's logout token names (OpenID Connect Back-Channel Logout 1.0). A token counts once. The error is Invalid for a token that is not in order, which is recorded.
func (s *Service) EndFrom(ctx context.Context, id, raw string) error {
	p, err := s.named(ctx, id)
	if err != nil {
		return err
	}
	c, issued, why, err := s.logoutToken(ctx, p, raw)
	if err != nil {
		return err
	}
	if why == "" {
		before, err := s.wasTaken(ctx, p, c)
		if err != nil {
			return err
		}
		if before {
			why = "replay"
		}
	}
	if why != "" {
		e := selfaudit.New(ctx, actor.Principal{TenantID: p.tenant}, "auth", "session.logout", "logout", event.Resource{Type: "oidc_provider", ID: p.ID, Name: p.Name})
		e.Actor = event.Actor{Type: "anonymous"}
		s.o.Denials.Note(ctx, p.tenant, e, "oidc_logout_"+why)
		return errNoLogout
	}
	sessions, err := s.sessionsOf(ctx, p, c, issued)
	if err != nil {
		return err
	}
	if _, err := s.o.Accounts.EndOutside(ctx, through(p), sessions, "oidc_provider/"+p.ID); err != nil {
		return err
	}
	return s.taken(ctx, p, c)
}

// logoutToken checks a logout token; why says in a word what is wrong with it.
func (s *Service) logoutToken(ctx context.Context, p Provider, raw string) (c logoutClaims, issued time.Time, why string, err error) {
	if !typed(raw) {
		return c, issued, "type", nil // an ID token is no logout token, nor the other way around
	}
	d, err := s.discover(ctx, p.Issuer)
	if err != nil {
		return c, issued, "", errs.Wrap(errs.Unavailable, err, "The provider cannot be reached at the moment.")
	}
	t, err := d.Verifier(&oidclib.Config{ClientID: p.ClientID, SupportedSigningAlgs: strings.Fields(algorithmsOfIDs), Now: s.o.Now}).Verify(s.client(ctx), raw)
	if err != nil {
		return c, issued, "signature", nil //nolint:nilerr // the caller is told that the token is not in order, nothing more
	}
	if err := t.Claims(&c); err != nil {
		return c, issued, "claims", nil //nolint:nilerr // as above
	}
	var object map[string]any
	age := s.o.Now().Sub(t.IssuedAt)
	switch {
	case age > logoutTokenLate || age < -clockSkew:
		why = "time"
	case json.Unmarshal(c.Events[logoutEvent], &object) != nil || object == nil:
		why = "event"
	case c.Nonce != nil:
		why = "nonce"
	case c.Subject == "" && c.Session == "" || c.ID == "":
		why = "claims"
	}
	return c, t.IssuedAt, why, nil
}

// typed reports whether the header of a token says that it is a logout token, or nothing of what it is.
func typed(raw string) bool {
	head, _, _ := strings.Cut(raw, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	var h struct {
		Type string `json:"typ"`
	}
	if err != nil || json.Unmarshal(b, &h) != nil {
		return false
	}
	switch strings.TrimPrefix(strings.ToLower(h.Type), "application/") {
	case "", "jwt", "logout+jwt":
		return true
	}
	return false
}

// wasTaken reports whether a logout token was taken before.
func (s *Service) wasTaken(ctx context.Context, p Provider, c logoutClaims) (bool, error) {
	var n int
	err := scope.In(s.o.DB.Read(ctx), p.tenant).Row(ctx, `SELECT COUNT(*) FROM oidc_logout WHERE token = $1 AND tenant_id = $2`, hashed(p.ID+"|"+c.ID)).Scan(&n)
	return n > 0, sqldb.Translate(err)
}

// taken notes that a logout token was taken, after what it asks for was done: a provider that is told of a failure tries again.
func (s *Service) taken(ctx context.Context, p Provider, c logoutClaims) error {
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := scope.In(tx, p.tenant).Exec(ctx, `INSERT INTO oidc_logout (token, expires_at, tenant_id) VALUES ($1, $2, $3) ON CONFLICT (token) DO NOTHING`,
			hashed(p.ID+"|"+c.ID), s.o.Now().Add(2*logoutTokenLate).UnixMicro())
		return err
	})
}

// sessionsOf finds the sessions that a logout token names: those of the provider's session, or all of the person that began before it was issued.
func (s *Service) sessionsOf(ctx context.Context, p Provider, c logoutClaims, issued time.Time) ([]string, error) {
	sid, subject := "", ""
	if c.Session != "" {
		sid = s.sessionKey(p, c.Session)
	}
	if c.Subject != "" {
		subject = s.subjectKey(p, p.Issuer, c.Subject)
	}
	// Who names both means the session of this person. The second's fraction is lost in the token.
	rows, err := scope.In(s.o.DB.Read(ctx), p.tenant).Rows(ctx, `SELECT session_id FROM oidc_session WHERE provider_id = $1 AND (sid = $2 OR $2 = '') AND (subject = $3 OR $3 = '') AND created_at < $4 AND tenant_id = $5`,
		p.ID, sid, subject, issued.Add(time.Second).UnixMicro())
	return scope.Collect(rows, err, func(r scope.Scanner) (id string, err error) { return id, sqldb.Translate(r.Scan(&id)) })
}

package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// The names of the session cookie and of the header that proves a request was made by our own page.
const (
	SessionCookie = "probity_session"
	CSRFHeader    = "X-CSRF-Token"
)

// CSRFToken derives the token that must accompany unsafe requests of a session from the session's cookie. Nobody who cannot read the
// cookie can make it, and it needs no storage.
func CSRFToken(sessionToken string) string {
	m := hmac.New(sha256.New, []byte(sessionToken))
	m.Write([]byte("probity/csrf/v1"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// sameSite refuses unsafe requests that another site made a browser send. Requests with an Authorization header cannot be made by another site
// (we allow no cross-origin requests), so they pass. A session needs the token; and whatever a browser says about where a
// request comes from must be us, which also protects signing in itself.
func (a *API) sameSite(r *http.Request, caller actor.Principal) error {
	if r.Header.Get("Authorization") != "" && caller.SessionID == "" {
		return nil
	}
	if !a.ownOrigin(r) {
		return errs.New(errs.Forbidden, "The request came from another site.")
	}
	if caller.SessionID == "" {
		return nil
	}
	c, err := r.Cookie(SessionCookie)
	if err != nil {
		return errs.New(errs.Forbidden, "The session cookie is missing.")
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(CSRFHeader)), []byte(CSRFToken(c.Value))) != 1 {
		return errs.New(errs.Forbidden, "The header %s is missing or wrong; take it from GET /api/session.", CSRFHeader)
	}
	return nil
}

// ownOrigin believes Sec-Fetch-Site where a browser sends it, and Origin otherwise; clients that send neither are not browsers.
func (a *API) ownOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if a.options.PublicOrigin != "" && strings.EqualFold(origin, strings.TrimSuffix(a.options.PublicOrigin, "/")) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

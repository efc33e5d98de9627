package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/confine"
	"probity.dev/internal/errs"
)

// outer is what every request passes, matched or not.
func (a *API) outer(rw http.ResponseWriter, r *http.Request) {
	req := &request{start: time.Now(), route: "unmatched", id: r.Header.Get("X-Request-Id")}
	if !saneRequestID(req.id) {
		req.id = newRequestID()
	}
	req.client, req.hops = a.options.Proxies.client(r)
	req.agent = cut(strings.ToValidUTF8(r.UserAgent(), ""), 512)
	ctx := r.Context()
	done := func(Outcome) {}
	if a.options.Observer != nil {
		ctx, done = a.options.Observer.Begin(r)
	}
	r = r.WithContext(context.WithValue(ctx, requestKey{}, req))
	body := watchBody(r)
	w := &recorder{ResponseWriter: rw}
	a.secure(w.Header(), req.id)
	defer func() {
		abort := a.recovered(w, r, req, recover())
		o := Outcome{Method: methodWord(r.Method), Route: req.route, Status: w.status, Duration: time.Since(req.start), BytesOut: w.bytes, RequestID: req.id, Cause: req.cause, Panic: req.panicked}
		if o.Status == 0 { // the client went away before anything was sent
			o.Status = 499
		}
		a.access(r.Context(), req, o)
		done(o)
		if abort {
			panic(http.ErrAbortHandler)
		}
		body.finish(w)
	}()
	h, pattern := a.mux.Handler(r)
	allow := a.allowed(r, pattern)
	if pattern != "" && allow == "" {
		a.mux.ServeHTTP(w, r)
		return
	}
	// The deadline of an earlier request on the same connection may have passed.
	rest := a.deadlines(w, r, Rule{Timeout: a.options.Timeout})
	if allow != "" {
		notAllowed(rest, r, allow)
		return
	}
	a.unmatched(rest, r, h)
}

// allowed lists the methods of a path that meets only a catch-all with the method that the request has; "" when the request is well placed, or its path meets nothing.
// Without it, a catch-all would hide that the path is right and the method is not.
func (a *API) allowed(r *http.Request, pattern string) string {
	if !strings.HasPrefix(pattern, "/") {
		return "" // a pattern with a method
	}
	var allow []string
	for _, m := range [...]string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		other := *r
		other.Method = m
		if _, p := a.mux.Handler(&other); strings.HasPrefix(p, m+" ") {
			allow = append(allow, m)
		}
	}
	return strings.Join(allow, ", ")
}

func notAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	p := problemOf(r.Context(), http.StatusMethodNotAllowed, "method_not_allowed", "This path does not support "+methodWord(r.Method)+".")
	p.Title = "Method not allowed"
	writeProblem(w, p)
}

// unmatched answers in our form what ServeMux would answer in plain text. A redirect to the cleaned path is passed through.
func (a *API) unmatched(w http.ResponseWriter, r *http.Request, h http.Handler) {
	probe := &probe{header: http.Header{}}
	h.ServeHTTP(probe, r)
	switch {
	case probe.status == http.StatusMethodNotAllowed:
		notAllowed(w, r, probe.header.Get("Allow"))
	case probe.status >= 300 && probe.status < 400:
		w.Header().Set("Location", probe.header.Get("Location"))
		w.WriteHeader(probe.status)
	default:
		WriteError(w, r, errs.New(errs.NotFound, "There is nothing at this path."))
	}
}

// probe swallows a response to learn its status and headers.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// recovered turns a panic into a problem, unless the response has begun; then it asks for the connection to be cut, so that nobody takes half an answer for a whole one.
func (a *API) recovered(w *recorder, r *http.Request, req *request, v any) (abort bool) {
	if v == nil {
		return false
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	req.panicked = &Panic{Value: v, Stack: make([]uintptr, 64)}
	req.panicked.Stack = req.panicked.Stack[:runtime.Callers(2, req.panicked.Stack)]
	a.log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("request_id", RequestID(r.Context())),
		slog.String("error", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
	if w.status != 0 {
		return true
	}
	WriteError(w, r, errs.New(errs.Internal, "%s", errs.Message(errors.New("panic"))))
	return false
}

func (a *API) access(ctx context.Context, req *request, o Outcome) {
	level := slog.LevelInfo
	if o.Failed() {
		level = slog.LevelError
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs, slog.String("request_id", req.id), slog.String("method", o.Method), slog.String("route", o.Route),
		slog.Int("status", o.Status), slog.Int64("bytes", o.BytesOut), slog.Float64("ms", float64(o.Duration.Microseconds())/1000))
	if req.caller.TenantID != "" {
		attrs = append(attrs, slog.String("tenant", req.caller.TenantID), slog.String("caller", req.caller.Type()+"/"+req.caller.ID()))
	}
	if req.cause != nil {
		attrs = append(attrs, slog.String("error", req.cause.Error()))
	}
	a.log.LogAttrs(ctx, level, "request", attrs...)
}

// methodWord keeps made-up methods out of metrics and logs.
func methodWord(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "OTHER"
}

// chain is what a matched request passes before its operation.
func (a *API) chain(route string, rule Rule, next http.Handler) http.Handler {
	if rule.MaxBody == 0 {
		rule.MaxBody = a.options.MaxBody
	}
	if rule.Timeout == 0 {
		rule.Timeout = a.options.Timeout
	}
	if rule.Idempotent {
		next = a.idempotent(route, next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := requestFrom(r.Context())
		if req == nil { // served without outer, as a test of one handler might
			req = &request{id: newRequestID(), start: time.Now()}
			r = r.WithContext(context.WithValue(r.Context(), requestKey{}, req))
		}
		req.route = route
		w = a.deadlines(w, r, rule)
		r, err := a.admit(w, r, req, rule)
		if err == nil && rule.Streaming && a.options.StillThere != nil && req.caller.TenantID != "" {
			var stop func()
			r, stop = a.watch(r, req.caller)
			defer stop()
		}
		if err == nil {
			err = limitBody(r, rule.MaxBody)
		}
		if err != nil {
			WriteError(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// admit decides whether the request may reach its operation, and returns it with the caller in its context.
func (a *API) admit(w http.ResponseWriter, r *http.Request, req *request, rule Rule) (*http.Request, error) {
	var caller actor.Principal
	var authErr error
	if a.options.Auth != nil && !rule.Anonymous {
		caller, authErr = a.options.Auth.Authenticate(r.Context(), r)
	}
	if authErr != nil || caller.TenantID == "" {
		caller = actor.Principal{}
	}
	if code := errs.CodeOf(authErr); authErr != nil && code != errs.Unauthorized && code != errs.Forbidden {
		return r, authErr // the credential could not be checked at all
	}
	if err := a.throttle(w, req, caller, rule); err != nil {
		return r, err
	}
	if caller.TenantID == "" && !rule.Public {
		w.Header().Set("WWW-Authenticate", `Bearer realm="probity"`)
		if authErr != nil {
			return r, authErr
		}
		return r, errs.New(errs.Unauthorized, "Sign in or send an API key.")
	}
	if unsafeMethod(r.Method) {
		if err := a.sameSite(r, caller); err != nil {
			return r, err
		}
	}
	if caller.TenantID == "" {
		return r, nil
	}
	caller.IP = ""
	if req.client.IsValid() {
		caller.IP = req.client.String()
	}
	caller.UserAgent = req.agent
	req.caller, req.stepUp = caller, a.options.StepUp
	r = r.WithContext(actor.With(r.Context(), caller))
	if rule.Public { // it may be about another tenant than the caller's, such as signing in
		return r, nil
	}
	r = r.WithContext(confine.To(r.Context(), caller.TenantID))
	if caller.Restricted && !rule.Restricted {
		return r, &errs.Error{Code: errs.Forbidden, Kind: errs.SessionRestricted, Message: "This session is restricted: it can only be looked at, proved anew and ended. Sign out and in again, or ask an administrator."}
	}
	if _, err := actor.Require(r.Context(), rule.Permission); err != nil || !rule.StepUp {
		return r, err
	}
	return r, NeedStepUp(r.Context())
}

func (a *API) throttle(w http.ResponseWriter, req *request, caller actor.Principal, rule Rule) error {
	if rule.Unlimited {
		return nil
	}
	if caller.TenantID != "" {
		return a.callers.take(w.Header(), caller.TenantID+"/"+caller.ID())
	}
	return a.anonymous.take(w.Header(), addressKey(req.client))
}

func cut(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

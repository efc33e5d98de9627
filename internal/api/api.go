package api

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"probity.dev/internal/actor"
)

// Defaults of [Options].
const (
	DefaultMaxBody = 8 << 20          // bytes of a request body after decompression
	DefaultTimeout = 60 * time.Second // to read a request and write its response, where it does not stream
	streamIdle     = 60 * time.Second // without progress, after which a streaming connection is given up
)

// Authenticator finds out who sent a request.
type Authenticator interface {
	// Authenticate returns the caller; the zero Principal when the request carries no credential; and an error of code Unauthorized
	// when it carries one that is wrong, expired, revoked or locked. It MUST NOT read the request body.
	Authenticate(ctx context.Context, r *http.Request) (actor.Principal, error)
}

// Observer is told about every request, for metrics and traces.
type Observer interface {
	// Begin is called before anything else. The context it returns is the request's; done is called exactly once at the end.
	Begin(r *http.Request) (ctx context.Context, done func(Outcome))
}

// Outcome is what an [Observer] learns about a finished request. It holds no value of the request itself, but Cause and Panic may quote some: an observer MUST NOT pass on their texts.
type Outcome struct {
	Method    string // an HTTP method, or "OTHER"
	Route     string // the path template, or "unmatched"
	Status    int
	Duration  time.Duration
	BytesOut  int64
	RequestID string
	Cause     error  // of a status from 500 on, where it is known
	Panic     *Panic // nil for almost all
}

// Failed reports whether the server failed its caller. That a node is not ready, or stopping, is what /readyz is there to say.
func (o *Outcome) Failed() bool {
	return o.Panic != nil || o.Status >= http.StatusInternalServerError && (o.Route != "/readyz" || o.Status != http.StatusServiceUnavailable)
}

// Panic is what an operation that did not return left behind.
type Panic struct {
	Value any
	Stack []uintptr // program counters, innermost first; the first are those of the runtime
}

// Options of [New]. The zero value of every field is usable.
type Options struct {
	// Version of the product, for the OpenAPI document.
	Version string
	// Logger receives the access log and the causes of internal errors; slog's default when nil.
	Logger *slog.Logger
	// Auth decides who calls; when nil, nobody is ever authenticated.
	Auth Authenticator
	// Observer is told about requests; may be nil.
	Observer Observer
	// Idempotency keeps replies; when nil, Idempotency-Key is refused where it would be honoured, rather than ignored.
	Idempotency IdempotencyStore
	// Proxies that may name the client's address.
	Proxies Proxies
	// PublicOrigin, such as "https://audit.example.com", is accepted as Origin besides the request's own host.
	PublicOrigin string
	// MaxBody and Timeout are the defaults for routes; see DefaultMaxBody and DefaultTimeout.
	MaxBody int64
	Timeout time.Duration
	// CallerRate limits each authenticated caller, AnonymousRate each address without a valid credential; no limit when zero.
	CallerRate    Rate
	AnonymousRate Rate
	// StillThere says whether a caller who was let in may go on: a session that has not ended, a key that is valid. It is asked about every stream that goes on, a little more often than once a second; may be nil.
	StillThere func(ctx context.Context, p actor.Principal) error
	// StepUp says when a person has to prove anew who they are; when nil, nobody ever has to.
	StepUp *StepUpPolicy
	// Texts masks the personal values in answers; when nil, everybody sees everything.
	Texts Texts
	// HSTS adds Strict-Transport-Security; set it when the public address is https.
	HSTS bool
}

// API is the product's HTTP surface: register operations with [huma.Register] (an API is a huma.API) or plain handlers with [API.Handle], then
// serve it. Registration must end before serving starts.
type API struct {
	huma.API
	mux       *http.ServeMux
	routes    []string
	options   Options
	log       *slog.Logger
	callers   *limiter
	anonymous *limiter
}

// New returns an empty API that serves its own description at /api/openapi.json and /api/docs.
func New(o Options) *API {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	a := &API{mux: http.NewServeMux(), options: o, log: o.Logger, callers: newLimiter("caller", o.CallerRate), anonymous: newLimiter("address", o.AnonymousRate)}
	a.API = huma.NewAPI(huma.Config{
		Transformers: []huma.Transformer{a.transform},
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Probity", Version: versionOr(o.Version), Description: description, License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaNamer()),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"apiKey":  {Type: "http", Scheme: "bearer", BearerFormat: "pk_…", Description: "An API key, as Authorization: Bearer pk_…"},
					"session": {Type: "apiKey", In: "cookie", Name: SessionCookie, Description: "A console session; unsafe methods also need the header " + CSRFHeader + "."},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat: "application/json",
	}, &adapter{api: a, Adapter: humago.NewAdapter(a.mux, "")})
	a.serveDescription()
	return a
}

func versionOr(v string) string {
	if v == "" {
		return "dev"
	}
	return v
}

// adapter puts the chain of the operation's rule in front of every huma operation.
type adapter struct {
	huma.Adapter
	api *API
}

// Handle is called by huma once per operation. The operation is huma's own copy, which it reads again on each request; its body
// limit and deadline are ours to enforce, so they are switched off there.
func (ad *adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	rule, _ := op.Metadata[ruleKey].(Rule)
	op.MaxBodyBytes = -1
	op.BodyReadTimeout = 0
	op.RejectUnknownQueryParameters = !rule.LooseQuery
	ad.api.Handle(op.Method+" "+op.Path, rule, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler(humago.NewContext(op, r, w))
	}))
}

// Handle registers a plain handler under a ServeMux pattern such as "GET /api/log/{log_id}/tile/{rest...}". The route in logs and metrics is the pattern's path.
func (a *API) Handle(pattern string, rule Rule, h http.Handler) {
	route := pattern
	for i, c := range pattern {
		if c == '/' {
			route = pattern[i:]
			break
		}
	}
	a.routes = append(a.routes, pattern)
	a.mux.Handle(pattern, a.chain(route, rule, h))
}

// Routes returns the patterns of everything that is served, such as "GET /api/log/{log_id}/checkpoint", in the order of registration.
func (a *API) Routes() []string { return slices.Clone(a.routes) }

// ServeHTTP serves the API.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.outer(w, r) }

// schemaNamer names schemas by their type, and adds the package, then a number, where a name is taken, so that independent domains need not agree.
func schemaNamer() func(reflect.Type, string) string {
	names, taken := map[reflect.Type]string{}, map[string]bool{}
	return func(t reflect.Type, hint string) string {
		base := huma.DefaultSchemaNamer(t, hint)
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return base
		}
		if name, ok := names[t]; ok {
			return name
		}
		name := base
		if taken[name] {
			base = packageWord(t) + base
			name = base
		}
		for n := 2; taken[name]; n++ {
			name = base + strconv.Itoa(n)
		}
		names[t], taken[name] = name, true
		return name
	}
}

func packageWord(t reflect.Type) string {
	path := []rune(t.PkgPath())
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			path = path[i+1:]
			break
		}
	}
	if len(path) == 0 {
		return "Other"
	}
	path[0] = unicode.ToUpper(path[0])
	return string(path)
}

package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Rule says how requests to one route are treated before the operation sees them. The zero Rule is the safe one: an authenticated
// caller, the default body limit, no streaming.
type Rule struct {
	// Public routes may be called by anybody. A credential is still looked at when one is sent, and a wrong one is no error.
	Public bool
	// Anonymous routes are public and look at no credential: what their body carries decides. So a plain form of our own pages can call them whoever is signed in.
	Anonymous bool
	// Permission that the caller needs; "" asks for any authenticated caller.
	Permission string
	// MaxBody is the limit of the request body in bytes after decompression; 0 is the server's default, negative is none (for streams,
	// which the operation must bound itself).
	MaxBody int64
	// Streaming routes may take as long as data keeps moving: instead of one deadline, each read and write gets one.
	Streaming bool
	// Timeout replaces the server's default deadline for reading the request and writing the response; 0 keeps it.
	Timeout time.Duration
	// Idempotent routes honour the Idempotency-Key header. Never set it where the response holds a secret or personal values.
	Idempotent bool
	// LooseQuery accepts query parameters that the operation did not declare. Otherwise they are refused, because a misspelt filter
	// that is silently ignored answers another question than was asked.
	LooseQuery bool
	// StepUp asks a person to have proved lately who they are, see [StepUp].
	StepUp bool
	// Restricted sessions may use the operation, see [WhileRestricted].
	Restricted bool
	// Unlimited routes are not rate limited (health checks).
	Unlimited bool
}

const ruleKey = "probity.rule"

// Option changes the [Rule] or the documentation of an operation.
type Option func(*huma.Operation, *Rule)

// Op describes an operation for [huma.Register]: its id, "METHOD /path/{param}", a one-line summary, and how it is treated.
//
//	huma.Register(a, api.Op("list-keys", "GET /api/keys", "List API keys", api.Needs(actor.AccessManage)), s.list)
func Op(id, pattern, summary string, options ...Option) huma.Operation {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		panic("api.Op: the pattern must be \"METHOD /path\", got " + pattern)
	}
	op := huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary}
	var rule Rule
	for _, o := range options {
		o(&op, &rule)
	}
	op.Metadata = map[string]any{ruleKey: rule}
	if !rule.Public {
		op.Security = []map[string][]string{{"apiKey": {}}, {"session": {}}}
		op.Extensions = map[string]any{}
		if rule.Permission != "" {
			op.Extensions["x-permission"] = rule.Permission
		}
		if rule.StepUp {
			op.Extensions["x-step-up"] = true
			op.Description = strings.TrimSpace(op.Description + "\n\n" + stepUpText)
		}
	}
	if len(op.Tags) == 0 {
		op.Tags = []string{tagOf(path)}
	}
	return op
}

// tagOf groups operations by the first word of their path.
func tagOf(path string) string {
	p := strings.TrimPrefix(strings.TrimPrefix(path, "/"), "api/")
	p, _, _ = strings.Cut(p, "/")
	return p
}

// Needs asks for a permission.
func Needs(permission string) Option {
	return func(_ *huma.Operation, r *Rule) { r.Permission = permission }
}

// Public lets anybody call the operation.
func Public() Option { return func(_ *huma.Operation, r *Rule) { r.Public = true } }

// Anonymous lets anybody call the operation, which learns nothing of who does, see [Rule].
func Anonymous() Option {
	return func(_ *huma.Operation, r *Rule) { r.Public, r.Anonymous = true, true }
}

// MaxBody sets the limit of the request body in bytes; negative for none.
func MaxBody(n int64) Option { return func(_ *huma.Operation, r *Rule) { r.MaxBody = n } }

// Streaming lifts the overall deadline, see [Rule].
func Streaming() Option { return func(_ *huma.Operation, r *Rule) { r.Streaming = true } }

// Idempotent honours Idempotency-Key, see [Rule].
func Idempotent() Option {
	return func(op *huma.Operation, r *Rule) {
		r.Idempotent = true
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
			Description: "Makes retries safe for 24 hours: the same key and request gets the first answer again, another request 422, a request still in flight 409.",
		})
	}
}

// LooseQuery accepts undeclared query parameters, see [Rule].
func LooseQuery() Option { return func(_ *huma.Operation, r *Rule) { r.LooseQuery = true } }

// Timeout replaces the default deadline of the operation.
func Timeout(d time.Duration) Option { return func(_ *huma.Operation, r *Rule) { r.Timeout = d } }

// Status sets the status of a successful answer (200 otherwise, 204 without a body).
func Status(code int) Option { return func(op *huma.Operation, _ *Rule) { op.DefaultStatus = code } }

// Describe adds a longer description in Markdown.
func Describe(text string) Option {
	return func(op *huma.Operation, _ *Rule) { op.Description = text }
}

// Tag puts the operation under a heading of the reference.
func Tag(name string) Option { return func(op *huma.Operation, _ *Rule) { op.Tags = []string{name} } }

// Errors lists the error statuses that the documentation names besides the usual ones.
func Errors(statuses ...int) Option {
	return func(op *huma.Operation, _ *Rule) { op.Errors = append(op.Errors, statuses...) }
}

func unsafeMethod(m string) bool {
	return m != http.MethodGet && m != http.MethodHead && m != http.MethodOptions
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/errs"
)

// Problem is an RFC 9457 problem detail.
type Problem struct {
	Type     string            `json:"type" doc:"A reference to the documentation of this kind of problem" example:"/api/docs#problem-invalid"`
	Title    string            `json:"title" doc:"What kind of problem this is"`
	Status   int32             `json:"status" doc:"HTTP status" example:"400"`
	Code     errs.Code         `json:"code" doc:"Stable machine word of the kind of problem" example:"invalid"`
	Reason   string            `json:"reason,omitempty" doc:"Stable machine word that says more than code, where the operation documents some"`
	Detail   string            `json:"detail,omitempty" doc:"What went wrong here, and what to do about it"`
	Instance string            `json:"instance,omitempty" doc:"The request id, to quote to support and to find in the log"`
	Ways     []string          `json:"ways,omitempty" doc:"Of step_up_required: how the person can prove who they are"`
	Errors   []errs.FieldError `json:"errors,omitempty" doc:"The fields that are wrong; pointer is a JSON pointer into the body, or query/NAME, path/NAME, header/NAME"`

	retryAfter int
}

var titles = map[errs.Code]string{
	errs.Invalid: "The request is not valid", errs.Unauthorized: "Not signed in", errs.Forbidden: "Not allowed", errs.NotFound: "Not found",
	errs.Conflict: "Conflict", errs.TooLarge: "Too large", errs.Unsupported: "Unsupported format", errs.Throttled: "Too many requests",
	errs.Unavailable: "Temporarily unavailable", errs.Unprocessed: "The request contradicts itself or an earlier one", errs.Internal: "Internal error",
}

// kinds are the problems that have a type of their own beside that of their code.
var kinds = map[string]struct {
	code  errs.Code
	title string
}{
	errs.StepUpRequired:    {errs.Unauthorized, "Prove who you are"},
	errs.SessionRestricted: {errs.Forbidden, "This session is restricted"},
	errs.TenantSuspended:   {errs.Forbidden, "The tenant is suspended"},
	errs.MaskedFilter:      {errs.Forbidden, "You see these values masked"},
}

// maxFieldErrors bounds the errors listed in one problem.
const maxFieldErrors = 100

// NewProblem renders an error as a problem detail. Causes and unknown errors are not shown.
func NewProblem(ctx context.Context, err error) *Problem {
	code := errs.CodeOf(err)
	p := problemOf(ctx, errs.Status(code), code, errs.Message(err))
	var e *errs.Error
	if errors.As(err, &e) {
		p.Errors, p.Reason, p.Ways = e.Fields, e.Reason, e.Ways
		if k, ok := kinds[e.Kind]; ok && k.code == code {
			p.Type, p.Title = problemType(e.Kind), k.title
		}
		if e.RetryAfter > 0 {
			p.retryAfter = max(1, int(math.Ceil(e.RetryAfter.Seconds())))
		}
	}
	if len(p.Errors) > maxFieldErrors {
		p.Errors = p.Errors[:maxFieldErrors]
	}
	return p
}

func problemType(word string) string { return "/api/docs#problem-" + word }

func problemOf(ctx context.Context, status int, code errs.Code, detail string) *Problem {
	p := &Problem{Type: problemType(string(code)), Title: titles[code], Status: int32(status), Code: code, Detail: detail}
	if p.Title == "" {
		p.Title = http.StatusText(status)
	}
	if r := requestFrom(ctx); r != nil {
		p.Instance = r.id
	}
	return p
}

// Error makes a Problem an error; it is the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status (huma asks for it).
func (p *Problem) GetStatus() int { return int(p.Status) }

// ContentType turns JSON into application/problem+json (huma asks for it).
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders returns Retry-After where waiting helps.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	return h
}

// WriteError answers a request with a problem. Handlers outside of huma (streams, files) use it; it must be called before anything was written.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	p := NewProblem(r.Context(), err)
	if req := requestFrom(r.Context()); req != nil && p.Status >= 500 {
		req.cause = err
	}
	h := w.Header()
	for k, v := range p.GetHeaders() {
		h[k] = v
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length")
	h.Del("Content-Encoding")
	w.WriteHeader(int(p.Status))
	_ = json.NewEncoder(w).Encode(p) // the client may be gone; nobody is left to tell
}

// huma keeps its error constructors in package variables. They are replaced once, here, so that everything it reports by itself
// (validation, unreadable bodies, unknown media types) has our form and never repeats a value from the request.
func init() {
	huma.NewError = func(status int, msg string, details ...error) huma.StatusError {
		return humaProblem(context.Background(), status, msg, details)
	}
	huma.NewErrorWithContext = func(hc huma.Context, status int, msg string, details ...error) huma.StatusError {
		ctx := hc.Context()
		p := humaProblem(ctx, status, msg, details)
		for k, v := range p.GetHeaders() {
			hc.SetHeader(k, v[0])
		}
		hc.SetHeader("Cache-Control", "no-store")
		if req := requestFrom(ctx); req != nil && p.Status >= 500 {
			req.cause = errors.Join(details...)
		}
		return p
	}
	huma.DefaultArrayNullable = false
}

func humaProblem(ctx context.Context, status int, msg string, details []error) *Problem {
	// An error of ours that came back from a handler or from reading the body keeps its own code, message and fields.
	for _, err := range details {
		var e *errs.Error
		if errors.As(err, &e) {
			return NewProblem(ctx, err)
		}
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return NewProblem(ctx, errs.New(errs.TooLarge, "The request body is larger than %d bytes.", tooLarge.Limit))
		}
		if errors.Is(err, context.Canceled) {
			return problemOf(ctx, http.StatusServiceUnavailable, errs.Unavailable, "The request was cancelled.")
		}
	}
	if status == http.StatusUnprocessableEntity || status == http.StatusRequestTimeout {
		status = http.StatusBadRequest // validation is "invalid"; 422 means that a request contradicts an earlier one
	}
	if status == 0 || status >= 500 {
		p := problemOf(ctx, status, errs.Internal, errs.Message(errors.New("")))
		return p
	}
	p := problemOf(ctx, status, errs.FromStatus(status), sentence(msg))
	for i, err := range details {
		if i == maxFieldErrors {
			break
		}
		p.Errors = append(p.Errors, fieldOf(err))
	}
	if msg == "validation failed" {
		p.Detail = "The request is not valid; see errors."
		if len(p.Errors) == 0 {
			p.Detail = "The request could not be read."
		}
	}
	return p
}

func sentence(msg string) string {
	if msg == "" {
		return ""
	}
	return strings.ToUpper(msg[:1]) + msg[1:] + "."
}

// fieldOf translates one of huma's details. Its messages are fixed texts except that some end in ": " and a parser's error, which quotes
// the value; those are cut.
func fieldOf(err error) errs.FieldError {
	var d *huma.ErrorDetail
	if !errors.As(err, &d) {
		return errs.FieldError{Code: "unreadable", Detail: "The body could not be read in the given format."}
	}
	msg := d.Message
	if head, _, found := strings.Cut(msg, ": "); found {
		msg = head
	}
	f := errs.FieldError{Pointer: pointerOf(d.Location)}
	f.Code, f.Detail = describe(msg)
	if f.Code == "required" {
		if name, ok := strings.CutPrefix(msg, "expected required property "); ok {
			name, _, _ = strings.Cut(name, " ")
			f.Pointer += "/" + escapePointer(name)
		}
	}
	return f
}

// describe picks a machine word for one of huma's fixed messages. A message that is not recognised is not passed on.
func describe(msg string) (code, detail string) {
	for _, k := range []struct{ prefix, code string }{
		{"expected required property", "required"}, {"required ", "required"}, {"expected value to be one of", "not_allowed"},
		{"unexpected property", "unknown_field"}, {"unknown query parameter", "unknown_parameter"}, {"expected length <=", "too_long"}, {"expected length >=", "too_short"},
		{"expected array length <=", "too_many"}, {"expected array length >=", "too_few"}, {"expected object with at", "wrong_size"},
		{"expected number", "out_of_range"}, {"expected string", "wrong_format"}, {"expected array", "wrong_type"}, {"expected object", "wrong_type"},
		{"expected boolean", "wrong_type"}, {"expected integer", "wrong_type"}, {"expected value", "wrong_format"}, {"expected ", "wrong_format"},
		{"invalid integer", "wrong_type"}, {"invalid float", "wrong_type"}, {"invalid boolean", "wrong_type"}, {"invalid date", "wrong_format"},
	} {
		if strings.HasPrefix(msg, k.prefix) {
			if strings.HasPrefix(k.prefix, "invalid") { // huma quotes the value in some of these
				msg = k.prefix + " or out of range"
			}
			return k.code, sentence(msg)
		}
	}
	return "invalid", "The value is not valid here."
}

// pointerOf turns huma's body.items[3].tags into /items/3/tags, and query.limit into query/limit.
func pointerOf(location string) string {
	for _, loc := range []string{"query", "path", "header", "cookie"} {
		if name, ok := strings.CutPrefix(location, loc+"."); ok {
			return loc + "/" + name
		}
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(location, "body"), ".")
	if rest == "" {
		return ""
	}
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(rest, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		b.WriteByte('/')
		b.WriteString(escapePointer(part))
	}
	return b.String()
}

func escapePointer(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

package errs

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Code classifies an error. The set is deliberately small: a caller decides on the code, a person reads the message.
type Code string

// The codes. Each maps to exactly one HTTP status and back (see [Status] and [FromStatus]).
const (
	Invalid      Code = "invalid"       // the input is wrong; retrying unchanged cannot help
	Unauthorized Code = "unauthorized"  // nobody is signed in, or the credential is wrong
	Forbidden    Code = "forbidden"     // the caller is known and may not do this
	NotFound     Code = "not_found"     // no such thing in the caller's tenant
	Conflict     Code = "conflict"      // the state does not allow it, or the same key came with other content
	TooLarge     Code = "too_large"     // above a documented limit
	Unsupported  Code = "unsupported"   // a media type or format this build does not read
	Throttled    Code = "throttled"     // too many requests; see RetryAfter
	Unavailable  Code = "unavailable"   // temporarily impossible (disk full, log frozen); see RetryAfter
	Unprocessed  Code = "unprocessable" // well-formed, yet contradicts itself or an earlier request
	Internal     Code = "internal"      // a defect here
)

// The kinds of problem that a program must tell from others of the same code.
const (
	StepUpRequired    = "step_up_required"   // Unauthorized: signed in, and has to prove once more who is there
	SessionRestricted = "session_restricted" // Forbidden: the session may hardly do anything
	TenantSuspended   = "tenant_suspended"   // Forbidden: nobody may do anything in the tenant
	MaskedFilter      = "masked_filter"      // Forbidden: a condition on values that the caller sees masked
)

// FieldError points at one wrong field of an input.
type FieldError struct {
	// Pointer is an RFC 6901 JSON pointer into the request body, for example "/events/3/actor/id".
	Pointer string `json:"pointer"`
	// Code is a stable machine word such as "required" or "too_long".
	Code string `json:"code"`
	// Detail says in words what is wrong and what to do. It never repeats a value that may be personal.
	Detail string `json:"detail"`
}

// Error is an error with a code, a message that is safe to show to the caller, and an optional cause that is only logged.
type Error struct {
	Code    Code
	Message string
	// Reason is a stable machine word that says more than the code, where an operation documents some; "" without.
	Reason string
	Fields []FieldError
	// Kind tells problems of one code apart that a program must treat differently, such as [StepUpRequired]; "" for most.
	Kind string
	// Ways are what the caller can choose from to get further, such as the ways to step up.
	Ways []string
	// RetryAfter is how long the caller should wait; zero when retrying is pointless or may happen at once.
	RetryAfter time.Duration
	Cause      error
}

// Error returns the message followed by the cause. Only [Message] is shown to callers of the API.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New returns an error of the given code with a formatted message that callers may see.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an error of the given code whose cause is logged and not shown.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// Field returns an Invalid error about one field.
func Field(pointer, code, format string, args ...any) *Error {
	detail := fmt.Sprintf(format, args...)
	return &Error{Code: Invalid, Message: detail, Fields: []FieldError{{Pointer: pointer, Code: code, Detail: detail}}}
}

// CodeOf returns the code of the first [Error] in err's chain, Internal for any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// Message returns what a caller may be told about err; internal details of unknown errors are withheld.
func Message(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "An internal error occurred. The log has the details under this request's id."
}

var statuses = map[Code]int{
	Invalid: http.StatusBadRequest, Unauthorized: http.StatusUnauthorized, Forbidden: http.StatusForbidden,
	NotFound: http.StatusNotFound, Conflict: http.StatusConflict, TooLarge: http.StatusRequestEntityTooLarge,
	Unsupported: http.StatusUnsupportedMediaType, Throttled: http.StatusTooManyRequests,
	Unavailable: http.StatusServiceUnavailable, Unprocessed: http.StatusUnprocessableEntity, Internal: http.StatusInternalServerError,
}

// Status maps a code to its HTTP status.
func Status(code Code) int {
	if s, ok := statuses[code]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// FromStatus maps an HTTP status back to a code, so that a client returns the error the server meant.
func FromStatus(status int) Code {
	for c, s := range statuses {
		if s == status {
			return c
		}
	}
	if status >= 400 && status < 500 {
		return Invalid
	}
	return Internal
}

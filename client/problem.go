package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Code is the stable machine word of a kind of problem. Decide on it; show Detail to people.
type Code string

// The codes that the server uses.
const (
	Invalid      Code = "invalid"       // the request is wrong; repeating it cannot help
	Unauthorized Code = "unauthorized"  // the API key is missing, wrong, expired or revoked
	Forbidden    Code = "forbidden"     // the key may not do this
	NotFound     Code = "not_found"     // there is no such thing in the key's tenant
	Conflict     Code = "conflict"      // the state does not allow it, or an id came with other content
	TooLarge     Code = "too_large"     // above a documented limit
	Unsupported  Code = "unsupported"   // a format that the server does not read
	Throttled    Code = "throttled"     // too many requests; see RetryAfter
	Unavailable  Code = "unavailable"   // temporarily impossible; see RetryAfter
	Unprocessed  Code = "unprocessable" // contradicts itself or an earlier request
	Internal     Code = "internal"      // a defect of the server
)

// FieldError points at one wrong field of a request.
type FieldError struct {
	// Pointer is a JSON pointer into the request body, such as "/events/3/actor/id".
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// Error is a problem that the server reported (RFC 9457).
type Error struct {
	Status int          `json:"status"`
	Code   Code         `json:"code"`
	Title  string       `json:"title"`
	Detail string       `json:"detail"`
	Fields []FieldError `json:"errors"`
	// RequestID finds the request in the server's log.
	RequestID string `json:"instance"`
	// RetryAfter is how long the server asks to wait; zero when it does not say.
	RetryAfter time.Duration `json:"-"`
}

// Error returns the detail, the code, and the request id to quote to the server's operator.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	if text == "" {
		text = http.StatusText(e.Status)
	}
	text = fmt.Sprintf("%s (%s", text, e.Code)
	if e.RequestID != "" {
		text += ", request " + e.RequestID
	}
	return text + ")"
}

// CodeOf returns the code of the server's problem in err's chain, "" when err is of another kind.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// problemOf reads a problem from a response and closes it. What is no problem detail (a proxy's page) becomes one by its status; its text is not repeated.
func problemOf(res *http.Response) error {
	defer res.Body.Close()
	e := &Error{}
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if mt, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || mt != "application/problem+json" || json.Unmarshal(body, e) != nil {
		e = &Error{Detail: "The server answered " + res.Status}
	}
	e.Status = res.StatusCode
	if e.Code == "" {
		e.Code = codeOfStatus(res.StatusCode)
	}
	if e.RequestID == "" {
		e.RequestID = res.Header.Get("X-Request-Id")
	}
	e.RetryAfter = parseRetryAfter(res.Header.Get("Retry-After"))
	return e
}

func statusOfCode(code Code) int {
	for _, status := range []int{400, 401, 403, 404, 409, 413, 415, 422, 429, 503} {
		if codeOfStatus(status) == code {
			return status
		}
	}
	return http.StatusInternalServerError
}

func codeOfStatus(status int) Code {
	switch status {
	case http.StatusUnauthorized:
		return Unauthorized
	case http.StatusForbidden:
		return Forbidden
	case http.StatusNotFound:
		return NotFound
	case http.StatusConflict:
		return Conflict
	case http.StatusRequestEntityTooLarge:
		return TooLarge
	case http.StatusUnsupportedMediaType:
		return Unsupported
	case http.StatusTooManyRequests:
		return Throttled
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		return Unavailable
	case http.StatusUnprocessableEntity:
		return Unprocessed
	}
	if status >= 500 {
		return Internal
	}
	return Invalid
}

// parseRetryAfter reads seconds or an HTTP date; a wait of more than an hour is cut to one.
func parseRetryAfter(s string) time.Duration {
	s = strings.TrimSpace(s)
	d := time.Duration(0)
	if n, err := strconv.Atoi(s); err == nil {
		d = time.Duration(min(max(n, 0), 3600)) * time.Second
	} else if at, err := http.ParseTime(s); err == nil {
		d = time.Until(at)
	}
	return min(max(d, 0), time.Hour)
}

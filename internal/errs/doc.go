// Package errs holds the handful of error codes that every package uses, and their one mapping to HTTP and back.
//
// It owns no wording: a message is written where the error is found. Rendering as RFC 9457 problem details is internal/api's.
package errs

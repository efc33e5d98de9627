// Package api is the HTTP plumbing that every operation of the product goes through: routing and OpenAPI (huma on
// [net/http.ServeMux]), problem details, request ids, authentication, CSRF and origin checks, rate limits, body limits,
// idempotency, security headers, client addresses behind trusted proxies, the access log, and starting and stopping the server.
//
// A request passes, from outside in:
//
//	request id, client address, security headers, access log, panic recovery   (every request)
//	deadlines, authentication, CSRF, rate limit, permission, body limit, idempotency   (by the route's [Rule])
//	the operation
//
// A route without a rule needs an authenticated caller, so that forgetting one cannot open anything. The package knows no
// domain: who a credential belongs to is asked through [Authenticator], and stored replies through [IdempotencyStore].
package api

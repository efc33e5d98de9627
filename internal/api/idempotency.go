package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// IdempotencyTTL is how long a reply is kept for its key.
const IdempotencyTTL = 24 * time.Hour

const (
	maxIdempotencyKey = 255     // bytes
	maxKeptReply      = 1 << 20 // bytes of a reply that is kept; a larger one cannot be replayed
)

// IdempotencyScope names a claim: the caller's tenant and identity, and the key it chose. Two callers never share one.
type IdempotencyScope struct {
	TenantID string
	Caller   string
	Key      string
}

// Reply is a response that can be given again.
type Reply struct {
	Status      int
	ContentType string
	Location    string
	Body        []byte
}

// IdempotencyStore remembers replies for [IdempotencyTTL]. Implementations MUST be safe for concurrent use, and on several nodes two
// concurrent claims of one scope must not both succeed.
type IdempotencyStore interface {
	// Claim takes the scope for a request with this fingerprint. It returns (nil, nil) when the caller now holds the claim; the stored reply when the
	// same request was answered before; an error of code Unprocessed when the key came with another fingerprint, and of code Conflict while the first
	// request is still in flight. A claim whose holder vanished lapses after a few minutes.
	Claim(ctx context.Context, scope IdempotencyScope, fingerprint [32]byte) (*Reply, error)
	// Keep stores the reply of the claim's holder.
	Keep(ctx context.Context, scope IdempotencyScope, reply Reply) error
	// Release gives the claim up without a reply, so that the request may be tried again.
	Release(ctx context.Context, scope IdempotencyScope) error
}

// ErrKeyReused is what [IdempotencyStore.Claim] returns for a key that came with another request.
func ErrKeyReused() error {
	return errs.New(errs.Unprocessed, "This Idempotency-Key was used for another request. Use a new key for a new request.")
}

// ErrKeyInFlight is what [IdempotencyStore.Claim] returns while the first request is being served.
func ErrKeyInFlight() error {
	return &errs.Error{Code: errs.Conflict, Message: "The first request with this Idempotency-Key is still being served.", RetryAfter: time.Second}
}

// idempotent answers a repeated request from the store. Streams are exempt: their body would have to be kept in memory to be compared.
func (a *API) idempotent(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if key == "" {
			next.ServeHTTP(w, r)
			return
		}
		scope, print, err := a.claimOf(r, route, key)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		reply, err := a.options.Idempotency.Claim(r.Context(), scope, print)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		if reply != nil {
			replay(w, *reply)
			return
		}
		a.answerOnce(w, r, scope, next)
	})
}

func (a *API) claimOf(r *http.Request, route, key string) (IdempotencyScope, [32]byte, error) {
	var none [32]byte
	caller, ok := actor.From(r.Context())
	if !ok {
		return IdempotencyScope{}, none, errs.New(errs.Unauthorized, "Sign in or send an API key.")
	}
	if a.options.Idempotency == nil {
		return IdempotencyScope{}, none, errs.New(errs.Unsupported, "This server does not keep replies; send the request without Idempotency-Key.")
	}
	if len(key) > maxIdempotencyKey || !printable(key) {
		return IdempotencyScope{}, none, errs.Field("header/Idempotency-Key", "wrong_format", "The Idempotency-Key must be 1 to %d printable ASCII characters.", maxIdempotencyKey)
	}
	if mt, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mt == "application/x-ndjson" || mt == "application/ndjson" || mt == "application/jsonl" {
		return IdempotencyScope{}, none, errs.New(errs.Unsupported, "A stream cannot have an Idempotency-Key; give each event an id instead.")
	}
	// The body is kept to be compared and sent on, so it is bounded here even where the route itself takes streams without end.
	body, err := io.ReadAll(io.LimitReader(r.Body, a.options.MaxBody+1))
	if err != nil {
		return IdempotencyScope{}, none, readError(err)
	}
	if int64(len(body)) > a.options.MaxBody {
		return IdempotencyScope{}, none, tooLarge(a.options.MaxBody)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return IdempotencyScope{TenantID: caller.TenantID, Caller: caller.Type() + ":" + caller.ID(), Key: key}, fingerprint(r, route, body), nil
}

func readError(err error) error {
	if errs.CodeOf(err) != errs.Internal {
		return err
	}
	return errs.Wrap(errs.Invalid, err, "The request body could not be read to its end.")
}

// fingerprint tells requests apart by what decides their effect.
func fingerprint(r *http.Request, route string, body []byte) [32]byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(r.Method), []byte(route), []byte(r.URL.Path), []byte(r.URL.RawQuery), []byte(r.Header.Get("Content-Type")), body} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return [32]byte(h.Sum(nil))
}

// answerOnce serves the request and keeps the reply when it is final. A failure that a retry may cure (5xx, 429, 409) or a cut connection releases the key.
func (a *API) answerOnce(w http.ResponseWriter, r *http.Request, scope IdempotencyScope, next http.Handler) {
	t := &tee{ResponseWriter: w}
	settled := false
	// The client may have gone; what happened must be remembered all the same.
	ctx := context.WithoutCancel(r.Context())
	defer func() {
		if !settled {
			_ = a.options.Idempotency.Release(ctx, scope)
		}
	}()
	next.ServeHTTP(t, r)
	if t.status == 0 || t.status >= 500 || t.status == http.StatusTooManyRequests || t.status == http.StatusConflict || t.overflow {
		return
	}
	h := w.Header()
	err := a.options.Idempotency.Keep(ctx, scope, Reply{Status: t.status, ContentType: h.Get("Content-Type"), Location: h.Get("Location"), Body: t.body.Bytes()})
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "reply not kept for its idempotency key", slog.String("request_id", RequestID(ctx)), slog.String("error", err.Error()))
		return
	}
	settled = true
}

func replay(w http.ResponseWriter, reply Reply) {
	h := w.Header()
	h.Set("Idempotency-Replayed", "true")
	if reply.ContentType != "" {
		h.Set("Content-Type", reply.ContentType)
	}
	if reply.Location != "" {
		h.Set("Location", reply.Location)
	}
	w.WriteHeader(reply.Status)
	_, _ = w.Write(reply.Body) // the client may be gone
}

// tee copies a reply while it is sent.
type tee struct {
	http.ResponseWriter
	status   int
	body     bytes.Buffer
	overflow bool
}

func (t *tee) WriteHeader(status int) {
	if t.status == 0 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *tee) Write(p []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	if t.body.Len()+len(p) > maxKeptReply {
		t.overflow = true
	} else {
		t.body.Write(p)
	}
	return t.ResponseWriter.Write(p)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

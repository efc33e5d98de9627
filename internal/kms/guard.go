package kms

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
)

// Observer is told about every request to the service: the operation (wrap, unwrap, rotate), whether it failed, and how long it took.
type Observer func(operation string, failed bool, took time.Duration)

// Guard is a service as a running server uses it. What may succeed a moment later is tried again, with growing and random pauses; whether the service answers is remembered. Keysets that
// are open stay open without it: a server that runs goes on, but for new tenants and rotations. It is safe for concurrent use.
type Guard struct {
	kms     crypt.KMS
	observe Observer

	mu      sync.Mutex
	problem string
	since   time.Time
	version string
}

// The pauses between attempts at a request, and between looking whether the service answers.
const (
	attempts    = 3
	firstPause  = 200 * time.Millisecond
	watchEvery  = time.Minute
	watchFirst  = 2 * time.Second
	attemptTime = requestTime + 2*time.Second
)

// NewGuard returns a guard of k. observe may be nil.
func NewGuard(k crypt.KMS, observe Observer) *Guard {
	if observe == nil {
		observe = func(string, bool, time.Duration) {}
	}
	return &Guard{kms: k, observe: observe}
}

// Name implements crypt.KMS.
func (g *Guard) Name() string { return g.kms.Name() }

// Version implements crypt.KMS.
func (g *Guard) Version(wrapped []byte) string { return g.kms.Version(wrapped) }

// Wrap implements crypt.KMS.
func (g *Guard) Wrap(ctx context.Context, plaintext, aad []byte) (out []byte, err error) {
	err = g.try(ctx, "wrap", attempts, func(ctx context.Context) error {
		out, err = g.kms.Wrap(ctx, plaintext, aad)
		return err
	})
	return out, err
}

// Unwrap implements crypt.KMS.
func (g *Guard) Unwrap(ctx context.Context, wrapped, aad []byte) (out []byte, err error) {
	err = g.try(ctx, "unwrap", attempts, func(ctx context.Context) error {
		out, err = g.kms.Unwrap(ctx, wrapped, aad)
		return err
	})
	return out, err
}

// Rotate implements crypt.KMS. It is not tried again: a version that was made unnoticed is enough.
func (g *Guard) Rotate(ctx context.Context) error { return g.try(ctx, "rotate", 1, g.kms.Rotate) }

// try does something at most n times.
func (g *Guard) try(ctx context.Context, operation string, n int, do func(context.Context) error) (err error) {
	pause := firstPause
	for i := range n {
		if i > 0 {
			select {
			case <-ctx.Done():
				return err
			case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // a pause need not be secret
			}
			pause *= 3
		}
		err = g.once(ctx, operation, do)
		if errs.CodeOf(err) != errs.Unavailable {
			return err
		}
	}
	return err
}

func (g *Guard) once(ctx context.Context, operation string, do func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	start := time.Now()
	err := do(limited)
	g.observe(operation, err != nil, time.Since(start))
	if ctx.Err() == nil {
		g.note(err)
	}
	return err
}

// note remembers whether the service answers. That it refuses one text is an answer.
func (g *Guard) note(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch errs.CodeOf(err) {
	case "", errs.Invalid:
		g.problem, g.since = "", time.Time{}
		return
	}
	g.fail(err)
}

// fail remembers a problem. The caller holds g.mu.
func (g *Guard) fail(err error) {
	if g.problem == "" {
		g.since = time.Now()
	}
	g.problem = errs.Message(err)
}

// Problem says why the service cannot be used, and since when; "" when it can.
func (g *Guard) Problem() (text string, since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.problem, g.since
}

// Check is [Check], tried again like any request. It remembers the version.
func (g *Guard) Check(ctx context.Context) (version string, err error) {
	if c, ok := g.kms.(checked); ok {
		err = g.try(ctx, "check", attempts, c.check)
	}
	if err == nil {
		version, err = probe(ctx, g)
	}
	if ctx.Err() != nil {
		return version, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		g.version = version
	} else {
		g.fail(err)
	}
	return version, err
}

// Current is the version of the master key that the last check found; "" when there was none.
func (g *Guard) Current() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.version
}

// Run looks once a minute whether the service answers, more often while it does not, until ctx ends. changed is told when that changes: the problem, or "".
func (g *Guard) Run(ctx context.Context, changed func(problem string)) {
	said, pause := "", watchEvery
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if _, err := g.Check(ctx); err != nil && ctx.Err() != nil {
			return
		}
		problem, _ := g.Problem()
		if (problem == "") != (said == "") {
			changed(problem)
			pause = watchFirst
		}
		said = problem
		if problem == "" {
			pause = watchEvery
		} else {
			pause = min(2*pause, watchEvery)
		}
	}
}

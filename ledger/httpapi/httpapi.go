package httpapi

import (
	"context"
	"slices"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/views"
)

// Limits of one append request. A stream of NDJSON has no limit of events; each of its lines is limited like an event.
const (
	MaxEvents = 1000
	MaxBody   = 8 << 20 // bytes
)

// Handlers serves the ledger over HTTP.
type Handlers struct {
	// Ledger is what is served.
	Ledger *ledger.Ledger
	// Mask returns what a caller may see; nil means everything.
	Mask func(actor.Principal) event.Masker
	// PublicURL is the address under which clients reach the server, without a trailing slash; it is put into links.
	PublicURL string
	// Verifier runs and remembers verifications of a tenant's log.
	Verifier Verifier
	// Views keeps saved searches.
	Views *views.Store
	// Reads is told about every read of events, so that reading is itself recorded. May be nil.
	Reads Reads
	// Master is the master key.
	Master MasterKeys
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// CountBudget is how long a count may open events; 4 s when zero.
	CountBudget time.Duration
	// DB holds what the handlers keep themselves.
	DB *sqldb.DB
}

// Verifier checks a tenant's whole log in the background.
type Verifier interface {
	// Start has the log verified in the background, unless that waits or runs already. requestedBy is the id of the user or key that asks.
	Start(ctx context.Context, tenantID, requestedBy string) error
	// Status tells how the last one ended and how far the one is that waits or runs.
	Status(ctx context.Context, tenantID string) (Verification, error)
}

// Verification is the state of a log's verification.
type Verification struct {
	Running bool          `json:"running"`
	Done    int64         `json:"done" doc:"events checked so far by the running verification"`
	Total   int64         `json:"total"`
	Last    *VerifyResult `json:"last"`
}

// VerifyResult is how a verification ended.
type VerifyResult struct {
	At              time.Time `json:"at"`
	OK              bool      `json:"ok"`
	Size            int64     `json:"size"`
	EventsPerSecond float64   `json:"events_per_second"`
	Error           string    `json:"error,omitempty"`
}

// Reads is told what was read, to summarise it in the log (reading the audit trail is itself auditable).
type Reads interface {
	// Read reports that p was given n events by an operation such as "search".
	Read(p actor.Principal, operation string, n int)
	// Reveal records that p was shown personal values as they are, once for a request. An error means that it is not recorded.
	Reveal(ctx context.Context, p actor.Principal, r Revealed) error
}

// Revealed is what one request has shown as it is.
type Revealed struct {
	// Operation is such as "search"; Query is what was asked for, nil for single events.
	Operation string
	Query     *ledger.Query
	// Events is how many events held such values, -1 where that is not known yet. Seq is the event where there is one.
	Events int
	Seq    uint64
	// Categories are the data categories of the values.
	Categories []string
}

// Register adds all operations.
func (h *Handlers) Register(a *api.API) {
	h.registerAppend(a)
	h.registerSearch(a)
	h.registerPersons(a)
	h.registerEntries(a)
	h.registerLog(a)
	h.registerSettings(a)
	h.registerKeys(a)
	h.registerHolds(a)
}

func (h *Handlers) mask(p actor.Principal) event.Masker {
	if h.Mask == nil {
		return nil
	}
	return h.Mask(p)
}

// reveal records what a request has shown, when there is anything.
func (h *Handlers) reveal(ctx context.Context, p actor.Principal, t *tally, r Revealed) error {
	if h.Reads == nil || t == nil || t.events == 0 {
		return nil
	}
	r.Events, r.Categories = t.events, t.list()
	return h.Reads.Reveal(context.WithoutCancel(ctx), p, r)
}

func (h *Handlers) read(p actor.Principal, operation string, n int) {
	if h.Reads != nil && n > 0 {
		h.Reads.Read(p, operation, n)
	}
}

// By is the actor of an event that p causes.
func By(p actor.Principal) event.Actor {
	a := event.Actor{Type: p.Type(), ID: p.ID(), Name: p.Name, Email: p.Email}
	a.Roles = slices.Clone(p.Roles)
	return a
}

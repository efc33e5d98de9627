package export

import (
	"context"
	"database/sql"
	"io"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
)

// Source is where events come from. Implementations MUST apply the rights of viewer: what yield gets is what that person may see.
type Source interface {
	// Permit refuses, as Forbidden, a filter with conditions on values that the viewer does not see as they are. It reads no event.
	Permit(ctx context.Context, tenantID string, f Filter, viewer actor.Principal) error
	// Count returns how many events match, for showing progress; an estimate will do.
	Count(ctx context.Context, tenantID string, f Filter) (int64, error)
	// Records hands out the matching events in runs. work is called by several goroutines at once, each with another run; what it returns is called in the
	// order of seq, one after the other, by the goroutine that called Records. The records of a run may be changed; they are valid until that second function
	// returns. An error of either ends the call and comes back.
	Records(ctx context.Context, tenantID string, f Filter, viewer actor.Principal, work func(run []*event.Record) (finish func() error, err error)) error
	// Next returns the seq that the next event of a tenant will have.
	Next(ctx context.Context, tenantID string) (uint64, error)
	// LogInfo returns the tenant's newest checkpoint.
	LogInfo(ctx context.Context, tenantID string) (LogInfo, error)
	// Bundle writes a proof bundle of the matching events and calls progress as it goes (total is -1 while unknown).
	Bundle(ctx context.Context, tenantID string, f Filter, viewer actor.Principal, o BundleOptions, w io.Writer, progress func(done, total int64)) error
}

// BundleOptions choose between variants of a proof bundle.
type BundleOptions struct {
	// Proof is "range" (nothing of the range was left out) or "inclusion" (each event by itself).
	Proof string
	// Epoch is the epoch of the log that the bundle is of; nil leaves it to the source.
	Epoch *int64
	Title string
}

// Recorder records an event of the product in a tenant's ledger together with its effect: both or neither, in one transaction. When
// effect returns an error, nothing is recorded and that error comes back. Effect may run more than once, each time in a transaction
// of which the earlier ones left nothing.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Sealer encrypts what a job row must keep and nobody may read in the database.
type Sealer interface {
	Seal(tenantID string, b []byte) ([]byte, error)
	Open(tenantID string, sealed []byte) ([]byte, error)
}

// Notifier tells people outside that an export has ended. It runs in the transaction that stores the end; its error keeps the end from being stored.
type Notifier interface {
	ExportEnded(ctx context.Context, tx *sql.Tx, tenantID string, e Ended) error
}

// Ended is what a [Notifier] is told.
type Ended struct {
	ID, Format string
	// Failed says that there is no file.
	Failed      bool
	Rows, Bytes int64
	// User is the id of the user who asked; "" when an API key or the server did.
	User string
	// Mail says that a link was asked for by e-mail.
	Mail bool
	// ExpiresAt is when the file goes.
	ExpiresAt time.Time
}

// DB is the database (see package sqldb).
type DB interface {
	Read(ctx context.Context) *sql.DB
	Write(ctx context.Context, fn func(tx *sql.Tx) error) error
}

// Tenants tells what a tenant's settings say about exports. It is asked when an export is requested and again when it runs.
type Tenants interface {
	ExportSettings(ctx context.Context, tenantID string) (TenantSettings, error)
}

// TenantSettings are a tenant's settings as far as they concern exports.
type TenantSettings struct {
	// Name is the tenant's name for people.
	Name string
	// Location is the tenant's time zone; UTC when nil.
	Location *time.Location
	// Formats are the allowed formats; all of them when nil.
	Formats []string
	// Anonymise is what exports must hide beyond masking.
	Anonymise Anonymisation
	// PseudonymKey is a secret of the tenant that never changes, for naming persons (at least 32 random bytes).
	PseudonymKey []byte
}

package notify

import (
	"context"
	"database/sql"
	"time"

	"probity.dev/ledger/event"
	"probity.dev/notify/send"
)

// Recorder records an event of the product in a tenant's ledger together with its effect: both or neither, in one transaction. When
// effect returns an error, nothing is recorded and that error comes back. Effect may run more than once, each time in a transaction
// of which the earlier ones left nothing.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Sealer encrypts what nobody may read in the database. The label names what is sealed, and opens nothing else.
type Sealer interface {
	Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
	Unseal(ctx context.Context, tenantID, label string, sealed []byte) ([]byte, error)
}

// DB is the database (see package sqldb).
type DB interface {
	Read(ctx context.Context) *sql.DB
	Write(ctx context.Context, fn func(tx *sql.Tx) error) error
}

// Queue carries deliveries to whoever calls [Service.Deliver]. Enqueue runs in the transaction that stores the delivery, or that puts off its next attempt, so that a job exists
// exactly when the delivery waits. Without a queue, the service looks for due rows itself.
type Queue interface {
	Enqueue(ctx context.Context, tx *sql.Tx, tenantID, deliveryID string, at time.Time) error
}

// Sender makes one attempt; [send.Sender] is one.
type Sender interface {
	Send(ctx context.Context, kind string, set *send.Settings, m *send.Message) send.Outcome
	Check(kind string, set *send.Settings) error
}

package pg

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"probity.dev/test/bench/load"
)

// The searches, each for one page of 50 with the newest first.
const (
	pageColumns = `SELECT id, occurred_at, actor, action, resource_type, resource_id, outcome, payload FROM audit_events WHERE tenant = $1 `
	pageOrder   = ` ORDER BY occurred_at DESC LIMIT 50`

	newestSQL   = pageColumns + pageOrder
	resourceSQL = pageColumns + `AND resource_type = $2 AND resource_id = $3` + pageOrder
	actorSQL    = pageColumns + `AND actor = $2` + pageOrder
	dayActSQL   = pageColumns + `AND occurred_at >= $2 AND occurred_at < $3 AND action = $4` + pageOrder
	textSQL     = pageColumns + `AND occurred_at >= $2 AND occurred_at < $3 AND payload::text ILIKE '%' || $4 || '%'` + pageOrder
)

// Reader asks for pages over one connection.
type Reader struct{ conn *pgx.Conn }

// NewReader returns a reader on c, which it then owns.
func NewReader(c *pgx.Conn) *Reader { return &Reader{conn: c} }

// Close closes the connection.
func (r *Reader) Close(ctx context.Context) error { return r.conn.Close(ctx) }

// Newest reads the newest page and returns how many rows it has.
func (r *Reader) Newest(ctx context.Context) (int, error) { return r.page(ctx, newestSQL, load.Tenant) }

// ByResource reads the newest page of one resource.
func (r *Reader) ByResource(ctx context.Context, typ, id string) (int, error) {
	return r.page(ctx, resourceSQL, load.Tenant, typ, id)
}

// ByActor reads the newest page of one actor.
func (r *Reader) ByActor(ctx context.Context, actor string) (int, error) {
	return r.page(ctx, actorSQL, load.Tenant, actor)
}

// ByDayAndAction reads the newest page of one action within a time range.
func (r *Reader) ByDayAndAction(ctx context.Context, from, to time.Time, action string) (int, error) {
	return r.page(ctx, dayActSQL, load.Tenant, from, to, action)
}

// ByText reads the newest page of events within a time range whose payload contains text, whatever the case.
func (r *Reader) ByText(ctx context.Context, from, to time.Time, text string) (int, error) {
	return r.page(ctx, textSQL, load.Tenant, from, to, text)
}

func (r *Reader) page(ctx context.Context, sql string, args ...any) (int, error) {
	rows, err := r.conn.Query(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	var id [16]byte
	var at time.Time
	var actor, action, typ, rid, outcome string
	var payload json.RawMessage
	n := 0
	_, err = pgx.ForEachRow(rows, []any{&id, &at, &actor, &action, &typ, &rid, &outcome, &payload}, func() error {
		n++
		return nil
	})
	return n, err
}

// Analyze brings the planner's statistics up to date, as a table at rest would have them.
func (r *Reader) Analyze(ctx context.Context) error {
	_, err := r.conn.Exec(ctx, "ANALYZE audit_events")
	return err
}

// Inserter stores single events over one connection with a prepared statement.
type Inserter struct{ conn *pgx.Conn }

// NewInserter prepares the statement on c, which the inserter then owns.
func NewInserter(ctx context.Context, c *pgx.Conn) (*Inserter, error) {
	_, err := c.Prepare(ctx, "insert_event", InsertSQL)
	return &Inserter{conn: c}, err
}

// Close closes the connection.
func (i *Inserter) Close(ctx context.Context) error { return i.conn.Close(ctx) }

// Insert stores e in a transaction of its own; when it returns nil the event is durable.
func (i *Inserter) Insert(ctx context.Context, e *load.Event) error {
	_, err := i.conn.Exec(ctx, "insert_event", e.ID, load.Tenant, time.UnixMicro(e.OccurredAt), e.Actor, e.Action, e.ResourceType, e.ResourceID,
		e.Outcome, json.RawMessage(e.JSON))
	return err
}

// ExportCSV copies the whole table out as CSV, in no particular order, and returns how many rows it wrote and how long it took.
func (r *Reader) ExportCSV(ctx context.Context) (int64, time.Duration, error) {
	start := time.Now()
	tag, err := r.conn.PgConn().CopyTo(ctx, io.Discard, "COPY audit_events TO STDOUT (FORMAT csv)")
	return tag.RowsAffected(), time.Since(start), err
}

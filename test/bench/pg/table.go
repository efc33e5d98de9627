package pg

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"

	"probity.dev/test/bench/load"
)

// Schema is the table. The payload is the whole event as it came, since that is what has to be given back.
const Schema = `
CREATE TABLE audit_events (
	id            uuid        PRIMARY KEY,
	tenant        bigint      NOT NULL,
	occurred_at   timestamptz NOT NULL,
	actor         text        NOT NULL,
	action        text        NOT NULL,
	resource_type text        NOT NULL,
	resource_id   text        NOT NULL,
	outcome       text        NOT NULL,
	payload       jsonb       NOT NULL
);
CREATE INDEX audit_events_time     ON audit_events (tenant, occurred_at);
CREATE INDEX audit_events_actor    ON audit_events (tenant, actor, occurred_at);
CREATE INDEX audit_events_action   ON audit_events (tenant, action, occurred_at);
CREATE INDEX audit_events_resource ON audit_events (tenant, resource_type, resource_id, occurred_at);
`

// CreateTable makes the empty table.
func CreateTable(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, Schema)
	return err
}

// Copier loads batches over one connection, each batch one COPY and so one durable transaction. It writes the rows in
// PostgreSQL's binary COPY format itself, which costs the client next to nothing.
type Copier struct {
	conn *pgx.Conn
	buf  []byte
}

// NewCopier returns a copier on c, which it then owns.
func NewCopier(c *pgx.Conn) *Copier { return &Copier{conn: c} }

// Close closes the connection.
func (k *Copier) Close(ctx context.Context) error { return k.conn.Close(ctx) }

// copyHeader is the signature, no flags, no header extension.
var copyHeader = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// pgEpoch is 2000-01-01 in microseconds since 1970.
const pgEpoch = 946684800 * 1_000_000

// Load stores events in one transaction; when it returns nil they are durable.
func (k *Copier) Load(ctx context.Context, events []load.Event) error {
	b := append(k.buf[:0], copyHeader...)
	for i := range events {
		e := &events[i]
		b = binary.BigEndian.AppendUint16(b, 9)
		b = appendField(b, e.ID[:])
		b = binary.BigEndian.AppendUint32(b, 8)
		b = binary.BigEndian.AppendUint64(b, uint64(load.Tenant))
		b = binary.BigEndian.AppendUint32(b, 8)
		b = binary.BigEndian.AppendUint64(b, uint64(e.OccurredAt-pgEpoch))
		b = appendField(b, e.Actor)
		b = appendField(b, e.Action)
		b = appendField(b, e.ResourceType)
		b = appendField(b, e.ResourceID)
		b = appendField(b, e.Outcome)
		b = binary.BigEndian.AppendUint32(b, uint32(len(e.JSON)+1))
		b = append(b, 1) // version of jsonb's binary form
		b = append(b, e.JSON...)
	}
	b = binary.BigEndian.AppendUint16(b, 0xffff)
	k.buf = b
	tag, err := k.conn.PgConn().CopyFrom(ctx, bytes.NewReader(b), "COPY audit_events FROM STDIN (FORMAT binary)")
	if err == nil && tag.RowsAffected() != int64(len(events)) {
		err = fmt.Errorf("%d rows stored of %d", tag.RowsAffected(), len(events))
	}
	return err
}

func appendField[T string | []byte](b []byte, v T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

// InsertSQL stores one event with the columns in their order.
const InsertSQL = `INSERT INTO audit_events (id, tenant, occurred_at, actor, action, resource_type, resource_id, outcome, payload)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// Size is what the table takes on disk.
type Size struct {
	Rows, Heap, Toast, Total int64
	// Indexes is the size of each index by name.
	Indexes map[string]int64
}

// TableSize measures the table and its indexes. Free space inside is part of it, the write-ahead log is not.
func TableSize(ctx context.Context, c *pgx.Conn) (Size, error) {
	s := Size{Indexes: make(map[string]int64)}
	err := c.QueryRow(ctx, `SELECT (SELECT count(*) FROM audit_events), pg_relation_size('audit_events'), pg_total_relation_size('audit_events'),
		pg_table_size('audit_events') - pg_relation_size('audit_events')`).Scan(&s.Rows, &s.Heap, &s.Total, &s.Toast)
	if err != nil {
		return s, err
	}
	rows, err := c.Query(ctx, `SELECT indexrelname, pg_relation_size(indexrelid) FROM pg_stat_user_indexes WHERE relname = 'audit_events'`)
	if err != nil {
		return s, err
	}
	var name string
	var size int64
	_, err = pgx.ForEachRow(rows, []any{&name, &size}, func() error {
		s.Indexes[name] = size
		return nil
	})
	return s, err
}

package export

import (
	"io"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// ParquetRow is the schema of the Parquet format: one flat row an event. A value that is absent, withheld or erased is null;
// fields_state tells which. JSON columns hold compact JSON text.
type ParquetRow struct {
	Seq           int64     `parquet:"seq,delta"`
	RecordedAt    time.Time `parquet:"recorded_at,timestamp(microsecond),delta"`
	OccurredAt    time.Time `parquet:"occurred_at,timestamp(microsecond),delta"`
	ID            string    `parquet:"id"`
	Source        string    `parquet:"source,dict"`
	Action        string    `parquet:"action,dict"`
	Category      string    `parquet:"category,dict"`
	Activity      string    `parquet:"activity,dict"`
	Outcome       string    `parquet:"outcome,dict"`
	Severity      string    `parquet:"severity,dict"`
	OutcomeReason *string   `parquet:"outcome_reason,optional"`
	ActorType     *string   `parquet:"actor_type,optional,dict"`
	ActorID       *string   `parquet:"actor_id,optional,dict"`
	ActorName     *string   `parquet:"actor_name,optional,dict"`
	ActorEmail    *string   `parquet:"actor_email,optional,dict"`
	ActorHandle   *int64    `parquet:"actor_handle,optional"`
	ResourceType  *string   `parquet:"resource_type,optional,dict"`
	ResourceID    *string   `parquet:"resource_id,optional"`
	ResourceName  *string   `parquet:"resource_name,optional"`
	SubjectType   *string   `parquet:"subject_type,optional,dict"`
	SubjectID     *string   `parquet:"subject_id,optional"`
	SubjectName   *string   `parquet:"subject_name,optional"`
	SubjectHandle *int64    `parquet:"subject_handle,optional"`
	IP            *string   `parquet:"ip,optional,dict"`
	UserAgent     *string   `parquet:"user_agent,optional,dict"`
	SessionID     *string   `parquet:"session_id,optional"`
	RequestID     *string   `parquet:"request_id,optional"`
	CorrelationID *string   `parquet:"correlation_id,optional"`
	Reason        *string   `parquet:"reason,optional"`
	Sentence      string    `parquet:"sentence"`
	ActorRoles    *string   `parquet:"actor_roles,optional,json,dict"`
	Geo           *string   `parquet:"geo,optional,json"`
	Changes       *string   `parquet:"changes,optional,json"`
	Custom        *string   `parquet:"custom,optional,json"`
	Data          *string   `parquet:"data,optional,json"`
	FieldsState   *string   `parquet:"fields_state,optional,json,dict"`
	LeafHash      []byte    `parquet:"leaf_hash,optional"`
}

// Bounds of what the Parquet encoder holds: a row group ends at whichever comes first.
const (
	parquetGroupRows  = 122_880
	parquetGroupBytes = 96 << 20 // of values before compression
	parquetBatch      = 256
)

type parquetEncoder struct {
	w     *parquet.Writer
	row   row
	rows  []parquet.Row
	n     int
	arena []byte
	held  int64 // bytes in the current row group
	count int64
}

func newParquet(w io.Writer, o Options) (Encoder, error) {
	if len(o.Columns) > 0 {
		return nil, errs.Field("/columns", "unsupported", "Columns cannot be chosen for Parquet: its schema is fixed, and readers pick columns for free.")
	}
	e := &parquetEncoder{rows: make([]parquet.Row, parquetBatch), arena: make([]byte, 0, 1<<20)}
	schema := parquet.SchemaOf(ParquetRow{})
	for i := range e.rows {
		e.rows[i] = make(parquet.Row, 0, len(schema.Columns()))
	}
	e.w = parquet.NewWriter(w, schema, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		parquet.PageBufferSize(256<<10), parquet.CreatedBy("probity", "1", ""), parquet.DataPageStatistics(true),
		parquet.SkipPageBounds("changes"), parquet.SkipPageBounds("data"), parquet.SkipPageBounds("custom"), parquet.SkipPageBounds("sentence"),
		parquet.SkipPageBounds("user_agent"), parquet.SkipPageBounds("fields_state"), parquet.SkipPageBounds("leaf_hash"))
	return e, nil
}

func (e *parquetEncoder) Begin(m Meta) error {
	for k, v := range map[string]string{"probity.title": m.Title, "probity.log_origin": m.Log.Origin, "probity.checkpoint": m.Log.Checkpoint,
		"probity.vkey": m.Log.VKey, "probity.masking": m.Masking, "probity.requested_by": m.RequestedBy} {
		if v != "" {
			e.w.SetKeyValueMetadata(k, v)
		}
	}
	if !m.GeneratedAt.IsZero() {
		e.w.SetKeyValueMetadata("probity.generated_at", m.GeneratedAt.UTC().Format(time.RFC3339))
	}
	return nil
}

func (e *parquetEncoder) Write(r *event.Record) error {
	e.row.load(r)
	start := len(e.arena)
	e.rows[e.n] = e.fill(e.rows[e.n][:0], r)
	e.held += int64(len(e.arena)-start) + 64
	e.count++
	e.n++
	if e.n < len(e.rows) && len(e.arena) < 4<<20 {
		return nil
	}
	return e.drain(false)
}

// drain hands the batch to the writer, which copies it, and ends the row group when it is full.
func (e *parquetEncoder) drain(last bool) error {
	if _, err := e.w.WriteRows(e.rows[:e.n]); err != nil {
		return err
	}
	e.n, e.arena = 0, e.arena[:0]
	if e.count >= parquetGroupRows || e.held >= parquetGroupBytes || last {
		e.held, e.count = 0, 0
		return e.w.Flush()
	}
	return nil
}

func (e *parquetEncoder) End(s Summary) error {
	e.w.SetKeyValueMetadata("probity.rows", strconv.FormatInt(s.Rows, 10))
	if e.n > 0 {
		if err := e.drain(true); err != nil {
			return err
		}
	}
	return e.w.Close()
}

// fill appends the row's values in the order of [ParquetRow].
func (e *parquetEncoder) fill(row parquet.Row, r *event.Record) parquet.Row {
	c := &e.row.cells
	p := parquetFill{row: row, arena: e.arena}
	p.int(int64(r.Seq))
	p.int(r.RecordedAt.UnixMicro())
	p.int(r.OccurredAt.UnixMicro())
	for _, s := range [...]string{r.ID, r.Source, r.Action, r.Category, r.Activity, r.Outcome, r.Severity} {
		p.arena = append(p.arena, s...)
		p.bytes(len(s), 0)
	}
	p.field(c.outcomeReason)
	p.field(c.actorType)
	p.field(c.actorID)
	p.field(c.actorName)
	p.field(c.actorEmail)
	p.handle(r.ActorHandle)
	p.optional(append(p.arena, r.ResourceType...))
	p.fieldOr(c.resourceID, r.ResourceID)
	p.field(c.resourceName)
	p.field(c.subjectType)
	p.field(c.subjectID)
	p.field(c.subjectName)
	p.handle(r.SubjectHandle)
	p.field(c.ip)
	p.field(c.userAgent)
	p.field(c.sessionID)
	p.field(c.requestID)
	p.fieldOr(c.correlationID, r.CorrelationID)
	p.field(c.reason)
	before := len(p.arena)
	p.arena = r.AppendSentence(p.arena)
	p.bytes(len(p.arena)-before, 0)
	p.json(c.actorRoles)
	p.json(c.geo)
	p.optional(c.appendChanges(p.arena))
	p.optional(appendObject(p.arena, c.custom, "/custom"))
	p.optional(appendObject(p.arena, c.data, "/data"))
	p.optional(appendStates(p.arena, r.Fields))
	p.optional(append(p.arena, r.LeafHash...))
	e.arena = p.arena
	return p.row
}

// parquetFill builds one row. Values point into the arena; when that moves, earlier values keep the old one alive.
type parquetFill struct {
	row   parquet.Row
	arena []byte
}

func (p *parquetFill) int(v int64) {
	p.row = append(p.row, parquet.Int64Value(v).Level(0, 0, len(p.row)))
}

// bytes adds the last n bytes of the arena as a value of definition level level.
func (p *parquetFill) bytes(n, level int) {
	end := len(p.arena)
	p.row = append(p.row, parquet.ByteArrayValue(p.arena[end-n:end:end]).Level(0, level, len(p.row)))
}

func (p *parquetFill) null() {
	p.row = append(p.row, parquet.NullValue().Level(0, 0, len(p.row)))
}

// optional adds what grown has beyond the arena, or null when that is nothing.
func (p *parquetFill) optional(grown []byte) {
	n := len(grown) - len(p.arena)
	p.arena = grown
	if n == 0 {
		p.null()
		return
	}
	p.bytes(n, 1)
}

func (p *parquetFill) handle(h int64) {
	if h == 0 {
		p.null()
		return
	}
	p.row = append(p.row, parquet.Int64Value(h).Level(0, 1, len(p.row)))
}

func (p *parquetFill) field(f *event.Field) {
	if f == nil || f.Value == nil {
		p.null()
		return
	}
	before := len(p.arena)
	p.arena = appendPlain(p.arena, f.Value)
	p.bytes(len(p.arena)-before, 1)
}

// fieldOr adds a field, or what is known of it without the field.
func (p *parquetFill) fieldOr(f *event.Field, fallback string) {
	if f == nil {
		p.optional(append(p.arena, fallback...))
		return
	}
	p.field(f)
}

func (p *parquetFill) json(f *event.Field) {
	if f == nil || f.Value == nil {
		p.null()
		return
	}
	p.optional(append(p.arena, f.Value...))
}

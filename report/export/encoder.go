package export

import (
	"io"
	"slices"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// Encoder writes events in one format. Begin comes first, then Write for every record in seq order, then End, which completes the
// file but does not close the writer under it. An encoder is used once, by one goroutine, and keeps no record after Write returns.
// After an error, nothing else may be called.
type Encoder interface {
	Begin(m Meta) error
	Write(r *event.Record) error
	End(s Summary) error
}

// Meta describes an export before its first row is known. Formats that have no place for it (CSV, JSON, NDJSON) leave it out.
type Meta struct {
	Title  string
	Tenant string
	// FilterWords says in words, one condition a line, what was selected; Filter is the same as asked for.
	FilterWords []string
	Filter      Filter
	// RequestedBy names who asked, by pseudonym.
	RequestedBy string
	GeneratedAt time.Time
	// Location is the time zone of times in documents for people; UTC when nil.
	Location *time.Location
	// Masking says in words which masking was applied, for example "masked for role auditor".
	Masking string
	// From and To bound the selection (From included, To excluded); zero means unbounded.
	From, To time.Time
	Log      LogInfo
}

func (m *Meta) location() *time.Location {
	if m.Location == nil {
		return time.UTC
	}
	return m.Location
}

// LogInfo is what a reader needs to check an export against the log it was taken from.
type LogInfo struct {
	// Origin is the first line of the log's checkpoints.
	Origin string
	// Size is the tree size of the checkpoint, Root its root hash in standard base64.
	Size uint64
	Root string
	// SignedAt is when the checkpoint was signed; zero when unknown.
	SignedAt time.Time
	// Checkpoint is the signed note as published; VKey the verifier key that it verifies with.
	Checkpoint string
	VKey       string
}

// Summary describes an export after its last row. Only Rows is always set; the rest is collected by a [Tally], for the formats
// that say so in [NeedsSummary].
type Summary struct {
	Rows int64
	// FirstSeq and LastSeq are the extremes of what was written; zero when Rows is.
	FirstSeq, LastSeq uint64
	// ByAction, ByActor (by pseudonym) and ByOutcome are sorted by count, largest first. ByDay is sorted by day.
	ByAction, ByActor, ByOutcome []Count
	ByDay                        []Day
	// Log is the log's state after the last row was read; nil to keep that of [Meta].
	Log *LogInfo
}

// Count is how many events share a key, and how many of these did not succeed.
type Count struct {
	Key      string
	Count    int64
	Failures int64
}

// Day is the number of events that occurred on a calendar day in the export's time zone.
type Day struct {
	// Date is midnight UTC of the calendar day.
	Date     time.Time
	Count    int64
	Failures int64
}

// Options choose between variants of a format.
type Options struct {
	// Columns are the columns of CSV and PDF, in order. JSON and NDJSON write flat objects of just these columns when it is set, and
	// complete events otherwise. Names are those of [Columns]; custom.NAME and data.NAME select one member.
	Columns []string
	// BOM starts CSV with a byte order mark, which some spreadsheets need to recognise UTF-8.
	BOM bool
	// Delimiter separates CSV cells: ',' when zero; ';' suits spreadsheets in locales with a decimal comma.
	Delimiter byte
	// Location is the time zone of times in rows; UTC when nil.
	Location *time.Location
	// Pseudonym names an event's persons in the columns that must not identify anybody. It must be set for those columns.
	Pseudonym *Pseudonyms
	// TenantID goes into OCSF's metadata.tenant_uid.
	TenantID string
	// MaxRows overrides [MaxPDFRows], for tests.
	MaxRows int64
}

type format struct {
	name, contentType, extension string
	summary                      bool
	make                         func(w io.Writer, o Options) (Encoder, error)
}

var formats = []format{
	{name: "csv", contentType: "text/csv; charset=utf-8; header=present", extension: ".csv", make: newCSV},
	{name: "json", contentType: "application/json", extension: ".json", make: newJSONArray},
	{name: "ndjson", contentType: "application/x-ndjson", extension: ".ndjson", make: newNDJSON},
	{name: "ocsf", contentType: "application/x-ndjson", extension: ".ocsf.ndjson", make: newOCSF},
	{name: "parquet", contentType: "application/vnd.apache.parquet", extension: ".parquet", make: newParquet},
	{name: "pdf", contentType: "application/pdf", extension: ".pdf", summary: true, make: newPDF},
}

// FormatBundle is the proof bundle, which a [Source] writes itself.
const FormatBundle = "bundle"

// Formats returns the names of the formats that [New] encodes, and the bundle last.
func Formats() []string {
	names := make([]string, 0, len(formats)+1)
	for _, f := range formats {
		names = append(names, f.name)
	}
	return append(names, FormatBundle)
}

func lookup(name string) (format, bool) {
	if name == FormatBundle {
		return format{name: name, contentType: "application/zip", extension: ".zip"}, true
	}
	i := slices.IndexFunc(formats, func(f format) bool { return f.name == name })
	if i < 0 {
		return format{}, false
	}
	return formats[i], true
}

// New returns an encoder of the named format that writes to w. The error is Invalid for an unknown format, column or option. The
// encoder buffers; w need not.
func New(name string, w io.Writer, o Options) (Encoder, error) {
	f, ok := lookup(name)
	if !ok || f.make == nil {
		return nil, errs.Field("/format", "unknown_format", "The format is unknown. Formats are csv, json, ndjson, ocsf, parquet and pdf.")
	}
	return f.make(w, o)
}

// ContentType returns the media type of a format's files, "" for an unknown format.
func ContentType(name string) string {
	f, _ := lookup(name)
	return f.contentType
}

// Extension returns the file name extension of a format, with its dot; "" for an unknown format.
func Extension(name string) string {
	f, _ := lookup(name)
	return f.extension
}

// NeedsSummary reports whether a format's End uses more than [Summary.Rows].
func NeedsSummary(name string) bool {
	f, _ := lookup(name)
	return f.summary
}

package segment

import (
	"io"
	"iter"
	"strconv"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/format"

	"probity.dev/internal/errs"
)

// RowGroup is the largest number of rows of a row group (60 DuckDB vectors of 2,048).
const RowGroup = 122_880

const (
	maxPage       = 512 << 20 // bytes of a page before compression, on writing and on reading
	maxGroupBytes = 256 << 20 // of field values that are buffered before a row group is cut early
)

// Rows per page. Narrow columns are scanned, so their pages are large; the wide ones are fetched a few rows at a time.
const (
	scanPage  = 8_192
	textPage  = 2_048
	fetchPage = 512
)

// The columns of a working file, in file order. Bloom filters never sit on BLOB columns: DuckDB 1.5.5 silently drops matches there.
var workingColumns = []column{
	{name: "seq", kind: kindInt64, rows: scanPage},
	{name: "recorded_at", kind: kindInt64, rows: scanPage},
	{name: "occurred_at", kind: kindInt64, rows: scanPage},
	{name: "source", kind: kindString, rows: scanPage},
	{name: "action", kind: kindString, rows: scanPage, bloom: true},
	{name: "category", kind: kindString, rows: scanPage},
	{name: "activity", kind: kindString, rows: scanPage},
	{name: "outcome", kind: kindString, rows: scanPage},
	{name: "severity", kind: kindString, rows: scanPage},
	{name: "resource_type", kind: kindString, rows: scanPage},
	{name: "shape", kind: kindOpaque, rows: scanPage},
	{name: "resource_id", kind: kindString, rows: textPage, bloom: true, pages: true},
	{name: "event_id", kind: kindString, rows: fetchPage, bloom: true},
	{name: "correlation_id", kind: kindString, rows: textPage, bloom: true},
	{name: "actor", kind: kindInt64, rows: scanPage, bloom: true},
	{name: "subject", kind: kindInt64, rows: scanPage, bloom: true},
	{name: "resource", kind: kindInt64, rows: scanPage, bloom: true},
	{name: "ip", kind: kindInt64, rows: scanPage, bloom: true},
	{name: "profile", kind: kindInt64, rows: scanPage},
	{name: "nonce", kind: kindNonce, rows: fetchPage},
	{name: "clear", kind: kindBytes, rows: fetchPage},
	{name: "sealed", kind: kindBytes, rows: fetchPage},
}

// Column is a column of a working file, by its position.
type Column int

// The columns of a working file.
const (
	ColSeq Column = iota
	ColRecorded
	ColOccurred
	ColSource
	ColAction
	ColCategory
	ColActivity
	ColOutcome
	ColSeverity
	ColResourceType
	ColShape
	ColResourceID
	ColEventID
	ColCorrelationID
	ColActor
	ColSubject
	ColResource
	ColIP
	ColProfile
	ColNonce
	ColClear
	ColSealed
)

// workingWriter is the reusable state of WriteWorking: a few tens of MB that are not worth allocating per block.
type workingWriter struct {
	file    *fileWriter
	times   [3]deltaColumn
	strings [11]stringColumn
	handles [5]handleColumn
	nonce   nonceColumn
	clear   bytesColumn
	sealed  bytesColumn
	data    []columnData
	rows    int
	last    int64

	// Of the batch that is being carried over.
	entries []string
	codes   []uint32
	global  []int32
	ends    []uint32
}

var workingWriters = newShelf(func() *workingWriter {
	w := &workingWriter{file: newFileWriter(workingColumns)}
	for i := range w.times {
		w.data = append(w.data, &w.times[i])
	}
	for i := range w.strings {
		w.strings[i].dict.own = true
		w.data = append(w.data, &w.strings[i])
	}
	for i := range w.handles {
		w.data = append(w.data, &w.handles[i])
	}
	w.data = append(w.data, &w.nonce, &w.clear, &w.sealed)
	return w
})

// WriteWorking writes rows to w as a working file: zstd, row groups of at most [RowGroup] rows, bounds on every searchable column, and
// split-block bloom filters on handles and identifiers. Rows MUST come in strictly ascending order of Seq and hold valid UTF-8 in their
// strings (Shape may be anything); an error that rows yields is returned as it is. A row is not kept after the next one is asked for.
func WriteWorking(w io.Writer, rows iter.Seq2[*Row, error]) (Info, error) {
	return writeWorking(w, func(ww *workingWriter, info *Info) error {
		for r, err := range rows {
			if err != nil {
				return err
			}
			if err := ww.row(r, info); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeWorking writes the rows that fill adds.
func writeWorking(w io.Writer, fill func(*workingWriter, *Info) error) (Info, error) {
	ww := workingWriters.get()
	defer ww.release()
	var info Info
	if err := ww.file.start(w); err != nil {
		return info, err
	}
	if err := fill(ww, &info); err != nil {
		return info, err
	}
	if err := ww.flush(); err != nil {
		return info, err
	}
	meta := []format.KeyValue{
		{Key: "probity.kind", Value: "working"}, {Key: "probity.version", Value: "1"},
		{Key: "probity.first", Value: strconv.FormatInt(info.MinSeq, 10)}, {Key: "probity.last", Value: strconv.FormatInt(info.MaxSeq, 10)},
	}
	err := ww.file.finish(meta, &info)
	return info, err
}

// row adds a row, and writes the row group when that has filled it.
func (w *workingWriter) row(r *Row, info *Info) error {
	if err := w.add(r, info.Rows == 0); err != nil {
		return err
	}
	info.add(r.Seq, r.RecordedAt, r.OccurredAt)
	if w.rows == RowGroup {
		return w.flush()
	}
	return nil
}

func (w *workingWriter) release() {
	for _, d := range w.data {
		d.reset()
	}
	w.rows = 0
	clear(w.entries) // they alias a batch
	workingWriters.put(w, cap(w.clear.data)+cap(w.sealed.data))
}

func (w *workingWriter) flush() error {
	n := w.rows
	w.rows = 0
	return w.file.group(n, w.data)
}

func (w *workingWriter) add(r *Row, first bool) error {
	if !first && r.Seq <= w.last {
		return errs.New(errs.Internal, "segment: seq %d follows %d", r.Seq, w.last)
	}
	if len(w.clear.data)+len(w.sealed.data) > maxGroupBytes {
		if err := w.flush(); err != nil { // very large events: a row group of fewer rows
			return err
		}
	}
	w.last = r.Seq
	w.rows++
	w.times[0].add(r.Seq)
	w.times[1].add(r.RecordedAt)
	w.times[2].add(r.OccurredAt)
	for i, s := range r.strings() {
		if c := &w.strings[i]; !c.plain && len(c.codes) > 0 && c.last == *s {
			c.codes = append(c.codes, c.lastCode)
			continue
		}
		if col := &workingColumns[int(ColSource)+i]; col.kind == kindString && !utf8.ValidString(*s) {
			return errs.New(errs.Internal, "segment: %s of seq %d is not valid UTF-8", col.name, r.Seq)
		}
		w.strings[i].add(*s)
	}
	w.handles[0].add(r.Actor)
	w.handles[1].add(r.Subject)
	w.handles[2].add(r.Resource)
	w.handles[3].add(r.IP)
	w.handles[4].add(r.Profile)
	w.nonce.data = append(w.nonce.data, r.Nonce[:]...)
	w.clear.add(r.Clear)
	w.sealed.add(r.Sealed)
	return nil
}

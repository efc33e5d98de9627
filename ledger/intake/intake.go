package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// MaxRecord is the largest record that is looked at, in bytes. A larger one is rejected and skipped.
const MaxRecord = 1 << 20

// Item is one record of a stream.
type Item struct {
	// Event is what the record says, not yet normalised; nil when Err is set.
	Event *event.Event
	// Raw is the record as it stood in the stream, cut at MaxRecord. It is the caller's to keep.
	Raw []byte
	// Line is the line, from 1, on which the record starts in the decompressed stream.
	Line int
	// Offset is the byte at which the record starts in the decompressed stream.
	Offset int64
	// Err says why the record is no event: an [errs.Error] that repeats no value of it.
	Err error
}

// Reader yields the records of a stream.
type Reader interface {
	// Next returns the next record, and io.EOF after the last. Any other error means that the stream cannot be read further (a
	// truncated gzip file, a failing disk, a decompression limit). A record that is no event is an Item with Err set.
	Next() (*Item, error)
}

// Options says how to read a stream. The zero value recognises everything by itself.
type Options struct {
	// Name is the file's name. It helps to recognise the format and is part of made-up identifiers.
	Name string
	// Format is one of Formats, or "" or "auto" to recognise it.
	Format string
	// Mapping says how records of the formats jsonl and splunk-csv become events; nil for the built-in guesses.
	Mapping *Mapping
	// Year is the year of the first timestamp of a log that has none. When 0, it is the latest year that puts it in the past.
	Year int
	// Location is the time zone of timestamps that name none; UTC when nil.
	Location *time.Location
	// Source replaces the event source that the format would give.
	Source string
	// MaxBytes limits the decompressed stream in bytes; 0 for no limit.
	MaxBytes int64
	// MaxRatio limits the compression ratio of gzip beyond the first 64 MiB; 500 when 0.
	MaxRatio int
	// Now is the time that Year is judged by; the current time when zero.
	Now time.Time
}

// Format is a format that can be read.
type Format struct {
	Name        string
	Description string
}

// Formats returns the formats that can be named in Options, in the order in which they are recognised.
func Formats() []Format {
	return []Format{
		{"probity", "native events: an array, {\"events\": […]}, one object, or one object a line"},
		{"cloudtrail", "AWS CloudTrail: {\"Records\": […]}, an array, or one record a line"},
		{"cloudevents", "CloudEvents 1.0 in the JSON format: one event, a batch, or one event a line"},
		{"ocsf", "OCSF API Activity, Entity Management, Authentication and Account Change: one event, an array, or one a line"},
		{"otlp", "OTLP logs as JSON, one request a line or one in all"},
		{"splunk-csv", "CSV exported from Splunk, each _raw column in any of these formats; columns that Splunk derived from it are not kept"},
		{"splunk-audit", "Splunk's own audit trail (Audit:[timestamp=…, user=…, action=…])"},
		{"syslog", "syslog lines (RFC 3164, RFC 5424, ISO times); sshd, sudo and PAM messages are understood"},
		{"csv", "any CSV with a header line, with a mapping file that says what is what"},
		{"jsonl", "any JSON objects, with a mapping file that says what is what"},
	}
}

// state is what the readers of one stream share.
type state struct {
	opt    Options
	digest string
}

// Open recognises the format of r and returns a reader of its records and the format's name. A gzip stream is decompressed. The
// error is Unsupported when the format is not recognised or not known; an empty stream is "probity" without records.
func Open(r io.Reader, o Options) (Reader, string, error) {
	plain, err := gunzip(r, o)
	if err != nil {
		return nil, "", err
	}
	w := newWindow(plain)
	head, err := w.peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, "", err
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	format := o.Format
	if format == "" || format == "auto" {
		if format = detect(head, o); format == "" {
			return nil, "", errs.New(errs.Unsupported, "The format of the file was not recognised. Name it with the format option, or give a mapping file for JSON lines.")
		}
	}
	s := &state{opt: o, digest: fileDigest(o.Name, head)}
	reader, err := s.reader(format, w)
	return reader, format, err
}

func (s *state) reader(format string, w *window) (Reader, error) {
	switch format {
	case "syslog":
		return &textReader{s: s, lines: &lines{w: w}, convert: newSyslog(s).convert}, nil
	case "splunk-audit":
		return &textReader{s: s, lines: &lines{w: w, starts: auditStart}, convert: s.auditTrail}, nil
	case "splunk-csv", "csv":
		return newCSV(s, w), nil
	}
	convert, container := s.json(format)
	if convert == nil {
		return nil, errs.New(errs.Unsupported, "There is no format of this name. Known are: %s.", strings.Join(formatNames(), ", "))
	}
	return &jsonReader{s: s, frames: &frames{w: w, container: container}, convert: convert}, nil
}

// json returns the converter of a JSON format and the members that hold its list of records.
func (s *state) json(format string) (converter, []string) {
	switch format {
	case "probity":
		return s.probity, []string{"events"}
	case "cloudtrail":
		return s.cloudTrail, []string{"Records", "Events"}
	case "cloudevents":
		return s.cloudEvent, nil
	case "ocsf":
		return s.ocsf, nil
	case "otlp":
		return s.otlp, nil
	case "jsonl":
		if m := s.opt.Mapping; m != nil && m.List != "" {
			return s.mapped, []string{m.List}
		}
		return s.mapped, nil
	}
	return nil, nil
}

func formatNames() []string {
	var names []string
	for _, f := range Formats() {
		names = append(names, f.Name)
	}
	return names
}

// converter turns one record into items. It sets neither Raw, Line nor Offset, and need not set an ID.
type converter func(raw []byte) []*Item

// jsonReader reads JSON records.
type jsonReader struct {
	s       *state
	frames  *frames
	convert converter
	queue   []*Item
}

// Next implements [Reader].
func (r *jsonReader) Next() (*Item, error) {
	for len(r.queue) == 0 {
		f, err := r.frames.next()
		if err != nil {
			return nil, err
		}
		r.queue = r.s.items(f, r.convert)
	}
	it := r.queue[0]
	r.queue = r.queue[1:]
	return it, nil
}

// frame is one record as it stands in the stream.
type frame struct {
	raw    []byte
	line   int
	offset int64
	err    error
}

// items converts a frame and fills in what converters leave out.
func (s *state) items(f frame, convert converter) []*Item {
	if f.err != nil {
		return []*Item{{Raw: f.raw, Line: f.line, Offset: f.offset, Err: f.err}}
	}
	items := convert(f.raw)
	for i, it := range items {
		if it.Raw == nil {
			it.Raw = f.raw
		}
		it.Line, it.Offset = f.line, f.offset
		if it.Event != nil && it.Event.ID == "" {
			if it.Event.ID = s.lineID(f.offset); len(items) > 1 {
				it.Event.ID += "-" + strconv.Itoa(i)
			}
		}
	}
	return items
}

// textReader reads records made of lines.
type textReader struct {
	s       *state
	lines   *lines
	convert converter
}

// Next implements [Reader].
func (r *textReader) Next() (*Item, error) {
	for {
		f, err := r.lines.next()
		if err != nil {
			return nil, err
		}
		if f.err == nil && len(strings.TrimSpace(string(f.raw))) == 0 {
			continue
		}
		if f.err != nil {
			return &Item{Raw: f.raw, Line: f.line, Offset: f.offset, Err: f.err}, nil
		}
		return r.s.items(f, r.convert)[0], nil
	}
}

func fileDigest(name string, head []byte) string {
	h := sha256.New()
	io.WriteString(h, strings.TrimSuffix(path.Base(strings.ReplaceAll(name, `\`, "/")), ".gz"))
	h.Write([]byte{0})
	h.Write(head)
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// lineID returns the identifier of a record that has none of its own.
func (s *state) lineID(offset int64) string {
	return s.digest + "-" + strconv.FormatInt(offset, 10)
}

func (s *state) source(given string) string {
	if s.opt.Source != "" {
		return s.opt.Source
	}
	return clear(given)
}

func reject(pointer, code, detail string) []*Item {
	return []*Item{{Err: errs.Field(pointer, code, "%s", detail)}}
}

func one(e *event.Event) []*Item { return []*Item{{Event: e}} }

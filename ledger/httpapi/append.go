package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/intake"
)

// appendInput is the request of POST /api/events. The body is read by the operation itself, because it may be a stream.
type appendInput struct {
	Atomic  bool   `query:"atomic" doc:"Record all events or none. Without it each event is judged by itself."`
	Wait    string `query:"wait" enum:"checkpoint" doc:"With checkpoint, the answer comes when a signed checkpoint covers the events, and holds the tlog-proof of the first."`
	Dedupe  string `query:"dedupe" enum:"window,lifetime" default:"window" doc:"Where duplicates of (source, id) are looked for: the newest 10 million events, or the whole log (for imports)."`
	Results string `query:"results" enum:"all,problems" default:"all" doc:"Which per-event results to give: all, or only of events that were not accepted."`

	body        io.Reader
	length      int64 // of the body, -1 when it is not known
	contentType string
	w           http.ResponseWriter
}

// Resolve implements huma.Resolver.
func (in *appendInput) Resolve(ctx huma.Context) []error {
	r, w := humago.Unwrap(ctx)
	in.body, in.length, in.contentType, in.w = ctx.BodyReader(), r.ContentLength, ctx.Header("Content-Type"), w
	return nil
}

func (h *Handlers) registerAppend(a *api.API) {
	op := api.Op("append-events", "POST /api/events", "Record events", api.Needs(actor.LedgerAppend), api.MaxBody(-1), api.Streaming(), api.Idempotent(),
		api.Describe("Send one event, an array, `{\"events\": […]}`, newline-delimited JSON (`application/x-ndjson`, no limit of events), or CloudEvents "+
			"(`application/cloudevents+json`, `application/cloudevents-batch+json`). At most 1,000 events or 8 MiB a request, 256 KiB an event. Accepted means durable. "+
			"Each event of a list has its own result, and the status is 207 when one is rejected; a single event that is rejected answers with a problem that names the member in `errors[].pointer`. `(source, id)` is recorded once, so any request is safe to retry."), api.Errors(400, 403, 409, 413, 415, 429, 503))
	media := func(example string) *huma.MediaType { return &huma.MediaType{Example: jsontext.Value(example)} }
	sample := `{"source":"booking.app","action":"service.update","actor":{"type":"user","id":"bob","name":"Bob"},"resource":{"type":"service","id":"haircut","name":"Haircut"},"changes":[{"path":"/price","before":50,"after":10}]}`
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": media(sample), "application/x-ndjson": {}, "application/cloudevents+json": {}, "application/cloudevents-batch+json": {}}}
	op.SkipValidateBody = true
	huma.Register(a, op, h.append)
	otlp := api.Op("otlp-logs", "POST /v1/logs", "Record OpenTelemetry log records", api.Needs(actor.LedgerAppend), api.MaxBody(MaxBody),
		api.Describe("OTLP/HTTP logs, as `application/x-protobuf` or `application/json`."), api.Tag("events"))
	otlp.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/x-protobuf": {}, "application/json": {}}}
	otlp.SkipValidateBody = true
	huma.Register(a, otlp, h.otlp)
}

func (h *Handlers) append(ctx context.Context, in *appendInput) (*huma.StreamResponse, error) {
	p, err := actor.Require(ctx, actor.LedgerAppend)
	if err != nil {
		return nil, err
	}
	opt := ledger.AppendOptions{Atomic: in.Atomic, Lifetime: in.Dedupe == "lifetime", Sources: p.Sources}
	media, _, _ := mime.ParseMediaType(in.contentType)
	if media == "application/x-ndjson" || media == "application/jsonl" {
		return h.appendStream(ctx, p, in, opt)
	}
	head := &headReader{Reader: in.body}
	in.body = head
	w := workspaces.Get().(*workspace)
	defer w.release()
	items, err := w.items(in, media)
	if err != nil {
		return nil, err
	}
	r, err := h.Ledger.Append(ctx, p.TenantID, items, opt)
	if err != nil {
		return nil, err
	}
	if err := refused(r, head); err != nil {
		return nil, err
	}
	out := h.appendReceipt(nil, p.TenantID, r, in.Results != "problems", 0)
	if in.Wait == "checkpoint" && r.Accepted > 0 {
		if out, err = h.addProof(ctx, p, r, out); err != nil {
			return nil, err
		}
	}
	return raw(statusOf(r), "application/json", append(out, '\n')), nil
}

// statusOf is 201 when everything was accepted or already there, 207 when an event of a list was rejected.
func statusOf(r *ledger.Receipt) int {
	if r.Rejected > 0 {
		return http.StatusMultiStatus
	}
	return http.StatusCreated
}

func raw(status int, contentType string, body []byte) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", contentType)
		ctx.SetStatus(status)
		_, _ = ctx.BodyWriter().Write(body) // the client may be gone
	}}
}

func bodyError(err error) error {
	var known *errs.Error
	if errors.As(err, &known) {
		return known
	}
	return errs.Wrap(errs.Invalid, err, "the body could not be read to its end")
}

func foreign(r io.Reader, format string) ([]ledger.Item, error) {
	reader, _, err := intake.Open(r, intake.Options{Format: format})
	if err != nil {
		return nil, err
	}
	var items []ledger.Item
	for {
		it, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return items, nil
		}
		if err != nil {
			return nil, bodyError(err)
		}
		if items = append(items, item(it)); len(items) > MaxEvents {
			return nil, errs.New(errs.TooLarge, "one request may hold %d events", MaxEvents)
		}
	}
}

func item(it *intake.Item) ledger.Item { return itemOf(it.Event, it.Err) }

func itemOf(e *event.Event, err error) ledger.Item {
	if err == nil {
		return ledger.Item{Event: e}
	}
	var bad *errs.Error
	if !errors.As(err, &bad) {
		bad = errs.Wrap(errs.Invalid, err, "the record could not be read")
	}
	return ledger.Item{Err: bad}
}

type otlpInput struct {
	body        io.Reader
	contentType string
}

// Resolve implements huma.Resolver.
func (in *otlpInput) Resolve(ctx huma.Context) []error {
	in.body, in.contentType = ctx.BodyReader(), ctx.Header("Content-Type")
	return nil
}

// otlp answers as OTLP asks: rejected records are counted in partialSuccess, and the request succeeds.
func (h *Handlers) otlp(ctx context.Context, in *otlpInput) (*huma.StreamResponse, error) {
	p, err := actor.Require(ctx, actor.LedgerAppend)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(in.body)
	if err != nil {
		return nil, bodyError(err)
	}
	found, err := intake.OTLP(body, in.contentType)
	if err != nil {
		return nil, err
	}
	items := make([]ledger.Item, len(found))
	for i, it := range found {
		items[i] = item(it)
	}
	r, err := h.Ledger.Append(ctx, p.TenantID, items, ledger.AppendOptions{Sources: p.Sources})
	if err != nil {
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(in.contentType)
	contentType, answer, err := otlpResponse(media, r.Rejected)
	if err != nil {
		return nil, err
	}
	return raw(http.StatusOK, contentType, answer), nil
}

const (
	streamBatch = 1000
	streamPause = 50 * time.Millisecond // after which what has arrived is recorded, full batch or not
)

// appendStream records a stream of lines as it arrives and answers with a line for each batch, so that a client that is cut off knows what is durable.
func (h *Handlers) appendStream(ctx context.Context, p actor.Principal, in *appendInput, opt ledger.AppendOptions) (*huma.StreamResponse, error) {
	if in.Atomic {
		return nil, errs.New(errs.Invalid, "a stream cannot be atomic; send an array")
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		rc := http.NewResponseController(in.w)
		_ = rc.EnableFullDuplex() // HTTP/2 always is
		c.SetHeader("Content-Type", "application/x-ndjson")
		c.SetStatus(http.StatusOK)
		s := &lineStream{h: h, ctx: ctx, tenant: p.TenantID, opt: opt, all: in.Results == "all", w: c.BodyWriter(), flush: rc.Flush}
		s.run(in.body)
	}}, nil
}

type lineStream struct {
	h      *Handlers
	ctx    context.Context
	tenant string
	opt    ledger.AppendOptions
	all    bool
	w      io.Writer
	flush  func() error

	first int // index of the batch's first line
	items []ledger.Item
	total ledger.Receipt
}

func (s *lineStream) run(body io.Reader) {
	lines := make(chan ledger.Item, streamBatch)
	var readErr error
	go func() {
		defer close(lines)
		readErr = readLines(body, func(it ledger.Item) bool {
			select {
			case lines <- it:
				return true
			case <-s.ctx.Done():
				return false
			}
		})
	}()
	timer := time.NewTimer(streamPause)
	defer timer.Stop()
	for {
		timer.Reset(streamPause)
		select {
		case it, more := <-lines:
			if !more {
				err := s.record()
				if err == nil {
					err = readErr
				}
				s.end(err)
				return
			}
			if s.items = append(s.items, it); len(s.items) < streamBatch {
				continue
			}
		case <-timer.C:
		}
		if err := s.record(); err != nil {
			s.end(err)
			for range lines { //nolint:revive // the reader must not be left blocked
			}
			return
		}
	}
}

func readLines(body io.Reader, yield func(ledger.Item) bool) error {
	sc := bufio.NewScanner(body)
	sc.Buffer(make([]byte, 64<<10), event.MaxBytes+4096)
	for sc.Scan() {
		line := bytes.TrimSpace(sc.Bytes())
		if len(line) == 0 {
			continue
		}
		e, err := event.Parse(line)
		if !yield(itemOf(e, err)) {
			return nil
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return errs.New(errs.TooLarge, "a line is longer than the 256 KiB that an event may have; what came before it is recorded")
	}
	if sc.Err() != nil {
		return bodyError(sc.Err())
	}
	return nil
}

// record appends the batch. Overload is waited out: the sender is held back by the stream itself.
func (s *lineStream) record() error {
	if len(s.items) == 0 {
		return nil
	}
	var r *ledger.Receipt
	for {
		var err error
		if r, err = s.h.Ledger.Append(s.ctx, s.tenant, s.items, s.opt); err == nil {
			break
		}
		if errs.CodeOf(err) != errs.Throttled || s.ctx.Err() != nil {
			return err
		}
		time.Sleep(streamPause)
	}
	s.total.Accepted += r.Accepted
	s.total.Duplicates += r.Duplicates
	s.total.Rejected += r.Rejected
	s.total.Disabled += r.Disabled
	line := s.h.appendReceipt(nil, s.tenant, r, s.all, s.first)
	s.first += len(s.items)
	s.items = s.items[:0]
	if _, err := s.w.Write(append(line, '\n')); err != nil {
		return err
	}
	return s.flush()
}

func (s *lineStream) end(err error) {
	b := []byte(`{"done":` + strconv.FormatBool(err == nil))
	b = appendCounts(b, &s.total)
	if err != nil {
		b = append(b, `,"error":`...)
		b = appendError(b, &errs.Error{Code: errs.CodeOf(err), Message: errs.Message(err)})
	}
	_, _ = s.w.Write(append(b, '}', '\n')) // the client may be gone
}

func appendCounts(b []byte, r *ledger.Receipt) []byte {
	for _, x := range [...]struct {
		name string
		n    int
	}{{"accepted", r.Accepted}, {"duplicates", r.Duplicates}, {"rejected", r.Rejected}, {"disabled", r.Disabled}} {
		b = append(append(append(b, `,"`...), x.name...), `":`...)
		b = strconv.AppendInt(b, int64(x.n), 10)
	}
	return b
}

func appendHashes(b []byte, list []tlog.Hash) []byte {
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(base64.StdEncoding.AppendEncode(append(b, '"'), list[i][:]), '"')
	}
	return append(b, ']')
}

// appendReceipt writes a receipt as JSON. A batch of a thousand events has a thousand results, so this does without reflection.
func (h *Handlers) appendReceipt(b []byte, _ string, r *ledger.Receipt, all bool, offset int) []byte {
	size := 512 + len(r.Promise) + len(r.Promise)/8
	if all {
		size += len(r.Results) * 160
	}
	b = slices.Grow(b, size)
	b = append(b, `{"first_index":`...)
	b = strconv.AppendInt(b, int64(offset), 10)
	b = appendCounts(b, r)
	if r.Accepted > 0 {
		b = append(b, `,"first_seq":`...)
		b = strconv.AppendUint(b, r.First, 10)
		b = append(b, `,"recorded_at":"`...)
		b = r.RecordedAt.AppendFormat(b, time.RFC3339Nano)
		b = append(b, `","promise":`...)
		b, _ = jsontext.AppendQuote(b, r.Promise)
		if p := r.PromiseProof; p != nil {
			b = appendHashes(append(b, `,"promise_proof":{"left":`...), p.Left)
			b = append(appendHashes(append(b, `,"right":`...), p.Right), '}')
		}
		b = append(b, `,"proof_url":"`...)
		b = append(append(b, h.PublicURL...), "/api/events/"...)
		b = strconv.AppendUint(b, r.First, 10)
		b = append(b, `/proof"`...)
	}
	b = append(b, `,"results":[`...)
	comma := false
	for i := range r.Results {
		x := &r.Results[i]
		if !all && x.Status == ledger.StatusAccepted {
			continue
		}
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = appendResult(b, x, offset)
	}
	return append(b, ']', '}')
}

func appendResult(b []byte, x *ledger.Result, offset int) []byte {
	b = append(b, `{"index":`...)
	b = strconv.AppendInt(b, int64(offset+x.Index), 10)
	b = append(append(append(b, `,"status":"`...), x.Status...), '"')
	if x.Status == ledger.StatusAccepted || x.Status == ledger.StatusDuplicate {
		b = append(b, `,"seq":`...)
		b = strconv.AppendUint(b, x.Seq, 10)
		b = append(b, `,"id":`...)
		b = appendQuoted(b, x.ID)
	}
	if x.Status == ledger.StatusAccepted {
		b = append(b, `,"leaf_hash":"`...)
		b = base64.StdEncoding.AppendEncode(b, x.LeafHash[:])
		b = append(b, '"')
	}
	if x.Err != nil {
		b = append(b, `,"error":`...)
		b = appendError(b, x.Err)
	}
	return append(b, '}')
}

// appendQuoted quotes s as JSON. An id is hardly ever anything but letters, digits and hyphens, for which the library is slow.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			b, _ = jsontext.AppendQuote(b, s)
			return b
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func appendError(b []byte, e *errs.Error) []byte {
	b = append(append(append(b, `{"code":"`...), e.Code...), `","detail":`...)
	b, _ = jsontext.AppendQuote(b, e.Message)
	b = append(b, `,"errors":[`...)
	for i, f := range e.Fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"pointer":`...)
		b, _ = jsontext.AppendQuote(b, f.Pointer)
		b = append(b, `,"code":`...)
		b, _ = jsontext.AppendQuote(b, f.Code)
		b = append(b, `,"detail":`...)
		b, _ = jsontext.AppendQuote(b, f.Detail)
		b = append(b, '}')
	}
	return append(b, ']', '}')
}

// addProof puts the tlog-proof of the first accepted event into a receipt.
func (h *Handlers) addProof(ctx context.Context, p actor.Principal, r *ledger.Receipt, receipt []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	proof, err := h.Ledger.Prove(ctx, p.TenantID, r.First, h.mask(p))
	if err != nil {
		return nil, err
	}
	b := append(receipt[:len(receipt)-1], `,"tlog_proof":`...)
	if b, err = jsontext.AppendQuote(b, proof.TLogProof); err != nil {
		return nil, err
	}
	return append(b, '}'), nil
}

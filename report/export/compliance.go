package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// MaxInline is the most bytes of a compliance log that are answered at once; a larger one becomes an export (mission row A6).
const MaxInline = 10 << 20

// ComplianceRequest asks for a compliance log. Bounds are included; a date without a time means the whole day in the tenant's time
// zone. "" and empty lists mean no filter.
type ComplianceRequest struct {
	StartDate string
	EndDate   string
	UserIDs   []string
	Actions   []string
	// Format is csv (the default), json or pdf.
	Format string
}

// ComplianceLog is the answer: the file itself, or the export that will hold it.
type ComplianceLog struct {
	Body        []byte
	ContentType string
	FileName    string
	Export      *Export // set when the file is too large to answer at once
}

// request turns the inclusive bounds of a compliance log into the half-open ones of a filter.
func (c *ComplianceRequest) request(loc *time.Location) (Request, error) {
	r := Request{Format: c.Format, Compliance: true, Filter: Filter{Time: "occurred", Actor: given(c.UserIDs), Action: given(c.Actions)}}
	if r.Format == "" {
		r.Format = "csv"
	}
	from, _, err := bound(c.StartDate, loc)
	if err != nil {
		return r, errs.Field("/start_date", "wrong_format", "%s", errs.Message(err))
	}
	_, to, err := bound(c.EndDate, loc)
	if err != nil {
		return r, errs.Field("/end_date", "wrong_format", "%s", errs.Message(err))
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return r, errs.Field("/end_date", "before_start", "The end is before the start.")
	}
	if !from.IsZero() {
		r.Filter.From = from.Format(time.RFC3339Nano)
	}
	if !to.IsZero() {
		r.Filter.To = to.Format(time.RFC3339Nano)
	}
	return r, nil
}

func given(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// bound returns the first moment that a bound means, and the first one after it: a date means all of its day, a minute all of its
// minute, a second all of its second, and a fraction of a second its microsecond.
func bound(s string, loc *time.Location) (first, after time.Time, err error) {
	if s == "" {
		return first, after, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, loc); err == nil {
		return t, t.AddDate(0, 0, 1), nil
	}
	for _, l := range []struct {
		layout string
		unit   time.Duration
	}{
		{"2006-01-02T15:04:05Z07:00", time.Second}, {"2006-01-02T15:04Z07:00", time.Minute},
		{"2006-01-02T15:04:05", time.Second}, {"2006-01-02T15:04", time.Minute}, {"2006-01-02 15:04:05", time.Second}, {"2006-01-02 15:04", time.Minute},
	} {
		t, err := time.ParseInLocation(l.layout, s, loc) // it also takes a fraction of a second
		if err != nil {
			continue
		}
		if t.Nanosecond() != 0 {
			t = t.Truncate(time.Microsecond)
			return t, t.Add(time.Microsecond), nil
		}
		return t, t.Add(l.unit), nil
	}
	return first, after, errs.New(errs.Invalid, "This is no date (2026-01-31) and no time (2026-01-31T12:00:00Z).")
}

// Compliance makes a compliance log for the caller, who needs exports.create. It is recorded before anything is returned.
func (s *Service) Compliance(ctx context.Context, by actor.Principal, c ComplianceRequest) (*ComplianceLog, error) {
	settings, err := s.o.Tenants.ExportSettings(ctx, by.TenantID)
	if err != nil {
		return nil, err
	}
	loc := settings.Location
	if loc == nil {
		loc = time.UTC
	}
	r, err := c.request(loc)
	if err != nil {
		return nil, err
	}
	if err := s.Check(ctx, by, &r); err != nil {
		return nil, err
	}
	select {
	case s.direct <- struct{}{}:
		defer func() { <-s.direct }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var out limitedBuffer
	at := &running{}
	err = guard(func() error { return s.produce(ctx, by.TenantID, &r, by, &out, at, nil) })
	if errors.Is(err, errTooLong) {
		e, err := s.Create(ctx, by, r)
		return &ComplianceLog{Export: e}, err
	}
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	j := &job{id: id.String(), tenant: by.TenantID, kind: kindCompliance, format: r.Format, createdAt: s.now()}
	hash := sha256.Sum256(out.Bytes())
	e := createEvent(ctx, by, j, &r)
	e.Data = append(e.Data, selfaudit.Member("rows", at.rows.Load()), selfaudit.Member("bytes", out.Len()), selfaudit.Member("sha256", hex.EncodeToString(hash[:])), selfaudit.Member("delivery", "inline"))
	if err := s.record(ctx, by.TenantID, e); err != nil {
		return nil, err
	}
	return &ComplianceLog{Body: out.Bytes(), ContentType: ContentType(r.Format), FileName: fileName(j)}, nil
}

// record records an event that has no effect of its own.
func (s *Service) record(ctx context.Context, tenantID string, e *event.Event) error {
	return s.o.Recorder.Record(ctx, tenantID, e, func(context.Context, *sql.Tx) error { return nil })
}

var errTooLong = errors.New("longer than may be answered at once")

// limitedBuffer is a buffer that refuses to grow over MaxInline.
type limitedBuffer struct{ bytes.Buffer }

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > MaxInline {
		return 0, errTooLong
	}
	return b.Buffer.Write(p)
}

package export

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"io"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// streamProgress is how often the progress of a stream is told.
const streamProgress = 200 * time.Millisecond

// Stream writes an export straight to w, for a caller that waits for it: without a job, a file in between, or a download. It is checked and recorded like an
// export that is queued. progress, which may be nil, is told the rows written and their number, -1 while that is unknown; it is not called after Stream has returned.
func (s *Service) Stream(ctx context.Context, by actor.Principal, r Request, w io.Writer, progress func(done, total int64)) (rows int64, err error) {
	if err := s.Check(ctx, by, &r); err != nil {
		return 0, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return 0, err
	}
	j := &job{id: id.String(), tenant: by.TenantID, requestedBy: by.ID(), kind: kindEvents, format: r.Format, createdAt: s.now()}
	if err := s.o.Recorder.Record(ctx, by.TenantID, createEvent(ctx, by, j, &r), noEffect); err != nil {
		return 0, err
	}
	at := &running{}
	at.total.Store(-1)
	out := &countingWriter{w: w}
	hash := sha256.New()
	stop := at.follow(ctx, s, by.TenantID, &r, progress)
	err = guard(func() error { return s.produce(ctx, by.TenantID, &r, by, io.MultiWriter(out, hash), at, nil) })
	stop()
	res, failure := result{rows: at.rows.Load(), bytes: out.n, sha256: hex.EncodeToString(hash.Sum(nil))}, ""
	if err != nil {
		failure = errs.Message(err)
		if ctx.Err() != nil {
			failure = "The export was interrupted."
		}
	}
	if e := s.o.Recorder.Record(context.WithoutCancel(ctx), by.TenantID, endEvent(ctx, j, by, res, failure), noEffect); err == nil {
		err = e
	}
	return res.rows, err
}

// noEffect is that of an export which leaves nothing behind but its events.
func noEffect(context.Context, *sql.Tx) error { return nil }

// follow counts what there is to write and tells progress how far it is, until the function that it returns is called.
func (r *running) follow(ctx context.Context, s *Service, tenantID string, req *Request, progress func(done, total int64)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		if n, err := s.o.Source.Count(ctx, tenantID, req.Filter); err == nil {
			r.total.CompareAndSwap(-1, n)
		}
	}()
	go func() {
		defer close(ended)
		tick := time.NewTicker(streamProgress)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				progress(r.rows.Load(), r.total.Load())
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		progress(r.rows.Load(), r.total.Load())
	}
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

package export

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
)

// running is an export that this node is writing.
type running struct {
	cancel context.CancelCauseFunc
	rows   atomic.Int64
	total  atomic.Int64 // -1 while unknown
	file   atomic.Pointer[sealedFile]
}

func (r *running) bytes() int64 {
	if f := r.file.Load(); f != nil {
		return f.bytes.Load()
	}
	return 0
}

// progress puts what is newer than the row into a view.
func (r *running) progress(v *Export) {
	v.RowsDone, v.Bytes = r.rows.Load(), r.bytes()
	if total := r.total.Load(); total >= 0 {
		v.RowsTotal = &total
	}
}

// Why the context of a running export ends.
var (
	errCancelled = errors.New("the export was cancelled")
	errStopping  = errors.New("the server is stopping")
)

// Start puts back what a crash interrupted, removes what it left on the disk, and begins to work. It returns at once; [Service.Close] stops the work.
func (s *Service) Start(ctx context.Context) error {
	if err := s.o.DB.Write(ctx, func(tx *sql.Tx) error { return requeueJobs(ctx, tx, s.o.Node) }); err != nil {
		return err
	}
	if err := s.removeStrays(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	s.mu.Lock()
	s.stop = stop
	s.mu.Unlock()
	for range s.o.Workers {
		s.done.Go(func() { s.work(ctx) })
	}
	s.done.Go(func() { s.clean(ctx) })
	return nil
}

// Close stops the work and waits for it. Exports that are being written go back to the queue.
func (s *Service) Close() {
	s.mu.Lock()
	stop := s.stop
	s.mu.Unlock()
	if stop != nil {
		stop(errStopping)
	}
	s.done.Wait()
}

func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// interrupt ends an export that runs here; one that runs elsewhere notices at its next progress.
func (s *Service) interrupt(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.running[id]; r != nil {
		r.cancel(errCancelled)
	}
}

func (s *Service) work(ctx context.Context) {
	for ctx.Err() == nil {
		j, err := s.claim(ctx)
		if err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "no export could be taken from the queue", slog.Any("error", err))
		}
		if j != nil {
			s.nudge() // there may be more for the other worker
			s.run(ctx, j)
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-time.After(pollEvery):
		}
	}
}

func (s *Service) claim(ctx context.Context) (j *job, err error) {
	err = s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		now := s.now()
		j, err = claimJob(ctx, tx, s.o.Node, now, now+leaseTime.Microseconds())
		return err
	})
	return j, err
}

// run writes one export and records how it ended.
func (s *Service) run(ctx context.Context, j *job) {
	log := s.o.Logger.With(slog.String("export", j.id), slog.String("format", j.format))
	p, err := s.open(j)
	if err != nil {
		s.fail(ctx, j, &params{}, result{}, errs.Wrap(errs.Internal, err, "The request of this export cannot be read any more."), log)
		return
	}
	if j.attempt > maxAttempts {
		s.fail(ctx, j, p, result{}, errs.New(errs.Internal, "The export was interrupted %d times; it was given up.", maxAttempts), log)
		return
	}
	jctx, cancel := context.WithCancelCause(ctx)
	r := &running{cancel: cancel}
	r.total.Store(-1)
	s.mu.Lock()
	s.running[j.id] = r
	s.mu.Unlock()
	beat := make(chan struct{})
	go func() {
		defer close(beat)
		s.beat(jctx, j, r)
	}()
	res, err := s.write(jctx, j, p, r)
	cause := context.Cause(jctx)
	cancel(nil)
	<-beat
	if err == nil {
		err = s.finish(ctx, j, p, res)
	}
	s.mu.Lock()
	delete(s.running, j.id)
	s.mu.Unlock()
	switch {
	case err == nil:
		log.LogAttrs(ctx, slog.LevelInfo, "export written", slog.Int64("rows", res.rows), slog.Int64("bytes", res.bytes))
	case errors.Is(cause, errCancelled) || errors.Is(err, errNotMine):
		log.LogAttrs(ctx, slog.LevelInfo, "export cancelled")
	case errors.Is(cause, errStopping):
		s.returnJob(ctx, j, log)
	default:
		s.fail(ctx, j, p, res, err, log)
	}
}

// finish records the completed file. When that fails, the file goes: a row that is not done must not have one.
func (s *Service) finish(ctx context.Context, j *job, p *params, res result) error {
	ctx = context.WithoutCancel(ctx) // the file is written; a stopping server still says so
	err := s.o.Recorder.Record(ctx, j.tenant, endEvent(ctx, j, p.Viewer, res, ""), func(ctx context.Context, tx *sql.Tx) error {
		return finishJob(ctx, tx, j, res, s.now(), s.o.Keep)
	})
	if err != nil {
		return errors.Join(err, removeFile(ctx, s.o.Files, j.id+fileSuffix))
	}
	return nil
}

func (s *Service) fail(ctx context.Context, j *job, p *params, res result, err error, log *slog.Logger) {
	ctx = context.WithoutCancel(ctx)
	message := "The export failed because of an internal error; the server's log has the details under its id."
	if errs.CodeOf(err) != errs.Internal {
		message = errs.Message(err)
	} else if e := new(errs.Error); errors.As(err, &e) {
		message = e.Message
	}
	log.LogAttrs(ctx, slog.LevelWarn, "export failed", slog.String("code", string(errs.CodeOf(err))), slog.Any("error", err))
	record := s.o.Recorder.Record(ctx, j.tenant, endEvent(ctx, j, p.Viewer, res, message), func(ctx context.Context, tx *sql.Tx) error {
		return failJob(ctx, tx, j, message, s.now())
	})
	if record != nil && !errors.Is(record, errNotMine) {
		// The lease runs out, and the export is tried again up to maxAttempts times.
		log.LogAttrs(ctx, slog.LevelError, "the failure of an export could not be recorded", slog.Any("error", record))
	}
}

func (s *Service) returnJob(ctx context.Context, j *job, log *slog.Logger) {
	ctx = context.WithoutCancel(ctx)
	if err := s.o.DB.Write(ctx, func(tx *sql.Tx) error { return giveBack(ctx, tx, j) }); err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "an interrupted export could not be put back; it is when the server starts again", slog.Any("error", err))
	}
}

// beat stores progress and renews the lease until the export ends, and ends it when it is not ours any more.
func (s *Service) beat(ctx context.Context, j *job, r *running) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		total := sql.NullInt64{Int64: r.total.Load()}
		total.Valid = total.Int64 >= 0
		err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
			return saveProgress(ctx, tx, j, s.now()+leaseTime.Microseconds(), r.rows.Load(), total, r.bytes())
		})
		if errors.Is(err, errNotMine) {
			r.cancel(errCancelled)
			return
		}
	}
}

// guard turns a panic of an encoder or source into an error, so that one bad export does not end the server.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// clean deletes expired files and old rows from time to time.
func (s *Service) clean(ctx context.Context) {
	tick := time.NewTicker(cleanEvery)
	defer tick.Stop()
	for {
		if err := s.expire(ctx); err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "expired exports could not be deleted", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Service) expire(ctx context.Context) error {
	jobs, err := expiredJobs(ctx, s.o.DB.Read(ctx), s.now())
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if err := removeFile(ctx, s.o.Files, j.file); err != nil {
			return err
		}
		err := s.o.DB.Write(ctx, func(tx *sql.Tx) error { return dropFile(ctx, tx, j.tenant, j.id, j.expiresAt.Int64) })
		if err != nil && !errors.Is(err, errNotMine) {
			return err
		}
	}
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error { return forgetJobs(ctx, tx, s.now()-rememberRows.Microseconds()) })
}

// removeStrays deletes half-written files, and whole ones that no row knows because the server died between the two.
func (s *Service) removeStrays(ctx context.Context) error {
	known, err := fileNames(ctx, s.o.DB.Read(ctx))
	if err != nil {
		return err
	}
	var strays []string
	err = s.o.Files.List(ctx, filesPrefix, func(i blob.Info) error {
		if !known[strings.TrimPrefix(i.Name, filesPrefix)] {
			strays = append(strays, i.Name)
		}
		return nil
	})
	for _, name := range strays {
		err = errors.Join(err, s.o.Files.Delete(ctx, name))
	}
	return errors.Join(err, s.o.Files.Sweep(ctx, filesPrefix, time.Now()))
}

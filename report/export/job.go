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
	"probity.dev/internal/jobs"
)

// writeArgs are the arguments of the job that writes an export.
type writeArgs struct {
	Export string `json:"export"`
}

// Kind implements jobs.Args.
func (writeArgs) Kind() string { return "export.write" }

// running is an export that is being written here.
type running struct {
	rows  atomic.Int64
	total atomic.Int64 // -1 while unknown
	parts atomic.Pointer[parts]
	// tell, if not nil, is told of progress.
	tell func(done, total int64)
}

func (r *running) bytes() int64 {
	if p := r.parts.Load(); p != nil {
		return p.bytes.Load()
	}
	return 0
}

// add counts rows that were written.
func (r *running) add(n int) { r.set(r.rows.Load() + int64(n)) }

func (r *running) set(rows int64) {
	r.rows.Store(rows)
	if r.tell != nil {
		r.tell(rows, r.total.Load())
	}
}

// Start gives jobs to exports that have none, removes what a crash left in the store, and then from time to time what has expired. It MUST return before jobs run. [Service.Close] ends it.
func (s *Service) Start(ctx context.Context) error {
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		list, err := orphans(ctx, tx)
		if err != nil {
			return err
		}
		for _, j := range list {
			id, err := s.enqueue(ctx, tx, j)
			if err == nil {
				err = adopt(ctx, tx, j, id)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.removeStrays(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	s.stop = stop
	s.mu.Unlock()
	s.done.Go(func() { s.clean(ctx) })
	return nil
}

// Close stops what Start began and waits for it.
func (s *Service) Close() {
	s.mu.Lock()
	stop := s.stop
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	s.done.Wait()
}

func (s *Service) enqueue(ctx context.Context, tx *sql.Tx, j *job) (int64, error) {
	return s.o.Jobs.Enqueue(ctx, tx, j.tenant, writeArgs{Export: j.id}, jobs.Enqueuing{RequestedBy: j.requestedBy})
}

// work writes one export, or the rest of it. It is the Work of its kind of job.
func (s *Service) work(ctx context.Context, run *jobs.Run, a writeArgs) error {
	var j *job
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		j, err = beginJob(ctx, tx, run.TenantID, a.Export, s.now())
		return err
	})
	if errs.CodeOf(err) == errs.NotFound {
		return nil // cancelled, or finished just before the server was killed
	}
	if err != nil {
		return err
	}
	p, err := s.open(j)
	if err != nil {
		return jobs.Permanent(errs.Wrap(errs.Internal, err, "The request of this export cannot be read any more."))
	}
	r := &running{tell: run.Progress}
	r.total.Store(-1)
	s.mu.Lock()
	s.running[j.id] = r
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.running, j.id)
		s.mu.Unlock()
	}()
	res, err := s.write(ctx, j, p, r)
	if err == nil {
		err = s.finish(ctx, j, p, res)
	}
	log := s.o.Logger.With(slog.String("export", j.id), slog.String("format", j.format))
	switch {
	case err == nil:
		log.LogAttrs(ctx, slog.LevelInfo, "export written", slog.Int64("rows", res.rows), slog.Int64("bytes", res.bytes), slog.Int("parts", res.parts))
	case errors.Is(context.Cause(ctx), jobs.ErrCancelled) || errors.Is(err, errNotMine):
		log.LogAttrs(ctx, slog.LevelInfo, "export cancelled")
		s.tidy(context.WithoutCancel(ctx), j)
		if errors.Is(err, errNotMine) {
			return nil
		}
	}
	return err
}

// finish records the completed file.
func (s *Service) finish(ctx context.Context, j *job, p *params, res result) error {
	ctx = context.WithoutCancel(ctx) // the file is written; a stopping server still says so
	return s.o.Recorder.Record(ctx, j.tenant, endEvent(ctx, j, p.Viewer, res, ""), func(ctx context.Context, tx *sql.Tx) error {
		if err := finishJob(ctx, tx, j, res, s.now(), s.o.Keep); err != nil {
			return err
		}
		return s.tell(ctx, tx, j, Ended{Rows: res.rows, Bytes: res.bytes, Mail: p.Request.Mail, User: p.Viewer.UserID, ExpiresAt: s.o.Now().Add(s.o.Keep)})
	})
}

// failed records that an export was given up. It is the Failed of its kind of job.
func (s *Service) failed(ctx context.Context, run *jobs.Run, a writeArgs, cause error) {
	log := s.o.Logger.With(slog.String("export", a.Export))
	j, err := getJob(ctx, s.o.DB.Read(ctx), run.TenantID, a.Export)
	if err != nil {
		log.LogAttrs(ctx, slog.LevelError, "an export that failed cannot be read", slog.Any("error", err))
		return
	}
	message := "The export failed because of an internal error; the server's log has the details under its id."
	if errs.CodeOf(cause) != errs.Internal {
		message = errs.Message(cause)
	} else if e := new(errs.Error); errors.As(cause, &e) {
		message = e.Message
	}
	log.LogAttrs(ctx, slog.LevelWarn, "export failed", slog.String("code", string(errs.CodeOf(cause))), slog.Any("error", cause))
	p, err := s.open(j)
	if err != nil {
		p = &params{}
	}
	err = s.o.Recorder.Record(ctx, j.tenant, endEvent(ctx, j, p.Viewer, result{rows: j.rowsDone, bytes: j.bytes}, message), func(ctx context.Context, tx *sql.Tx) error {
		if err := failJob(ctx, tx, j, message, s.now()); err != nil {
			return err
		}
		return s.tell(ctx, tx, j, Ended{Failed: true})
	})
	if err != nil && !errors.Is(err, errNotMine) {
		log.LogAttrs(ctx, slog.LevelError, "the failure of an export could not be recorded", slog.Any("error", err))
	}
	s.tidy(ctx, j)
}

func (s *Service) tell(ctx context.Context, tx *sql.Tx, j *job, e Ended) error {
	if s.o.Notifier == nil {
		return nil
	}
	e.ID, e.Format = j.id, j.format
	return s.o.Notifier.ExportEnded(ctx, tx, j.tenant, e)
}

// cancelled takes part in the cancellation of an export by the id of its job.
func (s *Service) cancelled(ctx context.Context, tx *sql.Tx, tenantID string, a writeArgs) error {
	err := cancelJob(ctx, tx, tenantID, a.Export, s.now())
	if errors.Is(err, errNotMine) {
		return nil
	}
	return err
}

// replayed puts an export that failed back into the queue, when somebody replays its job.
func (s *Service) replayed(ctx context.Context, tx *sql.Tx, tenantID string, a writeArgs) error {
	err := replayJob(ctx, tx, tenantID, a.Export)
	if errors.Is(err, errNotMine) {
		return errs.New(errs.Conflict, "The export of this job is not there any more, or did not fail. Ask for a new export.")
	}
	return err
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
	list, err := expiredJobs(ctx, s.o.DB.Read(ctx), s.now())
	for _, j := range list {
		err = errors.Join(err, s.drop(ctx, j))
	}
	return errors.Join(err, s.o.DB.Write(ctx, func(tx *sql.Tx) error { return forgetJobs(ctx, tx, s.now()-rememberRows.Microseconds()) }))
}

// drop deletes the parts of an export that ended.
func (s *Service) drop(ctx context.Context, j *job) error {
	if err := removeParts(ctx, s.o.Files, j.id, int(j.parts)); err != nil {
		return err
	}
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error { return dropParts(ctx, tx, j) })
}

// tidy deletes the parts of an export that has ended just now. What it cannot delete goes with the expired ones.
func (s *Service) tidy(ctx context.Context, j *job) {
	now, err := getJob(ctx, s.o.DB.Read(ctx), j.tenant, j.id)
	if err == nil && now.parts > 0 && (now.status == statusFailed || now.status == statusCancelled || now.status == statusDone && now.file == "") {
		err = s.drop(ctx, now)
	}
	if err != nil {
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "the file of an export is deleted later", slog.String("export", j.id), slog.Any("error", err))
	}
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

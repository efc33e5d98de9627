package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"probity.dev/internal/blob"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/telemetry"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/ledger/httpapi"
	"probity.dev/verify"
)

// Sources returns every tenant's stored log for a verifier, with working copies when keys is true.
func (a *App) Sources(ctx context.Context, keys bool) ([]verify.Source, error) {
	logs, err := ledger.OpenStored(ctx, a.db, a.storage.evidence)
	if err != nil {
		return nil, err
	}
	var out []verify.Source
	for _, s := range logs {
		if keys {
			w, err := withWorking(ctx, s, a.Ledger)
			if err != nil {
				return nil, err
			}
			out = append(out, w)
			continue
		}
		out = append(out, logSource{s})
	}
	return out, nil
}

// StoredSources opens the evidence in a data directory for a verifier, without the master key: values and working copies stay closed. The caller closes what it returns.
func StoredSources(ctx context.Context, cfg *config.Config) (sources []verify.Source, closer io.Closer, err error) {
	if !hasData(cfg) && cfg.Database == "" {
		return nil, nil, errs.New(errs.NotFound, "%s holds no data", cfg.Data)
	}
	lock, err := lockDir(cfg.Data)
	if err != nil {
		return nil, nil, err
	}
	db, err := connect(ctx, cfg)
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	closer = closers{db, lock}
	files, err := openStorage(ctx, cfg)
	if err != nil {
		return nil, nil, errors.Join(err, closer.Close())
	}
	logs, err := ledger.OpenStored(ctx, db, files.evidence)
	if err != nil {
		return nil, nil, errors.Join(err, closer.Close())
	}
	for _, s := range logs {
		sources = append(sources, logSource{s})
	}
	return sources, closer, nil
}

type closers []io.Closer

func (c closers) Close() error {
	var err error
	for _, x := range c {
		err = errors.Join(err, x.Close())
	}
	return err
}

// sources are the epochs of one tenant's log with their working copies, the present one last.
func (v *verifier) sources(ctx context.Context, tenantID string) (out []verify.Source, err error) {
	logs, err := ledger.OpenStored(ctx, v.db, v.evidence)
	if err != nil {
		return nil, err
	}
	for _, s := range logs {
		if s.TenantID == tenantID {
			source, err := withWorking(ctx, s, v.l)
			if err != nil {
				return nil, err
			}
			out = append(out, source)
		}
	}
	if len(out) == 0 {
		err = errs.New(errs.NotFound, "there is no such log")
	}
	return out, err
}

// logSource is a tenant's log as it is stored: not what the ledger made of it, which may have frozen it.
type logSource struct{ s *ledger.StoredLog }

// Log implements verify.Source.
func (s logSource) Log() verify.Log {
	h := &s.s.Head
	return verify.Log{Origin: h.Origin, LogID: h.LogID, Epoch: uint64(h.Epoch), Base: h.Base, Checkpoint: []byte(h.Checkpoint), Stored: h.Next - h.Base, Keys: h.VKeyText()}
}

// Leaves implements verify.Source.
func (s logSource) Leaves(ctx context.Context, first, count uint64, yield func(index uint64, leaf []byte) error) error {
	base := s.s.Head.Base
	return s.s.Leaves(ctx, base+first, base+first+count, func(seq uint64, leaf []byte) error {
		return yield(seq-base, leaf)
	})
}

// ReadTile implements tlog.TileReader.
func (s logSource) ReadTile(ctx context.Context, level uint8, index uint64, width int) ([]byte, error) {
	return s.s.Tiles().ReadTile(ctx, level, index, width)
}

// workingSource adds the working copies, opened with the ledger's keys.
type workingSource struct {
	logSource
	audit *ledger.Audit
}

func withWorking(ctx context.Context, s *ledger.StoredLog, l *ledger.Ledger) (verify.Source, error) {
	audit, err := l.Audit(ctx, s.TenantID)
	if err != nil {
		return nil, err
	}
	return workingSource{logSource{s}, audit}, nil
}

// Working implements verify.WorkingSource.
func (s workingSource) Working(ctx context.Context, first, count uint64, yield func(index uint64, w *verify.Working) error) error {
	var out verify.Working
	base := s.s.Head.Base
	return s.audit.WorkingCopies(ctx, base+first, base+first+count, func(w *ledger.WorkingCopy) error {
		r := w.Row
		out = verify.Working{Nonce: r.Nonce, RecordedAt: r.RecordedAt, OccurredAt: r.OccurredAt, Source: r.Source, Action: r.Action, Category: r.Category, Activity: r.Activity,
			Outcome: r.Outcome, ResourceType: r.ResourceType, Groups: w.Groups, TagKeys: w.TagKeys, ResourceTags: w.ResourceTags, ResourceID: w.ResourceID, Err: w.Err, Columns: out.Columns[:0]}
		for _, c := range w.Columns {
			out.Columns = append(out.Columns, verify.Column(c))
		}
		return yield(uint64(r.Seq)-base, &out)
	})
}

// verifier runs verifications in the background and remembers how they ended.
type verifier struct {
	l  *ledger.Ledger
	db *sqldb.DB
	// evidence is where sealed leaves lie.
	evidence blob.Files

	failed prometheus.Counter // runs that came to no result
	log    *slog.Logger

	mu      sync.Mutex
	running map[string]*progress
	wg      sync.WaitGroup
	stop    context.Context
	cancel  context.CancelFunc
	// wrong is called in the transaction that stores a verification which found something wrong.
	wrong func(ctx context.Context, tx *sql.Tx, tenantID, logID string) error
}

type progress struct{ done, total uint64 }

func newVerifier(l *ledger.Ledger, db *sqldb.DB, evidence blob.Files, t *telemetry.Telemetry) *verifier {
	v := &verifier{l: l, db: db, evidence: evidence, log: t.Logger, running: map[string]*progress{},
		failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "probity_scrub_failures_total", Help: "Verifications by the server that came to no result, good or bad."})}
	t.Registry.MustRegister(v.failed)
	v.stop, v.cancel = context.WithCancel(context.Background())
	return v
}

// Start implements httpapi.Verifier.
func (v *verifier) Start(_ context.Context, tenantID string) error {
	begun := make(chan struct{})
	v.wg.Go(func() {
		say := sync.OnceFunc(func() { close(begun) })
		defer say()
		// How it ended is stored.
		if _, _, err := v.once(v.stop, tenantID, say); err != nil && v.stop.Err() == nil {
			v.failed.Inc()
			v.log.Error("verification", "error", err)
		}
	})
	<-begun // so that whoever looks next sees it
	return nil
}

// once is run, unless the log is being verified already, by whichever server. begun is called when it shows.
func (v *verifier) once(ctx context.Context, tenantID string, begun func()) (r *verify.Report, ran bool, err error) {
	ran, err = v.db.Alone(ctx, verifyLease(tenantID), func(ctx context.Context, l *sqldb.Lease) error {
		p := &progress{}
		v.mu.Lock()
		v.running[tenantID] = p
		v.mu.Unlock()
		begun()
		defer func() {
			v.mu.Lock()
			delete(v.running, tenantID)
			v.mu.Unlock()
		}()
		r, err = v.run(ctx, tenantID, func(done, total uint64) {
			v.mu.Lock()
			p.done, p.total = done, total
			v.mu.Unlock()
			l.Note(fmt.Sprintf("%d/%d", done, total))
		})
		return err
	})
	return r, ran, err
}

// verifyLease is what whoever verifies a tenant's log has, and where others see how far it is.
func verifyLease(tenantID string) string { return "verify/" + tenantID }

// elsewhere is how far another server is with verifying a log.
func (v *verifier) elsewhere(ctx context.Context, tenantID string) (p progress, running bool, err error) {
	note, running, err := v.db.Noted(ctx, verifyLease(tenantID))
	if running && note != "" {
		_, _ = fmt.Sscanf(note, "%d/%d", &p.done, &p.total) // what is not there yet is none
	}
	return p, running, err
}

// run verifies a log with its working copies and stores the result. told, if not nil, is told of progress.
func (v *verifier) run(ctx context.Context, tenantID string, told func(done, total uint64)) (*verify.Report, error) {
	sources, err := v.sources(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	log := sources[len(sources)-1].Log()
	keys, err := tlog.ParseKeys(log.Keys)
	if err != nil {
		return nil, err
	}
	r, err := verify.Dir(ctx, log.LogID, sources, verify.Options{Keys: keys, Progress: told})
	if err != nil {
		return nil, err
	}
	return r, v.store(ctx, tenantID, log.LogID, r)
}

func (v *verifier) store(ctx context.Context, tenantID, logID string, r *verify.Report) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	size := uint64(0) // of the present epoch, which is the last
	for _, l := range r.Logs {
		size = l.Size
	}
	ok := 0
	if r.OK {
		ok = 1
	}
	return v.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO verification (log_id, at, ok, size, report) VALUES ($1, $2, $3, $4, $5)`, logID, sqldb.Now(), ok, size, string(text))
		if err != nil || r.OK {
			return sqldb.Translate(err)
		}
		return v.wrong(ctx, tx, tenantID, logID)
	})
}

// Status implements httpapi.Verifier.
func (v *verifier) Status(ctx context.Context, tenantID string) (httpapi.Verification, error) {
	h, err := v.l.Head(ctx, tenantID)
	if err != nil {
		return httpapi.Verification{}, err
	}
	var out httpapi.Verification
	v.mu.Lock()
	if p := v.running[tenantID]; p != nil {
		out.Running, out.Done, out.Total = true, int64(p.done), int64(p.total)
	}
	v.mu.Unlock()
	if !out.Running {
		p, running, err := v.elsewhere(ctx, tenantID)
		if err != nil {
			return out, err
		}
		out.Running, out.Done, out.Total = running, int64(p.done), int64(p.total)
	}
	var at, size int64
	var ok int
	var text string
	err = v.db.Read(ctx).QueryRowContext(ctx, `SELECT at, ok, size, report FROM verification WHERE log_id = $1 ORDER BY at DESC LIMIT 1`, h.LogID).Scan(&at, &ok, &size, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return out, nil
	}
	if err != nil {
		return out, sqldb.Translate(err)
	}
	var r verify.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return out, errs.Wrap(errs.Internal, err, "a stored verification report is damaged")
	}
	out.Last = &httpapi.VerifyResult{At: time.UnixMicro(at).UTC(), OK: ok == 1, Size: size, EventsPerSecond: r.EventsPerSecond}
	if p := r.First(); p != nil {
		out.Last.Error = strings.TrimSpace(p.String())
	}
	return out, nil
}

// doneSince reports whether another server may have verified a log since then. Without others, nobody has.
func (v *verifier) doneSince(ctx context.Context, logID string, since time.Time) (done bool, err error) {
	if !v.db.Shared() {
		return false, nil
	}
	var n int
	err = v.db.Read(ctx).QueryRowContext(ctx, `SELECT COUNT(*) FROM verification WHERE log_id = $1 AND at >= $2`, logID, since.UnixMicro()).Scan(&n)
	return n > 0, sqldb.Translate(err)
}

func (v *verifier) close() {
	v.cancel()
	v.wg.Wait()
}

package export

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit/selfaudittest"
)

const tenant = "t-1"

// world is everything that the service stands on, in memory but for the database and the files.
type world struct {
	t testing.TB
	*selfaudittest.Ledger
	db       *sqldb.DB
	dir      string
	settings TenantSettings
	events   []*event.Record
	repeat   int // how often the events are yielded
	hold     chan struct{}
	broken   error
	viewer   func(context.Context, actor.Principal) (actor.Principal, error)
	clock    atomic.Int64 // added to the time, nanoseconds
	filters  []Filter
	sealer   cipher.AEAD
	stopped  map[*Service]bool
	// partBytes is ServiceOptions.PartBytes.
	partBytes int64

	mu sync.Mutex
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	db := sqldbtest.Open(t)
	block, _ := aes.NewCipher(testKey)
	aead, _ := cipher.NewGCM(block)
	return &world{t: t, Ledger: selfaudittest.New(t, db, tenant), db: db, dir: filepath.Join(dir, "exports"), settings: TenantSettings{Name: "Klinik", PseudonymKey: testKey},
		events: specimens(t), repeat: 1, sealer: aead, stopped: map[*Service]bool{}}
}

// service is a service that does not run yet, with the jobs that will.
func (w *world) service() *Service {
	w.t.Helper()
	files, err := blob.OpenDir(filepath.Dir(w.dir))
	if err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	run := jobs.New(jobs.Options{DB: w.db, Owner: rand.Text(), Alone: true, Queues: map[string]jobs.Queue{"exports": {Workers: 2, PerTenant: 1}}, Poll: 5 * time.Millisecond, Logger: log, Recorder: w})
	s, err := NewService(ServiceOptions{DB: w.db, Source: w, Recorder: w, Sealer: w, Tenants: w, Files: files, Jobs: run, Queue: "exports", PartBytes: w.partBytes, BackOff: time.Millisecond, Viewer: w.viewer,
		Logger: log, Now: func() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) start() *Service {
	w.t.Helper()
	s := w.service()
	w.run(s)
	return s
}

// run starts a service and its jobs.
func (w *world) run(s *Service) {
	w.t.Helper()
	if err := errors.Join(s.Start(context.Background()), s.o.Jobs.Start(context.Background())); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.stop(s) })
}

// stop stops both, once.
func (w *world) stop(s *Service) {
	w.t.Helper()
	if w.stopped[s] {
		return
	}
	w.stopped[s] = true
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.o.Jobs.Close(ctx); err != nil {
		w.t.Error(err)
	}
	s.Close()
}

func (w *world) Next(context.Context, string) (uint64, error) { return 1 << 40, nil }

// Permit implements Source.
func (w *world) Permit(context.Context, string, Filter, actor.Principal) error { return nil }

func (w *world) Count(context.Context, string, Filter) (int64, error) {
	return int64(len(w.events) * w.repeat), nil
}

func (w *world) Records(ctx context.Context, tenantID string, f Filter, viewer actor.Principal, work func([]*event.Record) (func() error, error)) error {
	if tenantID != tenant || viewer.TenantID != tenant {
		return errs.New(errs.Internal, "asked for tenant %s", tenantID)
	}
	w.mu.Lock()
	w.filters = append(w.filters, f)
	w.mu.Unlock()
	for n := range w.repeat {
		var run []*event.Record
		for _, r := range w.events {
			c := *r
			c.Fields = append([]event.Field(nil), r.Fields...)
			if c.Seq += uint64(n) * 1000; c.Seq >= f.SeqFrom && c.Seq < f.SeqTo || f.SeqTo == 0 {
				run = append(run, &c)
			}
		}
		finish, err := work(run)
		if err == nil {
			err = finish()
		}
		if err != nil {
			return err
		}
		if w.hold != nil && n == w.repeat/2 {
			select {
			case <-w.hold:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return w.broken
}

func (w *world) LogInfo(context.Context, string) (LogInfo, error) { return testMeta().Log, nil }

func (w *world) Bundle(_ context.Context, _ string, _ Filter, _ actor.Principal, o BundleOptions, out io.Writer, progress func(done, total int64)) error {
	progress(2, 2)
	_, err := io.WriteString(out, "bundle "+o.Proof)
	return err
}

func (w *world) actions() string {
	var list []string
	for _, e := range w.Events() {
		list = append(list, strings.TrimPrefix(e.Action, "export.")+":"+e.Outcome.Status)
	}
	return strings.Join(list, " ")
}

func (w *world) Seal(tenantID string, b []byte) ([]byte, error) {
	nonce := make([]byte, 12)
	rand.Read(nonce)
	return w.sealer.Seal(nonce, nonce, b, []byte(tenantID)), nil
}

func (w *world) Open(tenantID string, b []byte) ([]byte, error) {
	if len(b) < 12 {
		return nil, errors.New("nothing was sealed")
	}
	return w.sealer.Open(nil, b[:12], b[12:], []byte(tenantID))
}

func (w *world) ExportSettings(context.Context, string) (TenantSettings, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.settings, nil
}

var auditor = actor.Principal{TenantID: tenant, UserID: "u-aud", Name: "Ada Canary", Email: "ada.canary@example.com", Roles: []string{actor.RoleAuditor},
	Permissions: actor.RolePermissions(actor.RoleAuditor), IP: "198.51.100.7"}
var admin = actor.Principal{TenantID: tenant, UserID: "u-adm", Roles: []string{actor.RoleAdmin}, Permissions: actor.Permissions()}

// wait follows an export until it is in a state.
func wait(t testing.TB, s *Service, id, status string) *Export {
	t.Helper()
	for range 1000 {
		e, err := s.Get(context.Background(), admin, id)
		if err != nil {
			t.Fatal(err)
		}
		if e.Status == status {
			return e
		}
		if e.Status == statusFailed || e.Status == statusDone {
			t.Fatalf("the export is %s: %s", e.Status, e.Error)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nothing happened")
	return nil
}

func download(t testing.TB, s *Service, by actor.Principal, id string) []byte {
	t.Helper()
	_, body, err := s.Download(context.Background(), by, id)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

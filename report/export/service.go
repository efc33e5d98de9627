package export

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/ledger/selfaudit"
)

// The states of an export.
const (
	statusQueued    = "queued"
	statusRunning   = "running"
	statusDone      = "done"
	statusFailed    = "failed"
	statusCancelled = "cancelled"
)

// The kinds of export: events as they are, or the four columns of a compliance log (mission row A6).
const (
	kindEvents     = "events"
	kindCompliance = "compliance"
)

// Defaults and limits of a [Service].
const (
	DefaultKeep    = 24 * time.Hour      // how long a file can be downloaded
	rememberRows   = 30 * 24 * time.Hour // how long a finished export stays in the list
	maxActive      = 20                  // exports that one requester may have waiting or running
	maxTitle       = 200                 // characters
	listLimit      = 200
	cleanEvery     = 10 * time.Minute
	attempts       = 5
	longestWriting = 24 * time.Hour
)

// ServiceOptions of [NewService]. DB, Source, Recorder, Sealer, Tenants, Files, Jobs and Queue must be set.
type ServiceOptions struct {
	DB       DB
	Source   Source
	Recorder Recorder
	Sealer   Sealer
	Tenants  Tenants
	// Notifier may be nil.
	Notifier Notifier
	// Files keeps the files, below exports/. Nothing else may write there.
	Files blob.Store
	// Shared says that other servers keep exports in the same store: a file that no row names may be one that another is just writing.
	Shared bool
	// Jobs runs the exports, in one of its queues.
	Jobs  *jobs.Service
	Queue string
	// PartBytes is the size from which a part of a file is complete, so that an interrupted export need not write it again; DefaultPartBytes when zero.
	PartBytes int64
	// BackOff is how long to wait after an export has failed for the first time; as package jobs has it when zero.
	BackOff time.Duration
	// Keep is how long files can be downloaded; DefaultKeep when zero.
	Keep time.Duration
	// Viewer returns the present rights of somebody who asked for an export earlier, so that a person who was locked meanwhile gets
	// nothing. The rights at the time of asking count when it is nil.
	Viewer func(ctx context.Context, asked actor.Principal) (actor.Principal, error)
	Logger *slog.Logger
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service runs exports. It is safe for concurrent use.
type Service struct {
	o ServiceOptions
	// direct bounds the compliance exports that answer at once.
	direct chan struct{}

	mu      sync.Mutex
	running map[string]*running
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// NewService returns a service that accepts exports, and registers their kind of job; [Service.Start] and the jobs' own Start run them. The database must be migrated.
func NewService(o ServiceOptions) (*Service, error) {
	if o.Jobs == nil {
		return nil, errors.New("export: there is nobody to run the jobs")
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	if o.PartBytes == 0 {
		o.PartBytes = DefaultPartBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Service{o: o, direct: make(chan struct{}, 2), running: map[string]*running{}}
	jobs.Register(o.Jobs, jobs.Kind[writeArgs]{Queue: o.Queue, Attempts: attempts, Timeout: longestWriting, BackOff: o.BackOff, Work: s.work, Failed: s.failed, Cancel: s.cancelled, Retry: s.replayed})
	return s, nil
}

func (s *Service) now() int64 { return s.o.Now().UnixMicro() }

// Request asks for an export.
type Request struct {
	Format string
	Filter Filter
	// Title heads documents for people; at most 200 characters.
	Title string
	// Columns, BOM and Delimiter are those of [Options].
	Columns   []string
	BOM       bool
	Delimiter string
	// Proof is for the bundle: "range" (the default) or "inclusion".
	Proof string
	// Epoch, for the bundle, is an epoch of the log; nil means the one that the filter's time leaves, else the present one.
	Epoch *int64 `json:",omitempty"`
	// Compliance asks for the four columns of a compliance log instead of the events.
	Compliance bool
	// Mail asks for a download link by e-mail, whatever the size.
	Mail bool `json:",omitempty"`
}

// params is what the sealed part of a job row holds.
type params struct {
	Request Request         `json:"request"`
	Viewer  actor.Principal `json:"viewer"`
	Key     []byte          `json:"key"` // of the file
}

// Export describes an export to the person who asked for it. Times are UTC.
type Export struct {
	ID          string     `json:"id"`
	Kind        string     `json:"kind" enum:"events,compliance"`
	Status      string     `json:"status" enum:"queued,running,done,failed,cancelled"`
	Format      string     `json:"format"`
	Title       string     `json:"title,omitempty"`
	RequestedBy string     `json:"requested_by" doc:"Id of the user or API key that asked"`
	RowsDone    int64      `json:"rows_done" format:"int53"`
	RowsTotal   *int64     `json:"rows_total,omitempty" format:"int53" doc:"Absent while the rows are being counted"`
	Bytes       int64      `json:"bytes" format:"int53" doc:"Size of the file so far"`
	Rate        float64    `json:"rate" doc:"Rows a second"`
	ETASeconds  *int64     `json:"eta_seconds,omitempty" format:"int53"`
	Error       string     `json:"error,omitempty" doc:"Why it failed"`
	CreatedAt   time.Time  `json:"created_at"`
	StartedAt   *time.Time `json:"started_at,omitempty"`
	FinishedAt  *time.Time `json:"finished_at,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty" doc:"When the file is deleted"`
	DownloadURL string     `json:"download_url,omitempty" doc:"Absent until the file is complete, and after it has expired"`
	FileName    string     `json:"file_name,omitempty"`
	SHA256      string     `json:"sha256,omitempty" doc:"Of the file, hexadecimal"`
}

// Create queues an export for the caller, who needs exports.create. The request is checked here as far as that can be done without
// reading events; errors are Invalid, or Forbidden for a format that the tenant does not allow.
func (s *Service) Create(ctx context.Context, by actor.Principal, r Request) (*Export, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	return s.queue(ctx, by, id.String(), r)
}

// CreateAs is [Service.Create] with an id that the caller has chosen, a UUID. When the tenant has an export with that id, it is returned as it is.
func (s *Service) CreateAs(ctx context.Context, by actor.Principal, id string, r Request) (*Export, error) {
	if j, err := getJob(ctx, s.o.DB.Read(ctx), by.TenantID, id); errs.CodeOf(err) != errs.NotFound {
		if err != nil {
			return nil, err
		}
		return s.view(ctx, j), nil
	}
	return s.queue(ctx, by, id, r)
}

func (s *Service) queue(ctx context.Context, by actor.Principal, id string, r Request) (*Export, error) {
	if err := s.Check(ctx, by, &r); err != nil {
		return nil, err
	}
	if n, err := countActive(ctx, s.o.DB.Read(ctx), by.TenantID, by.ID()); err != nil {
		return nil, err
	} else if n >= maxActive {
		return nil, &errs.Error{Code: errs.Throttled, Message: "Too many of your exports are waiting already. Wait for one to finish, or cancel one.", RetryAfter: 30 * time.Second}
	}
	key := make([]byte, fileKeySize)
	rand.Read(key) //nolint:errcheck // never fails: it ends the program instead
	viewer := by
	viewer.Name, viewer.Email, viewer.IP, viewer.UserAgent, viewer.SessionID = "", "", "", "", "" // what reading needs is who and what rights
	b, err := json.Marshal(params{Request: r, Viewer: viewer, Key: key})
	if err != nil {
		return nil, err
	}
	j := &job{id: id, tenant: by.TenantID, requestedBy: by.ID(), kind: kindEvents, format: r.Format, status: statusQueued, createdAt: s.now()}
	if r.Compliance {
		j.kind = kindCompliance
	}
	if j.params, err = s.o.Sealer.Seal(by.TenantID, b); err != nil {
		return nil, err
	}
	err = s.o.Recorder.Record(ctx, by.TenantID, createEvent(ctx, by, j, &r), func(ctx context.Context, tx *sql.Tx) (err error) {
		if j.jobID, err = s.enqueue(ctx, tx, j); err != nil {
			return err
		}
		return insertJob(ctx, tx, j)
	})
	if err != nil {
		return nil, err
	}
	return s.view(ctx, j), nil
}

// Check validates a request of somebody as far as that can be done without reading events, and fills in its defaults.
func (s *Service) Check(ctx context.Context, by actor.Principal, r *Request) error {
	if !by.Can(actor.ExportsCreate) {
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.ExportsCreate)
	}
	if !slices.Contains(Formats(), r.Format) {
		return errs.Field("/format", "unknown_format", "The format is unknown. Formats are %s.", strings.Join(Formats(), ", "))
	}
	if r.Compliance && r.Format != "csv" && r.Format != "json" && r.Format != "pdf" {
		return errs.Field("/format", "unknown_format", "A compliance log is csv, json or pdf.")
	}
	settings, err := s.o.Tenants.ExportSettings(ctx, by.TenantID)
	if err != nil {
		return err
	}
	if settings.Formats != nil && !slices.Contains(settings.Formats, r.Format) {
		return errs.New(errs.Forbidden, "The settings of your organisation do not allow exports in this format. Allowed: %s.", strings.Join(settings.Formats, ", "))
	}
	if r.Format == FormatBundle && settings.Anonymise != AnonymiseNone && settings.Anonymise != "" {
		return errs.New(errs.Forbidden, "The settings of your organisation anonymise exports. A bundle proves values as they are, so it cannot be anonymised.")
	}
	if r.Title = strings.TrimSpace(r.Title); len([]rune(r.Title)) > maxTitle {
		return errs.Field("/title", "too_long", "The title is longer than %d characters.", maxTitle)
	}
	if err := s.o.Source.Permit(ctx, by.TenantID, r.Filter, by); err != nil {
		return err
	}
	if r.Proof != "" && r.Proof != "range" && r.Proof != "inclusion" {
		return errs.Field("/proof", "unknown", "The proof of a bundle is range or inclusion.")
	}
	if r.Format == FormatBundle {
		return nil
	}
	_, err = r.encoder(io.Discard, by.TenantID, &settings)
	return err
}

// encoder makes the encoder of a request.
func (r *Request) encoder(w io.Writer, tenantID string, settings *TenantSettings) (Encoder, error) {
	o := Options{Columns: r.Columns, BOM: r.BOM, Pseudonym: NewPseudonyms(settings.PseudonymKey), TenantID: tenantID}
	if len(r.Delimiter) > 1 {
		return nil, errs.Field("/delimiter", "unknown", "A CSV delimiter is one character.")
	}
	if r.Delimiter != "" {
		o.Delimiter = r.Delimiter[0]
	}
	if r.Compliance {
		o.Columns = ComplianceColumns
	}
	return New(r.Format, w, o)
}

// visible reports whether somebody may see an export: whoever asked for it, and those who may read everything unmasked anyway.
func visible(by actor.Principal, j *job) bool {
	return j.requestedBy == by.ID() || by.IsSystem() || by.Unmasked() && by.Can(actor.AccessManage)
}

func (s *Service) find(ctx context.Context, by actor.Principal, id string) (*job, error) {
	if !by.Can(actor.ExportsCreate) {
		return nil, errs.New(errs.Forbidden, "This needs the permission %s.", actor.ExportsCreate)
	}
	j, err := getJob(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return nil, err
	}
	if !visible(by, j) {
		return nil, errs.New(errs.NotFound, "There is no such export.")
	}
	return j, nil
}

// Get returns one export.
func (s *Service) Get(ctx context.Context, by actor.Principal, id string) (*Export, error) {
	j, err := s.find(ctx, by, id)
	if err != nil {
		return nil, err
	}
	return s.view(ctx, j), nil
}

// List returns the exports that the caller may see, newest first, at most 200.
func (s *Service) List(ctx context.Context, by actor.Principal) ([]*Export, error) {
	if !by.Can(actor.ExportsCreate) {
		return nil, errs.New(errs.Forbidden, "This needs the permission %s.", actor.ExportsCreate)
	}
	only := by.ID()
	if visible(by, &job{}) {
		only = ""
	}
	jobs, err := listJobs(ctx, s.o.DB.Read(ctx), by.TenantID, only, listLimit)
	if err != nil {
		return nil, err
	}
	list := make([]*Export, len(jobs))
	for i, j := range jobs {
		list[i] = s.view(ctx, j)
	}
	return list, nil
}

// Cancel ends an export that waits or runs, and deletes the file of one that is done. An export that failed or was cancelled is a Conflict.
func (s *Service) Cancel(ctx context.Context, by actor.Principal, id string) error {
	j, err := s.find(ctx, by, id)
	if err != nil {
		return err
	}
	switch j.status {
	case statusQueued, statusRunning:
		err = s.o.Recorder.Record(ctx, j.tenant, newEvent(ctx, "export.cancel", "stop", by, j), func(ctx context.Context, tx *sql.Tx) error {
			if err := cancelJob(ctx, tx, j.tenant, j.id, s.now()); err != nil {
				return err
			}
			return s.o.Jobs.CancelIn(ctx, tx, j.jobID)
		})
		if err == nil {
			s.o.Jobs.Interrupt(j.jobID)
			s.tidy(ctx, j)
		}
		return err
	case statusDone:
		if j.file == "" {
			return errGone
		}
		err = s.o.Recorder.Record(ctx, j.tenant, newEvent(ctx, "export.delete", "delete", by, j), func(ctx context.Context, tx *sql.Tx) error {
			return dropFile(ctx, tx, j.tenant, j.id, s.now())
		})
		if err == nil {
			s.tidy(ctx, j)
		}
		return err
	}
	return errs.New(errs.Conflict, "This export has ended already.")
}

// Download records that the caller takes the file of an export, and opens it. The caller of Download closes it.
func (s *Service) Download(ctx context.Context, by actor.Principal, id string) (*Export, io.ReadCloser, error) {
	j, err := s.find(ctx, by, id)
	if err != nil {
		return nil, nil, err
	}
	if j.status != statusDone {
		return nil, nil, errs.New(errs.Conflict, "The export has no file: it is %s.", j.status)
	}
	if j.file == "" || j.expiresAt.Int64 <= s.now() {
		return nil, nil, errGone
	}
	p, err := s.open(j)
	if err != nil {
		return nil, nil, err
	}
	body, err := openParts(ctx, s.o.Files, j.id, int(j.parts), p.Key)
	if err != nil {
		return nil, nil, err
	}
	e := newEvent(ctx, "export.download", "export", by, j)
	e.Data = append(e.Data, selfaudit.Member("rows", j.rowsDone), selfaudit.Member("bytes", j.bytes), selfaudit.Member("sha256", j.sha256))
	err = s.o.Recorder.Record(ctx, j.tenant, e, func(ctx context.Context, tx *sql.Tx) error { return stillThere(ctx, tx, j.tenant, j.id, s.now()) })
	if err != nil {
		return nil, nil, errors.Join(err, body.Close())
	}
	return s.view(ctx, j), body, nil
}

func (s *Service) open(j *job) (*params, error) {
	b, err := s.o.Sealer.Open(j.tenant, j.params)
	if err != nil {
		return nil, err
	}
	var p params
	return &p, json.Unmarshal(b, &p)
}

// view renders a row, with the progress of an export that runs.
func (s *Service) view(ctx context.Context, j *job) *Export {
	v := &Export{ID: j.id, Kind: j.kind, Status: j.status, Format: j.format, RequestedBy: j.requestedBy, RowsDone: j.rowsDone, Bytes: j.bytes,
		Error: j.error, SHA256: j.sha256, CreatedAt: time.UnixMicro(j.createdAt).UTC(), StartedAt: timeOf(j.startedAt), FinishedAt: timeOf(j.finishedAt)}
	if p, err := s.open(j); err == nil {
		v.Title = p.Request.Title
	}
	if j.rowsTotal.Valid {
		v.RowsTotal = &j.rowsTotal.Int64
	}
	if j.status == statusRunning {
		s.progress(ctx, j, v)
	} else if took := float64(j.finishedAt.Int64-j.startedAt.Int64) / 1e6; j.startedAt.Valid && j.finishedAt.Valid && took > 0 {
		v.Rate = float64(int64(float64(v.RowsDone)/took*10)) / 10
	}
	if j.status == statusDone && j.file != "" && j.expiresAt.Int64 > s.now() {
		v.ExpiresAt = timeOf(j.expiresAt)
		v.DownloadURL = "/api/exports/" + j.id + "/file"
		v.FileName = fileName(j)
	}
	return v
}

// progress puts what the job says into a view: how far it is, or that it waits for another attempt.
func (s *Service) progress(ctx context.Context, j *job, v *Export) {
	run, err := s.o.Jobs.Get(ctx, j.tenant, j.jobID)
	if err != nil {
		return // the row is what there is
	}
	if run.State != jobs.StateRunning {
		v.Status = statusQueued
		return
	}
	v.RowsDone, v.Rate, v.ETASeconds = max(run.Done, v.RowsDone), run.Rate, run.ETASeconds
	if run.Total != nil {
		v.RowsTotal = run.Total
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.running[j.id]; r != nil {
		v.Bytes = r.bytes()
	}
}

func timeOf(t sql.NullInt64) *time.Time {
	if !t.Valid {
		return nil
	}
	at := time.UnixMicro(t.Int64).UTC()
	return &at
}

// fileName is what a download is called: nothing that anybody typed, and safe on every system.
func fileName(j *job) string {
	what := "events"
	if j.kind == kindCompliance {
		what = "compliance-log"
	}
	return "probity-" + what + "-" + time.UnixMicro(j.createdAt).UTC().Format("20060102-150405") + "-" + j.id[len(j.id)-6:] + Extension(j.format)
}

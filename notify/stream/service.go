package stream

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/worker"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
	"probity.dev/notify"
	"probity.dev/notify/send"
)

// Options of [New]. DB, Recorder, Sealer, Sender and Source must be set.
type Options struct {
	DB       notify.DB
	Recorder notify.Recorder
	Sealer   notify.Sealer
	Sender   Sender
	Source   Source
	// Notify, when not nil, tells people that a stream was paused because it had stopped working.
	Notify func(ctx context.Context, tx *sql.Tx, tenantID string, n notify.Notification) error
	// Instance names the installation to receivers.
	Instance string
	Logger   *slog.Logger
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service keeps streams and follows the logs for them. It is safe for concurrent use.
type Service struct {
	o    Options
	work worker.Group
}

// New returns a service; [Service.Start] begins to send. The database must be migrated.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o: o}
}

func (s *Service) now() int64 { return s.o.Now().UnixMicro() }

func label(id string) string { return "stream|" + id }

func (s *Service) unseal(ctx context.Context, r *row) (*sealed, error) {
	b, err := s.o.Sealer.Unseal(ctx, r.tenant, label(r.id), r.settings)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a stream cannot be read")
	}
	var v sealed
	if json.Unmarshal(b, &v) != nil {
		return nil, errs.New(errs.Internal, "a stream cannot be read") // the cause would quote it
	}
	return &v, nil
}

// newEvent is an event about a stream. It says what goes over it, and nothing of where.
func newEvent(ctx context.Context, action, activity string, by actor.Principal, r *row, v *sealed) *event.Event {
	e := selfaudit.New(ctx, by, "config", action, activity, event.Resource{Type: "event_stream", ID: r.id, Name: v.Name})
	e.Data = []event.Member{selfaudit.Member("kind", r.kind), selfaudit.Member("format", r.format), selfaudit.Member("unmasked", r.unmasked), selfaudit.Member("filter", v.Filter), selfaudit.Member("next_seq", r.next)}
	return e
}

// Stream describes a stream without where it leads. Times are UTC.
type Stream struct {
	ID          string     `json:"id"`
	Name        string     `json:"name" mask:"label"`
	Kind        string     `json:"kind" enum:"webhook,splunk,syslog,s3,nats"`
	Format      string     `json:"format" enum:"native,ocsf"`
	Filter      Filter     `json:"filter"`
	Unmasked    bool       `json:"unmasked" doc:"Personal values are sent as they are"`
	Target      string     `json:"target" doc:"Where it leads, as far as that is no secret"`
	NextSeq     int64      `json:"next_seq" format:"int53" doc:"The first event that was not sent yet"`
	Behind      int64      `json:"behind" format:"int53" doc:"How many events of the log lie beyond"`
	Sent        int64      `json:"sent" format:"int53" doc:"Events that receivers took, repetitions included"`
	Paused      string     `json:"paused,omitempty" doc:"Why nothing is sent; absent while it works"`
	Failures    int64      `json:"failures" format:"int53" doc:"Attempts in a row that failed"`
	LastProblem string     `json:"last_problem,omitempty"`
	LastOKAt    *time.Time `json:"last_ok_at,omitempty"`
	PublicKeys  []string   `json:"public_keys,omitempty" doc:"Of a webhook: verify its v1a signatures"`
	CreatedAt   time.Time  `json:"created_at"`
}

func (s *Service) view(ctx context.Context, r *row) (*Stream, error) {
	v, err := s.unseal(ctx, r)
	if err != nil {
		return nil, err
	}
	head, err := s.o.Source.Head(ctx, r.tenant)
	if err != nil {
		return nil, err
	}
	out := &Stream{ID: r.id, Name: v.Name, Kind: r.kind, Format: r.format, Filter: v.Filter, Unmasked: r.unmasked, Target: target(r.kind, &v.Settings), NextSeq: r.next, Behind: max(int64(head)-r.next, 0),
		Sent: r.sent, Paused: r.paused, Failures: r.failures, LastProblem: r.lastProblem, CreatedAt: time.UnixMicro(r.createdAt).UTC()}
	if r.lastOKAt != 0 {
		at := time.UnixMicro(r.lastOKAt).UTC()
		out.LastOKAt = &at
	}
	for _, k := range v.Settings.Keys {
		out.PublicKeys = append(out.PublicKeys, k.PublicText())
	}
	return out, nil
}

// List returns the tenant's streams, oldest first.
func (s *Service) List(ctx context.Context, by actor.Principal) ([]*Stream, error) {
	rows, err := ofTenant(ctx, s.o.DB.Read(ctx), by.TenantID)
	if err != nil {
		return nil, err
	}
	out := make([]*Stream, 0, len(rows))
	for _, r := range rows {
		v, err := s.view(ctx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Get returns one stream.
func (s *Service) Get(ctx context.Context, by actor.Principal, id string) (*Stream, error) {
	r, err := get(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return nil, err
	}
	return s.view(ctx, r)
}

// NewStream asks for a stream.
type NewStream struct {
	Name, Kind, Format string
	Filter             Filter
	Unmasked           bool
	Settings           Settings
	// From is the first event to be sent; nil begins with the next one that is recorded.
	From *int64
}

// Create makes a stream. For a webhook it returns the secret that verifies its v1 signatures, which is not shown again. Sending personal values as they are takes somebody who may
// see them so.
func (s *Service) Create(ctx context.Context, by actor.Principal, n NewStream) (*Stream, string, error) {
	if n.Name = strings.TrimSpace(n.Name); n.Name == "" || len([]rune(n.Name)) > maxName {
		return nil, "", errs.Field("/name", "invalid", "A stream needs a name of at most %d characters.", maxName)
	}
	if !by.Can(actor.LedgerSearch) || n.Unmasked && !by.Unmasked() {
		return nil, "", errs.New(errs.Forbidden, "A stream sends what its maker may see: it needs %s, and %s for values as they are.", actor.LedgerSearch, actor.LedgerViewUnmasked)
	}
	if n.Format != Native && n.Format != OCSF {
		return nil, "", errs.Field("/format", "unknown", "The format is native or ocsf.")
	}
	if err := n.Filter.check(); err != nil {
		return nil, "", err
	}
	n.Settings.Keys = nil
	if err := check(s.o.Sender, n.Kind, &n.Settings); err != nil {
		return nil, "", err
	}
	secret := ""
	if n.Kind == Webhook {
		k := send.NewKey()
		n.Settings.Keys, secret = []send.Key{k}, k.SecretText()
	}
	head, err := s.o.Source.Head(ctx, by.TenantID)
	if err != nil {
		return nil, "", err
	}
	r := &row{id: uuid.Must(uuid.NewV7()).String(), tenant: by.TenantID, kind: n.Kind, format: n.Format, unmasked: n.Unmasked, next: int64(head), createdAt: s.now()}
	if n.From != nil {
		r.next = min(max(*n.From, 0), int64(head))
	}
	v := &sealed{Name: n.Name, Filter: n.Filter, Settings: n.Settings}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, "", err
	}
	if r.settings, err = s.o.Sealer.Seal(ctx, r.tenant, label(r.id), b); err != nil {
		return nil, "", err
	}
	err = s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, "event_stream.create", "create", by, r, v), func(ctx context.Context, tx *sql.Tx) error { return insert(ctx, tx, r) })
	if err != nil {
		return nil, "", err
	}
	out, err := s.view(ctx, r)
	return out, secret, err
}

// Update pauses or resumes a stream, or sets its position: events from there on are sent, again if need be. nil leaves a member.
func (s *Service) Update(ctx context.Context, by actor.Principal, id string, paused *bool, next *int64) (*Stream, error) {
	r, err := get(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return nil, err
	}
	v, err := s.unseal(ctx, r)
	if err != nil {
		return nil, err
	}
	action := "event_stream.update"
	if next != nil {
		head, err := s.o.Source.Head(ctx, by.TenantID)
		if err != nil {
			return nil, err
		}
		if *next < 0 || uint64(*next) > head {
			return nil, errs.Field("/next_seq", "range", "The position lies between 0 and the end of the log.")
		}
		r.next, action = *next, "event_stream.rewind"
	}
	if paused != nil {
		r.paused, action = "", "event_stream.resume"
		if *paused {
			r.paused, action = "somebody paused it", "event_stream.pause"
		}
	}
	setNext := r.next
	err = s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, action, "update", by, r, v), func(ctx context.Context, tx *sql.Tx) error {
		r.next = setNext
		if next == nil { // a batch may have moved it since it was read
			if err := tx.QueryRowContext(ctx, `SELECT next_seq FROM notify_stream WHERE tenant_id = $1 AND id = $2`, r.tenant, r.id).Scan(&r.next); err != nil {
				return errNoStream
			}
		}
		return update(ctx, tx, r, s.now())
	})
	if err != nil {
		return nil, err
	}
	return s.Get(ctx, by, id)
}

// Test hands one line that says that it is a test to the receiver of a stream, now and once, paused or not. It moves no position.
func (s *Service) Test(ctx context.Context, by actor.Principal, id string) (send.Outcome, error) {
	r, err := get(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return send.Outcome{}, err
	}
	v, err := s.unseal(ctx, r)
	if err != nil {
		return send.Outcome{}, err
	}
	if err := s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, "event_stream.test", "send", by, r, v), func(context.Context, *sql.Tx) error { return nil }); err != nil {
		return send.Outcome{}, err
	}
	at := s.o.Now()
	line := `{"test":true,"stream_id":` + quote(r.id) + `,"at":"` + at.UTC().Format(time.RFC3339Nano) + `","message":"This is a test of a stream of audit events. Nothing happened."}`
	probe := *r
	probe.id += "-test-" + strconv.FormatInt(at.UnixMicro(), 10)
	if r.kind == S3 {
		probe.id = r.id + "-test"
	}
	return deliver(ctx, s.o.Sender, &probe, &v.Settings, s.o.Instance, []Line{{RecordedAt: at, JSON: []byte(line)}}), nil
}

// Delete removes a stream.
func (s *Service) Delete(ctx context.Context, by actor.Principal, id string) error {
	r, err := get(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return err
	}
	v, err := s.unseal(ctx, r)
	if err != nil {
		return err
	}
	return s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, "event_stream.delete", "delete", by, r, v), func(ctx context.Context, tx *sql.Tx) error { return remove(ctx, tx, r.tenant, r.id) })
}

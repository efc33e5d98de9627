package notify

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/errs"
	"probity.dev/internal/worker"
)

// Options of [New]. DB, Recorder, Sealer and Sender must be set.
type Options struct {
	DB       DB
	Recorder Recorder
	Sealer   Sealer
	Sender   Sender
	// Queue carries deliveries; when nil, the service looks for due ones itself.
	Queue Queue
	// Explain returns further parameters of the notifications about an alert; nil when there are no alerts.
	Explain func(ctx context.Context, tenantID, alertID string) (map[string]string, error)
	// Instance names the installation in messages.
	Instance string
	// PublicURL is where people reach the console, without a slash at its end; messages have no link when it is empty.
	PublicURL string
	Logger    *slog.Logger
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service is the notify domain. It is safe for concurrent use.
type Service struct {
	o    Options
	wake chan struct{}
	// batchTime is replaced in tests.
	batchTime time.Duration

	run worker.Group
}

// New returns a service that takes notifications; [Service.Start] delivers them. The database must be migrated.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o: o, wake: make(chan struct{}, 1), batchTime: batchTime}
}

func (s *Service) now() int64 { return s.o.Now().UnixMicro() }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func label(channelID string) string { return "notify|" + channelID }

// seal fills in the sealed column of a channel.
func (s *Service) seal(ctx context.Context, c *channel, v *sealed) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.settings, err = s.o.Sealer.Seal(ctx, c.tenant, label(c.id), b)
	return err
}

// unseal reads the sealed column of a channel.
func (s *Service) unseal(ctx context.Context, c *channel) (*sealed, error) {
	b, err := s.o.Sealer.Unseal(ctx, c.tenant, label(c.id), c.settings)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a channel cannot be read")
	}
	var v sealed
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, errs.New(errs.Internal, "a channel cannot be read") // the cause would quote it
	}
	return &v, nil
}

// Notify stores a notification and its deliveries in tx, the transaction of whatever it tells about: they exist exactly when that has happened. It is said once, see
// [Notification]. Call [Service.Nudge] after the commit to have it delivered at once; otherwise it is found within half a second.
func (s *Service) Notify(ctx context.Context, tx *sql.Tx, tenantID string, n Notification) error {
	if err := n.check(); err != nil {
		return err
	}
	row, err := s.row(tenantID, n)
	if err != nil {
		return err
	}
	fresh, err := insertNotification(ctx, tx, row)
	if err != nil || !fresh {
		return err
	}
	channels, err := listChannels(ctx, tx, tenantID)
	if err != nil {
		return err
	}
	for _, c := range channels {
		// A channel is not told that it was paused itself.
		chosen := wants(c.topics, n.Kind)
		if len(n.Channels) > 0 {
			chosen = slices.Contains(n.Channels, c.id)
		}
		if !chosen || n.Cause == (Cause{Type: "notification_channel", ID: c.id}) {
			continue
		}
		if err := s.queue(ctx, tx, c, row); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) row(tenantID string, n Notification) (*notification, error) {
	if n.Params == nil {
		n.Params = map[string]string{}
	}
	params, err := json.Marshal(n.Params)
	if err != nil {
		return nil, err
	}
	row := &notification{id: newID(), tenant: tenantID, kind: n.Kind, once: n.Once, topic: n.Topic, causeType: n.Cause.Type, causeID: n.Cause.ID, params: string(params), createdAt: s.now()}
	if row.once == "" {
		row.once = row.id
	}
	if row.topic == "" {
		row.topic = n.Cause.Type + ":" + n.Cause.ID
	}
	return row, nil
}

// queue stores the delivery of a notification over a channel: to be sent, or already at its end when the channel is muted or paused.
func (s *Service) queue(ctx context.Context, tx *sql.Tx, c *channel, n *notification) error {
	now := s.now()
	d := &delivery{id: newID(), tenant: c.tenant, channel: c.id, notification: n.id, status: statusQueued, dueAt: now, createdAt: now}
	switch {
	case c.paused != "":
		d.status, d.problem, d.finishedAt = statusDead, "the channel is paused", sql.NullInt64{Int64: now, Valid: true}
	case c.mutedUntil > now:
		d.status, d.problem, d.finishedAt = statusMuted, "the channel is muted", sql.NullInt64{Int64: now, Valid: true}
	}
	if err := insertDelivery(ctx, tx, d); err != nil {
		return err
	}
	return s.enqueue(ctx, tx, d)
}

func (s *Service) enqueue(ctx context.Context, tx *sql.Tx, d *delivery) error {
	if s.o.Queue == nil || d.status != statusQueued {
		return nil
	}
	return s.o.Queue.Enqueue(ctx, tx, d.tenant, d.id, time.UnixMicro(d.dueAt))
}

// Say is [Service.Notify] in a transaction of its own.
func (s *Service) Say(ctx context.Context, tenantID string, n Notification) error {
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) error { return s.Notify(ctx, tx, tenantID, n) })
	s.Nudge()
	return err
}

// Unresolved reports whether the newest notification about a topic says that something is wrong.
func (s *Service) Unresolved(ctx context.Context, tenantID, topic string) (bool, error) {
	kind, err := lastOf(ctx, s.o.DB.Read(ctx), tenantID, topic)
	if err != nil || kind == "" {
		return false, err
	}
	k, known := kinds[kind]
	return !known || !k.Resolves, nil
}

// Nudge has due deliveries looked for at once.
func (s *Service) Nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

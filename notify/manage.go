package notify

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
	"probity.dev/notify/send"
)

// Channel describes a channel without what it was set up with. Times are UTC.
type Channel struct {
	ID          string     `json:"id"`
	Name        string     `json:"name" mask:"label"`
	Kind        string     `json:"kind" enum:"email,slack,discord,pagerduty,teams,webhook"`
	Target      string     `json:"target" mask:"label" doc:"Where it leads, as far as that is no secret"`
	Topics      []string   `json:"topics" doc:"Kinds of notification that go over it, * for any run of characters; empty for all"`
	Paused      string     `json:"paused,omitempty" doc:"Why nothing goes over it; absent while it works"`
	MutedUntil  *time.Time `json:"muted_until,omitempty"`
	Failures    int64      `json:"failures" format:"int53" doc:"Attempts in a row that failed"`
	LastProblem string     `json:"last_problem,omitempty"`
	LastOKAt    *time.Time `json:"last_ok_at,omitempty"`
	DeadLetters int64      `json:"dead_letters" format:"int53"`
	PublicKeys  []string   `json:"public_keys,omitempty" doc:"Of a webhook: the Ed25519 keys that verify its v1a signatures, the newest first"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
}

func timeOf(micros int64) *time.Time {
	if micros == 0 {
		return nil
	}
	t := time.UnixMicro(micros).UTC()
	return &t
}

// view renders a channel.
func (s *Service) view(c *channel, v *sealed) *Channel {
	out := &Channel{ID: c.id, Name: v.Name, Kind: c.kind, Target: send.Target(c.kind, &v.Settings), Topics: c.topics, Paused: c.paused, Failures: c.failures, LastProblem: c.lastProblem,
		LastOKAt: timeOf(c.lastOKAt), CreatedAt: time.UnixMicro(c.createdAt).UTC(), UpdatedAt: time.UnixMicro(c.updatedAt).UTC()}
	if c.mutedUntil > s.now() {
		out.MutedUntil = timeOf(c.mutedUntil)
	}
	for _, k := range v.Settings.Keys {
		if k.Until == 0 || k.Until > s.now() {
			out.PublicKeys = append(out.PublicKeys, k.PublicText())
		}
	}
	return out
}

// require returns an error unless the caller has a permission.
func require(by actor.Principal, permission string) error {
	if !by.Can(permission) {
		return errs.New(errs.Forbidden, "This needs the permission %s.", permission)
	}
	return nil
}

// Channels returns the caller's tenant's channels, oldest first.
func (s *Service) Channels(ctx context.Context, by actor.Principal) ([]*Channel, error) {
	if err := require(by, actor.NotifyView); err != nil {
		return nil, err
	}
	rows, err := listChannels(ctx, s.o.DB.Read(ctx), by.TenantID)
	if err != nil {
		return nil, err
	}
	dead, err := countDead(ctx, s.o.DB.Read(ctx), by.TenantID)
	if err != nil {
		return nil, err
	}
	out := make([]*Channel, 0, len(rows))
	for _, c := range rows {
		v, err := s.unseal(ctx, c)
		if err != nil {
			return nil, err
		}
		view := s.view(c, v)
		view.DeadLetters = dead[c.id]
		out = append(out, view)
	}
	return out, nil
}

func (s *Service) find(ctx context.Context, by actor.Principal, permission, id string) (*channel, *sealed, error) {
	if err := require(by, permission); err != nil {
		return nil, nil, err
	}
	c, err := getChannel(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return nil, nil, err
	}
	v, err := s.unseal(ctx, c)
	return c, v, err
}

// Channel returns one channel.
func (s *Service) Channel(ctx context.Context, by actor.Principal, id string) (*Channel, error) {
	c, v, err := s.find(ctx, by, actor.NotifyView, id)
	if err != nil {
		return nil, err
	}
	dead, err := countDead(ctx, s.o.DB.Read(ctx), by.TenantID)
	out := s.view(c, v)
	out.DeadLetters = dead[id]
	return out, err
}

// NewChannel asks for a channel.
type NewChannel struct {
	Name     string
	Kind     string
	Topics   []string
	Settings send.Settings
}

// Create makes a channel. For a webhook it returns the secret that verifies its v1 signatures, which is not shown again.
func (s *Service) Create(ctx context.Context, by actor.Principal, n NewChannel) (*Channel, string, error) {
	if err := require(by, actor.NotifyManage); err != nil {
		return nil, "", err
	}
	name, err := checkName(n.Name)
	if err != nil {
		return nil, "", err
	}
	if err := checkTopics(n.Topics); err != nil {
		return nil, "", err
	}
	n.Settings.Keys = nil
	if err := s.o.Sender.Check(n.Kind, &n.Settings); err != nil {
		return nil, "", err
	}
	secret := ""
	if n.Kind == send.Webhook {
		k := send.NewKey()
		n.Settings.Keys, secret = []send.Key{k}, k.SecretText()
	}
	now := s.now()
	c := &channel{id: newID(), tenant: by.TenantID, kind: n.Kind, topics: n.Topics, createdAt: now, updatedAt: now}
	if c.topics == nil {
		c.topics = []string{}
	}
	v := &sealed{Name: name, Settings: n.Settings}
	if err := s.seal(ctx, c, v); err != nil {
		return nil, "", err
	}
	err = s.o.Recorder.Record(ctx, by.TenantID, channelEvent(ctx, actionCreate, "create", by, c, name), func(ctx context.Context, tx *sql.Tx) error {
		all, err := listChannels(ctx, tx, by.TenantID)
		if err != nil {
			return err
		}
		if len(all) >= maxChannels {
			return errs.New(errs.Conflict, "There are %d channels already; delete one first.", maxChannels)
		}
		return insertChannel(ctx, tx, c)
	})
	if err != nil {
		return nil, "", err
	}
	return s.view(c, v), secret, nil
}

// ChannelChange says what is to change; nil leaves it.
type ChannelChange struct {
	Name   *string
	Topics *[]string
	// Settings replaces what the channel was set up with. The keys of a webhook stay.
	Settings *send.Settings
	Paused   *bool
	// MutedUntil ends or begins a time without deliveries; the zero time ends it.
	MutedUntil *time.Time
}

// Update changes a channel. A resumed channel begins afresh; its dead letters are replayed by [Service.Replay] only.
func (s *Service) Update(ctx context.Context, by actor.Principal, id string, ch ChannelChange) (*Channel, error) {
	c, v, err := s.find(ctx, by, actor.NotifyManage, id)
	if err != nil {
		return nil, err
	}
	action, members, err := s.apply(c, v, &ch)
	if err != nil {
		return nil, err
	}
	if err := s.seal(ctx, c, v); err != nil {
		return nil, err
	}
	e := channelEvent(ctx, action, "update", by, c, v.Name)
	e.Data = append(e.Data, members...)
	err = s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := updateChannel(ctx, tx, c, s.now()); err != nil {
			return err
		}
		if c.paused != "" {
			return bury(ctx, tx, c.tenant, c.id, s.now())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.Channel(ctx, by, id)
}

// apply makes the change in memory and says which action it is.
func (s *Service) apply(c *channel, v *sealed, ch *ChannelChange) (action string, members []event.Member, err error) {
	action = actionUpdate
	if ch.Name != nil {
		if v.Name, err = checkName(*ch.Name); err != nil {
			return "", nil, err
		}
	}
	if ch.Topics != nil {
		if err := checkTopics(*ch.Topics); err != nil {
			return "", nil, err
		}
		c.topics = slices.Clone(*ch.Topics)
	}
	if ch.Settings != nil {
		set := *ch.Settings
		set.Keys = v.Settings.Keys
		if err := s.o.Sender.Check(c.kind, &set); err != nil {
			return "", nil, err
		}
		v.Settings = set
		members = append(members, selfaudit.Member("settings", "replaced"))
	}
	if ch.MutedUntil != nil {
		action = actionUnmute
		c.mutedUntil = 0
		if !ch.MutedUntil.IsZero() {
			action = actionMute
			c.mutedUntil = ch.MutedUntil.UnixMicro()
			members = append(members, selfaudit.Member("until", ch.MutedUntil.UTC()))
		}
	}
	if ch.Paused != nil {
		switch {
		case *ch.Paused && c.paused == "":
			action, c.paused = actionPause, "somebody paused it"
		case !*ch.Paused && c.paused != "":
			action, c.paused, c.failures, c.failingSince, c.holdUntil = actionResume, "", 0, 0, 0
		}
	}
	return action, members, nil
}

// Delete removes a channel. What waits for it is put away.
func (s *Service) Delete(ctx context.Context, by actor.Principal, id string) error {
	c, v, err := s.find(ctx, by, actor.NotifyManage, id)
	if err != nil {
		return err
	}
	return s.o.Recorder.Record(ctx, by.TenantID, channelEvent(ctx, actionDelete, "delete", by, c, v.Name), func(ctx context.Context, tx *sql.Tx) error {
		return deleteChannel(ctx, tx, by.TenantID, id, s.now())
	})
}

// Rotate gives a webhook a new key. The previous one signs along for a day, so that receivers can be changed in between. The new secret is not shown again.
func (s *Service) Rotate(ctx context.Context, by actor.Principal, id string) (*Channel, string, error) {
	c, v, err := s.find(ctx, by, actor.NotifyManage, id)
	if err != nil {
		return nil, "", err
	}
	if c.kind != send.Webhook {
		return nil, "", errs.New(errs.Conflict, "Only webhooks have keys.")
	}
	now := s.now()
	keys := []send.Key{send.NewKey()}
	for _, k := range v.Settings.Keys {
		if k.Until == 0 {
			k.Until = now + keysOverlap.Microseconds()
		}
		if k.Until > now && len(keys) < 3 {
			keys = append(keys, k)
		}
	}
	v.Settings.Keys = keys
	if err := s.seal(ctx, c, v); err != nil {
		return nil, "", err
	}
	err = s.o.Recorder.Record(ctx, by.TenantID, channelEvent(ctx, actionRotate, "update", by, c, v.Name), func(ctx context.Context, tx *sql.Tx) error {
		return updateChannel(ctx, tx, c, now)
	})
	if err != nil {
		return nil, "", err
	}
	return s.view(c, v), keys[0].SecretText(), nil
}

package access

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"
	"time"

	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// NewKey is what is needed to make an API key.
type NewKey struct {
	Name      string
	Scopes    []string
	Sources   []string
	ExpiresAt time.Time // zero for never
}

// Keys returns the API keys of the caller's tenant, newest first, revoked ones included.
func (s *Service) Keys(ctx context.Context, p actor.Principal) ([]Key, error) {
	if err := mayManage(p); err != nil {
		return nil, err
	}
	rows, err := in(s.o.DB.Read(ctx), p.TenantID).keys(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Key, len(rows))
	for i := range rows {
		if err := s.openKey(ctx, &rows[i]); err != nil {
			return nil, err
		}
		out[i] = rows[i].Key
	}
	return out, nil
}

// CreateKey makes an API key in the caller's tenant and returns it with its whole text, which is shown this once and kept nowhere.
func (s *Service) CreateKey(ctx context.Context, p actor.Principal, n NewKey) (Key, string, error) {
	if err := mayManage(p); err != nil {
		return Key{}, "", err
	}
	now := s.o.Now()
	if err := checkKey(n.Name, n.Scopes, n.Sources, n.ExpiresAt, now, p); err != nil {
		return Key{}, "", err
	}
	maker, until, err := s.roles.Lasting(ctx, p, n.Scopes)
	if err != nil {
		return Key{}, "", err
	}
	if !until.IsZero() && (n.ExpiresAt.IsZero() || n.ExpiresAt.After(until)) {
		return Key{}, "", errs.Field("/expires_at", "too_late", "You have these permissions until %s: the key has to end by then.", until.UTC().Format(time.RFC3339))
	}
	scopes := slices.Sorted(slices.Values(n.Scopes))
	text, prefix, hash := newKeyText()
	row := keyRow{hash: hash, Key: Key{ID: newID(), TenantID: p.TenantID, Name: strings.TrimSpace(n.Name), Prefix: prefix, Scopes: slices.Compact(scopes), Sources: slices.Clone(n.Sources),
		CreatedBy: maker, CreatedAt: now.UTC().Truncate(time.Microsecond), ExpiresAt: n.ExpiresAt.UTC().Truncate(time.Microsecond)}}
	if len(row.Sources) == 0 {
		row.Sources = nil
	}
	if err := s.sealKey(ctx, &row); err != nil {
		return Key{}, "", err
	}
	e := aboutKey(newEvent(ctx, actionKeyCreate, "access", "create", p), row.Key)
	e.Changes = []event.Change{selfaudit.Change("/scopes", nil, row.Scopes)}
	if row.Sources != nil {
		e.Changes = append(e.Changes, selfaudit.Change("/sources", nil, row.Sources))
	}
	if !row.ExpiresAt.IsZero() {
		e.Changes = append(e.Changes, selfaudit.Change("/expires_at", nil, row.ExpiresAt))
	}
	err = s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return in(tx, p.TenantID).insertKey(ctx, row) })
	if err != nil {
		return Key{}, "", err
	}
	return row.Key, text, nil
}

// sealKey fills in the sealed name of a key: people name keys after people.
func (s *Service) sealKey(ctx context.Context, k *keyRow) error {
	keys, err := s.o.TenantKeys(ctx, k.TenantID)
	if err != nil {
		return err
	}
	k.name, err = keys.Seal("api_key|"+k.ID+"|name", []byte(k.Name))
	return err
}

// openKey makes a key's name readable.
func (s *Service) openKey(ctx context.Context, k *keyRow) error {
	keys, err := s.o.TenantKeys(ctx, k.TenantID)
	if err != nil {
		return err
	}
	name, err := keys.Open("api_key|"+k.ID+"|name", k.name)
	if err != nil {
		return errs.Wrap(errs.Internal, err, "an API key cannot be read")
	}
	k.Name = string(name)
	return nil
}

// RevokeKey ends an API key of the caller's tenant for good. The error is NotFound when there is no such key there or it is revoked already.
func (s *Service) RevokeKey(ctx context.Context, p actor.Principal, id string) error {
	return s.RevokeKeyFor(ctx, p, id, "", role.Cause{})
}

// RevokeKeyFor is [Service.RevokeKey] for a reason and a cause.
func (s *Service) RevokeKeyFor(ctx context.Context, p actor.Principal, id, reason string, c role.Cause) error {
	if err := mayManage(p); err != nil {
		return err
	}
	k, err := in(s.o.DB.Read(ctx), p.TenantID).key(ctx, id)
	if err != nil {
		return err
	}
	if !k.RevokedAt.IsZero() {
		return errs.New(errs.NotFound, "This API key is revoked already.")
	}
	if err := s.openKey(ctx, &k); err != nil {
		return err
	}
	e := aboutKey(newEvent(ctx, actionKeyRevoke, "access", "revoke", p), k.Key)
	e.Reason = reason
	c.Mark(e)
	err = s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := in(tx, p.TenantID).revokeKey(ctx, id, s.o.Now().UnixMicro()); err != nil {
			return err
		}
		return c.Do(ctx, tx)
	})
	s.keys.forget(p.TenantID)
	return err
}

// RotateKey gives an API key of the caller's tenant another secret and returns its whole text, which is shown this once. The secret that it had works for as long as overlap says, which is 0 to 30 days; a third one, of a
// rotation before, stops at once. Nobody gets a secret this way that allows more than he may do. The error is NotFound for a key that is not there, revoked or expired.
func (s *Service) RotateKey(ctx context.Context, p actor.Principal, id string, overlap time.Duration) (Key, string, error) {
	if err := mayManage(p); err != nil {
		return Key{}, "", err
	}
	if overlap < 0 || overlap > maxOverlap {
		return Key{}, "", errs.Field("/overlap_seconds", "out_of_range", "The old secret can work for up to %d more days.", maxOverlap/(24*time.Hour))
	}
	k, err := in(s.o.DB.Read(ctx), p.TenantID).key(ctx, id)
	if err != nil {
		return Key{}, "", err
	}
	now := s.o.Now()
	if !k.RevokedAt.IsZero() || !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) {
		return Key{}, "", errs.New(errs.NotFound, "This API key is revoked or has expired; make a new one.")
	}
	if err := mayGive(k.Scopes, p); err != nil {
		return Key{}, "", err
	}
	if err := s.openKey(ctx, &k); err != nil {
		return Key{}, "", err
	}
	text, hash := newSecretText(k.Prefix)
	old := k.hash
	k.hash, k.oldHash, k.OldUntil = hash, old, now.Add(overlap).UTC().Truncate(time.Microsecond)
	e := aboutKey(newEvent(ctx, actionKeyRotate, "access", "update", p), k.Key)
	e.Data = []event.Member{selfaudit.Member("old_secret_works_until", k.OldUntil)}
	err = s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return in(tx, p.TenantID).rotateKey(ctx, k, old) })
	s.keys.forget(p.TenantID)
	if err != nil {
		return Key{}, "", err
	}
	return k.Key, text, nil
}

// keyTTL is how long another node may go on accepting a key that was revoked on this one.
const keyTTL = time.Second

// maxCachedKeys bounds the cache; beyond it, the cache starts afresh.
const maxCachedKeys = 4096

// keyCache remembers keys for a second, so that a busy application does not cost a query a request. What is revoked or locked on this node is forgotten at once.
type keyCache struct {
	now  func() time.Time
	mu   sync.Mutex
	rows map[string]cachedKey
}

type cachedKey struct {
	row keyRow
	at  time.Time
}

func (c *keyCache) get(prefix string) (keyRow, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.rows[prefix]
	return k.row, ok && c.now().Sub(k.at) < keyTTL
}

func (c *keyCache) put(row keyRow, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows == nil || len(c.rows) >= maxCachedKeys {
		c.rows = map[string]cachedKey{}
	}
	c.rows[row.Prefix] = cachedKey{row, at}
}

func (c *keyCache) forget(tenant string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for prefix, k := range c.rows {
		if k.row.TenantID == tenant {
			delete(c.rows, prefix)
		}
	}
}

// keyOf returns the row of a well-formed key, from memory or the database.
func (s *Service) keyOf(ctx context.Context, prefix string) (keyRow, error) {
	if k, ok := s.keys.get(prefix); ok {
		return k, nil
	}
	asked := s.o.Now() // before the query: a revocation that commits during it must not be outlived
	k, err := keyByPrefix(ctx, s.o.DB.Read(ctx), prefix)
	if err == nil {
		err = s.openKey(ctx, &k)
	}
	if err == nil {
		s.keys.put(k, asked)
	}
	return k, err
}

var errWrongKey = errs.New(errs.Unauthorized, "The API key is not valid.")

package person

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"probity.dev/internal/cache"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/sqldb"
)

// Cache sizes. An entry takes some 250 bytes, a profile some 250, an address 60.
const (
	cachedPersons   = 250_000
	cachedProfiles  = 120_000
	cachedAddresses = 50_000
	maxProfiles     = 64 // per person; whoever changes more often has their values stored with each event
)

// Directory is one tenant's directory. It is safe for concurrent use.
type Directory struct {
	tenant string
	no     int64 // the tenant in the directory's tables
	db     *sqldb.DB
	keys   *crypt.Tenant
	key    evidence.Hash

	mu        sync.Mutex // guards creation, so that one identifier never gets two entries in this process
	seed      maphash.Seed
	byKey     *cache.Cache[uint64, *entry]
	byHandle  *cache.Cache[int64, *entry]
	profiles  *cache.Cache[profileKey, []byte]
	addresses *cache.Cache[string, int64]
	fresh     fresh
	known     known
	names     nameIndex
}

type profileKey struct{ handle, profile int64 }

// Open opens the directory of a tenant, whose number in the directory's tables is no. directoryKey keys the blind indexes and never changes.
func Open(ctx context.Context, tenantID string, no int64, db *sqldb.DB, keys *crypt.Tenant, directoryKey evidence.Hash) (*Directory, error) {
	d := &Directory{tenant: tenantID, no: no, db: db, keys: keys, key: directoryKey}
	d.seed = maphash.MakeSeed()
	d.byKey, d.byHandle = cache.New[uint64, *entry](cachedPersons), cache.New[int64, *entry](cachedPersons)
	d.profiles, d.addresses = cache.New[profileKey, []byte](cachedProfiles), cache.New[string, int64](cachedAddresses)
	if err := d.loadJournal(ctx); err != nil {
		return nil, err
	}
	go d.learn(context.WithoutCancel(ctx))
	return d, nil
}

// Resolve returns the person with this identity, making one if there is none. What must be stored is added to b, whose Persist MUST run in the
// transaction that stores the event.
func (d *Directory) Resolve(ctx context.Context, b *Batch, id Identity) (Person, error) {
	e, ok := d.byKey.Get(d.digest(id.key()))
	if !ok || e.key != id.key() {
		var err error
		if e, err = d.load(ctx, id); err != nil {
			return Person{}, err
		}
	}
	if !e.persisted.Load() {
		b.addPerson(e)
	} else if (id.Name != "" || id.Email != "") && e.display.Load() != displayDigest(id) {
		old, err := d.who(ctx, e)
		if err != nil {
			return Person{}, err
		}
		if now := merge(old, id); displayDigest(now) != displayDigest(old) {
			b.addDisplay(e, now.clone())
		} else {
			e.display.Store(displayDigest(id))
		}
	}
	return e.person(), nil
}

func (d *Directory) digest(k key) uint64 { return maphash.Comparable(d.seed, k) }

func merge(old, now Identity) Identity {
	if now.Name == "" {
		now.Name = old.Name
	}
	if now.Email == "" {
		now.Email = old.Email
	}
	return now
}

// clone copies an identity out of the event that it was read from, which must not stay in memory for its sake.
func (i Identity) clone() Identity {
	return Identity{strings.Clone(i.Namespace), strings.Clone(i.Type), strings.Clone(i.ID), strings.Clone(i.Name), strings.Clone(i.Email)}
}

func (d *Directory) load(ctx context.Context, id Identity) (*entry, error) {
	at := d.scopeOf(id.key())
	d.mu.Lock()
	defer d.mu.Unlock()
	if e, ok := d.byKey.Get(d.digest(id.key())); ok && e.key == id.key() {
		return e, nil
	}
	e := d.fresh.byScope(at)
	if e == nil {
		handle, err := d.stored(ctx, at)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			e = d.create(id.clone(), at)
		case err != nil:
			return nil, sqldb.Translate(err)
		default:
			if e, err = d.entry(ctx, handle); err != nil {
				return nil, err
			}
		}
	}
	if e.key == (key{}) {
		e.key, e.at = id.clone().key(), at // entries that were read by their handle do not know it
	}
	d.byKey.Add(d.digest(id.key()), e)
	return e, nil
}

func (d *Directory) scopeOf(k key) (at scopeID) {
	copy(at.lookup[:], d.lookup("id", fold(k.id)))
	copy(at.scope[:], d.lookup("scope", k.namespace, k.typ, k.id))
	return at
}

// stored returns the handle of an identifier in the tables.
func (d *Directory) stored(ctx context.Context, at scopeID) (handle int64, err error) {
	if !d.known.maybe(at) {
		return 0, sql.ErrNoRows
	}
	err = d.db.Read(ctx).QueryRowContext(ctx, `SELECT handle FROM person_identifier WHERE tenant_no = $1 AND lookup = $2 AND scope = $3`, d.no, at.lookup[:], at.scope[:]).Scan(&handle)
	return handle, err
}

func (d *Directory) create(id Identity, at scopeID) *entry {
	d.known.add(at)
	e := &entry{handle: newHandle(), key: id.key(), at: at, generation: 1, secret: crypt.Secret()}
	e.fresh.Store(&id)
	e.display.Store(displayDigest(id))
	d.fresh.add(e)
	d.byHandle.Add(e.handle, e)
	return e
}

// who is the identity last seen of an entry.
func (d *Directory) who(ctx context.Context, e *entry) (Identity, error) {
	if i := e.fresh.Load(); i != nil {
		return *i, nil
	}
	var display []byte
	err := d.db.Read(ctx).QueryRowContext(ctx, `SELECT display FROM person WHERE tenant_no = $1 AND handle = $2`, d.no, e.handle).Scan(&display)
	if err != nil {
		return Identity{}, sqldb.Translate(err)
	}
	return d.openDisplay(e.handle, e.secret, display)
}

// entry returns the stored entry of a handle. A person whose secret was destroyed is an error with code NotFound.
func (d *Directory) entry(ctx context.Context, handle int64) (*entry, error) {
	if e, ok := d.byHandle.Get(handle); ok {
		return e, nil
	}
	if e := d.fresh.handle(handle); e != nil {
		return e, nil
	}
	e := &entry{handle: handle}
	var secret []byte
	err := d.db.Read(ctx).QueryRowContext(ctx, `SELECT secret, generation FROM person WHERE tenant_no = $1 AND handle = $2`, d.no, handle).
		Scan(&secret, &e.generation)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "there is no person with this handle")
	}
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	if err := d.openSecret(e, secret); err != nil {
		return nil, err
	}
	e.persisted.Store(true)
	d.byHandle.Add(handle, e)
	return e, nil
}

func (d *Directory) openSecret(e *entry, secret []byte) error {
	if secret == nil {
		return errs.New(errs.NotFound, "this person has been erased")
	}
	s, err := d.keys.Open(secretLabel(e.handle), secret)
	if err != nil || len(s) != 32 {
		return errs.Wrap(errs.Internal, err, "the secret of a person does not open")
	}
	e.secret = evidence.Hash(s)
	return nil
}

func (d *Directory) openEntry(e *entry, secret, display []byte) (Identity, error) {
	if err := d.openSecret(e, secret); err != nil || display == nil {
		return Identity{}, err
	}
	id, err := d.openDisplay(e.handle, e.secret, display)
	e.display.Store(displayDigest(id))
	return id, err
}

// openDisplay opens an identity. Its namespace is not kept: it is part of the look-up only.
func (d *Directory) openDisplay(handle int64, secret evidence.Hash, display []byte) (Identity, error) {
	plain, err := open(secret, "display", d.tenant, handle, 0, display)
	if err != nil {
		return Identity{}, errs.Wrap(errs.Internal, err, "the directory entry of a person does not open")
	}
	var i [4]string
	if err := json.Unmarshal(plain, &i); err != nil {
		return Identity{}, errs.Wrap(errs.Internal, err, "the directory entry of a person does not open")
	}
	return Identity{Type: i[0], ID: i[1], Name: i[2], Email: i[3]}, nil
}

// Secret returns the secret of the person with this handle. NotFound means erased or never there.
func (d *Directory) Secret(ctx context.Context, handle int64) (evidence.Hash, error) {
	e, err := d.entry(ctx, handle)
	if err != nil {
		return evidence.Hash{}, err
	}
	return e.secret, nil
}

// Describe returns what the directory knows of the person with this handle.
func (d *Directory) Describe(ctx context.Context, handle int64) (Identity, error) {
	e, err := d.entry(ctx, handle)
	if err != nil {
		return Identity{}, err
	}
	return d.who(ctx, e)
}

// Address returns the handle of a network address: a keyed hash instead of a random number, because addresses are many, have no secret of their own (their
// value belongs to whoever used them) and need nothing stored. A collision, of 62 bits, would only show an event too many.
func (d *Directory) Address(ip string) int64 {
	if h, ok := d.addresses.Get(ip); ok {
		return h
	}
	h := int64(binary.BigEndian.Uint64(d.lookup("address", fold(ip)))>>2) | 1
	d.addresses.Add(strings.Clone(ip), h)
	return h
}

// Find returns the handles that an identifier or e-mail stands for, in any namespace.
func (d *Directory) Find(ctx context.Context, term string) ([]int64, error) {
	rows, err := d.db.Read(ctx).QueryContext(ctx, `SELECT DISTINCT handle FROM person_identifier WHERE tenant_no = $1 AND lookup IN ($2, $3) ORDER BY handle LIMIT 1000`,
		d.no, d.lookup("id", fold(term)), d.lookup("email", fold(term)))
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	out := d.fresh.find(d.lookup("id", fold(term)), d.lookup("email", fold(term)))
	for rows.Next() {
		var h int64
		if err := rows.Scan(&h); err != nil {
			return nil, err
		}
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	slices.Sort(out)
	return out, sqldb.Translate(rows.Err())
}

// Profile returns the number under which body, the values of a person that repeat from event to event, is kept encrypted, adding it to b when it
// is new. Zero means that the person has too many; the caller then stores the values with the event.
func (d *Directory) Profile(b *Batch, p Person, body []byte) int64 {
	m := hmac.New(sha256.New, p.Secret[:])
	m.Write([]byte("probity/profile-id/v1\x00"))
	m.Write(body)
	id := int64(binary.BigEndian.Uint64(m.Sum(nil)) >> 1)
	if id == 0 {
		id = 1
	}
	k := profileKey{p.Handle, id}
	if p.entry.recent.Load() == id {
		return id
	}
	if _, ok := d.profiles.Get(k); ok && p.entry.persisted.Load() {
		p.entry.recent.Store(id)
		return id
	}
	if p.entry.profiles.Add(1) > maxProfiles {
		return 0
	}
	b.profiles = append(b.profiles, newProfile{k, p.entry, p.Secret, append([]byte(nil), body...)})
	return id
}

// ReadProfile returns the body kept by Profile. The result is shared and must not be changed.
func (d *Directory) ReadProfile(ctx context.Context, handle, profile int64) ([]byte, error) {
	k := profileKey{handle, profile}
	if b, ok := d.profiles.Get(k); ok {
		return b, nil
	}
	secret, err := d.Secret(ctx, handle)
	if err != nil {
		return nil, err
	}
	if b := d.fresh.profile(k); b != nil {
		return b, nil
	}
	var sealed []byte
	err = d.db.Read(ctx).QueryRowContext(ctx, `SELECT body FROM person_profile WHERE tenant_no = $1 AND handle = $2 AND profile = $3`,
		d.no, handle, profile).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "these values have been erased")
	}
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	b, err := open(secret, "profile", d.tenant, handle, profile, sealed)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "stored values of a person do not open")
	}
	d.profiles.Add(k, b)
	return b, nil
}

func secretLabel(handle int64) string { return fmt.Sprintf("person|%d", handle) }

func personCipher(secret evidence.Hash, purpose string) (cipher.AEAD, error) {
	k, err := hkdf.Key(sha256.New, secret[:], nil, "probity/"+purpose+"/v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func aad(tenant string, handle, n int64) []byte {
	b := binary.BigEndian.AppendUint64(append(make([]byte, 0, len(tenant)+16), tenant...), uint64(handle))
	return binary.BigEndian.AppendUint64(b, uint64(n))
}

func seal(secret evidence.Hash, purpose, tenant string, handle, n int64, plain []byte) ([]byte, error) {
	c, err := personCipher(secret, purpose)
	if err != nil {
		return nil, err
	}
	return c.Seal(nil, nil, plain, aad(tenant, handle, n)), nil
}

func open(secret evidence.Hash, purpose, tenant string, handle, n int64, sealed []byte) ([]byte, error) {
	c, err := personCipher(secret, purpose)
	if err != nil {
		return nil, err
	}
	return c.Open(nil, nil, sealed, aad(tenant, handle, n))
}

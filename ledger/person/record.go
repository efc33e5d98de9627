package person

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"probity.dev/internal/aesgcm"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
)

// record is what is stored of a person. Its byte form: format, handle (8), scope (8), generation, created_at in microseconds, number of look-ups (1), the
// look-ups (16 each), then secret, base and display, each after its length; numbers are uvarints.
type record struct {
	handle              int64
	scope               [8]byte
	generation, created int64
	// lookups are the blind indexes of the id and of every e-mail address the person had, 16 bytes each.
	lookups []byte
	// secret is the person's secret, sealed under the tenant's keys. It is empty once the secret has been destroyed.
	secret []byte
	// base is the identity first seen and the first profile, sealed under the secret; display, when not empty, a newer identity.
	base, display []byte
}

const (
	recordFormat = 1
	lookupSize   = 16
	maxLookups   = 255
)

func (r *record) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, recordFormat), uint64(r.handle))
	b = append(b, r.scope[:]...)
	b = binary.AppendUvarint(b, uint64(r.generation))
	b = binary.AppendUvarint(b, uint64(r.created))
	b = append(append(b, byte(len(r.lookups)/lookupSize)), r.lookups...)
	for _, x := range [...][]byte{r.secret, r.base, r.display} {
		b = append(binary.AppendUvarint(b, uint64(len(x))), x...)
	}
	return b
}

var errRecord = errs.New(errs.Internal, "the stored record of a person is damaged")

// parseRecord reads a record, which shares b's memory.
func parseRecord(b []byte) (r record, err error) {
	in := reader{b: b}
	if f := in.bytes(1); in.bad || f[0] != recordFormat {
		return r, errRecord
	}
	if h := in.bytes(8); !in.bad {
		r.handle = int64(binary.BigEndian.Uint64(h))
	}
	copy(r.scope[:], in.bytes(8))
	r.generation, r.created = in.num(), in.num()
	if n := in.bytes(1); !in.bad {
		r.lookups = in.bytes(int64(n[0]) * lookupSize)
	}
	r.secret, r.base, r.display = in.blob(), in.blob(), in.blob()
	if in.bad || len(in.b) > 0 {
		return r, errRecord
	}
	return r, nil
}

// has reports whether l is one of the record's look-ups.
func (r *record) has(l [lookupSize]byte) bool {
	for b := r.lookups; len(b) >= lookupSize; b = b[lookupSize:] {
		if bytes.Equal(b[:lookupSize], l[:]) {
			return true
		}
	}
	return false
}

// change applies a newer identity.
func (r *record) change(c displayRow) {
	if len(r.secret) == 0 {
		return // destroyed meanwhile: nobody could read it, nor ought to find it
	}
	r.display = c.display
	if c.alias == ([lookupSize]byte{}) || r.has(c.alias) {
		return
	}
	l := bytes.Clone(r.lookups)
	if len(l) >= maxLookups*lookupSize { // the oldest address goes
		l = append(l[:lookupSize], l[2*lookupSize:]...)
	}
	r.lookups = append(l, c.alias[:]...)
}

// shown is an opened identity, with the profile that is kept beside it. It shares the memory of its sealer.
type shown struct {
	typ, id, name, email []byte
	profile              []byte // nil when there is none
}

func (s *shown) identity() Identity {
	return Identity{Type: string(s.typ), ID: string(s.id), Name: string(s.name), Email: string(s.email)}
}

// sealer is the scratch space in which records are sealed and opened. It is not safe for concurrent use.
type sealer struct {
	tenant  string
	keys    *crypt.Sealer
	texts   aesgcm.Sealer
	label   []byte
	aad     []byte
	plain   []byte
	secret  []byte
	lookups []byte
	iv      [ivSize]byte
}

const (
	ivSize  = 12
	tagSize = 16
)

// What a text under a person's secret is, so that none can stand for another.
const (
	sealedBase    = 'b'
	sealedDisplay = 'd'
	sealedProfile = 'p'
)

// cipherInfo is what the key of a person's texts is expanded with, with the counter of HKDF.
const cipherInfo = "probity/person/v1\x01"

// personKey returns the key of the texts of a person, for AES-256-GCM: HKDF-Expand(secret, "probity/person/v1"). The secret is random and uniform, so it needs no
// extract step (RFC 5869 §3.3).
func personKey(secret *evidence.Hash) evidence.Hash {
	return evidence.HMAC(secret, []byte(cipherInfo))
}

func (s *sealer) bind(kind byte, handle, number int64) {
	s.aad = append(append(s.aad[:0], s.tenant...), kind)
	s.aad = binary.BigEndian.AppendUint64(s.aad, uint64(handle))
	s.aad = binary.BigEndian.AppendUint64(s.aad, uint64(number))
}

// seal appends IV, ciphertext and tag of plain to dst.
func (s *sealer) seal(dst []byte, key *evidence.Hash, kind byte, handle, number int64, plain []byte) []byte {
	s.bind(kind, handle, number)
	s.keys.Random.Read(s.iv[:])
	return s.texts.Seal(append(dst, s.iv[:]...), (*[aesgcm.KeySize]byte)(key), &s.iv, plain, s.aad)
}

// open appends what was sealed to dst.
func (s *sealer) open(dst []byte, key *evidence.Hash, kind byte, handle, number int64, sealed []byte) ([]byte, error) {
	if len(sealed) < ivSize+tagSize {
		return nil, errRecord
	}
	s.bind(kind, handle, number)
	return s.texts.Open(dst, (*[aesgcm.KeySize]byte)(key), (*[ivSize]byte)(sealed), sealed[ivSize:], s.aad)
}

func (s *sealer) secretLabel(handle int64) []byte {
	s.label = strconv.AppendInt(append(s.label[:0], "person|"...), handle, 10)
	return s.label
}

// sealPerson appends the record of a new person to dst. The caller holds the lock of u.
func (s *sealer) sealPerson(dst []byte, e *entry, u *unsaved, r *record) []byte {
	key := personKey(&e.secret)
	s.plain = appendIdentity(s.plain[:0], &u.identity)
	if u.profile != nil {
		s.plain = append(append(s.plain, 1), u.profile...)
	} else {
		s.plain = append(s.plain, 0)
	}
	s.secret = s.keys.Seal(s.secret[:0], s.secretLabel(e.handle), e.secret[:])
	at := len(s.secret)
	s.secret = s.seal(s.secret, &key, sealedBase, e.handle, 0, s.plain)
	r.secret, r.base = s.secret[:at], s.secret[at:]
	return r.append(dst)
}

func appendIdentity(b []byte, id *Identity) []byte {
	for _, x := range [...]string{id.Type, id.ID, id.Name, id.Email} {
		b = append(binary.AppendUvarint(b, uint64(len(x))), x...)
	}
	return b
}

// openSecret returns the secret of a record. NotFound means that it was destroyed.
func (s *sealer) openSecret(r *record) (evidence.Hash, error) {
	if len(r.secret) == 0 {
		return evidence.Hash{}, errs.New(errs.NotFound, "this person has been erased")
	}
	b, err := s.keys.Open(s.secret[:0], s.secretLabel(r.handle), r.secret)
	if err != nil || len(b) != len(evidence.Hash{}) {
		return evidence.Hash{}, errs.Wrap(errs.Internal, err, "the secret of a person does not open")
	}
	s.secret = b
	return evidence.Hash(b), nil
}

// openBase opens the identity first seen and the first profile.
func (s *sealer) openBase(r *record, key *evidence.Hash) (out shown, err error) {
	plain, err := s.open(s.plain[:0], key, sealedBase, r.handle, 0, r.base)
	if err != nil {
		return out, errs.Wrap(errs.Internal, err, "the directory entry of a person does not open")
	}
	s.plain = plain
	in := reader{b: plain}
	out.typ, out.id, out.name, out.email = in.blob(), in.blob(), in.blob(), in.blob()
	if kept := in.bytes(1); !in.bad && kept[0] == 1 {
		out.profile = in.b
	} else if in.bad || len(in.b) > 0 {
		return out, errs.Wrap(errs.Internal, errRecord, "the directory entry of a person does not open")
	}
	return out, nil
}

// openShown opens the identity seen last.
func (s *sealer) openShown(r *record, key *evidence.Hash) (out shown, err error) {
	if len(r.display) == 0 {
		return s.openBase(r, key)
	}
	plain, err := s.open(s.plain[:0], key, sealedDisplay, r.handle, 0, r.display)
	if err != nil {
		return out, errs.Wrap(errs.Internal, err, "the directory entry of a person does not open")
	}
	s.plain = plain
	in := reader{b: plain}
	out.typ, out.id, out.name, out.email = in.blob(), in.blob(), in.blob(), in.blob()
	if in.bad || len(in.b) > 0 {
		return out, errs.Wrap(errs.Internal, errRecord, "the directory entry of a person does not open")
	}
	return out, nil
}

// openRecord opens a record as far as it says who the person is.
func (s *sealer) openRecord(r *record) (who shown, err error) {
	secret, err := s.openSecret(r)
	if err != nil {
		return who, err
	}
	key := personKey(&secret)
	return s.openShown(r, &key)
}

// openIdentity is openRecord with a result that may be kept.
func (s *sealer) openIdentity(r *record) (Identity, error) {
	who, err := s.openRecord(r)
	return who.identity(), err
}

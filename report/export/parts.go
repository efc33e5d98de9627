package export

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"strconv"
	"sync/atomic"

	"probity.dev/internal/actor"
	"probity.dev/internal/blob"
)

// An export lies in the store as parts, one file each, which put together are the file that is downloaded. A part is never written to once it is complete, and a job that is
// interrupted goes on after the last complete one, if its format allows that: the formats of lines do. Others are one part, and begin anew.

// DefaultPartBytes is the size from which a part is complete: what an interrupted export writes again at most.
const DefaultPartBytes = 64 << 20

// partName is what a part, counted from 1, is called in the store. The first has the name that exports of one file always had.
func partName(id string, n int) string {
	if n == 1 {
		return id + fileSuffix
	}
	return id + "-" + strconv.Itoa(n) + fileSuffix
}

// partLabel binds a part to its export and its place in it.
func partLabel(id string, n int) []byte {
	if n == 1 {
		return []byte(id)
	}
	return []byte(id + "/" + strconv.Itoa(n))
}

// parts writes the parts of an export one after the other, counting and hashing all of them.
type parts struct {
	ctx    context.Context //nolint:containedctx // it writes as an io.Writer for the time of one call
	store  blob.Store
	id     string
	key    []byte
	n      int // complete parts
	cur    *sealedFile
	inPart int64
	hash   hash.Hash
	bytes  atomic.Int64
}

func newParts(ctx context.Context, store blob.Store, id string, key []byte) *parts {
	return &parts{ctx: ctx, store: store, id: id, key: key, hash: sha256.New()}
}

// Write implements io.Writer. A part begins with its first byte.
func (p *parts) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if p.cur == nil {
		if err := p.begin(); err != nil {
			return 0, err
		}
	}
	n, err := p.cur.Write(b)
	p.hash.Write(b[:n])
	p.bytes.Add(int64(n))
	p.inPart += int64(n)
	return n, err
}

func (p *parts) begin() (err error) {
	p.cur, err = createFile(p.ctx, p.store, partName(p.id, p.n+1), partLabel(p.id, p.n+1), p.key)
	p.inPart = 0
	return err
}

// cut makes what has been written of a part durable; the next byte begins another.
func (p *parts) cut() error {
	if p.cur == nil {
		return nil
	}
	if err := p.cur.commit(p.ctx); err != nil {
		return err
	}
	p.cur = nil
	p.n++
	return nil
}

// end completes the last part. Even an export without a byte has one.
func (p *parts) end() error {
	if p.cur == nil && p.n == 0 {
		if err := p.begin(); err != nil {
			return err
		}
	}
	return p.cut()
}

// abandon drops the part that is being written.
func (p *parts) abandon() {
	if p.cur != nil {
		p.cur.abandon()
		p.cur = nil
	}
}

func (p *parts) sum() string { return hex.EncodeToString(p.hash.Sum(nil)) }

// resume says where an interrupted export goes on. It is sealed before it is stored: the state of the hash holds the last bytes of what was written.
type resume struct {
	// From and To bound the seqs that are still to be written. To is fixed when the export begins, so that all attempts write the same events.
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	Rows int64  `json:"rows"`
	// Bytes and Hash are of all complete parts.
	Bytes int64  `json:"bytes"`
	Hash  []byte `json:"hash"`
	// Like says what the content depends on beside the events; with another, the export begins anew.
	Like string `json:"like"`
}

// likeness is a resume's Like.
func likeness(v ...any) (string, error) {
	b, err := json.Marshal(v)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), err
}

// goOn continues after n complete parts.
func (p *parts) goOn(n int, r *resume) error {
	u, ok := p.hash.(encoding.BinaryUnmarshaler)
	if !ok {
		return errors.New("the hash cannot be continued")
	}
	p.n = n
	p.bytes.Store(r.Bytes)
	return u.UnmarshalBinary(r.Hash)
}

func (p *parts) hashState() ([]byte, error) {
	m, ok := p.hash.(encoding.BinaryMarshaler)
	if !ok {
		return nil, errors.New("the hash cannot be stored")
	}
	return m.MarshalBinary()
}

// openParts opens the plain content of an export. Every part is looked for before the first byte is read. The caller closes it.
func openParts(ctx context.Context, store blob.Store, id string, n int, key []byte) (io.ReadCloser, error) {
	for i := 2; i <= n; i++ {
		if _, err := store.Stat(ctx, filesPrefix+partName(id, i)); err != nil {
			return nil, missing(err)
		}
	}
	first, err := openFile(ctx, store, partName(id, 1), partLabel(id, 1), key)
	return &partReader{ctx: ctx, store: store, id: id, key: key, at: 1, n: n, cur: first}, err
}

// partReader reads parts one after the other.
type partReader struct {
	ctx   context.Context //nolint:containedctx // it reads as an io.Reader for the time of one download
	store blob.Store
	id    string
	key   []byte
	at, n int
	cur   io.ReadCloser
}

// Read implements io.Reader.
func (r *partReader) Read(b []byte) (int, error) {
	for {
		n, err := r.cur.Read(b)
		if n > 0 && errors.Is(err, io.EOF) {
			return n, nil
		}
		if !errors.Is(err, io.EOF) || r.at == r.n {
			return n, err
		}
		next, err := openFile(r.ctx, r.store, partName(r.id, r.at+1), partLabel(r.id, r.at+1), r.key)
		if err != nil {
			return 0, err
		}
		if err := r.cur.Close(); err != nil {
			return 0, errors.Join(err, next.Close())
		}
		r.cur = next
		r.at++
	}
}

// Close implements io.Closer.
func (r *partReader) Close() error { return r.cur.Close() }

// removeParts deletes the parts of an export, which need not exist.
func removeParts(ctx context.Context, store blob.Store, id string, n int) error {
	var err error
	for i := 1; i <= n; i++ {
		err = errors.Join(err, store.Delete(ctx, filesPrefix+partName(id, i)))
	}
	return err
}

// cutter cuts the file of an export into parts and notes after each where to go on.
type cutter struct {
	s    *Service
	j    *job
	out  *parts
	at   *running
	form *lines
	goOn resume
	ctx  context.Context //nolint:containedctx // that of one attempt
}

// begin goes on after the last complete part, if what the content depends on is as it was then, and begins anew otherwise. It returns the request for what is left.
func (c *cutter) begin(ctx context.Context, r *Request, viewer actor.Principal, settings *TenantSettings, form *lines) (*Request, error) {
	c.ctx, c.form = ctx, form
	// A pseudonym key never changes. A location and a name may, and show in no format of lines.
	like, err := likeness(r, viewer.Roles, viewer.MaskAs, viewer.Permissions, settings.Anonymise)
	if err != nil {
		return nil, err
	}
	if c.j.parts > 0 && c.load() == nil && c.goOn.Like == like {
		if err := c.out.goOn(int(c.j.parts), &c.goOn); err != nil {
			return nil, err
		}
		c.at.set(c.goOn.Rows)
		form.goOn(c.goOn.Rows > 0)
	} else {
		if c.j.parts > 0 {
			if err := c.s.drop(ctx, c.j); err != nil {
				return nil, err
			}
		}
		c.goOn = resume{Like: like}
		if c.goOn.To, err = c.s.o.Source.Next(ctx, c.j.tenant); err != nil {
			return nil, err
		}
	}
	rest := *r
	rest.Filter.SeqFrom, rest.Filter.SeqTo = c.goOn.From, c.goOn.To
	return &rest, nil
}

func (c *cutter) load() error {
	b, err := c.s.o.Sealer.Open(c.j.tenant, c.j.resume)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, &c.goOn)
}

// after is called when everything up to a seq has been written, and completes the part if it is large enough.
func (c *cutter) after(seq uint64) error {
	if c.out.inPart < c.s.o.PartBytes {
		return nil
	}
	if err := errors.Join(c.form.flush(), c.out.cut()); err != nil {
		return err
	}
	c.goOn.From, c.goOn.Rows, c.goOn.Bytes = seq+1, c.at.rows.Load(), c.out.bytes.Load()
	var err error
	if c.goOn.Hash, err = c.out.hashState(); err != nil {
		return err
	}
	b, err := json.Marshal(&c.goOn)
	if err != nil {
		return err
	}
	sealed, err := c.s.o.Sealer.Seal(c.j.tenant, b)
	if err != nil {
		return err
	}
	total := sql.NullInt64{Int64: c.at.total.Load()}
	total.Valid = total.Int64 >= 0
	return c.s.o.DB.Write(c.ctx, func(tx *sql.Tx) error {
		return savePart(c.ctx, tx, c.j, c.out.n, sealed, c.goOn.Rows, total, c.goOn.Bytes)
	})
}

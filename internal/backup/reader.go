package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"

	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
)

// ErrDamaged is in the chain of errors about a part that is not what the manifest says, or is missing.
var ErrDamaged = errors.New("the backup is damaged")

// Snapshot is one backup, opened for reading.
type Snapshot struct {
	Summary  Summary
	Manifest *Manifest

	r      *Repository
	keys   *Identities
	sealed *sealedManifest
}

// Snapshot opens a backup; "" or "latest" is the newest. Who made it is not known before [Snapshot.Authentic] says so.
func (r *Repository) Snapshot(ctx context.Context, id string, keys *Identities) (*Snapshot, error) {
	s, err := r.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	in, err := r.store.Open(ctx, backupsPrefix+s.ID+"/"+manifestName, 0, -1)
	if err != nil {
		return nil, err
	}
	defer in.Close() //nolint:errcheck // read only
	clear, err := keys.decrypt(in)
	if err != nil {
		return nil, ofManifest(s.ID, err)
	}
	m, err := decodeManifest(clear)
	if err != nil {
		return nil, ofManifest(s.ID, err)
	}
	if m.ID != s.ID {
		return nil, errs.Wrap(errs.Invalid, ErrDamaged, "the manifest in the place of the backup %s is that of another", s.ID)
	}
	return &Snapshot{Summary: s, Manifest: &m.Manifest, r: r, keys: keys, sealed: m}, nil
}

func ofManifest(id string, err error) error {
	var known *errs.Error
	if errors.As(err, &known) {
		return err
	}
	return errs.Wrap(errs.Invalid, errors.Join(ErrDamaged, err), "the manifest of the backup %s cannot be read", id)
}

// Authentic checks that the manifest, and with it the hash of every part, was written by an installation that has the master key.
func (s *Snapshot) Authentic(ctx context.Context, kms crypt.KMS) error {
	return s.sealed.authentic(ctx, kms)
}

// Copy writes the content of a part to w. When it returns nil, the content was what the manifest says; before that, w has had bytes that may be wrong.
func (s *Snapshot) Copy(ctx context.Context, p *Part, w io.Writer) error {
	in, err := s.r.store.Open(ctx, p.Object, 0, -1)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return damaged(p, "it is missing", nil)
		}
		return err
	}
	defer in.Close() //nolint:errcheck // read only
	content, err := s.keys.decrypt(in)
	if err != nil {
		if errs.CodeOf(err) == errs.Unauthorized {
			return err
		}
		return damaged(p, "it cannot be decrypted", err)
	}
	if p.Encoding == "zstd" {
		z, err := zstd.NewReader(content, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return err
		}
		defer z.Close()
		content = z
	} else if p.Encoding != "" {
		return errs.New(errs.Unsupported, "the part %s has the encoding %q, which this version does not read", p.Name, p.Encoding)
	}
	h := sha256.New()
	reading := &source{r: interruptible{ctx, content}}
	n, err := io.Copy(io.MultiWriter(h, w), io.LimitReader(reading, p.Size+1))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case reading.err != nil && errs.CodeOf(reading.err) == errs.Unavailable:
		return reading.err
	case reading.err != nil:
		return damaged(p, "it cannot be decrypted", reading.err)
	case err != nil:
		return err
	case n != p.Size || hex.EncodeToString(h.Sum(nil)) != p.SHA256:
		return damaged(p, "its content is not what the manifest says", nil)
	}
	return nil
}

// source remembers the error of its reader, apart from those of whom it is copied to.
type source struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// Is reports whether what r gives is the content of the part.
func (p *Part) Is(r io.Reader) (bool, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return n == p.Size && hex.EncodeToString(h.Sum(nil)) == p.SHA256, err
}

func damaged(p *Part, why string, cause error) error {
	return errs.Wrap(errs.Invalid, errors.Join(ErrDamaged, cause), "the part %s of the backup is damaged: %s", p.Name, why)
}

// Verify reads every part and compares it with the manifest. progress, when not nil, is told the bytes read and their number. The error names the first wrong part.
func (s *Snapshot) Verify(ctx context.Context, progress func(done, total int64)) error {
	var done int64
	for i := range s.Manifest.Parts {
		p := &s.Manifest.Parts[i]
		if err := s.Copy(ctx, p, io.Discard); err != nil {
			return err
		}
		if done += p.Size; progress != nil {
			progress(done, s.Summary.Bytes)
		}
	}
	return nil
}

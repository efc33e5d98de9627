package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"path"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"probity.dev/internal/blob"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
)

// Writer makes one backup. It is not safe for concurrent use. Nothing counts before [Writer.Finish] has returned nil.
type Writer struct {
	// Manifest is filled in by the caller but for Format, ID, CreatedAt and Parts.
	Manifest Manifest

	r       *Repository
	to      *Recipients
	stored  map[string]int64 // parts that are there
	bytes   int64
	fresh   int64
	release func()
}

// Begin begins a backup. The context that it returns is to be used for the rest: it ends when the repository can no longer be counted on to be ours alone. The caller calls [Writer.Close].
func (r *Repository) Begin(ctx context.Context, to *Recipients) (*Writer, context.Context, error) {
	ctx, release, err := r.lock(ctx, "backup")
	if err != nil {
		return nil, nil, err
	}
	err = r.dropUnfinished(ctx)
	var stored map[string]int64
	if err == nil {
		stored, err = r.objects(ctx, partsPrefix+to.id+"/")
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	now := time.Now().UTC()
	tail := make([]byte, 4)
	rand.Read(tail) //nolint:errcheck // never fails: it ends the program instead
	return &Writer{r: r, to: to, stored: stored, release: release,
		Manifest: Manifest{Format: Format, ID: now.Format("20060102T150405Z") + "-" + hex.EncodeToString(tail), CreatedAt: now}}, ctx, nil
}

// Close gives the repository back to others. What an unfinished backup has stored of its own is removed; parts stay for the next.
func (w *Writer) Close(ctx context.Context) error {
	defer w.release()
	if w.to == nil { // finished
		return nil
	}
	return w.r.dropUnfinished(context.WithoutCancel(ctx))
}

// Has reports whether a part with this content is stored already.
func (w *Writer) Has(sum []byte) bool { _, ok := w.stored[w.object(sum)]; return ok }

func (w *Writer) object(sum []byte) string {
	h := hex.EncodeToString(sum)
	return partsPrefix + w.to.id + "/" + h[:2] + "/" + h
}

// AddFile adds an immutable file whose size and SHA-256 are known. It is read only if no backup has stored it yet, and must then be what was said.
func (w *Writer) AddFile(ctx context.Context, ref blob.Ref, open func() (io.ReadCloser, error)) error {
	if len(ref.SHA256) != sha256.Size {
		return errs.New(errs.Internal, "%s has no SHA-256", ref.Name)
	}
	p := Part{Name: ref.Name, Object: w.object(ref.SHA256), Size: ref.Size, SHA256: hex.EncodeToString(ref.SHA256)}
	if !w.Has(ref.SHA256) {
		in, err := open()
		if err != nil {
			return err
		}
		err = w.store(ctx, &p, in, ref.SHA256)
		if err = errors.Join(err, in.Close()); err != nil {
			return err
		}
		w.stored[p.Object] = p.Size
	}
	w.add(p)
	return nil
}

// AddStream adds what fn writes, compressed when that is asked for. It belongs to this backup alone.
func (w *Writer) AddStream(ctx context.Context, name string, compress bool, fn func(io.Writer) error) error {
	p := Part{Name: name, Object: backupsPrefix + w.Manifest.ID + "/" + path.Base(name) + ".age"}
	if compress {
		p.Encoding = "zstd"
	}
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(fn(pw)) }()
	err := w.store(ctx, &p, pr, nil)
	pr.CloseWithError(errStop) // fn must not wait for a reader that has gone
	if err != nil {
		return err
	}
	w.add(p)
	return nil
}

// AddBytes is AddStream for what is at hand.
func (w *Writer) AddBytes(ctx context.Context, name string, b []byte) error {
	return w.AddStream(ctx, name, false, func(to io.Writer) error { _, err := to.Write(b); return err })
}

func (w *Writer) add(p Part) {
	w.Manifest.Parts = append(w.Manifest.Parts, p)
	w.bytes += p.Size
}

// store writes one object and fills in the part's size and hash. A sum that is not nil, and the size with it, must be that of the content.
func (w *Writer) store(ctx context.Context, p *Part, in io.Reader, sum []byte) error {
	out, err := w.r.store.Create(ctx, p.Object, blob.PutOptions{})
	if err != nil {
		return err
	}
	defer out.Abort()
	sealed, err := w.to.encrypt(out)
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := pass(ctx, sealed, in, h, p.Encoding)
	if err = errors.Join(err, sealed.Close()); err != nil {
		return err
	}
	got := h.Sum(nil)
	if sum != nil && (!bytes.Equal(got, sum) || n != p.Size) {
		return errs.New(errs.Internal, "%s is damaged: its content is not what the database says; the backup was not made. Run probity verify", p.Name)
	}
	p.Size, p.SHA256 = n, hex.EncodeToString(got)
	w.fresh += n
	return out.Commit(ctx, nil)
}

// pass copies a part's content, hashed, in its encoding.
func pass(ctx context.Context, out io.Writer, in io.Reader, h hash.Hash, encoding string) (int64, error) {
	in = io.TeeReader(interruptible{ctx, in}, h)
	if encoding == "" {
		return io.Copy(out, in)
	}
	z, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(z, in)
	return n, errors.Join(err, z.Close())
}

// interruptible stops reading when its context ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (i interruptible) Read(b []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	return i.r.Read(b)
}

// Finish writes the summary and then the manifest, with which the backup counts.
func (w *Writer) Finish(ctx context.Context, kms crypt.KMS) (Summary, error) {
	m := &w.Manifest
	s := Summary{Format: Format, ID: m.ID, CreatedAt: m.CreatedAt, Product: m.Product, KeyID: w.to.id, Bytes: w.bytes, NewBytes: w.fresh}
	for _, p := range m.Parts {
		s.Objects = append(s.Objects, p.Object)
	}
	slices.Sort(s.Objects)
	s.Objects = slices.Compact(s.Objects)
	text, err := json.Marshal(s)
	if err != nil {
		return s, err
	}
	if err := w.r.put(ctx, backupsPrefix+m.ID+"/"+summaryName, text); err != nil {
		return s, err
	}
	b, err := m.encode(ctx, kms)
	if err != nil {
		return s, err
	}
	var sealed bytes.Buffer
	to, err := w.to.encrypt(&sealed)
	if err != nil {
		return s, err
	}
	if _, err = to.Write(b); err == nil {
		err = to.Close()
	}
	if err != nil {
		return s, err
	}
	if err := w.r.put(ctx, backupsPrefix+m.ID+"/"+manifestName, sealed.Bytes()); err != nil {
		return s, err
	}
	w.to = nil
	return s, nil
}

package blob

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"probity.dev/internal/errs"
)

const (
	checksumHeader    = "x-amz-checksum-sha256"
	checksumAlgorithm = "x-amz-checksum-algorithm"
	maxParts          = 10_000
)

// s3Writer spools an object to a local file that has no name: it goes with the process.
type s3Writer struct {
	s    *S3
	name string
	o    PutOptions
	f    *os.File
	w    *bufio.Writer
	hash hash.Hash
	size int64
}

// Create implements [Store].
func (s *S3) Create(_ context.Context, name string, o PutOptions) (Writer, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(s.o.Spool, tempPrefix+"*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &s3Writer{s: s, name: name, o: o, f: f, w: bufio.NewWriterSize(f, writeBuffer), hash: sha256.New()}, nil
}

// Write implements io.Writer.
func (w *s3Writer) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	w.hash.Write(b[:n])
	w.size += int64(n)
	return n, err
}

// Abort implements [Writer].
func (w *s3Writer) Abort() { w.f.Close() } //nolint:errcheck // it is gone anyway

// Commit implements [Writer]. The server is told the SHA-256 of what it gets, and refuses anything else.
func (w *s3Writer) Commit(ctx context.Context, sum []byte) error {
	defer w.Abort()
	if err := w.w.Flush(); err != nil {
		return err
	}
	got := w.hash.Sum(nil)
	if sum != nil && string(sum) != string(got) {
		return errs.New(errs.Internal, "the content of %s is not what was announced", w.name)
	}
	o := minio.PutObjectOptions{}
	if w.o.Mode != NoLock {
		o.Mode, o.RetainUntilDate = minio.RetentionMode(strings.ToUpper(string(w.o.Mode))), w.o.Until
	}
	ctx, cancel := w.s.within(ctx, w.size)
	defer cancel()
	if w.size > w.s.o.PartSize {
		return w.s.fail(w.parts(ctx, o), w.name)
	}
	if w.o.Once {
		o.SetMatchETagExcept("*")
	}
	o.UserMetadata = map[string]string{checksumHeader: base64.StdEncoding.EncodeToString(got)}
	_, err := w.s.core.PutObject(ctx, w.s.bucket(), w.s.key(w.name), io.NewSectionReader(w.f, 0, w.size), w.size, "", hex.EncodeToString(got), o)
	return w.s.fail(err, w.name)
}

// parts sends a large object in parts, each with its hash.
func (w *s3Writer) parts(ctx context.Context, o minio.PutObjectOptions) (err error) {
	core, bucket, key := w.s.core, w.s.bucket(), w.s.key(w.name)
	o.UserMetadata = map[string]string{checksumAlgorithm: "SHA256"}
	upload, err := core.NewMultipartUpload(ctx, bucket, key, o)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		// The context may be what has ended; what is left would take room until the next sweep.
		ctx, cancel := w.s.within(context.WithoutCancel(ctx), 0)
		defer cancel()
		if e := core.AbortMultipartUpload(ctx, bucket, key, upload); e != nil {
			err = errors.Join(err, e)
		}
	}()
	size := max(w.s.o.PartSize, (w.size+maxParts-1)/maxParts)
	var done []minio.CompletePart
	for from := int64(0); from < w.size; from += size {
		part := io.NewSectionReader(w.f, from, min(size, w.size-from))
		h := sha256.New()
		if _, err := io.CopyBuffer(h, struct{ io.Reader }{part}, make([]byte, writeBuffer)); err != nil {
			return err
		}
		if _, err := part.Seek(0, io.SeekStart); err != nil {
			return err
		}
		sum := base64.StdEncoding.EncodeToString(h.Sum(nil))
		p, err := core.PutObjectPart(ctx, bucket, key, upload, len(done)+1, part, part.Size(),
			minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(h.Sum(nil)), CustomHeader: http.Header{http.CanonicalHeaderKey(checksumHeader): {sum}}})
		if err != nil {
			return err
		}
		done = append(done, minio.CompletePart{PartNumber: len(done) + 1, ETag: p.ETag, ChecksumSHA256: sum})
	}
	last := minio.PutObjectOptions{}
	if w.o.Once {
		last.SetMatchETagExcept("*")
	}
	_, err = core.CompleteMultipartUpload(ctx, bucket, key, upload, done, last)
	return err
}

// Delete implements [Store]: every version, delete markers and unfinished uploads. Nothing is deleted when one version is locked.
func (s *S3) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	versions, err := s.versions(ctx, name)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if v.IsDeleteMarker {
			continue
		}
		i, err := s.stat(ctx, name, v.VersionID)
		if err == nil && i.Locked(time.Now()) {
			err = locked(i)
		}
		if err != nil {
			return err
		}
	}
	for _, v := range versions {
		if err := s.core.RemoveObject(ctx, s.bucket(), s.key(name), minio.RemoveObjectOptions{VersionID: v.VersionID}); err != nil {
			return s.fail(err, name)
		}
	}
	return s.fail(s.core.RemoveIncompleteUpload(ctx, s.bucket(), s.key(name)), name)
}

// versions lists every version of an object, delete markers included.
func (s *S3) versions(ctx context.Context, name string) ([]minio.ObjectInfo, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the listing when we do
	defer cancel()
	var out []minio.ObjectInfo
	for v := range s.core.ListObjectsIter(ctx, s.bucket(), minio.ListObjectsOptions{Prefix: s.key(name), WithVersions: true, Recursive: true}) {
		if v.Err != nil {
			return nil, s.fail(v.Err, "")
		}
		if v.Key == s.key(name) {
			out = append(out, v)
		}
	}
	return out, nil
}

// Move implements [Store] by a copy in the server.
func (s *S3) Move(ctx context.Context, from, to string) error {
	if err := errors.Join(checkName(from), checkName(to)); err != nil {
		return err
	}
	limited, cancel := s.within(ctx, 0)
	defer cancel()
	if _, err := s.Stat(limited, to); err == nil {
		return exists(to)
	}
	_, err := s.core.ComposeObject(limited, minio.CopyDestOptions{Bucket: s.bucket(), Object: s.key(to)}, minio.CopySrcOptions{Bucket: s.bucket(), Object: s.key(from)})
	if err != nil {
		return s.fail(err, from)
	}
	if err := s.Delete(ctx, from); !errors.Is(err, ErrLocked) {
		return err
	}
	return nil
}

// Hold implements [Store].
func (s *S3) Hold(ctx context.Context, name string, on bool) error {
	if err := checkName(name); err != nil {
		return err
	}
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	status := minio.LegalHoldDisabled
	if on {
		status = minio.LegalHoldEnabled
	}
	return s.fail(s.core.PutObjectLegalHold(ctx, s.bucket(), s.key(name), minio.PutObjectLegalHoldOptions{Status: &status}), name)
}

// Retain implements [Store]. Shortening is refused here, whatever the server would allow.
func (s *S3) Retain(ctx context.Context, name string, mode LockMode, until time.Time) error {
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	i, err := s.Stat(ctx, name)
	if err != nil {
		return err
	}
	if mode == NoLock || i.Mode == Compliance && mode != Compliance || i.Mode != NoLock && until.Before(i.Until) {
		return locked(i)
	}
	m := minio.RetentionMode(strings.ToUpper(string(mode)))
	return s.fail(s.core.PutObjectRetention(ctx, s.bucket(), s.key(name), minio.PutObjectRetentionOptions{Mode: &m, RetainUntilDate: &until}), name)
}

// Sweep implements [Store].
func (s *S3) Sweep(ctx context.Context, prefix string, before time.Time) error {
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	for u := range s.core.ListIncompleteUploads(ctx, s.bucket(), s.key(prefix), true) {
		if u.Err != nil {
			return s.fail(u.Err, "")
		}
		if u.Initiated.After(before) {
			continue
		}
		if err := s.core.AbortMultipartUpload(ctx, s.bucket(), u.Key, u.UploadID); err != nil && minio.ToErrorResponse(err).Code != "NoSuchUpload" {
			return s.fail(err, "")
		}
	}
	return nil
}

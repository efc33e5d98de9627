package blob

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// Stat implements [Store].
func (s *S3) Stat(ctx context.Context, name string) (Info, error) {
	if err := checkName(name); err != nil {
		return Info{}, err
	}
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	return s.stat(ctx, name, "")
}

func (s *S3) stat(ctx context.Context, name, version string) (Info, error) {
	o, err := s.core.StatObject(ctx, s.bucket(), s.key(name), minio.StatObjectOptions{VersionID: version})
	if err != nil {
		return Info{}, s.fail(err, name)
	}
	i := Info{Name: name, Size: o.Size, Modified: o.LastModified, Mode: LockMode(strings.ToLower(o.Headers.Get("X-Amz-Object-Lock-Mode"))),
		Held: o.Headers.Get("X-Amz-Object-Lock-Legal-Hold") == "ON"}
	if text := o.Headers.Get("X-Amz-Object-Lock-Retain-Until-Date"); text != "" {
		if i.Until, err = time.Parse(time.RFC3339, text); err != nil {
			return Info{}, s.fail(err, name)
		}
	}
	return i, nil
}

// List implements [Store].
func (s *S3) List(ctx context.Context, prefix string, yield func(Info) error) error {
	ctx, cancel := context.WithCancel(ctx) // ends the listing when we do
	defer cancel()
	for o := range s.core.ListObjectsIter(ctx, s.bucket(), minio.ListObjectsOptions{Prefix: s.key(prefix), Recursive: true}) {
		if o.Err != nil {
			return s.fail(o.Err, "")
		}
		if err := yield(Info{Name: strings.TrimPrefix(o.Key, s.o.Location.Prefix), Size: o.Size, Modified: o.LastModified}); err != nil {
			return err
		}
	}
	return nil
}

// Open implements [Store]. A connection that breaks, or delivers nothing for a while, is taken up again where it ended, as long as the object is the same.
func (s *S3) Open(ctx context.Context, name string, from, n int64) (io.ReadCloser, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if from < 0 {
		return nil, outside(name)
	}
	if n <= 0 || from > 0 { // HTTP has no empty range, and cuts one that goes beyond the end
		i, err := s.Stat(ctx, name)
		if err != nil {
			return nil, err
		}
		if n < 0 {
			n = i.Size - from
		}
		if n < 0 || from > i.Size-n {
			return nil, outside(name)
		}
		if n == 0 {
			return io.NopCloser(strings.NewReader("")), nil
		}
	}
	r := &s3Reader{s: s, ctx: ctx, name: name, at: from, left: n}
	if err := r.connect(); err != nil {
		return nil, err
	}
	return r, nil
}

// s3Reader reads a range of an object.
type s3Reader struct {
	s        *S3
	ctx      context.Context
	name     string
	etag     string
	at, left int64
	fails    int // since the last byte

	body   io.ReadCloser
	cancel context.CancelFunc
	timer  *time.Timer
}

func (r *s3Reader) connect() error {
	ctx, cancel := context.WithCancel(r.ctx)
	r.cancel, r.timer = cancel, time.AfterFunc(2*r.s.o.Patience, cancel)
	o := minio.GetObjectOptions{}
	if err := o.SetRange(r.at, r.at+r.left-1); err != nil {
		return err
	}
	if r.etag != "" {
		if err := o.SetMatchETag(r.etag); err != nil {
			return err
		}
	}
	body, info, header, err := r.s.core.GetObject(ctx, r.s.bucket(), r.s.key(r.name), o)
	if err != nil {
		r.hangUp()
		if minio.ToErrorResponse(err).Code == minio.PreconditionFailed {
			return r.s.fail(errors.New("the object was replaced while it was read"), r.name)
		}
		return r.s.fail(err, r.name)
	}
	r.body = body
	if header.Get("Content-Range") != "" && info.Size != r.left {
		r.hangUp()
		return outside(r.name)
	}
	r.etag = info.ETag
	return nil
}

func (r *s3Reader) hangUp() {
	r.timer.Stop()
	r.cancel()
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}

// Read implements io.Reader.
func (r *s3Reader) Read(b []byte) (int, error) {
	for {
		if r.left == 0 {
			return 0, io.EOF
		}
		if r.body == nil {
			if err := r.connect(); err != nil {
				return 0, err
			}
		}
		r.timer.Reset(r.s.o.Patience)
		n, err := r.body.Read(b[:min(int64(len(b)), r.left)])
		r.timer.Stop()
		r.at, r.left = r.at+int64(n), r.left-int64(n)
		if n > 0 {
			r.fails = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		r.hangUp()
		if r.fails++; r.fails >= r.s.o.Retries || r.ctx.Err() != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, r.s.fail(err, r.name)
		}
		select {
		case <-r.ctx.Done():
		case <-time.After(pause(r.fails, time.Second)):
		}
	}
}

// pause is how long to wait after the given number of failures: doubling from 100 ms to most, and random between half of that and all, so that many who wait do not come back together.
func pause(fails int, most time.Duration) time.Duration {
	d := min(most, 100*time.Millisecond<<min(fails-1, 20))
	return d/2 + rand.N(d/2)
}

// Close implements io.Closer.
func (r *s3Reader) Close() error {
	r.hangUp()
	return nil
}

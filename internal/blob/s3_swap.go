package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/minio/minio-go/v7"

	"probity.dev/internal/errs"
)

// maxSwapped bounds an object that is read whole.
const maxSwapped = 1 << 20

// Fetch reads a small object whole, with a tag that [S3.Swap] knows it by. One that is not there has no tag and is no error.
func (s *S3) Fetch(ctx context.Context, name string) (content []byte, tag string, err error) {
	if err := checkName(name); err != nil {
		return nil, "", err
	}
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	r, info, _, err := s.core.GetObject(ctx, s.bucket(), s.key(name), minio.GetObjectOptions{})
	if err = s.fail(err, name); errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	defer r.Close() //nolint:errcheck // it was read
	if content, err = io.ReadAll(io.LimitReader(r, maxSwapped)); err != nil {
		return nil, "", s.fail(err, name)
	}
	return content, swapTag(info.ETag, info.VersionID), nil
}

func swapTag(etag, version string) string {
	if version == "null" {
		version = ""
	}
	return strings.Trim(etag, `"`) + " " + version
}

// Swap replaces an object if it still is the one with the given tag, "" for none, and returns the new tag. Otherwise nothing is changed, and the error is a Conflict: also when the answer to a first try was lost. In a bucket
// that keeps versions, the replaced one is deleted.
func (s *S3) Swap(ctx context.Context, name, tag string, content []byte) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	ctx, cancel := s.within(ctx, int64(len(content)))
	defer cancel()
	sum := sha256.Sum256(content)
	o := minio.PutObjectOptions{UserMetadata: map[string]string{checksumHeader: base64.StdEncoding.EncodeToString(sum[:])}}
	etag, version, _ := strings.Cut(tag, " ")
	if etag == "" {
		o.SetMatchETagExcept("*")
	} else {
		o.SetMatchETag(etag)
	}
	info, err := s.core.PutObject(ctx, s.bucket(), s.key(name), bytes.NewReader(content), int64(len(content)), "", hex.EncodeToString(sum[:]), o)
	if err != nil {
		switch minio.ToErrorResponse(err).Code {
		case minio.PreconditionFailed, "ConditionalRequestConflict", minio.NoSuchKey:
			return "", errs.Wrap(errs.Conflict, err, "The stored object %s is not the one that was read.", name)
		}
		return "", s.fail(err, name)
	}
	if version != "" && version != "null" {
		// One that stays takes room and does no other harm.
		_ = s.core.RemoveObject(ctx, s.bucket(), s.key(name), minio.RemoveObjectOptions{VersionID: version}) //nolint:errcheck // see above
	}
	return swapTag(info.ETag, info.VersionID), nil
}

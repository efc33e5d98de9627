package export

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle"

	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
)

// Files of exports hold what the person who asked may see, so they are encrypted (AES-256-GCM in segments of 64 KiB, Tink's
// AES256_GCM_HKDF_64KB) under a key of their own that only the sealed job row holds: with the row, the file is gone as well.

const (
	fileKeySize = 32
	segmentSize = 64 << 10
	filesPrefix = "exports/"
	fileSuffix  = ".export"
)

func fileCipher(key []byte) (*subtle.AESGCMHKDF, error) {
	return subtle.NewAESGCMHKDF(key, "SHA256", fileKeySize, segmentSize, 0)
}

// sealedFile encrypts a file on its way into the store, counting and hashing the plain bytes.
type sealedFile struct {
	f     blob.Writer
	w     io.WriteCloser
	hash  hash.Hash
	bytes atomic.Int64
}

// createFile begins the file of an export. The key must be fresh; aad binds the file to its export.
func createFile(ctx context.Context, store blob.Store, id string, key []byte) (*sealedFile, error) {
	c, err := fileCipher(key)
	if err != nil {
		return nil, err
	}
	f, err := store.Create(ctx, filesPrefix+id+fileSuffix, blob.PutOptions{})
	if err != nil {
		return nil, fileError(err)
	}
	w, err := c.NewEncryptingWriter(f, []byte(id))
	if err != nil {
		f.Abort()
		return nil, fileError(err)
	}
	return &sealedFile{f: f, w: w, hash: sha256.New()}, nil
}

// Write implements io.Writer.
func (s *sealedFile) Write(b []byte) (int, error) {
	s.hash.Write(b)
	n, err := s.w.Write(b)
	s.bytes.Add(int64(n))
	return n, fileError(err)
}

// commit makes the file durable. Until it returns nil, there is no file.
func (s *sealedFile) commit(ctx context.Context) error {
	if err := s.w.Close(); err != nil {
		return fileError(err)
	}
	return fileError(s.f.Commit(ctx, nil))
}

// abandon drops what was written.
func (s *sealedFile) abandon() { s.f.Abort() }

// fileError gives a full disk a code and a message; other errors come back unchanged.
func fileError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errs.Wrap(errs.Unavailable, err, "The disk is full: the file of the export could not be written.")
	}
	return err
}

// openFile opens the plain content of an export's file. The caller closes it.
func openFile(ctx context.Context, store blob.Store, name, id string, key []byte) (io.ReadCloser, error) {
	if path.Base(name) != name || !strings.HasSuffix(name, fileSuffix) {
		return nil, fmt.Errorf("export %s names a strange file", id)
	}
	f, err := store.Open(ctx, filesPrefix+name, 0, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "The file of this export is not in the storage any more. Ask for a new export.")
	}
	if err != nil {
		return nil, err
	}
	c, err := fileCipher(key)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r, err := c.NewDecryptingReader(f, []byte(id))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}

// removeFile deletes an export's file, which need not exist.
func removeFile(ctx context.Context, store blob.Store, name string) error {
	if name == "" {
		return nil
	}
	return store.Delete(ctx, filesPrefix+path.Base(name))
}

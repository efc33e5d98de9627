package export

import (
	"context"
	"errors"
	"io"
	"io/fs"
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

// sealedFile encrypts a file on its way into the store.
type sealedFile struct {
	f blob.Writer
	w io.WriteCloser
}

// createFile begins a file. The label binds it to its place; each file has a key of its own, derived from key with a random salt.
func createFile(ctx context.Context, store blob.Store, name string, label, key []byte) (*sealedFile, error) {
	c, err := fileCipher(key)
	if err != nil {
		return nil, err
	}
	f, err := store.Create(ctx, filesPrefix+name, blob.PutOptions{})
	if err != nil {
		return nil, fileError(err)
	}
	w, err := c.NewEncryptingWriter(f, label)
	if err != nil {
		f.Abort()
		return nil, fileError(err)
	}
	return &sealedFile{f: f, w: w}, nil
}

// Write implements io.Writer.
func (s *sealedFile) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
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

// openFile opens the plain content of a file. The caller closes it.
func openFile(ctx context.Context, store blob.Store, name string, label, key []byte) (io.ReadCloser, error) {
	f, err := store.Open(ctx, filesPrefix+name, 0, -1)
	if err != nil {
		return nil, missing(err)
	}
	c, err := fileCipher(key)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r, err := c.NewDecryptingReader(f, label)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}

// missing says of a file that is not there what that means; other errors come back unchanged.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errs.New(errs.NotFound, "The file of this export is not in the storage any more. Ask for a new export.")
	}
	return err
}

package export

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle"

	"probity.dev/internal/errs"
)

// Files of exports hold what the person who asked may see, so they are encrypted (AES-256-GCM in segments of 64 KiB, Tink's
// AES256_GCM_HKDF_64KB) under a key of their own that only the sealed job row holds: with the row, the file is gone as well.

const (
	fileKeySize = 32
	segmentSize = 64 << 10
	partSuffix  = ".part"
	fileSuffix  = ".export"
)

func fileCipher(key []byte) (*subtle.AESGCMHKDF, error) {
	return subtle.NewAESGCMHKDF(key, "SHA256", fileKeySize, segmentSize, 0)
}

// sealedFile writes an encrypted file under a temporary name, counting and hashing the plain bytes.
type sealedFile struct {
	f     *os.File
	w     io.WriteCloser
	hash  hash.Hash
	bytes atomic.Int64
	path  string // final

	behind  int64 // written since the disk was last asked to take what there is
	flusher sync.WaitGroup
	flushed chan error // of the flusher that is at work or has ended; nil when there is none
}

// flushEvery is how many bytes are written until the disk is asked to take them, beside the writing. Else gigabytes would wait for the end, and the end for them.
const flushEvery = 32 << 20

// createFile begins the file of an export. The key must be fresh; aad binds the file to its export.
func createFile(dir, id string, key []byte) (*sealedFile, error) {
	path := filepath.Join(dir, id+fileSuffix)
	f, err := os.OpenFile(filepath.Join(dir, id+partSuffix), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fileError(err)
	}
	c, err := fileCipher(key)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	w, err := c.NewEncryptingWriter(f, []byte(id))
	if err != nil {
		return nil, errors.Join(fileError(err), f.Close())
	}
	return &sealedFile{f: f, w: w, hash: sha256.New(), path: path}, nil
}

// Write implements io.Writer.
func (s *sealedFile) Write(b []byte) (int, error) {
	s.hash.Write(b)
	n, err := s.w.Write(b)
	s.bytes.Add(int64(n))
	if s.behind += int64(n); err == nil && s.behind >= flushEvery {
		err = s.flush()
	}
	return n, fileError(err)
}

// flush begins to bring what was written to the disk, unless that is under way, and returns the error of the time before: the system reports it once.
func (s *sealedFile) flush() error {
	if s.flushed != nil {
		select {
		case err := <-s.flushed:
			if err != nil {
				s.flushed <- err
				return err
			}
		default:
			return nil // later
		}
	} else {
		s.flushed = make(chan error, 1)
	}
	s.behind = 0
	s.flusher.Go(func() { s.flushed <- s.f.Sync() })
	return nil
}

// lastFlush waits for the flusher, and returns its error.
func (s *sealedFile) lastFlush() error {
	s.flusher.Wait()
	if s.flushed == nil {
		return nil
	}
	return <-s.flushed
}

// commit makes the file durable under its final name. Until it returns nil, there is no file of that name.
func (s *sealedFile) commit() error {
	if err := s.w.Close(); err != nil {
		return errors.Join(fileError(err), s.lastFlush(), s.f.Close())
	}
	if err := errors.Join(s.lastFlush(), s.f.Sync(), s.f.Close()); err != nil {
		return fileError(err)
	}
	if err := os.Rename(s.f.Name(), s.path); err != nil {
		return fileError(err)
	}
	dir, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return fileError(err)
	}
	return fileError(errors.Join(dir.Sync(), dir.Close()))
}

// abandon removes the temporary file.
func (s *sealedFile) abandon() {
	s.flusher.Wait()
	s.f.Close() //nolint:errcheck // it is removed anyway
	os.Remove(s.f.Name())
}

// fileError gives a full disk a code and a message; other errors come back unchanged.
func fileError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errs.Wrap(errs.Unavailable, err, "The disk is full: the file of the export could not be written.")
	}
	return err
}

// openFile opens the plain content of an export's file. The caller closes it.
func openFile(dir, name, id string, key []byte) (io.ReadCloser, error) {
	if filepath.Base(name) != name || !strings.HasSuffix(name, fileSuffix) {
		return nil, fmt.Errorf("export %s names a strange file", id)
	}
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "The file of this export is not on this server any more. Ask for a new export.")
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
func removeFile(dir, name string) error {
	if name == "" {
		return nil
	}
	if err := os.Remove(filepath.Join(dir, filepath.Base(name))); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

package crypt

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"probity.dev/internal/errs"
)

// KMS is a key-management service: it wraps and unwraps short secrets under a master key that never leaves it. Implementations are
// safe for concurrent use. Errors hold neither secrets nor key material.
type KMS interface {
	// Wrap encrypts plaintext and binds it to aad.
	Wrap(ctx context.Context, plaintext, aad []byte) ([]byte, error)
	// Unwrap decrypts what Wrap returned; another aad or any changed bit is an error.
	Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error)
	// Rotate gives the master key a new version, which wraps from then on. Older versions go on unwrapping.
	Rotate(ctx context.Context) error
	// Version tells under which version of the master key something was wrapped, and that it was wrapped by this kind of service; "" when it was not.
	Version(wrapped []byte) string
	// Name identifies the master key wherever the program runs: "vault://host/transit/probity"; "file" for a key in a file, whose path may change.
	Name() string
}

// FileKMS keeps the master key in a local file, a Tink keyset of AES-256-GCM keys in JSON, readable by its owner only. Whoever has the file and
// the database can read everything, so the file belongs in another backup than the data.
type FileKMS struct {
	path string

	mu        sync.RWMutex
	handle    *keyset.Handle
	primitive tink.AEAD
}

// CreateFileKMS makes a new master key at path. An existing file is an error: a master key is never overwritten.
func CreateFileKMS(path string) (*FileKMS, error) {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("master key %s exists already", path)
	}
	k := &FileKMS{path: path, handle: h}
	if err := k.save(); err != nil {
		return nil, err
	}
	return k, k.init()
}

// OpenFileKMS reads the master key at path. A file that others may read is refused.
func OpenFileKMS(path string) (*FileKMS, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("master key %s may be read by others (mode %04o): run chmod 600 on it", path, st.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(b)))
	if err != nil {
		return nil, fmt.Errorf("master key %s is damaged: %w", path, err)
	}
	k := &FileKMS{path: path, handle: h}
	return k, k.init()
}

func (k *FileKMS) init() (err error) {
	k.primitive, err = aead.New(k.handle)
	return err
}

func (k *FileKMS) save() error {
	var buf bytes.Buffer
	if err := insecurecleartextkeyset.Write(k.handle, keyset.NewJSONWriter(&buf)); err != nil {
		return err
	}
	return WriteFile(k.path, append(buf.Bytes(), '\n'), 0o600)
}

// Rotate implements [KMS]: it adds a key to the file and makes it the one that wraps. The file is replaced as a whole, so a crash leaves the keys of before or those and the new one.
func (k *FileKMS) Rotate(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := keyset.NewManagerFromHandle(k.handle)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	if err := m.SetPrimary(id); err != nil {
		return err
	}
	h, err := m.Handle()
	if err != nil {
		return err
	}
	next := &FileKMS{path: k.path, handle: h}
	if err := next.init(); err != nil {
		return err
	}
	if err := next.save(); err != nil {
		return fmt.Errorf("write the new master key: %w", err)
	}
	k.handle, k.primitive = next.handle, next.primitive
	return nil
}

// Name implements [KMS].
func (k *FileKMS) Name() string { return "file" }

// Version implements [KMS]: the id of the key in the file, as 8 hex digits.
func (k *FileKMS) Version(wrapped []byte) string {
	if len(wrapped) < Overhead || wrapped[0] != 1 {
		return ""
	}
	return hex.EncodeToString(wrapped[1:prefixSize])
}

// Wrap implements [KMS].
func (k *FileKMS) Wrap(_ context.Context, plaintext, aad []byte) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.primitive.Encrypt(plaintext, aad)
}

// Unwrap implements [KMS].
func (k *FileKMS) Unwrap(_ context.Context, wrapped, aad []byte) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	b, err := k.primitive.Decrypt(wrapped, aad)
	if err == nil {
		return b, nil
	}
	version := k.Version(wrapped)
	for i := range k.handle.Len() {
		if e, e2 := k.handle.Entry(i); e2 == nil && fmt.Sprintf("%08x", e.KeyID()) == version {
			return nil, errs.New(errs.Invalid, "what key %s of the master key file wrapped does not open: it was changed, or it is another's", version)
		}
	}
	if version == "" {
		return nil, errs.New(errs.Invalid, "this was not wrapped by a master key in a file")
	}
	return nil, errs.New(errs.Invalid, "the master key in %s is another one: it lacks key %s, under which this is wrapped; put the right file back (docs/runbooks/lost-master-key.md)", k.path, version)
}

// WriteFile replaces the file at path with b so that a crash leaves the old or the new content, durably: write aside, sync, rename, sync the folder.
func WriteFile(path string, b []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

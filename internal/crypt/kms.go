package crypt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// KMS is a key-management service: it wraps and unwraps short secrets under a master key that never leaves it. Implementations are
// safe for concurrent use.
type KMS interface {
	// Wrap encrypts plaintext and binds it to aad.
	Wrap(ctx context.Context, plaintext, aad []byte) ([]byte, error)
	// Unwrap decrypts what Wrap returned; another aad or any changed bit is an error.
	Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error)
}

// FileKMS keeps the master key in a local file, a Tink keyset of AES-256-GCM keys in JSON, readable by its owner only. Whoever has the file and
// the database can read everything, so the file belongs in another backup than the data.
type FileKMS struct {
	path      string
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

// Rotate adds a key and makes it the one that wraps from now on; older keys stay for unwrapping.
func (k *FileKMS) Rotate() error {
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
	k.handle = h
	if err := k.save(); err != nil {
		return err
	}
	return k.init()
}

// Wrap implements [KMS].
func (k *FileKMS) Wrap(_ context.Context, plaintext, aad []byte) ([]byte, error) {
	return k.primitive.Encrypt(plaintext, aad)
}

// Unwrap implements [KMS].
func (k *FileKMS) Unwrap(_ context.Context, wrapped, aad []byte) ([]byte, error) {
	return k.primitive.Decrypt(wrapped, aad)
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

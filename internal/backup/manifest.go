package backup

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"io"
	"slices"
	"time"

	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
)

// Format names the version of the repository and of the manifest. A reader refuses any other.
const Format = "probity/backup/v1"

// Manifest says what a backup holds. Its JSON is what lies encrypted in the repository.
type Manifest struct {
	Format    string    `json:"format"`
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	// Product is the version that wrote it, Instance the name of the installation.
	Product  string `json:"product"`
	Instance string `json:"instance"`
	// Database is what the part of the database is.
	Database Database `json:"database"`
	// StorageID is the id with which the installation owned its object storage; "" without one.
	StorageID string `json:"storage_id,omitempty"`
	Logs      []Log  `json:"logs"`
	Parts     []Part `json:"parts"`
}

// Database describes the copy of a database.
type Database struct {
	// Kind is sqlite (the file) or postgres (the container that package sqldb describes), Schema the number of its newest migration.
	Kind   string `json:"kind"`
	Schema int64  `json:"schema"`
}

// Log is where a log stood when the backup was made.
type Log struct {
	TenantID string `json:"tenant_id"`
	LogID    string `json:"log_id"`
	Origin   string `json:"origin"`
	Epoch    int64  `json:"epoch"`
	Base     uint64 `json:"base"`
	// Size is the number of events of the epoch that the backup holds; Checkpoint is the newest that it holds, which may cover fewer.
	Size       uint64   `json:"size"`
	Checkpoint string   `json:"checkpoint"`
	VKeys      []string `json:"vkeys"`
}

// Part is one file of a backup.
type Part struct {
	// Name is what the part is, a path with slashes such as "segments/x/evidence-….parquet".
	Name string `json:"name"`
	// Object is where it lies in the repository.
	Object string `json:"object"`
	// Encoding is "zstd" for what is compressed before it is encrypted, else "".
	Encoding string `json:"encoding,omitempty"`
	// Size and SHA256 (hex) are of the content, before compression and encryption.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Part returns the part of a name, nil when there is none.
func (m *Manifest) Part(name string) *Part {
	i := slices.IndexFunc(m.Parts, func(p Part) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &m.Parts[i]
}

// Summary is what can be known of a backup without its key.
type Summary struct {
	Format    string    `json:"format"`
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	Product   string    `json:"product"`
	// KeyID names the set of recipients.
	KeyID string `json:"key_id"`
	// Bytes is the size of the content, NewBytes that of the parts which this backup stored.
	Bytes    int64    `json:"bytes"`
	NewBytes int64    `json:"new_bytes"`
	Objects  []string `json:"objects"`
}

// seal is the first line of an encrypted manifest.
type seal struct {
	Format string `json:"format"`
	// Key is the key of the MAC, wrapped by the master key; MAC is of the bytes after the line.
	Key []byte `json:"mac_key"`
	MAC []byte `json:"mac"`
}

// macLabel binds the wrapped key to its purpose.
const macLabel = "probity/backup/v1 manifest"

// encode writes the manifest with its MAC.
func (m *Manifest) encode(ctx context.Context, kms crypt.KMS) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	rand.Read(key) //nolint:errcheck // never fails: it ends the program instead
	wrapped, err := kms.Wrap(ctx, key, []byte(macLabel))
	if err != nil {
		return nil, err
	}
	line, err := json.Marshal(seal{Format: Format, Key: wrapped, MAC: mac(key, body)})
	return append(append(line, '\n'), body...), err
}

func mac(key, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(body)
	return h.Sum(nil)
}

// maxManifest bounds what is read of a manifest: some 300 bytes a part, for 3 million segments.
const maxManifest = 1 << 30

// sealedManifest is a decrypted manifest whose author has not been checked yet.
type sealedManifest struct {
	Manifest
	seal seal
	body []byte
}

func decodeManifest(r io.Reader) (*sealedManifest, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxManifest))
	if err != nil {
		return nil, err
	}
	line, body, ok := bytes.Cut(b, []byte("\n"))
	m := &sealedManifest{body: body}
	if !ok || json.Unmarshal(line, &m.seal) != nil {
		return nil, errs.New(errs.Invalid, "the manifest of the backup is damaged")
	}
	if m.seal.Format != Format {
		return nil, errs.New(errs.Unsupported, "the backup has the format %q, which this version does not read", m.seal.Format)
	}
	if err := json.Unmarshal(body, &m.Manifest); err != nil || m.Format != Format {
		return nil, errs.New(errs.Invalid, "the manifest of the backup is damaged")
	}
	return m, nil
}

// authentic checks that the manifest was written with the master key.
func (m *sealedManifest) authentic(ctx context.Context, kms crypt.KMS) error {
	key, err := kms.Unwrap(ctx, m.seal.Key, []byte(macLabel))
	if err != nil {
		return errs.New(errs.Unauthorized, "the master key is not the one of the installation that was backed up, or somebody else has made the backup")
	}
	if !hmac.Equal(mac(key, m.body), m.seal.MAC) {
		return errs.New(errs.Invalid, "the manifest of the backup has been changed")
	}
	return nil
}

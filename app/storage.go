package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"probity.dev/internal/blob"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/query"
)

// storage is where sealed files and exports lie.
type storage struct {
	evidence, working blob.Files
	lock              blob.LockMode
	cache             *blob.Cache // nil for a data directory
	objects           *blob.S3    // where working files lie; nil for a data directory
}

// Paths within a data directory.
func cachePath(dir string) string { return filepath.Join(dir, "cache") }
func claimPath(dir string) string { return filepath.Join(dir, "storage.id") }

// bytesPerFile is how much of the cache one open file may stand for: a file that the cache has dropped takes room as long as it is open.
const bytesPerFile = 32 << 20

const storageForgotten = "the sealed files are in an object store: say where with --config, --storage or PROBITY_STORAGE"

// openStorage opens the stores of cfg and asks object stores whether they are there and fit. It changes nothing there.
func openStorage(ctx context.Context, cfg *config.Config) (*storage, error) {
	if cfg.Storage == "" {
		if fileExists(claimPath(cfg.Data)) { // every sealed record would seem to be missing
			return nil, errs.New(errs.Invalid, "%s. If they have been brought back into the directory, remove %s", storageForgotten, claimPath(cfg.Data))
		}
		d, err := blob.OpenDir(cfg.Data)
		return &storage{evidence: d, working: d}, err
	}
	s := &storage{lock: blob.LockMode(cfg.StorageLock)}
	if cfg.StorageLock == "off" {
		s.lock = blob.NoLock
	}
	evidence, err := openBucket(cfg, cfg.Storage)
	if err != nil {
		return nil, err
	}
	if err := evidence.CheckEvidence(ctx, s.lock); err != nil {
		return nil, err
	}
	working := evidence
	if cfg.StorageWorking != "" && cfg.StorageWorking != cfg.Storage {
		if working, err = openBucket(cfg, cfg.StorageWorking); err != nil {
			return nil, err
		}
	}
	if err := working.CheckWorking(ctx); err != nil {
		return nil, err
	}
	if s.cache, err = blob.OpenCache(filepath.Join(cachePath(cfg.Data), "segments"), cfg.StorageCache); err != nil {
		return nil, err
	}
	s.evidence = blob.NewCached(evidence, s.cache)
	s.working, s.objects = s.evidence, working
	if working != evidence {
		s.working = blob.NewCached(working, s.cache)
	}
	return s, nil
}

func openBucket(cfg *config.Config, text string) (*blob.S3, error) {
	l, err := blob.ParseLocation(text)
	if err != nil {
		return nil, err
	}
	return blob.OpenS3(blob.S3Options{Location: l, AccessKey: cfg.StorageAccessKey, SecretKey: cfg.StorageSecretKey, Spool: filepath.Join(cachePath(cfg.Data), "spool")})
}

// queryOptions are those of an engine that reads working files from the storage.
func (s *storage) queryOptions(o query.Options) query.Options {
	if s.cache == nil {
		return o
	}
	o.Open = func(ctx context.Context, r *query.SegmentRef) (*os.File, error) {
		return s.working.File(ctx, blob.Ref{Name: r.Path, SHA256: r.SHA256, Size: r.Bytes}, false)
	}
	o.OpenFiles = int(min(512, max(16, s.cache.Limit()/bytesPerFile)))
	return o
}

// ownerName is the object that says whose an object store is.
const ownerName = "owner"

// marks is where high-water marks are kept, nil for a file in the data directory.
func (s *storage) marks(cfg *config.Config) ledger.MarkStore {
	if !sharable(cfg) {
		return nil
	}
	return &sharedMarks{store: s.objects, own: ledger.NewFileMarks(markPath(cfg.Data), false)}
}

// claimStorage makes sure that no other installation works on the same objects: each would take the files of the other for left-overs of a crash. One that has claimed its storage
// keeps the id that it left there.
func (a *App) claimStorage(ctx context.Context) error {
	if a.storage.cache == nil {
		return nil
	}
	id, err := a.installationID(ctx)
	if err != nil {
		return err
	}
	return a.storage.claim(ctx, id, a.Config)
}

func (s *storage) claim(ctx context.Context, id string, cfg *config.Config) error {
	w, err := s.working.Create(ctx, ownerName, blob.PutOptions{Once: true})
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := io.WriteString(w, id); err != nil {
		return err
	}
	if err := w.Commit(ctx, nil); !errors.Is(err, fs.ErrExist) {
		return err
	}
	owner, err := s.owner(ctx)
	if err != nil {
		return err
	}
	if owner == id {
		return nil
	}
	if cfg.Database != "" {
		return errs.New(errs.Conflict, "the storage belongs to another installation (its id is %s, this database's is %s). Give every installation a prefix of its own", owner, id)
	}
	return errs.New(errs.Conflict, "the storage belongs to another data directory (its id is %s, this directory's is %s). Give every installation a prefix of its own. "+
		"If this directory takes the place of the other, which is gone for good, write the storage's id into %s", owner, id, claimPath(cfg.Data))
}

// owner is the id of the installation that the storage belongs to; the error is fs.ErrNotExist when none has claimed it.
func (s *storage) owner(ctx context.Context) (string, error) {
	return readName(ctx, s.working, ownerName)
}

// readName reads the line that an object with a name of ours holds, 256 bytes at most.
func readName(ctx context.Context, from blob.Store, name string) (string, error) {
	r, err := from.Open(ctx, name, 0, -1)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(r, 256))
	return strings.TrimSpace(strings.ToValidUTF8(string(b), "?")), errors.Join(err, r.Close())
}

// claimID reads the id of a data directory, or makes it.
func claimID(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	text := newClaimID()
	d, err := blob.OpenDir(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	w, err := d.Create(context.Background(), filepath.Base(path), blob.PutOptions{Once: true})
	if err != nil {
		return "", err
	}
	defer w.Abort()
	if _, err := io.WriteString(w, text+"\n"); err != nil {
		return "", err
	}
	return text, w.Commit(context.Background(), nil)
}

func newClaimID() string {
	id := make([]byte, 16)
	rand.Read(id) //nolint:errcheck // never fails: it ends the program instead
	return hex.EncodeToString(id)
}

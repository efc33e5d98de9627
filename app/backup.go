package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"probity.dev/internal/backup"
	"probity.dev/internal/blob"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger"
)

// Names of the parts of a backup; sealed files have the names that they have in the data directory.
const (
	partDatabase  = "database"
	partMasterKey = "keys/master.key"
)

// markPath is the file of the high-water mark in a data directory.
func markPath(dir string) string { return filepath.Join(dir, ledger.MarkFile) }

// BackupOptions say where a backup goes and who can open it. To and Recipients are required.
type BackupOptions struct {
	// To is a folder, or a location such as s3://bucket/prefix.
	To string
	// Recipients are the age public keys that it is encrypted to.
	Recipients []string
	// WithMasterKey puts the master key into the backup. Whoever can open such a backup can read everything, erased persons whose keys it still holds included.
	WithMasterKey bool
	// Progress, when not nil, is told the bytes that are stored and the bytes that are to be, as far as they are known.
	Progress func(done, total int64)
}

// BackupResult is what a backup holds.
type BackupResult struct {
	backup.Summary
	Logs []backup.Log `json:"logs"`
}

// BackUp makes a backup of the installation of cfg, which a server may be serving meanwhile. It changes nothing in it.
func BackUp(ctx context.Context, cfg *config.Config, o BackupOptions) (_ *BackupResult, err error) {
	switch there, err := initialised(ctx, cfg); {
	case err != nil:
		return nil, err
	case !there:
		return nil, noData(cfg)
	}
	to, err := backup.ParseRecipients(o.Recipients)
	if err != nil {
		return nil, err
	}
	if o.WithMasterKey && !MasterKeyFile(cfg) {
		return nil, errs.New(errs.Invalid, "the master key is with a key-management service, which does not give it away; back it up there")
	}
	key, err := openKMS(ctx, cfg)
	if err != nil {
		return nil, err
	}
	release, err := lockBackups(cfg.Data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release.Close()) }()
	r, err := OpenBackups(ctx, cfg, o.To, true)
	if err != nil {
		return nil, err
	}
	w, ctx, err := r.Begin(ctx, to)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close(ctx)) }()
	b := &backing{cfg: cfg, w: w, progress: o.Progress}
	if err := b.run(ctx, o.WithMasterKey); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	s, err := w.Finish(ctx, key)
	return &BackupResult{Summary: s, Logs: w.Manifest.Logs}, err
}

// backing is a backup under way.
type backing struct {
	cfg         *config.Config
	w           *backup.Writer
	progress    func(done, total int64)
	done, total int64
}

func (b *backing) stored(n int64) {
	if b.done += n; b.progress != nil {
		b.progress(b.done, b.total)
	}
}

// run adds everything. The mark comes before the database, so that it is not ahead of it; the files come after, since those that the copy of the database names are there.
func (b *backing) run(ctx context.Context, masterKey bool) (err error) {
	m := &b.w.Manifest
	m.Product, m.Instance = Version, b.cfg.InstanceName
	if err := b.addMarks(ctx); err != nil {
		return err
	}
	if masterKey {
		if err := b.addSmall(ctx, partMasterKey, MasterKey(b.cfg)); err != nil {
			return err
		}
	}
	if b.cfg.Storage != "" && b.cfg.Database == "" {
		id, err := os.ReadFile(claimPath(b.cfg.Data))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		m.StorageID = strings.TrimSpace(string(id))
	}
	c, err := copyDatabase(ctx, b.cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	m.Database = backup.Database{Kind: c.Kind, Schema: c.Schema}
	held, err := ledger.Holdings(ctx, c)
	if err != nil {
		return err
	}
	if sharable(b.cfg) {
		if m.StorageID, err = commonID(ctx, c); err != nil {
			return err
		}
	}
	for _, h := range held {
		m.Logs = append(m.Logs, backup.Log{TenantID: h.TenantID, LogID: h.LogID, Origin: h.Origin, Epoch: h.Epoch, Base: h.Base, Size: h.Size, Checkpoint: h.Checkpoint, VKeys: h.VKeys})
	}
	// The database first: a snapshot of PostgreSQL should not last longer than it must.
	if err := b.w.AddStream(ctx, partDatabase, true, func(w io.Writer) error { return c.Write(ctx, countingWriter{w, b.stored}) }); err != nil {
		return err
	}
	return b.addSealed(ctx, held)
}

// addMarks adds the high-water marks, from wherever they are kept.
func (b *backing) addMarks(ctx context.Context) error {
	if !sharable(b.cfg) {
		return b.addSmall(ctx, ledger.MarkFile, markPath(b.cfg.Data))
	}
	marks, err := storedMarks(ctx, b.cfg)
	if err != nil {
		return err
	}
	text, err := marks.Encode()
	if err != nil {
		return err
	}
	return b.w.AddBytes(ctx, ledger.MarkFile, text)
}

// addSmall adds a file of the data directory; one that is not there, because nothing was ever signed, is left out.
func (b *backing) addSmall(ctx context.Context, name, path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return b.w.AddBytes(ctx, name, text)
}

// addSealed adds the sealed files of all logs.
func (b *backing) addSealed(ctx context.Context, held []ledger.Holding) error {
	evidence, working, err := sealedStores(ctx, b.cfg)
	if err != nil {
		return err
	}
	type file struct {
		from blob.Store
		ref  blob.Ref
	}
	var files []file
	for i := range held {
		h := &held[i]
		for _, r := range h.Evidence {
			files = append(files, file{evidence, r})
		}
		for _, r := range h.Working {
			files = append(files, file{working, r})
		}
		for _, store := range []blob.Store{evidence, working} {
			aside, err := asideIn(ctx, store, h)
			if err != nil {
				return err
			}
			for _, r := range aside {
				files = append(files, file{store, r})
			}
			if evidence == working {
				break
			}
		}
	}
	b.total = b.done
	for _, f := range files {
		if !b.w.Has(f.ref.SHA256) {
			b.total += f.ref.Size
		}
	}
	for _, f := range files {
		fresh := !b.w.Has(f.ref.SHA256)
		if err := b.w.AddFile(ctx, f.ref, func() (io.ReadCloser, error) { return f.from.Open(ctx, f.ref.Name, 0, -1) }); err != nil {
			return fmt.Errorf("back up %s: %w", f.ref.Name, err)
		}
		if fresh {
			b.stored(f.ref.Size)
		}
	}
	return nil
}

// asideIn describes the files that a lossy restore has set aside, which no database names.
func asideIn(ctx context.Context, store blob.Store, h *ledger.Holding) ([]blob.Ref, error) {
	var out []blob.Ref
	err := store.List(ctx, h.Aside, func(i blob.Info) error {
		if !h.IsAside(i.Name) {
			return nil
		}
		in, err := store.Open(ctx, i.Name, 0, -1)
		if err != nil {
			return err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, in)
		out = append(out, blob.Ref{Name: i.Name, SHA256: sum.Sum(nil), Size: n})
		return errors.Join(err, in.Close())
	})
	return out, err
}

// countingWriter tells how many bytes were written.
type countingWriter struct {
	w    io.Writer
	tell func(int64)
}

// Write implements io.Writer.
func (c countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.tell(int64(n))
	return n, err
}

// copyDatabase copies the state of the database of cfg, beside a server that writes to it.
func copyDatabase(ctx context.Context, cfg *config.Config) (*sqldb.Copy, error) {
	if cfg.Database != "" {
		return sqldb.CopyPostgres(ctx, cfg.Database)
	}
	temp := filepath.Join(cfg.Data, "backup.tmp")
	if err := os.RemoveAll(temp); err != nil { // of a backup that was killed; nobody else is at one
		return nil, err
	}
	return sqldb.CopySQLite(ctx, databasePath(cfg.Data), temp)
}

// sealedStores are the stores of sealed files, read as they are and not through copies, whose folder a server manages.
func sealedStores(_ context.Context, cfg *config.Config) (evidence, working blob.Store, err error) {
	if cfg.Storage == "" {
		d, err := blob.OpenDir(cfg.Data)
		return d, d, err
	}
	return sealedBuckets(cfg)
}

func sealedBuckets(cfg *config.Config) (evidence, working *blob.S3, err error) {
	if evidence, err = openBucket(cfg, cfg.Storage); err != nil {
		return nil, nil, err
	}
	if cfg.StorageWorking == "" || cfg.StorageWorking == cfg.Storage {
		return evidence, evidence, nil
	}
	working, err = openBucket(cfg, cfg.StorageWorking)
	return evidence, working, err
}

// lockBackups makes sure that one backup at a time is made of a data directory. The kernel drops the lock when the process ends.
func lockBackups(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, "backup.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errs.New(errs.Conflict, "another backup of %s is under way", dir)
		}
		return nil, err
	}
	return f, nil
}

// OpenBackups opens the repository of backups at a folder or a location. cfg has the credentials, and says what the backups must not lie within.
func OpenBackups(ctx context.Context, cfg *config.Config, at string, create bool) (*backup.Repository, error) {
	if at == "" {
		return nil, errs.New(errs.Invalid, "say where the backups are: a folder, or s3://bucket/prefix")
	}
	if _, err := os.Stat(at); !create && !strings.HasPrefix(at, "s3://") && err != nil {
		return nil, errs.Wrap(errs.NotFound, err, "there are no backups there")
	}
	store, err := openDestination(cfg, at)
	if err != nil {
		return nil, err
	}
	return backup.Open(ctx, store, create)
}

func openDestination(cfg *config.Config, at string) (blob.Store, error) {
	if !strings.HasPrefix(at, "s3://") {
		to, err := filepath.Abs(at)
		if err != nil {
			return nil, err
		}
		data, err := filepath.Abs(cfg.Data)
		if err != nil {
			return nil, err
		}
		if rel, err := filepath.Rel(data, to); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return nil, errs.New(errs.Invalid, "backups must not lie within the data directory")
		}
		return blob.OpenDir(to)
	}
	l, err := blob.ParseLocation(at)
	if err != nil {
		return nil, err
	}
	for _, other := range []string{cfg.Storage, cfg.StorageWorking} {
		if other == "" {
			continue
		}
		if o, err := blob.ParseLocation(other); err == nil && o.Overlaps(l) {
			return nil, errs.New(errs.Invalid, "backups must not lie within the storage of the installation")
		}
	}
	spool := os.TempDir() // for what prunes or reads without an installation; files there have no name
	if hasData(cfg) {
		spool = filepath.Join(cachePath(cfg.Data), "spool")
	}
	return blob.OpenS3(blob.S3Options{Location: l, AccessKey: cfg.BackupAccessKey, SecretKey: cfg.BackupSecretKey, Spool: spool})
}

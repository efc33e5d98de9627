package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"probity.dev/internal/backup"
	"probity.dev/internal/blob"
	"probity.dev/internal/config"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger"
	"probity.dev/verify"
)

// RestoreOptions say what is restored and what it is compared with. From and Identity are required, and so is one of Checkpoints, Marks and Unchecked.
type RestoreOptions struct {
	From string
	// Backup is the id of one; "" is the newest.
	Backup string
	// Identity is the file of the private key, MasterKey that of the master key; "" when the backup holds it.
	Identity, MasterKey string
	// Checkpoints are signed checkpoints, one after the other: the newest that were published, one for each log. Keys are verifier keys for them besides those in the backup.
	Checkpoints []byte
	Keys        []string
	// Marks is the content of the newest highwater.json that still exists.
	Marks []byte
	// Unchecked restores without either, and without knowing whether events are missing.
	Unchecked bool
	// TakeStorage takes over the object storage of the installation that was backed up, which must be gone for good, with what is there.
	TakeStorage bool
	// Progress, when not nil, is told the bytes that were restored and their number.
	Progress func(done, total int64)
}

// RestoredLog is what became of a log.
type RestoredLog struct {
	TenantID string `json:"tenant_id"`
	LogID    string `json:"log_id"`
	Origin   string `json:"origin"`
	// Events is the number of events of the present epoch that are there, Signed how many were signed for as far as is known, Lost how many of those are missing.
	Events uint64 `json:"events"`
	Signed uint64 `json:"signed"`
	Lost   uint64 `json:"lost"`
	// Compared says that a checkpoint from outside the backup was given for this log.
	Compared bool `json:"compared"`
}

// Restored is the outcome of a restore.
type Restored struct {
	Backup    string         `json:"backup"`
	CreatedAt time.Time      `json:"created_at"`
	Parts     int            `json:"parts"`
	Bytes     int64          `json:"bytes"`
	Logs      []RestoredLog  `json:"logs"`
	Report    *verify.Report `json:"verification"`
}

// Lost is the number of events that were signed for and are missing, in all logs.
func (r *Restored) Lost() (n uint64) {
	for _, l := range r.Logs {
		n += l.Lost
	}
	return n
}

// incompletePath is the file that marks a data directory which a restore has not finished or not found in order.
func incompletePath(dir string) string { return filepath.Join(dir, "restore.incomplete") }

// checkComplete refuses a data directory that a restore has left unfinished.
func checkComplete(dir string) error {
	if _, err := os.Stat(incompletePath(dir)); err != nil {
		return nil //nolint:nilerr // there is no mark
	}
	return errs.New(errs.Conflict, "%s is from a restore that was interrupted or did not verify; restore again, into this directory or an empty one", dir)
}

// Restore puts a backup back into the empty data directory of cfg, and the empty database and storage, compares every part with the manifest, verifies the evidence of every log, and compares the logs with the
// checkpoints that were given. A directory in which anything else than lost events was found cannot be opened. Logs that lack events that were signed for are there and frozen: [App.OpenEpoch] lets them go on.
func Restore(ctx context.Context, cfg *config.Config, o RestoreOptions) (*Restored, error) {
	if len(o.Checkpoints)+len(o.Marks) == 0 && !o.Unchecked {
		return nil, errs.New(errs.Invalid, "nothing would tell whether the backup lacks events: give the newest published checkpoint, or the newest highwater.json that still exists")
	}
	begun, err := checkTarget(ctx, cfg)
	if err != nil {
		return nil, err
	}
	keys, err := backup.ReadIdentities(o.Identity)
	if err != nil {
		return nil, err
	}
	from, err := OpenBackups(ctx, cfg, o.From, false)
	if err != nil {
		return nil, err
	}
	s, err := from.Snapshot(ctx, o.Backup, keys)
	if err != nil {
		return nil, err
	}
	r := &restoring{cfg: cfg, o: &o, s: s, id: begun}
	if r.id == "" {
		r.id = newClaimID()
	}
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	if err := r.write(ctx); err != nil {
		return nil, err
	}
	return r.check(ctx)
}

// checkTarget refuses a place that is not empty. What an interrupted restore has left in a directory is removed; begun is its id.
func checkTarget(ctx context.Context, cfg *config.Config) (begun string, err error) {
	if err := checkAccount(cfg.Data, os.Geteuid()); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(cfg.Data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	mark, err := os.ReadFile(incompletePath(cfg.Data))
	if len(entries) > 0 && err != nil {
		return "", errs.New(errs.Conflict, "%s is not empty; a backup is restored into an empty directory", cfg.Data)
	}
	if lines := strings.Split(string(mark), "\n"); len(lines) > 1 {
		begun = lines[1]
	}
	if cfg.Database != "" {
		blank, err := sqldb.Blank(ctx, cfg.Database)
		if err != nil {
			return "", err
		}
		if !blank {
			return "", errs.New(errs.Conflict, "the database is not empty; a backup is restored into an empty database")
		}
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(cfg.Data, e.Name())); err != nil {
			return "", err
		}
	}
	return begun, nil
}

// restoring is a restore under way.
type restoring struct {
	cfg       *config.Config
	o         *RestoreOptions
	s         *backup.Snapshot
	masterKey []byte
	marks     ledger.Marks
	done      int64
	id        string // of this restore and of those that it goes on with
	again     bool   // the storage holds what an earlier attempt has put there
}

// prepare checks everything that can be checked before anything is written, and makes the directory.
func (r *restoring) prepare(ctx context.Context) error {
	m := r.s.Manifest
	kind := sqldb.KindSQLite
	if r.cfg.Database != "" {
		kind = sqldb.KindPostgres
	}
	if m.Database.Kind != kind {
		return errs.New(errs.Invalid, "the backup holds a %s database and must be restored into one (--database is for PostgreSQL)", m.Database.Kind)
	}
	if err := os.MkdirAll(r.cfg.Data, 0o700); err != nil {
		return err
	}
	if err := crypt.WriteFile(incompletePath(r.cfg.Data), []byte("A restore of backup "+m.ID+" has not come to its end.\n"+r.id+"\n"), 0o600); err != nil {
		return err
	}
	if err := r.placeKey(ctx); err != nil {
		return err
	}
	key, err := openKMS(ctx, r.cfg)
	if err != nil {
		return err
	}
	return r.s.Authentic(ctx, key)
}

// placeKey puts the master key into its file. One that is with a service, or in a file elsewhere that is there, is taken as it is.
func (r *restoring) placeKey(ctx context.Context) error {
	if !MasterKeyFile(r.cfg) || r.cfg.KMS != "" && HasMasterKey(r.cfg) {
		return nil
	}
	var err error
	switch key := r.s.Manifest.Part(partMasterKey); {
	case r.o.MasterKey != "":
		r.masterKey, err = os.ReadFile(r.o.MasterKey)
	case key != nil:
		r.masterKey, err = r.small(ctx, key)
	default:
		err = errs.New(errs.Invalid, "the backup does not hold the master key: give its file with --master-key")
	}
	if err != nil {
		return err
	}
	path := MasterKey(r.cfg)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return crypt.WriteFile(path, r.masterKey, 0o600)
}

// small reads a part into memory.
func (r *restoring) small(ctx context.Context, p *backup.Part) ([]byte, error) {
	var b strings.Builder
	err := r.s.Copy(ctx, p, &b)
	return []byte(b.String()), err
}

// write puts everything in its place, the database last.
func (r *restoring) write(ctx context.Context) error {
	m := r.s.Manifest
	evidence, working, lock, err := r.stores(ctx)
	if err != nil {
		return err
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		if !strings.HasPrefix(p.Name, "segments/") {
			continue
		}
		store, o := working, blob.PutOptions{Once: true}
		if strings.HasPrefix(path.Base(p.Name), "evidence-") {
			store = evidence
			if lock != blob.NoLock {
				o.Mode, o.Until = lock, time.Now().Add(r.cfg.StorageRetention)
			}
		}
		if err := r.file(ctx, store, p, o); err != nil {
			return err
		}
	}
	if r.o.TakeStorage && sharable(r.cfg) {
		if r.marks, err = storedMarks(ctx, r.cfg); err != nil {
			return err
		}
	}
	if p := m.Part(ledger.MarkFile); p != nil {
		b, err := r.small(ctx, p)
		if err != nil {
			return err
		}
		if err := r.marks.Add(b); err != nil {
			return err
		}
	}
	p := m.Part(partDatabase)
	if p == nil {
		return errs.Wrap(errs.Invalid, backup.ErrDamaged, "the backup holds no database")
	}
	write := func(w io.Writer) error { return r.s.Copy(ctx, p, countingWriter{w, r.restored}) }
	if r.cfg.Database != "" {
		if err := sqldb.RestorePostgres(ctx, r.cfg.Database, m.Database.Schema, write); err != nil || r.o.TakeStorage {
			return err
		}
		return forgetID(ctx, r.cfg.Database)
	}
	return sqldb.RestoreSQLite(databasePath(r.cfg.Data), write)
}

func (r *restoring) restored(n int64) {
	if r.done += n; r.o.Progress != nil {
		r.o.Progress(r.done, r.s.Summary.Bytes)
	}
}

// stores are where sealed files go, which must be empty, unless they are those of the backup and are taken over.
func (r *restoring) stores(ctx context.Context) (evidence, working blob.Store, lock blob.LockMode, err error) {
	evidence, working, err = sealedStores(ctx, r.cfg)
	if err != nil || r.cfg.Storage == "" {
		return evidence, working, blob.NoLock, err
	}
	if r.cfg.StorageLock != "off" {
		lock = blob.LockMode(r.cfg.StorageLock)
	}
	if !r.o.TakeStorage {
		r.again, err = r.occupy(ctx, evidence, working)
		return evidence, working, lock, err
	}
	owner, err := readName(ctx, working, ownerName)
	if err != nil {
		return nil, nil, lock, err
	}
	if id := r.s.Manifest.StorageID; id == "" || owner != id {
		return nil, nil, lock, errs.New(errs.Conflict, "the storage does not belong to the installation that was backed up")
	}
	return evidence, working, lock, crypt.WriteFile(claimPath(r.cfg.Data), []byte(r.s.Manifest.StorageID+"\n"), 0o600)
}

// restoringName is the object that says which restore puts files into a storage, until it has come to its end.
const restoringName = "restore.incomplete"

// occupy marks an empty storage as this restore's; again says that it has the mark already.
func (r *restoring) occupy(ctx context.Context, evidence, working blob.Store) (again bool, err error) {
	id, err := readName(ctx, working, restoringName)
	if err == nil && id == r.id {
		return true, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	for _, store := range []blob.Store{evidence, working} {
		if err := store.List(ctx, "", func(blob.Info) error { return errNotEmpty }); err != nil {
			return false, err
		}
	}
	w, err := working.Create(ctx, restoringName, blob.PutOptions{Once: true})
	if err != nil {
		return false, err
	}
	defer w.Abort()
	if _, err := io.WriteString(w, r.id+"\n"); err != nil {
		return false, err
	}
	return false, w.Commit(ctx, nil)
}

// finish takes the marks of an unfinished restore away.
func (r *restoring) finish(ctx context.Context) error {
	if r.cfg.Storage != "" && !r.o.TakeStorage {
		_, working, err := sealedStores(ctx, r.cfg)
		if err != nil {
			return err
		}
		if err := working.Delete(ctx, restoringName); err != nil {
			return err
		}
	}
	return os.Remove(incompletePath(r.cfg.Data))
}

var errNotEmpty = errs.New(errs.Conflict, "the storage is not empty; a backup is restored below an empty prefix, or, when the installation it belonged to is gone for good, with --take-storage into its own")

// file restores one sealed file. One that is there already, in a storage that was taken over or from an earlier attempt, must be the same.
func (r *restoring) file(ctx context.Context, store blob.Store, p *backup.Part, o blob.PutOptions) error {
	w, err := store.Create(ctx, p.Name, o)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := r.s.Copy(ctx, p, countingWriter{w, r.restored}); err != nil {
		return err
	}
	err = w.Commit(ctx, nil)
	if !errors.Is(err, fs.ErrExist) || !r.o.TakeStorage && !r.again {
		return err
	}
	in, err := store.Open(ctx, p.Name, 0, -1)
	if err != nil {
		return err
	}
	same, err := p.Is(in)
	if err = errors.Join(err, in.Close()); err == nil && !same {
		err = errs.New(errs.Conflict, "the storage has another file of the name %s", p.Name)
	}
	return err
}

// check verifies what was restored, decides what is lost, and lets the directory be opened.
func (r *restoring) check(ctx context.Context) (*Restored, error) {
	m := r.s.Manifest
	out := &Restored{Backup: m.ID, CreatedAt: m.CreatedAt, Parts: len(m.Parts), Bytes: r.s.Summary.Bytes}
	held := make([]ledger.Holding, len(m.Logs))
	for i, l := range m.Logs {
		held[i] = ledger.Holding{TenantID: l.TenantID, LogID: l.LogID, Origin: l.Origin, Epoch: l.Epoch, Base: l.Base, Size: l.Size, Checkpoint: l.Checkpoint, VKeys: l.VKeys}
	}
	if len(r.o.Marks) > 0 {
		if err := r.marks.Add(r.o.Marks); err != nil {
			return nil, err
		}
	}
	pins, err := r.pins(held)
	if err != nil {
		return nil, err
	}
	if unknown := r.marks.Unknown(held); len(unknown) > 0 {
		return nil, errs.New(errs.Conflict, "the backup is from before log %s was made; look for a newer one", strings.Join(unknown, ", "))
	}
	var state []byte
	for i := range held {
		h := &held[i]
		lost, signed, epoch := r.marks.Lost(h)
		compared := len(r.o.Marks) > 0 || slices.ContainsFunc(pins, func(p pin) bool { return p.logID == h.LogID })
		out.Logs = append(out.Logs, RestoredLog{TenantID: h.TenantID, LogID: h.LogID, Origin: h.Origin, Events: h.Size, Signed: signed, Lost: lost, Compared: compared})
		for _, p := range pins {
			if p.logID == h.LogID && (p.epoch < h.Epoch || p.epoch == h.Epoch && epoch == h.Epoch && lost == 0) {
				state = append(state, p.text...)
			}
		}
	}
	text, err := r.marks.Encode()
	if err != nil {
		return nil, err
	}
	if err := crypt.WriteFile(markPath(r.cfg.Data), text, 0o600); err != nil {
		return nil, err
	}
	if out.Report, err = r.verify(ctx, state); err != nil {
		return nil, err
	}
	if !out.Report.OK {
		return out, nil // and it stays closed
	}
	return out, r.finish(ctx)
}

// verify checks all evidence, and that the logs extend the checkpoints in state.
func (r *restoring) verify(ctx context.Context, state []byte) (rep *verify.Report, err error) {
	sources, closer, err := StoredSources(ctx, r.cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	keys, err := parseKeys(r.s.Manifest, nil)
	if err != nil {
		return nil, err
	}
	opt := verify.Options{Keys: keys}
	if len(state) > 0 {
		opt.State = filepath.Join(r.cfg.Data, "restore.state")
		if err := crypt.WriteFile(opt.State, state, 0o600); err != nil {
			return nil, err
		}
		defer os.Remove(opt.State)
	}
	rep, err = verify.Dir(ctx, r.cfg.Data, sources, opt)
	if err != nil {
		return nil, fmt.Errorf("verify what was restored: %w", err)
	}
	return rep, nil
}

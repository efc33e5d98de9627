package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/segment"
)

// segmentsPrefix is what the names of all files of sealed events begin with.
const segmentsPrefix = "segments/"

// strangeNames is how many objects of other content may lie under the name of an evidence file before sealing gives up.
const strangeNames = 16

// files fills in the stores.
func (o *Options) files() error {
	if o.Evidence == nil || o.Working == nil {
		d, err := blob.OpenDir(o.Dir)
		if err != nil {
			return err
		}
		if o.Evidence == nil {
			o.Evidence = d
		}
		if o.Working == nil {
			o.Working = d
		}
	}
	return nil
}

// stores are the stores of segments, each once.
func (l *Ledger) stores() []blob.Files {
	if l.opt.Evidence == l.opt.Working {
		return []blob.Files{l.opt.Working}
	}
	return []blob.Files{l.opt.Working, l.opt.Evidence}
}

// path is where the engine finds a working file: a place in the file system, or the name of an object.
func (l *Ledger) path(name string) string {
	if d, ok := l.opt.Working.(*blob.Dir); ok {
		return d.Path(name)
	}
	return name
}

// segmentNames are the names of the files of a range.
func segmentNames(logID string, first, count uint64) (evidence, working string) {
	dir := segmentsPrefix + logID
	return fmt.Sprintf("%s/evidence-%016x-%x.parquet", dir, first, count), fmt.Sprintf("%s/working-%016x-%x.parquet", dir, first, count)
}

func (s *Segment) evidence() blob.Ref {
	return blob.Ref{Name: s.EvidencePath, SHA256: s.EvidenceSHA, Size: s.EvidenceBytes}
}

func (s *Segment) working() blob.Ref {
	return blob.Ref{Name: s.WorkingPath, SHA256: s.WorkingSHA, Size: s.WorkingSize}
}

// openEvidence opens the evidence of a segment; with fresh, as its store has it and no copy.
func (l *Ledger) openEvidence(ctx context.Context, s *Segment, fresh bool) (*segment.Evidence, error) {
	f, err := l.opt.Evidence.File(ctx, s.evidence(), fresh)
	if err != nil {
		return nil, err
	}
	return segment.ReadEvidenceFile(f, s.EvidencePath)
}

// CheckFiles looks for the files of every log's newest segment in their stores. Where they are missing, the stores are not those that the database was written with.
func (l *Ledger) CheckFiles(ctx context.Context) error {
	for _, t := range l.opened() {
		_, segments := t.hot.view()
		if len(segments) == 0 {
			continue
		}
		s := &segments[len(segments)-1]
		_, err := l.opt.Evidence.Stat(ctx, s.EvidencePath)
		if err == nil && !t.forgotten {
			_, err = l.opt.Working.Stat(ctx, s.WorkingPath)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return errs.Wrap(errs.Invalid, err, "the storage lacks sealed files that the database names. When an installation moves to another storage, its folder segments is copied there first, see docs/operators.md")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeFile makes a file of a segment. When it returns nil, the file is durable.
func writeFile(ctx context.Context, store blob.Store, name string, o blob.PutOptions, write func(io.Writer) (segment.Info, error)) (segment.Info, error) {
	w, err := store.Create(ctx, name, o)
	if err != nil {
		return segment.Info{}, err
	}
	defer w.Abort()
	info, err := write(w)
	if err == nil {
		err = w.Commit(ctx, info.SHA256[:])
	}
	return info, err
}

// writeEvidence makes the evidence of a segment, locked if that is asked for, and notes its size and hash.
func (l *Ledger) writeEvidence(ctx context.Context, s *Segment, write func(io.Writer) (segment.Info, error)) error {
	info, err := l.writeAside(ctx, l.opt.Evidence, &s.EvidencePath, l.opt.Lock, write)
	s.EvidenceSHA, s.EvidenceBytes = info.SHA256[:], info.Bytes
	return err
}

// writeAside is writeFile for objects that must not be replaced: locked ones, and those that another server may be writing, which believes to have the lease still. One of the same name is
// taken when it is the same, and otherwise left alone for another name.
func (l *Ledger) writeAside(ctx context.Context, store blob.Files, name *string, mode blob.LockMode, write func(io.Writer) (segment.Info, error)) (info segment.Info, err error) {
	o := blob.PutOptions{Mode: mode, Once: mode != blob.NoLock || l.db.Shared()}
	stem := strings.TrimSuffix(*name, ".parquet")
	for n := range strangeNames {
		if n > 0 {
			*name = fmt.Sprintf("%s-%d.parquet", stem, n)
		}
		if o.Mode != blob.NoLock {
			o.Until = time.Now().Add(l.opt.LockFor)
		}
		if info, err = writeFile(ctx, store, *name, o, write); !errors.Is(err, fs.ErrExist) {
			return info, err
		}
		if err = blob.Verify(ctx, store, blob.Ref{Name: *name, SHA256: info.SHA256[:], Size: info.Bytes}); err == nil {
			if o.Mode != blob.NoLock {
				err = store.Retain(ctx, *name, o.Mode, o.Until)
			}
			return info, err
		}
		if !errors.Is(err, blob.ErrContent) {
			return info, err
		}
		l.log.Warn("another object lies where a sealed file was to be written; it is left alone", "name", *name)
	}
	return info, errs.New(errs.Internal, "%d objects of other content lie where %s was to be written", strangeNames, stem)
}

// strayFiles yields the files of a log that no segment names, those set aside left out.
func (l *Ledger) strayFiles(ctx context.Context, t *tenant, store blob.Files, yield func(name string) error) error {
	_, segments := t.hot.view()
	known := map[string]bool{}
	for _, s := range segments {
		if store == l.opt.Evidence {
			known[s.EvidencePath] = true
		}
		if store == l.opt.Working {
			known[s.WorkingPath] = true
		}
	}
	prefix := segmentsPrefix + t.logID + "/"
	return store.List(ctx, prefix, func(i blob.Info) error {
		if known[i.Name] || path.Dir(i.Name)+"/" != prefix {
			return nil
		}
		return yield(i.Name)
	})
}

// removeStray removes files that no segment names: what a crash left behind, and what compaction has replaced. Locked ones stay until their time has come. It reports whether it has looked, which it does not while another server
// moves files of the log.
func (l *Ledger) removeStray(ctx context.Context, t *tenant) (done bool, err error) {
	t.sealMu.Lock()
	defer t.sealMu.Unlock()
	return l.alone(ctx, t, func(ctx context.Context, _ *sqldb.Lease) (err error) {
		for _, store := range l.stores() {
			err = errors.Join(err, l.removeStrayFrom(ctx, t, store))
		}
		return err
	})
}

func (l *Ledger) removeStrayFrom(ctx context.Context, t *tenant, store blob.Files) error {
	var names []string
	err := l.strayFiles(ctx, t, store, func(name string) error { names = append(names, name); return nil })
	if err != nil {
		return err
	}
	for _, name := range names {
		if e := store.Delete(ctx, name); e != nil && !errors.Is(e, blob.ErrLocked) {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, store.Sweep(ctx, segmentsPrefix+t.logID+"/", time.Now()))
}

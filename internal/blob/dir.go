package blob

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"probity.dev/internal/errs"
)

// tempPrefix begins the names of files that are being written. They are no objects.
const tempPrefix = ".tmp-"

// writeBuffer is how many bytes go to a file at once: pages of segments are small, and there are thousands of them.
const writeBuffer = 256 << 10

// Dir keeps objects as files of a folder. It cannot lock: whoever may write to the folder may delete.
type Dir struct{ root string }

// OpenDir returns a store in the folder root, which is made when absent, with mode 0700.
func OpenDir(root string) (*Dir, error) {
	return &Dir{root: root}, os.MkdirAll(root, 0o700)
}

// String names the store.
func (d *Dir) String() string { return d.root }

func (d *Dir) path(name string) string { return filepath.Join(d.root, filepath.FromSlash(name)) }

// noLocks is what asking a folder for a lock is answered with.
var noLocks = errs.New(errs.Unsupported, "Files in a folder cannot be locked; an object store with Object Lock can.")

// dirWriter writes aside, in the folder of the object, so that renaming makes it an object at once.
type dirWriter struct {
	d    *Dir
	name string
	once bool
	f    *os.File
	w    *bufio.Writer

	behind  int64 // written since the disk was last asked to take what there is
	flusher sync.WaitGroup
	flushed chan error // of the flusher that is at work or has ended; nil when there is none
}

// flushEvery is how many bytes are written until the disk is asked to take them, beside the writing. Else gigabytes would wait for the end, and the end for them.
const flushEvery = 32 << 20

// Create implements [Store].
func (d *Dir) Create(_ context.Context, name string, o PutOptions) (Writer, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if o.Mode != NoLock {
		return nil, noLocks
	}
	folder := filepath.Dir(d.path(name))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(folder, tempPrefix+"*")
	if err != nil {
		return nil, err
	}
	return &dirWriter{d: d, name: name, once: o.Once, f: f, w: bufio.NewWriterSize(f, writeBuffer)}, nil
}

// Write implements io.Writer.
func (w *dirWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	if w.behind += int64(n); err == nil && w.behind >= flushEvery {
		err = w.flush()
	}
	return n, err
}

// flush begins to bring what was written to the disk, unless that is under way, and returns the error of the time before: the system reports it once.
func (w *dirWriter) flush() error {
	if w.flushed != nil {
		select {
		case err := <-w.flushed:
			if err != nil {
				w.flushed <- err
				return err
			}
		default:
			return nil // later
		}
	} else {
		w.flushed = make(chan error, 1)
	}
	w.behind = 0
	w.flusher.Go(func() { w.flushed <- w.f.Sync() })
	return nil
}

// lastFlush waits for the flusher, and returns its error.
func (w *dirWriter) lastFlush() error {
	w.flusher.Wait()
	if w.flushed == nil {
		return nil
	}
	return <-w.flushed
}

// Abort implements [Writer].
func (w *dirWriter) Abort() {
	w.flusher.Wait()
	w.f.Close() //nolint:errcheck // it is removed anyway
	os.Remove(w.f.Name())
}

// Commit implements [Writer]. The sum is not compared: the file system returned the bytes, or will when they are read back.
func (w *dirWriter) Commit(_ context.Context, _ []byte) error {
	defer w.Abort()
	if err := errors.Join(w.w.Flush(), w.lastFlush(), w.f.Sync(), w.f.Close()); err != nil {
		return err
	}
	to := w.d.path(w.name)
	if !w.once {
		if err := os.Rename(w.f.Name(), to); err != nil {
			return err
		}
		return syncDir(filepath.Dir(to))
	}
	if err := os.Link(w.f.Name(), to); err != nil { // fails when there is a file, which renaming does not
		if errors.Is(err, fs.ErrExist) {
			return exists(w.name)
		}
		return err
	}
	return syncDir(filepath.Dir(to))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// File implements [Files]. Files are opened as they are: their pages carry checksums.
func (d *Dir) File(_ context.Context, r Ref, _ bool) (*os.File, error) {
	if err := checkName(r.Name); err != nil {
		return nil, err
	}
	f, err := os.Open(d.path(r.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound(r.Name)
	}
	return f, err
}

// Path is where the object of a name lies, or would.
func (d *Dir) Path(name string) string { return d.path(name) }

// Open implements [Store].
func (d *Dir) Open(ctx context.Context, name string, from, n int64) (io.ReadCloser, error) {
	f, err := d.File(ctx, Ref{Name: name}, false)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if n < 0 {
		n = st.Size() - from
	}
	if from < 0 || n < 0 || from > st.Size()-n {
		return nil, errors.Join(outside(name), f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, from, n), f}, nil
}

func outside(name string) error {
	return errs.New(errs.Invalid, "The range is not within the stored object %s.", name)
}

// Stat implements [Store].
func (d *Dir) Stat(_ context.Context, name string) (Info, error) {
	if err := checkName(name); err != nil {
		return Info{}, err
	}
	st, err := os.Stat(d.path(name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && st.IsDir() {
		return Info{}, notFound(name)
	}
	if err != nil {
		return Info{}, err
	}
	return Info{Name: name, Size: st.Size(), Modified: st.ModTime()}, nil
}

// walk calls yield with every file below prefix, in order of their names.
func (d *Dir) walk(ctx context.Context, prefix string, yield func(name string, e fs.DirEntry) error) error {
	top := d.path(prefix)
	err := filepath.WalkDir(top, func(p string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // the folder is not there, or a file has gone meanwhile
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case e.IsDir():
			return nil
		}
		rel, err := filepath.Rel(d.root, p)
		if err != nil {
			return err
		}
		return yield(filepath.ToSlash(rel), e)
	})
	return err
}

// List implements [Store].
func (d *Dir) List(ctx context.Context, prefix string, yield func(Info) error) error {
	return d.walk(ctx, prefix, func(name string, e fs.DirEntry) error {
		if strings.HasPrefix(path.Base(name), tempPrefix) {
			return nil
		}
		st, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return yield(Info{Name: name, Size: st.Size(), Modified: st.ModTime()})
	})
}

// Delete implements [Store].
func (d *Dir) Delete(_ context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Move implements [Store].
func (d *Dir) Move(_ context.Context, from, to string) error {
	if err := errors.Join(checkName(from), checkName(to)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(d.path(to)), 0o700); err != nil {
		return err
	}
	if _, err := os.Lstat(d.path(to)); err == nil {
		return exists(to)
	}
	if err := os.Rename(d.path(from), d.path(to)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return notFound(from)
		}
		return err
	}
	return errors.Join(syncDir(filepath.Dir(d.path(to))), syncDir(filepath.Dir(d.path(from))))
}

// Hold implements [Store]; a folder cannot.
func (d *Dir) Hold(context.Context, string, bool) error { return noLocks }

// Retain implements [Store]; a folder cannot.
func (d *Dir) Retain(context.Context, string, LockMode, time.Time) error { return noLocks }

// Sweep implements [Store].
func (d *Dir) Sweep(ctx context.Context, prefix string, before time.Time) error {
	return d.walk(ctx, prefix, func(name string, e fs.DirEntry) error {
		if !strings.HasPrefix(path.Base(name), tempPrefix) {
			return nil
		}
		st, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && st.ModTime().After(before) {
			return nil
		}
		if err == nil {
			err = os.Remove(d.path(name))
		}
		return err
	})
}

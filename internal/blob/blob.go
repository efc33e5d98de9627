package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"probity.dev/internal/errs"
)

// ErrLocked is in the chain of errors about objects that a retention or a legal hold keeps from being deleted.
var ErrLocked = errors.New("the object is locked")

// LockMode is how an object is kept from being deleted before its time.
type LockMode string

// The modes, as S3 Object Lock has them. A governance lock can be lifted by accounts with a permission of their own, a compliance lock by nobody.
const (
	NoLock     LockMode = ""
	Governance LockMode = "governance"
	Compliance LockMode = "compliance"
)

// Info describes an object.
type Info struct {
	Name     string
	Size     int64 // bytes
	Modified time.Time
	// Mode, Until and Held are the locks of the object; [Store.List] does not fill them.
	Mode  LockMode
	Until time.Time
	Held  bool
}

// Locked reports whether the object may not be deleted at the given time.
func (i Info) Locked(now time.Time) bool { return i.Held || i.Mode != NoLock && i.Until.After(now) }

// PutOptions are the choices for a new object.
type PutOptions struct {
	// Once lets the object be created only if there is none of its name; otherwise the error is fs.ErrExist.
	Once bool
	// Mode and Until lock the object as it is made. A store that cannot lock refuses it.
	Mode  LockMode
	Until time.Time
}

// Writer takes the content of a new object. Nobody sees the object before Commit has returned nil, and then it is durable and whole.
type Writer interface {
	io.Writer
	// Commit stores what was written. A sum that is not nil is the SHA-256 of all of it, and a store that can compares. The writer is closed, whatever comes of it.
	Commit(ctx context.Context, sum []byte) error
	// Abort drops what was written. After Commit it does nothing.
	Abort()
}

// Store keeps objects. Names are paths with slashes, such as "segments/x/y.parquet". All methods may be called concurrently. Errors have the codes of package errs: NotFound (and
// fs.ErrNotExist), Conflict (fs.ErrExist, ErrLocked), Unsupported, and Unavailable when the store does not answer or refuses the credentials.
type Store interface {
	// Create begins a new object, which replaces one of the same name unless o.Once.
	Create(ctx context.Context, name string, o PutOptions) (Writer, error)
	// Open reads n bytes from offset from; n < 0 reads to the end. The range must lie in the object.
	Open(ctx context.Context, name string, from, n int64) (io.ReadCloser, error)
	// Stat describes an object with its locks.
	Stat(ctx context.Context, name string) (Info, error)
	// List yields the objects whose names begin with prefix, which ends in a slash or is empty, in order of their names, those in folders below included.
	List(ctx context.Context, prefix string, yield func(Info) error) error
	// Delete removes an object with all its versions; there need not be one. A locked one is refused.
	Delete(ctx context.Context, name string) error
	// Move gives an object another name, under which there must be none. A locked one is copied, and stays where it was as well.
	Move(ctx context.Context, from, to string) error
	// Hold sets or lifts the legal hold of an object.
	Hold(ctx context.Context, name string, on bool) error
	// Retain lengthens the retention of an object.
	Retain(ctx context.Context, name string, mode LockMode, until time.Time) error
	// Sweep removes what writers that died before the given time have left below prefix: it is no object, and takes room.
	Sweep(ctx context.Context, prefix string, before time.Time) error
}

// Ref names an object together with what it must hold.
type Ref struct {
	Name   string
	SHA256 []byte
	Size   int64
}

// Files is a store whose objects can be had as local files.
type Files interface {
	Store
	// File opens an object for reading. The caller closes it. With fresh, the content comes from the store itself, not from a copy.
	File(ctx context.Context, r Ref, fresh bool) (*os.File, error)
}

// checkName refuses names that are no clean relative path, which would leave the store's folder.
func checkName(name string) error {
	if name == "" || name == "." || path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") {
		return errs.New(errs.Internal, "%q is not the name of an object", name)
	}
	return nil
}

func notFound(name string) error {
	return errs.Wrap(errs.NotFound, fs.ErrNotExist, "There is no stored object %s.", name)
}

func exists(name string) error {
	return errs.Wrap(errs.Conflict, fs.ErrExist, "There is a stored object %s already.", name)
}

func locked(i Info) error {
	why := "a legal hold keeps it"
	if !i.Held {
		why = "it is retained until " + i.Until.UTC().Format(time.RFC3339)
	}
	return errs.Wrap(errs.Conflict, ErrLocked, "The stored object %s cannot be deleted: %s.", i.Name, why)
}

// readerAt reads ranges of an object, one request each.
type readerAt struct {
	ctx   context.Context
	store Store
	name  string
}

// ReaderAt reads ranges of an object of a store, one request to the store each, until ctx ends.
func ReaderAt(ctx context.Context, s Store, name string) io.ReaderAt { return readerAt{ctx, s, name} }

// ReadAt implements io.ReaderAt.
func (r readerAt) ReadAt(b []byte, off int64) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	in, err := r.store.Open(r.ctx, r.name, off, int64(len(b)))
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(in, b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	if e := in.Close(); err == nil {
		err = e
	}
	return n, err
}

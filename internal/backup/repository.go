package backup

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
)

// Names in a repository.
const (
	formatName    = "format"
	partsPrefix   = "parts/"
	backupsPrefix = "backups/"
	locksPrefix   = "locks/"
	summaryName   = "summary.json"
	manifestName  = "manifest.age"
)

// Repository is a store that holds backups.
type Repository struct{ store blob.Store }

// Open opens the repository in a store. With create, an empty store becomes one; a store that holds something else is refused either way.
func Open(ctx context.Context, store blob.Store, create bool) (*Repository, error) {
	r := &Repository{store}
	b, err := r.read(ctx, formatName)
	switch {
	case err == nil && strings.TrimSpace(string(b)) == Format:
		return r, nil
	case err == nil:
		return nil, errs.New(errs.Unsupported, "the destination holds backups of another format")
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case !create:
		return nil, errs.New(errs.NotFound, "there are no backups there")
	}
	if err := store.List(ctx, "", func(blob.Info) error { return errStop }); errors.Is(err, errStop) {
		return nil, errs.New(errs.Conflict, "the destination holds something that is not a backup; give an empty folder or prefix")
	} else if err != nil {
		return nil, err
	}
	return r, r.put(ctx, formatName, []byte(Format+"\n"))
}

var errStop = errors.New("enough")

// maxClear bounds objects in clear that are read whole.
const maxClear = 256 << 20

func (r *Repository) read(ctx context.Context, name string) ([]byte, error) {
	in, err := r.store.Open(ctx, name, 0, -1)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(in, maxClear))
	return b, errors.Join(err, in.Close())
}

func (r *Repository) put(ctx context.Context, name string, b []byte) error {
	w, err := r.store.Create(ctx, name, blob.PutOptions{})
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Commit(ctx, nil)
}

// objects lists what lies below a prefix, with its size as it is stored.
func (r *Repository) objects(ctx context.Context, prefix string) (map[string]int64, error) {
	out := map[string]int64{}
	err := r.store.List(ctx, prefix, func(i blob.Info) error { out[i.Name] = i.Size; return nil })
	return out, err
}

// backupID is the id in the name of an object below backups/.
func backupID(name string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(name, backupsPrefix), "/")
	return id
}

// List returns the complete backups, the oldest first. It needs no key.
func (r *Repository) List(ctx context.Context) ([]Summary, error) {
	names, err := r.objects(ctx, backupsPrefix)
	if err != nil {
		return nil, err
	}
	var out []Summary
	for name := range names {
		if path.Base(name) != manifestName {
			continue
		}
		s, err := r.summary(ctx, backupID(name))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Summary) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

func (r *Repository) summary(ctx context.Context, id string) (s Summary, err error) {
	b, err := r.read(ctx, backupsPrefix+id+"/"+summaryName)
	if err != nil {
		return s, err
	}
	if json.Unmarshal(b, &s) != nil || s.Format != Format || s.ID != id {
		return s, errs.New(errs.Invalid, "the summary of the backup %s is damaged", id)
	}
	return s, nil
}

// Find returns the summary of a backup; "" or "latest" is the newest.
func (r *Repository) Find(ctx context.Context, id string) (Summary, error) {
	if id != "" && id != "latest" {
		if strings.ContainsAny(id, "/\\") {
			return Summary{}, errs.New(errs.Invalid, "%q is not the id of a backup", id)
		}
		if _, err := r.store.Stat(ctx, backupsPrefix+id+"/"+manifestName); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return Summary{}, errs.New(errs.NotFound, "there is no backup %s, or it was interrupted", id)
			}
			return Summary{}, err
		}
		return r.summary(ctx, id)
	}
	all, err := r.List(ctx)
	if err != nil {
		return Summary{}, err
	}
	if len(all) == 0 {
		return Summary{}, errs.New(errs.NotFound, "there are no complete backups there")
	}
	return all[len(all)-1], nil
}

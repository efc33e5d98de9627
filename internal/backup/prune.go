package backup

import (
	"context"
	"path"
	"slices"
	"time"
)

// Keep says which backups stay: the newest of each of the last Daily days and of each of the last Monthly months that have one, in UTC, and always the newest of all.
type Keep struct{ Daily, Monthly int }

// Pruned is what pruning has done.
type Pruned struct {
	// Kept and Removed are the ids of backups.
	Kept    []string `json:"kept"`
	Removed []string `json:"removed"`
	// Parts is the number of objects that no backup held any more, Freed their size in the store in bytes.
	Parts int   `json:"parts"`
	Freed int64 `json:"freed"`
}

// chosen returns the ids that stay, of summaries in order of time.
func (k Keep) chosen(all []Summary) map[string]bool {
	keep := map[string]bool{}
	for _, rule := range []struct {
		n      int
		period string
	}{{1, ""}, {k.Daily, "2006-01-02"}, {k.Monthly, "2006-01"}} {
		seen := map[string]bool{}
		for _, s := range slices.Backward(all) {
			p := s.CreatedAt.UTC().Format(rule.period)
			if seen[p] || len(seen) == rule.n {
				continue
			}
			seen[p] = true
			keep[s.ID] = true
		}
	}
	return keep
}

// Prune removes the backups that k does not keep, and the parts that only they held. It needs no key. With dry, it only says what it would do.
func (r *Repository) Prune(ctx context.Context, k Keep, dry bool) (*Pruned, error) {
	ctx, release, err := r.lock(ctx, "prune")
	if err != nil {
		return nil, err
	}
	defer release()
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	keep := k.chosen(all)
	out := &Pruned{Kept: []string{}, Removed: []string{}}
	needed := map[string]bool{}
	for _, s := range all {
		if !keep[s.ID] {
			out.Removed = append(out.Removed, s.ID)
			continue
		}
		out.Kept = append(out.Kept, s.ID)
		for _, o := range s.Objects {
			needed[o] = true
		}
	}
	for _, prefix := range []string{backupsPrefix, partsPrefix} {
		objects, err := r.objects(ctx, prefix)
		if err != nil {
			return nil, err
		}
		for name, size := range objects {
			if prefix == backupsPrefix && keep[backupID(name)] || needed[name] {
				continue
			}
			out.Parts++
			out.Freed += size
		}
		if dry {
			continue
		}
		if err := r.remove(ctx, objects, func(name string) bool {
			return !needed[name] && !(prefix == backupsPrefix && keep[backupID(name)])
		}); err != nil {
			return nil, err
		}
	}
	if dry {
		return out, nil
	}
	return out, r.store.Sweep(ctx, "", time.Now().Add(-lockStale))
}

// remove deletes objects, manifests before everything else: a backup that is half removed must not look whole.
func (r *Repository) remove(ctx context.Context, objects map[string]int64, which func(name string) bool) error {
	for _, manifests := range []bool{true, false} {
		for name := range objects {
			if (path.Base(name) == manifestName) != manifests || !which(name) {
				continue
			}
			if err := r.store.Delete(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropUnfinished removes what interrupted backups have left of their own. The caller holds the lock.
func (r *Repository) dropUnfinished(ctx context.Context) error {
	objects, err := r.objects(ctx, backupsPrefix)
	if err != nil {
		return err
	}
	return r.remove(ctx, objects, func(name string) bool {
		_, whole := objects[backupsPrefix+backupID(name)+"/"+manifestName]
		return !whole
	})
}

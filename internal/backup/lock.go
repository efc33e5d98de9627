package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
)

// A lock is refreshed every so often, and counts as left behind when it has not been for long. Ages are differences between times of the store, so that no clock here matters.
const (
	lockEvery = time.Minute
	lockStale = 10 * time.Minute
)

type lockText struct {
	Host    string    `json:"host"`
	Process int       `json:"process"`
	What    string    `json:"what"`
	Since   time.Time `json:"since"`
}

// lock makes sure that nobody else writes to the repository or prunes it: pruning must not remove a part that a backup under way has found and counts on. Each writes its own lock and then looks for
// others, so of two that begin at once at least one gives way. The context that is returned ends when the lock could be taken for one left behind.
func (r *Repository) lock(ctx context.Context, what string) (context.Context, func(), error) {
	id := make([]byte, 8)
	rand.Read(id) //nolint:errcheck // never fails: it ends the program instead
	name := locksPrefix + hex.EncodeToString(id)
	host, _ := os.Hostname() // a courtesy to who finds the lock
	text, err := json.Marshal(lockText{Host: host, Process: os.Getpid(), What: what, Since: time.Now().UTC()})
	if err != nil {
		return nil, nil, err
	}
	if err := r.put(ctx, name, text); err != nil {
		return nil, nil, err
	}
	release := func() { _ = r.store.Delete(context.WithoutCancel(ctx), name) } // what stays is taken for left behind before long
	if err := r.alone(ctx, name, host); err != nil {
		release()
		return nil, nil, err
	}
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(lockEvery)
		defer tick.Stop()
		for renewed := time.Now(); ; {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			if r.put(held, name, text) == nil {
				renewed = time.Now()
			} else if time.Since(renewed) > lockStale-2*lockEvery {
				cancel(errs.New(errs.Unavailable, "the lock on the backups could not be renewed"))
			}
		}
	}()
	return held, func() { cancel(nil); <-done; release() }, nil
}

// alone fails when there is another lock that somebody holds, and removes those that were left behind.
func (r *Repository) alone(ctx context.Context, own, host string) error {
	mine, err := r.store.Stat(ctx, own)
	if err != nil {
		return err
	}
	return r.store.List(ctx, locksPrefix, func(i blob.Info) error {
		if i.Name == own {
			return nil
		}
		b, err := r.read(ctx, i.Name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		var t lockText
		_ = json.Unmarshal(b, &t) // a lock that says nothing is one all the same
		gone := t.Host == host && t.Process > 0 && t.Process != os.Getpid() && errors.Is(syscall.Kill(t.Process, 0), syscall.ESRCH)
		if gone || mine.Modified.Sub(i.Modified) > lockStale {
			return r.store.Delete(ctx, i.Name)
		}
		return errs.New(errs.Conflict, "somebody else works on these backups (%s on %s, process %d, since %s); if that process is gone, its lock ends by itself within %d minutes", t.What, t.Host, t.Process,
			t.Since.Format(time.RFC3339), int(lockStale.Minutes()))
	})
}

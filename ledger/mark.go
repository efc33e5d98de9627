package ledger

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"syscall"

	"probity.dev/internal/crypt"
)

// write writes the marks down. Those that another process has raised further stay. The caller holds w.mu.
func (w *highWater) write() (err error) {
	logs := w.logs
	if w.shared {
		lock, err := os.OpenFile(w.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		defer lock.Close() // which gives the lock back
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			return err
		}
		if logs, err = w.merged(); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(logs, "", " ")
	if err != nil {
		return err
	}
	return crypt.WriteFile(w.path, append(b, '\n'), 0o600)
}

// merged is what the file says and what this process has signed, whichever is further.
func (w *highWater) merged() (map[string]highMark, error) {
	stored := map[string]highMark{}
	b, err := os.ReadFile(w.path)
	if err == nil {
		err = json.Unmarshal(b, &stored)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	logs := maps.Clone(w.logs)
	for id, m := range stored {
		if own, ok := logs[id]; !ok || m.Epoch > own.Epoch || m.Epoch == own.Epoch && m.Size > own.Size {
			logs[id] = m
		}
	}
	return logs, nil
}

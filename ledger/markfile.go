package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
)

// FileMarks keeps the high-water marks of all logs in one JSON file, for the processes of one machine.
type FileMarks struct {
	path string
	// shared says that other processes may raise the marks.
	shared bool

	mu   sync.Mutex
	logs map[string]json.RawMessage // nil before the first look
}

// NewFileMarks returns the marks in the file at path, which is made with the first one. shared says that other processes use it too.
func NewFileMarks(path string, shared bool) *FileMarks { return &FileMarks{path: path, shared: shared} }

// Where implements [MarkStore].
func (f *FileMarks) Where(string) string { return filepath.Base(f.path) }

// read reads the file, unless it is known what is in it. The caller holds mu.
func (f *FileMarks) read() error {
	if f.logs != nil && !f.shared {
		return nil
	}
	logs := map[string]json.RawMessage{}
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		f.logs = logs
		return nil
	}
	if err != nil { // what cannot be read may be whole: nobody should be told to move it away
		return errs.Wrap(errs.Unavailable, err, "the high-water mark cannot be read; it must belong to the account that the server runs as")
	}
	if err := json.Unmarshal(b, &logs); err != nil {
		return errs.Wrap(errs.Invalid, err, "the high-water mark %s is damaged; put the newest copy of the file back, or move it away and see what the server says of each log", f.path)
	}
	f.logs = logs
	return nil
}

func (f *FileMarks) stored(logID string) StoredMark {
	text, ok := f.logs[logID]
	if !ok {
		return StoredMark{}
	}
	var compact bytes.Buffer // the file is indented
	if json.Compact(&compact, text) != nil {
		return StoredMark{Text: text, Version: "damaged"}
	}
	h := sha256.Sum256(compact.Bytes())
	return StoredMark{Text: text, Version: hex.EncodeToString(h[:])}
}

// All implements [MarkStore].
func (f *FileMarks) All(context.Context) (map[string]StoredMark, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.read(); err != nil {
		return nil, err
	}
	out := make(map[string]StoredMark, len(f.logs))
	for id := range f.logs {
		out[id] = f.stored(id)
	}
	return out, nil
}

// Load implements [MarkStore].
func (f *FileMarks) Load(_ context.Context, logID string) (StoredMark, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.read(); err != nil {
		return StoredMark{}, err
	}
	return f.stored(logID), nil
}

// Swap implements [MarkStore].
func (f *FileMarks) Swap(_ context.Context, logID, version string, text []byte) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shared {
		lock, err := os.OpenFile(f.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return "", err
		}
		defer lock.Close() // which gives the lock back
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			return "", err
		}
	}
	if err := f.read(); err != nil {
		return "", err
	}
	old, had := f.logs[logID]
	if f.stored(logID).Version != version {
		return "", errs.New(errs.Conflict, "another server has raised the high-water mark")
	}
	f.logs[logID] = text
	b, err := json.MarshalIndent(f.logs, "", " ")
	if err == nil {
		err = crypt.WriteFile(f.path, append(b, '\n'), 0o600)
	}
	if err != nil {
		if f.logs[logID] = old; !had {
			delete(f.logs, logID)
		}
		return "", err
	}
	return f.stored(logID).Version, nil
}

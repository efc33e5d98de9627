package verify

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
)

// state is the content of a state file: signed checkpoints one after the other, one for each origin. A file with the one checkpoint that
// somebody was given is a state file too.
type state struct {
	path  string
	notes map[string][]byte // by origin
}

func openState(path string) (*state, error) {
	s := &state{path: path, notes: map[string][]byte{}}
	if path == "" {
		return s, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "cannot read the state file")
	}
	for _, note := range splitNotes(b) {
		origin, _, ok := bytes.Cut(note, []byte("\n"))
		if !ok || len(origin) == 0 || s.notes[string(origin)] != nil {
			return nil, errs.New(errs.Invalid, "the state file %s does not hold one signed checkpoint per log", path)
		}
		s.notes[string(origin)] = note
	}
	if len(s.notes) == 0 {
		return nil, errs.New(errs.Invalid, "the state file %s is empty; remove it to start anew", path)
	}
	return s, nil
}

// SplitCheckpoints splits the content of a state file into its signed checkpoints.
func SplitCheckpoints(b []byte) [][]byte { return splitNotes(b) }

// splitNotes splits signed notes that follow each other: a note ends with the last of its signature lines.
func splitNotes(b []byte) [][]byte {
	var out [][]byte
	signed, start := false, 0
	for at := 0; at < len(b); {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			end = len(b) - at - 1
		}
		signature := bytes.HasPrefix(b[at:], []byte("— "))
		if signed && !signature {
			out = append(out, b[start:at])
			start = at
		}
		signed = signature
		at += end + 1
	}
	if start < len(b) {
		out = append(out, b[start:])
	}
	return out
}

// pinned returns the checkpoint of an origin, nil when there is none.
func (s *state) pinned(origin string, keys *tlog.Keys) (*tlog.Checkpoint, error) {
	note := s.notes[origin]
	if note == nil {
		return nil, nil
	}
	return tlog.Open(note, keys)
}

func (s *state) pin(origin string, note []byte) { s.notes[origin] = bytes.Clone(note) }

// save replaces the file in one step, so that a crash leaves the old or the new one.
func (s *state) save() error {
	if s.path == "" {
		return nil
	}
	var origins []string
	for o := range s.notes {
		origins = append(origins, o)
	}
	sort.Strings(origins)
	var b []byte
	for _, o := range origins {
		b = append(b, s.notes[o]...)
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), ".state-*")
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "cannot write the state file")
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "cannot write the state file")
	}
	if d, err := os.Open(filepath.Dir(s.path)); err == nil {
		d.Sync() //nolint:errcheck // best effort: not every file system allows it
		d.Close()
	}
	return nil
}

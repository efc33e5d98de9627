package ingest

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"probity.dev/internal/errs"
)

// headBytes is how much of a file's begin tells it from another that has taken its name.
const headBytes = 64 << 10

// position is how far a file has been recorded.
type position struct {
	// Key names the file and how it is read: the same file under another mapping is another matter.
	Key string `json:"key"`
	// Path is where the file was, for people.
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	// Head is the SHA-256 of the first HeadSize bytes.
	Head     string `json:"head"`
	HeadSize int64  `json:"head_size"`
	// Offset is that of the last record done, in the decompressed content; At is how many records of this offset are done. -1 before the first.
	Offset int64 `json:"offset"`
	At     int   `json:"at"`
	// Done says that the whole file is recorded; SHA256 is that of all of it.
	Done   bool   `json:"done"`
	SHA256 string `json:"sha256,omitempty"`
}

// Journal remembers how far files have been recorded, so that an interrupted ingest goes on where it stopped. Losing it costs time and nothing else: what is
// read again is recognised by the ledger. A journal belongs to one destination.
type Journal struct {
	// Again makes every file look new.
	Again bool

	path  string
	known map[string]position
	f     *os.File
}

// OpenJournal opens or begins a journal.
func OpenJournal(path string) (*Journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "cannot make the folder of the journal")
	}
	j := &Journal{path: path, known: map[string]position{}}
	if err := j.read(); err != nil {
		return nil, err
	}
	if err := j.compact(); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "cannot write the journal %s", path)
	}
	return j, nil
}

// read loads what is there. The last line of a file counts; a line that a crash cut off is skipped.
func (j *Journal) read() error {
	f, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "cannot read the journal %s", j.path)
	}
	defer f.Close()
	lines, bad := bufio.NewScanner(f), 0
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var p position
		if json.Unmarshal(lines.Bytes(), &p) != nil || p.Key == "" {
			bad++
			continue
		}
		j.known[p.Key] = p
	}
	if lines.Err() != nil || bad > 1 {
		return errs.New(errs.Invalid, "%s is not a journal of probity ingest; remove it, or name another with --journal", j.path)
	}
	return nil
}

// compact rewrites the journal with one line a file.
func (j *Journal) compact() error {
	tmp, err := os.OpenFile(j.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	j.f = tmp
	keys := make([]string, 0, len(j.known))
	for k := range j.known {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := j.write(j.known[k]); err != nil {
			return err
		}
	}
	return os.Rename(tmp.Name(), j.path)
}

func (j *Journal) write(p position) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = j.f.Write(append(b, '\n'))
	return err
}

// set remembers a position.
func (j *Journal) set(p position) error {
	j.known[p.Key] = p
	return j.write(p)
}

// Path is where the journal lies.
func (j *Journal) Path() string { return j.path }

// Close closes the journal.
func (j *Journal) Close() error { return j.f.Close() }

// resume says where to go on with a file that is open: after a position, at the begin, or not at all.
func (j *Journal) resume(p *position, f *os.File) (done bool, err error) {
	head := p.HeadSize
	old, known := j.known[p.Key]
	known = known && !j.Again
	if known && old.HeadSize <= p.Size {
		p.HeadSize = old.HeadSize // a file that has grown still begins the same way
	}
	if p.Head, err = digest(f, p.HeadSize); err != nil {
		return false, err
	}
	if !known || old.Head != p.Head || old.Size > p.Size {
		p.HeadSize = head
		p.Head, err = digest(f, head)
		return false, err
	}
	grown := p.Size > old.Size
	if old.Done && !grown {
		if p.Modified.Equal(old.Modified) {
			return true, nil
		}
		sum, err := digest(f, p.Size)
		if err != nil || sum == old.SHA256 {
			return true, err
		}
		return false, nil
	}
	if grown && strings.HasSuffix(strings.ToLower(p.Path), ".gz") {
		return false, nil // nobody appends to these
	}
	p.Offset, p.At = old.Offset, old.At
	return false, nil
}

// digest is the SHA-256 of the first n bytes of a file, and leaves it at its begin.
func digest(f *os.File, n int64) (string, error) {
	h := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if _, err := io.CopyN(h, f, n); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	_, err := f.Seek(0, io.SeekStart)
	return hex.EncodeToString(h.Sum(nil)), err
}

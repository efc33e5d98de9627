package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"probity.dev/internal/errs"
	"probity.dev/ledger/intake"
)

// source is one file, or standard input.
type source struct {
	path  string // as given; "-" is standard input
	size  int64  // 0 when not known
	found bool   // by searching a folder, not named
}

// find lists the files that paths name: folders are searched through, hidden files and what is not a file left out. A path that does not exist is an error.
func find(paths []string) ([]source, error) {
	var out []source
	for _, p := range paths {
		if p == "-" {
			out = append(out, source{path: p})
			continue
		}
		info, err := os.Stat(p)
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, errors.Unwrap(err), "cannot read %s", p)
		}
		if !info.IsDir() {
			out = append(out, source{path: p, size: info.Size()})
			continue
		}
		err = filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if path != p && strings.HasPrefix(d.Name(), ".") {
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
			if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
				out = append(out, source{path: path, size: info.Size(), found: true})
			}
			return nil
		})
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "cannot search %s", p)
		}
	}
	return out, nil
}

// counter counts and hashes what is read from a file.
type counter struct {
	r    io.Reader
	hash hash.Hash
	read *atomic.Int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.hash.Write(b[:n])
	c.read.Add(int64(n))
	return n, err
}

// reader feeds batches with the records of one file after the other.
type reader struct {
	o    *Options
	out  chan<- *batch
	b    *batch
	read atomic.Int64 // bytes
}

// all reads every file. A file that cannot be read is noted, and the others go on.
func (r *reader) all(ctx context.Context, files []source) error {
	defer close(r.out)
	r.b = &batch{}
	for _, f := range files {
		if err := r.file(ctx, f); err != nil {
			return err
		}
	}
	return r.send(ctx)
}

// file reads one file. Its error is the end of everything; what is wrong with the file is put into the batch.
func (r *reader) file(ctx context.Context, f source) error {
	if f.path == "-" {
		return r.records(ctx, &mark{name: "standard input"}, r.o.Stdin, "stdin")
	}
	file, err := os.Open(f.path)
	if err != nil {
		return r.broken(f.path, 0, err)
	}
	defer file.Close()
	m := &mark{name: f.path, found: f.found}
	if j := r.o.Journal; j != nil {
		info, err := file.Stat()
		if err != nil {
			return r.broken(f.path, 0, err)
		}
		m.at = &position{Key: r.o.key(f.path), Path: f.path, Size: info.Size(), Modified: info.ModTime(), HeadSize: min(info.Size(), headBytes), Offset: -1}
		done, err := j.resume(m.at, file)
		if err != nil {
			return r.broken(f.path, 0, err)
		}
		if done {
			r.read.Add(info.Size())
			r.b.marks = append(r.b.marks, mark{name: f.path, known: true})
			return nil
		}
	}
	return r.records(ctx, m, file, filepath.Base(f.path))
}

// broken notes a file that cannot be read further.
func (r *reader) broken(name string, line int, err error) error {
	r.b.marks = append(r.b.marks, mark{name: name, failed: err, line: line})
	return nil
}

// records reads the records of a stream, skipping those that are done.
func (r *reader) records(ctx context.Context, m *mark, in io.Reader, name string) error {
	c := &counter{r: in, hash: sha256.New(), read: &r.read}
	o := r.o.Intake
	o.Name = name
	records, _, err := intake.Open(c, o)
	if errs.CodeOf(err) == errs.Unsupported && m.found {
		r.b.marks = append(r.b.marks, mark{name: m.name, foreign: true})
		return nil
	}
	if err != nil {
		return r.broken(m.name, 0, err)
	}
	same := 0 // records seen at the present offset
	last, line := int64(-1), 0
	for {
		it, err := records.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r.broken(m.name, line, err)
		}
		line = it.Line
		if same++; it.Offset != last {
			last, same = it.Offset, 1
		}
		if m.at != nil && (it.Offset < m.at.Offset || it.Offset == m.at.Offset && same <= m.at.At) {
			r.resumed(m)
			continue
		}
		if err := r.add(ctx, m, it, same); err != nil {
			return err
		}
	}
	if m.at != nil {
		if _, err := io.Copy(io.Discard, c); err != nil {
			return r.broken(m.name, line, err)
		}
		end := *m.at
		end.Done, end.SHA256 = true, hex.EncodeToString(c.hash.Sum(nil))
		if last >= 0 {
			end.Offset, end.At = last, same
		}
		r.b.marks = append(r.b.marks, mark{name: m.name, at: &end, ended: true})
		return nil
	}
	r.b.marks = append(r.b.marks, mark{name: m.name, ended: true})
	return nil
}

// resumed notes, once, that a file goes on where it stopped.
func (r *reader) resumed(m *mark) {
	if !m.resumed {
		m.resumed = true
		r.b.marks = append(r.b.marks, mark{name: m.name, resumed: true})
	}
}

// add puts a record into the batch and sends it off when it is full.
func (r *reader) add(ctx context.Context, m *mark, it *intake.Item, same int) error {
	b := r.b
	if m.at != nil {
		at := *m.at
		at.Offset, at.At = it.Offset, same
		if n := len(b.marks); n > 0 && b.marks[n-1].name == m.name && b.marks[n-1].at != nil {
			b.marks[n-1].at = &at
		} else {
			b.marks = append(b.marks, mark{name: m.name, at: &at})
		}
	}
	b.names = append(b.names, m.name)
	b.bytes += len(it.Raw)
	if it.Err == nil {
		it.Raw = nil // only the bytes of what went wrong are ever looked at, and those not here
	}
	b.items = append(b.items, it)
	if len(b.items) < BatchEvents && b.bytes < BatchBytes {
		return nil
	}
	return r.send(ctx)
}

func (r *reader) send(ctx context.Context) error {
	if len(r.b.items)+len(r.b.marks) == 0 {
		return nil
	}
	r.b.read = r.read.Load()
	select {
	case r.out <- r.b:
		r.b = &batch{}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/ledger/intake"
)

// Options say what to ingest and where to.
type Options struct {
	// Paths are files, folders and "-" for standard input.
	Paths []string
	Stdin io.Reader
	// Intake says how to read them; its Name is set for each file. MappingText is the mapping file's content.
	Intake      intake.Options
	MappingText []byte
	Sink        Sink
	// Journal remembers what is done; nil for none. Standard input has no place in it.
	Journal *Journal
	// Progress, when set, is told the bytes read, their total (0 when not known) and the records done.
	Progress func(read, total, records int64)
	// Reject, when set, is told about every record that was not recorded. An error of it ends the run.
	Reject func(Rejection) error
}

// key names a file and how it is read.
func (o *Options) key(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%d\x00%v\x00%s", path, o.Intake.Format, o.Intake.Source, o.Intake.Year, o.Intake.Location, o.MappingText)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// batch is what is appended at once: records, possibly of several files, and how far each file is then.
type batch struct {
	items []*intake.Item
	names []string // file of each item
	bytes int
	marks []mark
	read  int64 // bytes of all files up to here
}

// mark is news of a file that takes effect when its batch is recorded.
type mark struct {
	name    string
	at      *position
	found   bool // by searching a folder
	foreign bool // of no known format
	known   bool // was done before
	resumed bool // was begun before
	ended   bool
	failed  error
	line    int
}

// Run ingests. The error is about the run as a whole; the summary says how far it came either way. When ctx ends, the batch under way is finished first.
func Run(ctx context.Context, o Options) (*Summary, error) {
	s := &Summary{started: time.Now()}
	files, err := find(o.Paths)
	if err != nil {
		return s, err
	}
	total := int64(0)
	for _, f := range files {
		if total += f.size; f.path == "-" {
			total = 0
			break
		}
	}
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan *batch, 2)
	r := &reader{o: &o, out: batches}
	read := make(chan error, 1)
	go func() { read <- r.all(reading, files) }()
	err = s.batches(ctx, &o, batches, total)
	cancel()
	if err == nil {
		err = <-read // after a stop nobody waits: it may be reading from a silent pipe
	}
	s.Seconds = time.Since(s.started).Seconds()
	return s, err
}

// batches records batches until there are no more. When ctx ends, it returns after the batch under way.
func (s *Summary) batches(ctx context.Context, o *Options, batches <-chan *batch, total int64) error {
	for {
		select {
		case b, more := <-batches:
			if !more || ctx.Err() != nil {
				return ctx.Err()
			}
			if err := s.record(context.WithoutCancel(ctx), o, b); err != nil {
				return err
			}
			if o.Progress != nil {
				o.Progress(b.read, total, s.Read)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// record appends a batch and notes what became of it.
func (s *Summary) record(ctx context.Context, o *Options, b *batch) error {
	good, at := b.items[:0:0], make([]int, 0, len(b.items))
	for i, it := range b.items {
		if it.Err != nil {
			if err := s.reject(o, b, i, asProblem(it.Err)); err != nil {
				return err
			}
			continue
		}
		good, at = append(good, it), append(at, i)
	}
	s.Read += int64(len(b.items))
	if len(good) > 0 {
		r, err := o.Sink.Append(ctx, good)
		if err != nil {
			s.Read -= int64(len(b.items))
			return err
		}
		s.Accepted += int64(r.Accepted)
		s.Duplicates += int64(r.Duplicates)
		s.Disabled += int64(r.Disabled)
		for _, x := range r.Rejected {
			if err := s.reject(o, b, at[x.Index], x.Err); err != nil {
				return err
			}
		}
	}
	for i := range b.marks {
		if err := s.mark(o, &b.marks[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Summary) mark(o *Options, m *mark) error {
	switch {
	case m.foreign:
		s.LeftOut = append(s.LeftOut, m.name)
	case m.known:
		s.Known++
	case m.resumed:
		s.Resumed++
	case m.failed != nil:
		s.Unread = append(s.Unread, Unread{m.name, m.line, reason(m.failed)})
	case m.ended:
		s.Files++
	}
	if m.at == nil || o.Journal == nil {
		return nil
	}
	return o.Journal.set(*m.at)
}

// asProblem is the reason why a record is no event.
func asProblem(err error) *errs.Error {
	var e *errs.Error
	if errors.As(err, &e) {
		return e
	}
	return errs.Wrap(errs.Invalid, err, "the record could not be read")
}

// reason words an error about a file for people.
func reason(err error) string {
	var e *errs.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

package breached

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the list is made of it; it protects nothing here
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"probity.dev/internal/errs"
)

const (
	digits  = 2 * sha1.Size
	longest = 80 // bytes of a line; a count has no more than some digits
	samples = 64 // lines that [Open] compares
)

// List is a file of hashes. It is safe for concurrent use.
type List struct{ path string }

// Open checks that a file looks like a list: its form and, in samples from its beginning to its end, its order. It is opened anew for every question, so that a newer one can be moved into its place.
func Open(path string) (*List, error) {
	l := &List{path}
	return l, l.with(func(f io.ReaderAt, size int64) error {
		var before []byte
		for i := range int64(samples) {
			line, _, err := lineAt(f, size, size/samples*i)
			if errors.Is(err, io.EOF) && before != nil {
				break // the last line begins earlier
			}
			if err != nil {
				return err
			}
			if bytes.Compare(before, line) > 0 {
				return errs.New(errs.Invalid, "the list of breached passwords is not ordered by hash")
			}
			before = line
		}
		return nil
	})
}

// Contains reports whether a password, as it was typed, is in the list.
func (l *List) Contains(password string) (found bool, err error) {
	sum := sha1.Sum([]byte(password)) //nolint:gosec // see above
	want := []byte(strings.ToUpper(hex.EncodeToString(sum[:])))
	err = l.with(func(f io.ReaderAt, size int64) error {
		found, err = search(f, size, want)
		return err
	})
	return found, err
}

func (l *List) with(do func(f io.ReaderAt, size int64) error) error {
	f, err := os.Open(l.path)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "the list of breached passwords cannot be read")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return errs.Wrap(errs.Unavailable, err, "the list of breached passwords cannot be read")
	}
	return do(f, info.Size())
}

// search looks for a hash among the lines that begin at low or later and before high.
func search(f io.ReaderAt, size int64, want []byte) (bool, error) {
	low, high := int64(0), size
	for low < high {
		middle := low + (high-low)/2
		line, at, err := lineAt(f, size, middle)
		if errors.Is(err, io.EOF) {
			high = middle
			continue
		}
		if err != nil {
			return false, err
		}
		switch bytes.Compare(want, line) {
		case 0:
			return true, nil
		case -1:
			high = middle
		default:
			low = at + digits
		}
	}
	return false, nil
}

// lineAt returns the hash of the first line that begins at an offset or after it, and where that line begins; io.EOF when there is none.
func lineAt(f io.ReaderAt, size, from int64) (hash []byte, at int64, err error) {
	// One byte earlier: a line that begins at from has the end of the one before it there.
	at = max(0, from-1)
	buf := make([]byte, 2*longest)
	n, err := f.ReadAt(buf, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, errs.Wrap(errs.Unavailable, err, "the list of breached passwords cannot be read")
	}
	buf = buf[:n]
	if from > 0 {
		i := bytes.IndexByte(buf, '\n')
		if i < 0 && at+int64(n) < size {
			return nil, 0, errFormat
		}
		if i < 0 || at+int64(i)+1 >= size {
			return nil, 0, io.EOF
		}
		at, buf = at+int64(i)+1, buf[i+1:]
	}
	line, _, whole := bytes.Cut(buf, []byte{'\n'})
	if !whole && at+int64(len(buf)) < size {
		return nil, 0, errFormat
	}
	hash, count, _ := bytes.Cut(bytes.TrimSuffix(line, []byte{'\r'}), []byte{':'})
	if _, err := strconv.ParseUint(string(count), 10, 64); err != nil || len(hash) != digits {
		return nil, 0, errFormat
	}
	hash = bytes.ToUpper(hash)
	if _, err := hex.DecodeString(string(hash)); err != nil {
		return nil, 0, errFormat
	}
	return hash, at, nil
}

var errFormat = errs.New(errs.Invalid, "the list of breached passwords is not one of lines SHA1:COUNT, ordered by hash")

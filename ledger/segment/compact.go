package segment

import (
	"errors"
	"io"
	"iter"
)

var errStop = errors.New("segment: stop")

// All iterates over the rows of a file in ascending order.
func (w *Working) All() iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		err := w.Scan(0, 1<<63-1, AllColumns, false, func(r *Row) error {
			if !yield(r, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// CompactWorking merges working files, given in ascending order of their seqs, into one that holds the same rows. Each row passes through edit
// first, when edit is not nil: it may change the row (an erasure drops Sealed) and leaves it out of the new file by returning false.
// The inputs stay as they are; the caller swaps the files and deletes the old ones. Evidence files are never compacted.
func CompactWorking(dst io.Writer, edit func(*Row) bool, paths ...string) (Info, error) {
	return WriteWorking(dst, func(yield func(*Row, error) bool) {
		for _, p := range paths {
			w, err := OpenWorking(p)
			if err != nil {
				yield(nil, err)
				return
			}
			for r, err := range w.All() {
				if err == nil && edit != nil && !edit(r) {
					continue
				}
				if !yield(r, err) || err != nil {
					w.Close()
					return
				}
			}
			w.Close()
		}
	})
}

package segment

import (
	"encoding/hex"
	"fmt"
	"os"
	"sync"

	"probity.dev/internal/evidence"
)

// Evidence is an open evidence file. It is safe for concurrent use.
type Evidence struct {
	file *file
	meta EvidenceMeta
}

// OpenEvidence opens an evidence file and checks its footer against its row groups. Pages are checked (CRC-32) as they are read; that the
// leaves are the logged ones is for the caller to prove.
func OpenEvidence(path string) (*Evidence, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return ReadEvidenceFile(f, path)
}

// ReadEvidenceFile is OpenEvidence for a file that is open already; name stands for it in errors. The file is closed with what is returned, or when this fails.
func ReadEvidenceFile(f *os.File, name string) (*Evidence, error) {
	x, err := openFile(f, name, "evidence", evidenceColumnsV1, evidenceColumns)
	if err != nil {
		return nil, err
	}
	e := &Evidence{file: x}
	if err := e.readMeta(); err != nil {
		x.Close()
		return nil, err
	}
	return e, nil
}

func (e *Evidence) readMeta() error {
	var err error
	e.meta.Log = e.file.meta["probity.log"]
	if e.meta.First, err = e.file.metaUint("probity.first"); err != nil {
		return err
	}
	if e.meta.Count, err = e.file.metaUint("probity.count"); err != nil {
		return err
	}
	if n, err := hex.Decode(e.meta.Root[:], []byte(e.file.meta["probity.root"])); err != nil || n != len(e.meta.Root) {
		return fmt.Errorf("%s: footer lacks probity.root", e.file.path)
	}
	if int64(e.meta.Count) != e.file.md.NumRows {
		return fmt.Errorf("%s: footer and rows disagree about the number of leaves", e.file.path)
	}
	return nil
}

// Meta returns what the footer says.
func (e *Evidence) Meta() EvidenceMeta { return e.meta }

// Close closes the file.
func (e *Evidence) Close() error { return e.file.Close() }

// Scan calls yield with the leaves whose seq lies in [from, to), in order. The leaf is only valid during the call.
func (e *Evidence) Scan(from, to uint64, yield func(seq uint64, leaf []byte) error) error {
	r := leafReaders.Get().(*leafReader)
	r.file = e.file
	defer func() {
		r.file = nil
		for i := range r.chunks {
			r.chunks[i].f = nil // an idle reader keeps no file in memory
		}
		leafReaders.Put(r)
	}()
	seq := e.meta.First
	for g := range e.file.md.RowGroups {
		n := uint64(e.file.md.RowGroups[g].NumRows)
		if seq+n <= from || seq >= to {
			seq += n
			continue
		}
		lo, hi, err := e.file.intBounds(g, 0)
		if err != nil {
			return err
		}
		if uint64(lo) != seq || uint64(hi) != seq+n-1 {
			return fmt.Errorf("%s: row group %d does not hold the seqs it should", e.file.path, g)
		}
		if err := r.open(g); err != nil {
			return err
		}
		a, b := max(from, seq)-seq, min(to, seq+n)-seq
		for i := int(a); i < int(b); i++ {
			leaf, err := r.leaf(i)
			if err != nil {
				return err
			}
			if err := yield(seq+uint64(i), leaf); err != nil {
				return err
			}
		}
		seq += n
	}
	return nil
}

// leafReaders keeps the buffers of readers, some megabytes, from one file to the next.
var leafReaders = sync.Pool{New: func() any { return new(leafReader) }}

// leafReader puts the leaves of one row group after another together.
type leafReader struct {
	file   *file
	chunks [7]chunkReader // of the columns, by their position; seq is not read
	buf    []byte
}

func (r *leafReader) open(group int) error {
	for col := 1; col < len(r.file.cols); col++ {
		if err := r.chunks[col].open(r.file, group, col); err != nil {
			return err
		}
	}
	return nil
}

// leaf returns the leaf of a row; it is valid until the next call.
func (r *leafReader) leaf(row int) ([]byte, error) {
	c := &r.chunks
	for col := 1; col < len(r.file.cols); col++ {
		if err := c[col].load(row); err != nil {
			return nil, err
		}
	}
	if len(r.file.cols) == len(evidenceColumnsV1) {
		return c[1].bytes(row), nil
	}
	nonce := 16 * (row - c[4].from)
	p := evidence.Parts{Start: c[3].text(row), Nonce: c[4].values[nonce : nonce+16], RecordedAt: c[1].int(row), OccurredAt: c[2].int(row),
		Words: c[5].text(row), Hashes: c[6].bytes(row)}
	r.buf = p.Append(r.buf[:0])
	return r.buf, nil
}

// ReadEvidence opens the file at path and calls yield with every leaf in order.
func ReadEvidence(path string, yield func(seq uint64, leaf []byte) error) error {
	e, err := OpenEvidence(path)
	if err != nil {
		return err
	}
	defer e.Close()
	return e.Scan(0, 1<<63, yield)
}

package segment

import (
	"fmt"
	"os"
	"slices"
	"unsafe"
)

// Columns is a set of a working file's columns. Seq is always read. The zero value means all of them.
type Columns uint32

// The columns that a reader may leave out, singly or in the groups that usually go together.
const (
	Times   Columns = 1 << iota // RecordedAt, OccurredAt
	Labels                      // Source, Action, Category, Activity, Outcome, Severity, ResourceType
	IDs                         // ResourceID, EventID, CorrelationID
	Handles                     // Actor, Subject, Resource, IP, Profile
	Nonces                      // Nonce
	Values                      // Shape, Clear, Sealed

	AllColumns Columns = 1<<iota - 1
)

var columnGroup = [...]Columns{
	ColSeq: 0, ColRecorded: Times, ColOccurred: Times,
	ColSource: Labels, ColAction: Labels, ColCategory: Labels, ColActivity: Labels, ColOutcome: Labels, ColSeverity: Labels, ColResourceType: Labels,
	ColShape: Values, ColResourceID: IDs, ColEventID: IDs, ColCorrelationID: IDs,
	ColActor: Handles, ColSubject: Handles, ColResource: Handles, ColIP: Handles, ColProfile: Handles,
	ColNonce: Nonces, ColClear: Values, ColSealed: Values,
}

var columnOffset = [...]uintptr{
	ColSeq: unsafe.Offsetof(Row{}.Seq), ColRecorded: unsafe.Offsetof(Row{}.RecordedAt), ColOccurred: unsafe.Offsetof(Row{}.OccurredAt),
	ColSource: unsafe.Offsetof(Row{}.Source), ColAction: unsafe.Offsetof(Row{}.Action), ColCategory: unsafe.Offsetof(Row{}.Category),
	ColActivity: unsafe.Offsetof(Row{}.Activity), ColOutcome: unsafe.Offsetof(Row{}.Outcome), ColSeverity: unsafe.Offsetof(Row{}.Severity),
	ColResourceType: unsafe.Offsetof(Row{}.ResourceType), ColShape: unsafe.Offsetof(Row{}.Shape),
	ColResourceID: unsafe.Offsetof(Row{}.ResourceID), ColEventID: unsafe.Offsetof(Row{}.EventID), ColCorrelationID: unsafe.Offsetof(Row{}.CorrelationID),
	ColActor: unsafe.Offsetof(Row{}.Actor), ColSubject: unsafe.Offsetof(Row{}.Subject), ColResource: unsafe.Offsetof(Row{}.Resource),
	ColIP: unsafe.Offsetof(Row{}.IP), ColProfile: unsafe.Offsetof(Row{}.Profile),
	ColNonce: unsafe.Offsetof(Row{}.Nonce), ColClear: unsafe.Offsetof(Row{}.Clear), ColSealed: unsafe.Offsetof(Row{}.Sealed),
}

// Working is an open working file. It is safe for concurrent use.
type Working struct{ file *file }

// OpenWorking opens a working file and checks its footer. Pages are checked (CRC-32) as they are read.
func OpenWorking(path string) (*Working, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return ReadWorkingFile(f, path)
}

// ReadWorkingFile is OpenWorking for a file that is open already; name stands for it in errors. The file is closed with what is returned, or when this fails.
func ReadWorkingFile(f *os.File, name string) (*Working, error) {
	w, err := openFile(f, name, "working", workingColumns)
	if err != nil {
		return nil, err
	}
	return &Working{file: w}, nil
}

// Close closes the file; scans under way fail.
func (w *Working) Close() error { return w.file.Close() }

// Rows returns the number of rows.
func (w *Working) Rows() int64 { return w.file.md.NumRows }

// Bytes returns the size of the file.
func (w *Working) Bytes() int64 { return w.file.size }

// Scan calls yield with the rows whose Seq lies in [from, to) in ascending order, or descending order when desc is set. The Row and the memory it refers
// to are only valid during the call; yield may change the Row. An error of yield ends the scan and is returned as it is.
func (w *Working) Scan(from, to int64, cols Columns, desc bool, yield func(*Row) error) error {
	s := newScanner(w.file, cols)
	n := len(w.file.md.RowGroups)
	for i := range n {
		g := i
		if desc {
			g = n - 1 - i
		}
		lo, hi, err := w.file.intBounds(g, int(ColSeq))
		if err != nil {
			return err
		}
		if hi < from || lo >= to {
			continue
		}
		if err := s.openGroup(g); err != nil {
			return err
		}
		if err := s.scan(s.position(from), s.position(to), desc, yield); err != nil {
			return err
		}
	}
	return nil
}

// Fetch calls yield with the rows of the given seqs, which MUST be ascending; seqs that the file does not hold are skipped. Only the pages that
// hold them are read. The Row is valid during the call only.
func (w *Working) Fetch(seqs []int64, cols Columns, yield func(*Row) error) error {
	s := newScanner(w.file, cols)
	for g := range w.file.md.RowGroups {
		_, hi, err := w.file.intBounds(g, int(ColSeq))
		if err != nil {
			return err
		}
		n, _ := slices.BinarySearch(seqs, hi+1)
		if n == 0 {
			continue
		}
		if err := s.openGroup(g); err != nil {
			return err
		}
		if err := s.fetch(seqs[:n], yield); err != nil {
			return err
		}
		if seqs = seqs[n:]; len(seqs) == 0 {
			return nil
		}
	}
	return nil
}

// ReadWorking opens the file at path and calls yield with every row in ascending order.
func ReadWorking(path string, cols Columns, yield func(*Row) error) error {
	w, err := OpenWorking(path)
	if err != nil {
		return err
	}
	defer w.Close()
	return w.Scan(0, 1<<63-1, cols, false, yield)
}

// Window is how many rows of a row group are assembled at a time: every page size is a multiple of it, so a window never straddles two pages.
const Window = fetchPage

type scanner struct {
	f      *file
	cols   Columns
	chunks [len(columnOffset)]chunkReader
	opened [len(columnOffset)]bool
	group  int
	ready  bool    // the group has been opened
	n      int     // rows of the group
	first  int64   // their first seq
	seqs   []int64 // their seqs; empty when they have no gaps
	rows   [Window]Row
}

func newScanner(f *file, cols Columns) *scanner {
	s := new(scanner)
	s.reset(f, cols)
	return s
}

// reset readies s for another file. Columns left out come out as zero values, so rows are cleared when fewer are wanted than before.
func (s *scanner) reset(f *file, cols Columns) {
	if cols == 0 {
		cols = AllColumns
	}
	if s.cols&^cols != 0 {
		clear(s.rows[:])
	}
	s.f, s.cols, s.ready = f, cols, false
}

// openGroup makes a row group current and decodes its seq column, unless its bounds say that there are no gaps: then n distinct values leave no
// choice.
func (s *scanner) openGroup(g int) error {
	s.group, s.n, s.seqs, s.ready = g, int(s.f.md.RowGroups[g].NumRows), s.seqs[:0], false
	clear(s.opened[:])
	lo, hi, err := s.f.intBounds(g, int(ColSeq))
	if err != nil {
		return err
	}
	if s.first = lo; hi-lo == int64(s.n-1) {
		s.ready = true
		return nil
	}
	c := &s.chunks[ColSeq]
	if err := c.open(s.f, g, int(ColSeq)); err != nil {
		return err
	}
	for len(s.seqs) < s.n {
		if err := c.load(len(s.seqs)); err != nil {
			return err
		}
		s.seqs = append(s.seqs, c.ints...)
	}
	for i := 1; i < s.n; i++ {
		if s.seqs[i] <= s.seqs[i-1] {
			return fmt.Errorf("%s: seq is out of order in row group %d", s.f.path, g)
		}
	}
	s.ready = true
	return nil
}

// seq returns the seq at a position of the group.
func (s *scanner) seq(at int) int64 {
	if len(s.seqs) == 0 {
		return s.first + int64(at)
	}
	return s.seqs[at]
}

// position returns how many rows of the group come before seq.
func (s *scanner) position(seq int64) int {
	if len(s.seqs) == 0 {
		return int(min(max(seq-s.first, 0), int64(s.n)))
	}
	at, _ := slices.BinarySearch(s.seqs, seq)
	return at
}

// fill assembles rows [from, to), which lie within one window, of the current group.
func (s *scanner) fill(from, to int) error {
	out := s.rows[:to-from]
	for i := range out {
		out[i].Seq = s.seq(from + i)
	}
	for col := int(ColSeq) + 1; col < len(columnOffset); col++ {
		if columnGroup[col]&s.cols == 0 {
			continue
		}
		c := &s.chunks[col]
		if !s.opened[col] {
			if err := c.open(s.f, s.group, col); err != nil {
				return err
			}
			s.opened[col] = true
		}
		if err := c.load(from); err != nil {
			return err
		}
		if to > c.to {
			return c.fail(errPage)
		}
		switch off := columnOffset[col]; s.f.cols[col].kind {
		case kindInt64:
			c.fillInts(out, from, to, off)
		case kindString, kindOpaque:
			c.fillStrings(out, from, to, off)
		case kindBytes:
			c.fillBytes(out, from, to, off)
		case kindNonce:
			for i := range out {
				copy(out[i].Nonce[:], c.values[16*(from-c.from+i):])
			}
		}
	}
	return nil
}

func (s *scanner) scan(a, b int, desc bool, yield func(*Row) error) error {
	if a >= b {
		return nil
	}
	first, last := a/Window, (b-1)/Window
	for i := first; i <= last; i++ {
		w := i
		if desc {
			w = first + last - i
		}
		from, to := max(a, w*Window), min(b, (w+1)*Window)
		if err := s.fill(from, to); err != nil {
			return err
		}
		for k := range to - from {
			r := &s.rows[k]
			if desc {
				r = &s.rows[to-from-1-k]
			}
			if err := yield(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetch yields the given seqs of the current group. Neighbours within a window are assembled together.
func (s *scanner) fetch(seqs []int64, yield func(*Row) error) error {
	for i := 0; i < len(seqs); {
		at := s.position(seqs[i])
		if at == s.n || s.seq(at) != seqs[i] {
			i++ // not in the file
			continue
		}
		end := min((at/Window+1)*Window, s.n)
		j := i + 1 // the wanted seqs of this window
		for j < len(seqs) && seqs[j] <= s.seq(end-1) {
			j++
		}
		to := min(s.position(seqs[j-1])+1, end)
		if err := s.fill(at, to); err != nil {
			return err
		}
		for k := 0; k < to-at && i < j; k++ {
			for i < j && seqs[i] < s.rows[k].Seq {
				i++
			}
			if i < j && seqs[i] == s.rows[k].Seq {
				i++
				if err := yield(&s.rows[k]); err != nil {
					return err
				}
			}
		}
		i = j
	}
	return nil
}

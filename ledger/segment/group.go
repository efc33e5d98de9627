package segment

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/parquet-go/parquet-go/bloom"
)

// Group is one row group of a working file: the unit that searches skip, or decode column by column.
type Group struct {
	f *file
	n int
}

// Groups returns the number of row groups; they are in ascending order of seq.
func (w *Working) Groups() int { return len(w.file.md.RowGroups) }

// Group returns the i-th row group.
func (w *Working) Group(i int) Group { return Group{f: w.file, n: i} }

// Rows returns the number of rows.
func (g Group) Rows() int { return int(g.f.md.RowGroups[g.n].NumRows) }

// Bounds returns the smallest and largest value of an integer column.
func (g Group) Bounds(col Column) (lo, hi int64, err error) { return g.f.intBounds(g.n, int(col)) }

// MayHoldInt reports whether the bloom filter and the bounds of an integer column allow it to hold v. Columns without a filter always may.
func (g Group) MayHoldInt(col Column, v int64) (bool, error) {
	if lo, hi, err := g.Bounds(col); err == nil && (v < lo || v > hi) {
		return false, nil
	}
	return g.f.mayHold(g.n, int(col), xxh.Sum64Uint64(uint64(v)))
}

// MayHoldString reports whether the bloom filter of a string column allows it to hold v. Columns without a filter always may.
func (g Group) MayHoldString(col Column, v string) (bool, error) {
	return g.f.mayHold(g.n, int(col), xxh.Sum64([]byte(v)))
}

// filterID names one of the filters of a column chunk, by its key in the chunk's metadata.
type filterID struct {
	group, col int
	key        string
}

// filterRef is where a filter's bits are; size 0 when there is no such filter.
type filterRef struct{ at, size int64 }

func (f *file) mayHold(group, col int, hash uint64) (bool, error) {
	ref, err := f.filter(group, col, filterKey)
	if err != nil || ref.size == 0 {
		return true, err
	}
	// The block that the hash selects is all that matters: 32 bytes.
	var b [bloom.BlockSize]byte
	at := ref.at + bloom.BlockSize*int64(blockOf(hash, int(ref.size/bloom.BlockSize)))
	if err := f.readFull(b[:], at); err != nil {
		return true, err
	}
	return bloom.MakeSplitBlockFilter(b[:]).Check(hash), nil
}

// filter returns where a filter is. The first time, it checks the filter's checksum.
func (f *file) filter(group, col int, key string) (filterRef, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := filterID{group, col, key}
	if r, ok := f.filters[id]; ok {
		return r, nil
	}
	var ref filterRef
	for _, kv := range f.md.RowGroups[group].Columns[col].MetaData.KeyValueMetadata {
		if kv.Key != key {
			continue
		}
		var sum uint32
		if _, err := fmt.Sscanf(kv.Value, "%d %d %x", &ref.at, &ref.size, &sum); err != nil || ref.at < 4 || ref.size <= 0 ||
			ref.size%bloom.BlockSize != 0 || ref.at > f.size || ref.size > f.size-ref.at {
			return filterRef{}, fmt.Errorf("%s: damaged bloom filter", f.path)
		}
		b := make([]byte, ref.size)
		if err := f.readFull(b, ref.at); err != nil {
			return filterRef{}, err
		}
		if crc32.Checksum(b, castagnoli) != sum {
			return filterRef{}, fmt.Errorf("%s: a bloom filter fails its checksum", f.path)
		}
	}
	f.filters[id] = ref
	return ref, nil
}

// mark sets in pages which of the chunk's pages may hold the value of the given hash. Without page filters all may.
func (c *chunkReader) mark(hash uint64, pages []bool) error {
	ref, err := c.f.filter(c.group, c.col, pagesKey)
	if err != nil {
		return err
	}
	n := len(c.pages)
	if ref.size == 0 {
		for p := range pages {
			pages[p] = true
		}
		return nil
	}
	row := int64(n) * bloom.BlockSize // a block of every page
	if ref.size%row != 0 {
		return c.fail(errPage)
	}
	c.blocks = slices.Grow(c.blocks[:0], int(row))[:row]
	if err := c.f.readFull(c.blocks, ref.at+row*int64(blockOf(hash, int(ref.size/row)))); err != nil {
		return err
	}
	all := bloom.MakeSplitBlockFilter(c.blocks)
	for p := range pages {
		pages[p] = pages[p] || all[p].Check(uint32(hash))
	}
	return nil
}

// Vector is one column of a row group. Its memory is reused by the next Open.
type Vector struct {
	chunk chunkReader

	// Dict says that the column has a dictionary: entries in Ints or Strings and, after Load, one code per row in Codes. Otherwise, Load puts
	// integers into Ints, and strings are read with [Vector.Bytes].
	Dict    bool
	Ints    []int64
	Strings []string
	Codes   []int32

	values  []byte
	offsets []uint32
	pages   []bool
	loaded  bool
}

// Open positions v on a column and reads its dictionary, if there is one.
func (v *Vector) Open(g Group, col Column) error {
	v.loaded = false
	if err := v.chunk.open(g.f, g.n, int(col)); err != nil {
		return err
	}
	v.Dict, v.Codes = v.chunk.dict, v.Codes[:0]
	v.Strings = v.chunk.strs
	v.Ints = v.Ints[:0]
	if v.Dict && len(v.Strings) == 0 {
		for code := range int32(v.chunk.entries) {
			v.Ints = append(v.Ints, v.chunk.num(code))
		}
	}
	return nil
}

// Load decodes all rows of the column.
func (v *Vector) Load() error {
	if v.loaded {
		return nil
	}
	c := &v.chunk
	v.values, v.offsets = v.values[:0], append(v.offsets[:0], 0)
	for row := 0; row < c.rows; row = c.to {
		if err := c.load(row); err != nil {
			return err
		}
		switch {
		case v.Dict:
			v.Codes = append(v.Codes, c.codes...)
		case c.f.cols[c.col].kind == kindInt64:
			v.Ints = append(v.Ints, c.ints...)
		case c.f.cols[c.col].kind == kindNonce:
			return errors.New("segment: nonces are not a vector")
		default:
			base := uint32(len(v.values))
			v.values = append(v.values, c.values...)
			for _, o := range c.offsets[1:] {
				v.offsets = append(v.offsets, base+o)
			}
		}
	}
	v.loaded = true
	return nil
}

// Bytes returns the value of a row of a string column without a dictionary.
func (v *Vector) Bytes(row int) []byte { return v.values[v.offsets[row]:v.offsets[row+1]] }

// Find calls hit with every row whose value is one of values, in no particular order, without loading the column: pages that may hold one are searched
// as they are decompressed. Only for string columns without a dictionary.
func (v *Vector) Find(values []string, hit func(row int32)) error {
	c := &v.chunk
	v.pages = slices.Grow(v.pages[:0], len(c.pages))[:len(c.pages)]
	clear(v.pages)
	for _, want := range values {
		if err := c.mark(xxh.Sum64([]byte(want)), v.pages); err != nil {
			return err
		}
	}
	for p, may := range v.pages {
		if !may {
			continue
		}
		if err := c.load(int(c.pages[p].FirstRowIndex)); err != nil {
			return err
		}
		for _, want := range values {
			c.find(want, hit)
		}
	}
	return nil
}

// find looks for one value in the current page. Searching the values as one text is far quicker than comparing them one by one; what is found
// counts when it is exactly one value.
func (c *chunkReader) find(want string, hit func(row int32)) {
	ends := c.offsets[1:]
	if want == "" {
		for i, end := range ends {
			if end == c.offsets[i] {
				hit(int32(c.from + i))
			}
		}
		return
	}
	text := c.values[:c.offsets[len(c.offsets)-1]]
	needle := []byte(want)
	for at := 0; ; {
		k := bytes.Index(text[at:], needle)
		if k < 0 {
			return
		}
		at += k
		i, _ := slices.BinarySearch(ends, uint32(at)+1) // the value that holds text[at]
		if c.offsets[i] == uint32(at) && ends[i] == uint32(at+len(needle)) {
			hit(int32(c.from + i))
			at = int(ends[i])
		} else {
			at++
		}
	}
}

// Int returns the value of a row of an integer column.
func (v *Vector) Int(row int) int64 {
	if v.Dict {
		return v.Ints[v.Codes[row]]
	}
	return v.Ints[row]
}

// RowBuffer is memory that [Group.FetchRows] reuses. The zero value is ready.
type RowBuffer struct{ s *scanner }

// FetchRows calls yield with the rows at the given ascending positions within the group, or in reverse when desc is set. The Row is valid
// during the call only.
func (g Group) FetchRows(rows []int32, cols Columns, desc bool, buf *RowBuffer, yield func(*Row) error) error {
	if len(rows) == 0 {
		return nil
	}
	s, err := buf.open(g, cols)
	if err != nil {
		return err
	}
	for len(rows) > 0 {
		// Rows of one window are assembled together, from the first wanted to the last.
		var i, j int
		if desc {
			i, j = len(rows)-1, len(rows)
			for i > 0 && rows[i-1]/Window == rows[j-1]/Window {
				i--
			}
		} else {
			j = InWindow(rows)
		}
		part := rows[i:j]
		if desc {
			rows = rows[:i]
		} else {
			rows = rows[j:]
		}
		from := int(part[0])
		if err := s.fill(from, int(part[len(part)-1])+1); err != nil {
			return err
		}
		for k := range part {
			at := part[k]
			if desc {
				at = part[len(part)-1-k]
			}
			if err := yield(&s.rows[int(at)-from]); err != nil {
				return err
			}
		}
	}
	return nil
}

// InWindow returns how many of ascending positions, of which there is one at least, lie in the same window as the first.
func InWindow(at []int32) int {
	end := (at[0]/Window + 1) * Window
	n := 1
	for n < len(at) && at[n] < end {
		n++
	}
	return n
}

// FetchWindow calls yield once with the rows from the first to the last of the given ascending positions, which MUST lie in one window: the same multiple of
// [Window] and less than the next. The rows are valid during the call only.
func (g Group) FetchWindow(at []int32, cols Columns, buf *RowBuffer, yield func([]Row) error) error {
	s, err := buf.open(g, cols)
	if err != nil {
		return err
	}
	from, to := int(at[0]), int(at[len(at)-1])+1
	if err := s.fill(from, to); err != nil {
		return err
	}
	return yield(s.rows[:to-from])
}

// open makes a group current, unless it is.
func (b *RowBuffer) open(g Group, cols Columns) (*scanner, error) {
	if cols == 0 {
		cols = AllColumns
	}
	if b.s == nil {
		b.s = newScanner(nil, 0)
	}
	if s := b.s; s.f != g.f || s.group != g.n || s.cols != cols || !s.ready {
		s.reset(g.f, cols)
		return s, s.openGroup(g.n)
	}
	return b.s, nil
}

package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"unsafe"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// chunkReader decodes the pages of one column of one row group, one at a time, in any order.
type chunkReader struct {
	f     *file
	group int
	col   int
	codec format.CompressionCodec
	pages []format.PageLocation
	rows  int

	// Dictionary, when the chunk has one.
	dict    bool
	entries int
	strs    []string
	dictRaw []byte // of an integer column: 8 bytes little-endian per entry

	// The decoded page: rows [from, to) of the row group.
	page     int
	from, to int
	codes    []int32
	ints     []int64
	values   []byte // bytes of a variable or fixed width column
	offsets  []uint32

	packed, raw, blocks []byte
}

func (c *chunkReader) fail(err error) error {
	return fmt.Errorf("%s: column %s of row group %d: %w", c.f.path, c.f.cols[c.col].name, c.group, err)
}

// open positions c on a column chunk, keeping its buffers.
func (c *chunkReader) open(f *file, group, col int) error {
	m := &f.md.RowGroups[group].Columns[col].MetaData
	ix, err := f.index(group, col)
	c.f, c.group, c.col = f, group, col
	if err != nil {
		return c.fail(err)
	}
	c.codec, c.pages, c.rows = m.Codec, ix.PageLocations, int(f.md.RowGroups[group].NumRows)
	c.page, c.from, c.to = -1, 0, 0
	c.dict, c.strs, c.entries = m.DictionaryPageOffset > 0, c.strs[:0], 0
	if c.dict {
		if err := c.readDictionary(m); err != nil {
			return c.fail(err)
		}
	}
	return nil
}

// load makes the page that holds row current.
func (c *chunkReader) load(row int) error {
	if row >= c.from && row < c.to {
		return nil
	}
	p := c.page + 1 // the usual case: the next one
	if p >= len(c.pages) || int(c.pages[p].FirstRowIndex) > row || p+1 < len(c.pages) && int(c.pages[p+1].FirstRowIndex) <= row {
		lo, hi := 0, len(c.pages)
		for hi-lo > 1 {
			if mid := (lo + hi) / 2; int(c.pages[mid].FirstRowIndex) <= row {
				lo = mid
			} else {
				hi = mid
			}
		}
		p = lo
	}
	from, to := int(c.pages[p].FirstRowIndex), c.rows
	if p+1 < len(c.pages) {
		to = int(c.pages[p+1].FirstRowIndex)
	}
	c.page, c.from, c.to = -1, 0, 0
	if err := c.decode(&c.pages[p], to-from); err != nil {
		return c.fail(err)
	}
	c.page, c.from, c.to = p, from, to
	return nil
}

var errPage = errors.New("damaged page")

// body reads, checks and decompresses a page; the result is valid until the next call.
func (c *chunkReader) body(at int64, size int, kind format.PageType, h *format.PageHeader, dst []byte) ([]byte, error) {
	if cap(c.packed) < size {
		c.packed = make([]byte, size+size/4)
	}
	c.packed = c.packed[:size]
	if err := c.f.readFull(c.packed, at); err != nil {
		return nil, err
	}
	r := protocol.NewReaderFromBytes(c.packed)
	if err := thrift.NewDecoder(r).Decode(h); err != nil {
		return nil, fmt.Errorf("damaged page header: %w", err)
	}
	body := c.packed[r.BytesRead():]
	if h.Type != kind || h.CompressedPageSize < 0 || int(h.CompressedPageSize) > len(body) || h.UncompressedPageSize < 0 ||
		h.UncompressedPageSize > maxPage {
		return nil, errPage
	}
	body = body[:h.CompressedPageSize]
	if h.CRC != int32(crc32.ChecksumIEEE(body)) {
		return nil, errors.New("page fails its checksum")
	}
	n := int(h.UncompressedPageSize)
	if cap(dst) < n {
		dst = make([]byte, 0, n+n/4)
	}
	switch c.codec {
	case format.Uncompressed:
		dst = append(dst[:0], body...)
	case format.Zstd:
		var err error
		if dst, err = unzstd.DecodeAll(body, dst[:0]); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("unexpected compression")
	}
	if len(dst) != n {
		return nil, errPage
	}
	return dst, nil
}

func (c *chunkReader) readDictionary(m *format.ColumnMetaData) error {
	size := m.DataPageOffset - m.DictionaryPageOffset
	if size <= 0 || size > maxPage || m.DictionaryPageOffset > c.f.size-size {
		return errPage
	}
	var h format.PageHeader
	raw, err := c.body(m.DictionaryPageOffset, int(size), format.DictionaryPage, &h, c.dictRaw)
	if err != nil {
		return err
	}
	c.dictRaw = raw
	n := int(h.DictionaryPageHeader.V.NumValues)
	if h.DictionaryPageHeader.V.Encoding != format.Plain || n <= 0 || n > c.rows {
		return errPage
	}
	c.entries = n
	if c.f.cols[c.col].kind == kindInt64 {
		if len(raw) != 8*n {
			return errPage
		}
		return nil
	}
	for range n {
		if len(raw) < 4 || uint64(binary.LittleEndian.Uint32(raw)) > uint64(len(raw)-4) {
			return errPage
		}
		end := 4 + int(binary.LittleEndian.Uint32(raw))
		c.strs = append(c.strs, alias(raw[4:end]))
		raw = raw[end:]
	}
	if len(raw) != 0 {
		return errPage
	}
	return nil
}

func (c *chunkReader) decode(p *format.PageLocation, rows int) (err error) {
	// The decoders check what they read; should one of them panic on damaged input after all, that is an error and no crash.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged page: %v", r)
		}
	}()
	var h format.PageHeader
	raw, err := c.body(p.Offset, int(p.CompressedPageSize), format.DataPage, &h, c.raw)
	if err != nil {
		return err
	}
	c.raw = raw
	if int(h.DataPageHeader.V.NumValues) != rows {
		return errPage
	}
	kind, enc := c.f.cols[c.col].kind, h.DataPageHeader.V.Encoding
	switch {
	case c.dict && enc == format.RLEDictionary:
		return c.decodeCodes(raw, rows)
	case c.dict:
		return errPage
	case kind == kindInt64 && enc == format.DeltaBinaryPacked:
		c.ints, err = packedInts.DecodeInt64(c.ints, raw)
		if err == nil && len(c.ints) != rows {
			err = errPage
		}
		return err
	case kind == kindInt64 && enc == format.Plain:
		if len(raw) != 8*rows {
			return errPage
		}
		c.ints = c.ints[:0]
		for i := range rows {
			c.ints = append(c.ints, int64(binary.LittleEndian.Uint64(raw[8*i:])))
		}
		return nil
	case kind == kindNonce && enc == format.Plain:
		if len(raw) != 16*rows {
			return errPage
		}
		c.values = raw
		return nil
	case (kind == kindString || kind == kindOpaque || kind == kindBytes) && enc == format.DeltaLengthByteArray:
		return c.decodeBytes(raw, rows)
	}
	return errors.New("unexpected encoding")
}

// decodeBytes splits a DELTA_LENGTH_BYTE_ARRAY page. A sum of lengths may wrap around, hence the second look at the offsets.
func (c *chunkReader) decodeBytes(raw []byte, rows int) error {
	var err error
	c.values, c.offsets, err = lengthBytes.DecodeByteArray(c.values, raw, c.offsets)
	if err == nil && (len(c.offsets) != rows+1 || int(c.offsets[rows]) > len(c.values)) {
		err = errPage
	}
	for i := 0; err == nil && i < rows; i++ {
		if c.offsets[i] > c.offsets[i+1] {
			err = errPage
		}
	}
	return err
}

func (c *chunkReader) decodeCodes(raw []byte, rows int) error {
	if len(raw) < 1 || raw[0] > 32 {
		return errPage
	}
	if raw[0] == 0 { // every code is 0
		if cap(c.codes) < rows {
			c.codes = make([]int32, rows)
		}
		c.codes = c.codes[:rows]
		clear(c.codes)
		return nil
	}
	var err error
	if c.codes, err = dictCodes.DecodeInt32(c.codes, raw); err != nil {
		return err
	}
	if len(c.codes) < rows {
		return errPage
	}
	c.codes = c.codes[:rows]
	most := uint32(0)
	for _, v := range c.codes {
		most = max(most, uint32(v))
	}
	if most >= uint32(c.entries) {
		return errPage
	}
	return nil
}

// num returns an entry of an integer dictionary.
func (c *chunkReader) num(code int32) int64 {
	return int64(binary.LittleEndian.Uint64(c.dictRaw[8*code:]))
}

// fillInts stores rows [from, to) of the row group in the int64 member of out at off. The page must hold them.
func (c *chunkReader) fillInts(out []Row, from, to int, off uintptr) {
	if c.dict {
		for i, code := range c.codes[from-c.from : to-c.from] {
			*(*int64)(unsafe.Add(unsafe.Pointer(&out[i]), off)) = c.num(code)
		}
		return
	}
	for i, v := range c.ints[from-c.from : to-c.from] {
		*(*int64)(unsafe.Add(unsafe.Pointer(&out[i]), off)) = v
	}
}

func (c *chunkReader) fillStrings(out []Row, from, to int, off uintptr) {
	if c.dict {
		for i, code := range c.codes[from-c.from : to-c.from] {
			*(*string)(unsafe.Add(unsafe.Pointer(&out[i]), off)) = c.strs[code]
		}
		return
	}
	for i := from; i < to; i++ {
		*(*string)(unsafe.Add(unsafe.Pointer(&out[i-from]), off)) = alias(c.bytes(i))
	}
}

func (c *chunkReader) fillBytes(out []Row, from, to int, off uintptr) {
	for i := from; i < to; i++ {
		*(*[]byte)(unsafe.Add(unsafe.Pointer(&out[i-from]), off)) = c.bytes(i)
	}
}

// bytes returns the value of a row of the current page.
func (c *chunkReader) bytes(row int) []byte {
	i := row - c.from
	a, b := c.offsets[i], c.offsets[i+1]
	return c.values[a:b:b]
}

// text returns the value of a row of the current page of a string column, with or without a dictionary.
func (c *chunkReader) text(row int) []byte {
	if c.dict {
		s := c.strs[c.codes[row-c.from]]
		return unsafe.Slice(unsafe.StringData(s), len(s))
	}
	return c.bytes(row)
}

// int returns the value of a row of the current page of an integer column.
func (c *chunkReader) int(row int) int64 {
	if c.dict {
		return c.num(c.codes[row-c.from])
	}
	return c.ints[row-c.from]
}

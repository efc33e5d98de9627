package segment

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// The Parquet files are laid out by this package and encoded with parquet-go's encoders, instead of by parquet-go's Writer: its
// dictionaries cannot be dropped per row group without losing bloom filter entries (values written after the fall-back to PLAIN never
// reach the filter), and a value passes through a 24-byte Value and a Go map on the way. Every column is REQUIRED and flat, every data
// page version 1, so a page is nothing but its encoded values.

const (
	createdBy   = "probity version 1 (build 0)"
	bloomBits   = 10 // per distinct value: about 1 % false positives
	maxStatSize = 64 // longer bounds are left out rather than shortened
)

// Keys of a column chunk's metadata: where our filters' bits are, their size, and their CRC-32C. Parquet itself has no checksum for filters, and a
// flipped bit there would hide rows without a trace.
const (
	filterKey = "probity.bloom"
	pagesKey  = "probity.pages"
)

// footerMagic and a CRC-32C (little-endian) stand in the 8 bytes before the footer, where other readers do not look. The footer holds the bounds
// by which row groups are skipped, and Parquet does not protect it either.
const footerMagic = "PFC1"

// columnKind is the physical and logical type of a column.
type columnKind uint8

const (
	kindInt64 columnKind = iota
	kindString
	kindOpaque // a Go string of any bytes, a BLOB to others
	kindBytes
	kindNonce
)

// column describes one column of a file.
type column struct {
	name  string
	kind  columnKind
	bloom bool
	pages bool // a bloom filter per page as well, for values that are rare in a row group and yet in most of them
	rows  int  // per page
}

// columnData is the buffered content of one column of a row group.
type columnData interface {
	// page appends the encoded values of rows [from, to).
	page(dst []byte, from, to int) ([]byte, error)
	encoding() format.Encoding
	// dictionary appends the PLAIN entries and returns their number; 0 when the column is not dictionary encoded.
	dictionary(dst []byte) ([]byte, int)
	// bounds returns the smallest and largest value in PLAIN form without a length, or ok = false when they are not worth storing.
	bounds() (lo, hi []byte, ok bool)
	// hashes appends the XXH64 of every distinct value (duplicates are harmless).
	hashes(dst []uint64) []uint64
	reset()
}

// fileWriter writes row groups and the footer of one Parquet file. It holds at most one row group in memory.
type fileWriter struct {
	out     io.Writer
	offset  int64
	sum     hash.Hash
	columns []column
	groups  []format.RowGroup
	indexes [][]format.OffsetIndex
	zstd    *zstd.Encoder

	raw, packed []byte
	header      bytes.Buffer
	protocol    thrift.CompactProtocol
	filter      []uint64
	seen        []uint64
	blocks      []byte
}

// newFileWriter compresses at the fastest level, but codes literals even where nothing repeats: identifiers in hex then take half their length.
func newFileWriter(columns []column) *fileWriter {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithZeroFrames(true),
		zstd.WithEncoderCRC(false), zstd.WithAllLitEntropyCompression(true))
	if err != nil {
		panic(err) // only wrong options can fail
	}
	return &fileWriter{columns: columns, zstd: z, sum: sha256.New()}
}

func (f *fileWriter) start(out io.Writer) error {
	f.out, f.offset = out, 0
	f.sum.Reset()
	f.groups, f.indexes = nil, nil
	return f.write([]byte("PAR1"))
}

func (f *fileWriter) write(b []byte) error {
	n, err := f.out.Write(b)
	f.offset += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	f.sum.Write(b[:n])
	return err
}

func (f *fileWriter) encode(v any) error {
	f.header.Reset()
	if err := thrift.NewEncoder(f.protocol.NewWriter(&f.header)).Encode(v); err != nil {
		return err
	}
	return f.write(f.header.Bytes())
}

// group writes one row group; data is in the order of the columns.
func (f *fileWriter) group(rows int, data []columnData) error {
	if rows == 0 {
		return nil
	}
	g := format.RowGroup{NumRows: int64(rows), FileOffset: f.offset, Ordinal: int16(len(f.groups)),
		Columns: make([]format.ColumnChunk, len(data)), SortingColumns: []format.SortingColumn{{ColumnIdx: 0}}}
	index := make([]format.OffsetIndex, len(data))
	for i := range data {
		if err := f.chunk(i, data[i], rows, &g.Columns[i].MetaData, &index[i]); err != nil {
			return err
		}
		g.TotalByteSize += g.Columns[i].MetaData.TotalUncompressedSize
		g.TotalCompressedSize += g.Columns[i].MetaData.TotalCompressedSize
	}
	for i := range data {
		if f.columns[i].bloom {
			if err := f.bloom(&f.columns[i], data[i], &g.Columns[i].MetaData); err != nil {
				return err
			}
		}
		data[i].reset()
	}
	f.groups, f.indexes = append(f.groups, g), append(f.indexes, index)
	return nil
}

func (f *fileWriter) chunk(col int, d columnData, rows int, m *format.ColumnMetaData, index *format.OffsetIndex) error {
	c := &f.columns[col]
	m.Type, m.PathInSchema, m.NumValues = physical(c.kind), []string{c.name}, int64(rows)
	m.Codec = format.Zstd
	if len(f.groups) > 0 {
		m.Codec = f.groups[0].Columns[col].MetaData.Codec // some readers take a column's codec from the first row group
	}
	if lo, hi, ok := d.bounds(); ok && c.kind != kindOpaque {
		m.Statistics.MinValue, m.Statistics.MaxValue = lo, hi
	}
	enc := d.encoding()
	if len(f.groups) == 0 {
		if err := f.judge(d, m, min(c.rows, rows)); err != nil {
			return err
		}
	}
	var entries int
	f.raw, entries = d.dictionary(f.raw[:0])
	if entries > 0 {
		m.Encoding = []format.Encoding{format.Plain, enc}
		m.DictionaryPageOffset = f.offset
		h := format.PageHeader{Type: format.DictionaryPage}
		h.DictionaryPageHeader.Set(format.DictionaryPageHeader{NumValues: int32(entries), Encoding: format.Plain})
		if err := f.page(&h, m); err != nil {
			return err
		}
	} else {
		m.Encoding = []format.Encoding{enc}
	}
	m.DataPageOffset = f.offset
	for from := 0; from < rows; from += c.rows {
		to := min(from+c.rows, rows)
		var err error
		if f.raw, err = d.page(f.raw[:0], from, to); err != nil {
			return err
		}
		h := format.PageHeader{Type: format.DataPage}
		h.DataPageHeader.Set(format.DataPageHeader{NumValues: int32(to - from), Encoding: enc,
			DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE})
		at := f.offset
		if err := f.page(&h, m); err != nil {
			return err
		}
		index.PageLocations = append(index.PageLocations, format.PageLocation{Offset: at, CompressedPageSize: int32(f.offset - at),
			FirstRowIndex: int64(from)})
	}
	return nil
}

// judge leaves a column uncompressed when compressing its dictionary and first page saves less than a twentieth: nonces, ciphertexts, random
// handles and most dictionary codes are as small as they get, and storing them as they are spares every reader the work too.
func (f *fileWriter) judge(d columnData, m *format.ColumnMetaData, rows int) error {
	f.raw, _ = d.dictionary(f.raw[:0])
	f.packed = f.zstd.EncodeAll(f.raw, f.packed[:0])
	before, after := len(f.raw), len(f.packed)
	var err error
	if f.raw, err = d.page(f.raw[:0], 0, rows); err != nil {
		return err
	}
	f.packed = f.zstd.EncodeAll(f.raw, f.packed[:0])
	if before, after = before+len(f.raw), after+len(f.packed); after >= before-before/20 {
		m.Codec = format.Uncompressed
	}
	return nil
}

// page compresses f.raw with the chunk's codec and writes it behind its header.
func (f *fileWriter) page(h *format.PageHeader, m *format.ColumnMetaData) error {
	body := f.raw
	if m.Codec == format.Zstd {
		f.packed = f.zstd.EncodeAll(f.raw, f.packed[:0])
		body = f.packed
	}
	if len(f.raw) > maxPage {
		return errors.New("segment: a page of a Parquet file exceeds its limit")
	}
	h.UncompressedPageSize, h.CompressedPageSize = int32(len(f.raw)), int32(len(body))
	h.CRC = int32(crc32.ChecksumIEEE(body))
	before := f.offset
	if err := f.encode(h); err != nil {
		return err
	}
	head := f.offset - before
	if err := f.write(body); err != nil {
		return err
	}
	m.TotalUncompressedSize += head + int64(len(f.raw))
	m.TotalCompressedSize += head + int64(len(body))
	return nil
}

func (f *fileWriter) bloom(c *column, d columnData, m *format.ColumnMetaData) error {
	f.filter = d.hashes(f.filter[:0])
	if c.pages && d.encoding() != format.RLEDictionary {
		if err := f.pageFilters(c, m); err != nil {
			return err
		}
	}
	f.filter = f.distinct(f.filter)
	size := bloom.BlockSize * max(1, bloom.NumSplitBlocksOf(int64(len(f.filter)), bloomBits))
	f.blocks = slices.Grow(f.blocks[:0], size)[:size]
	clear(f.blocks)
	bloom.MakeSplitBlockFilter(f.blocks).InsertBulk(f.filter)
	h := format.BloomFilterHeader{NumBytes: int32(size)}
	h.Algorithm.Value = &format.SplitBlockAlgorithm{}
	h.Hash.Value = &format.XxHash{}
	h.Compression.Value = &format.BloomFilterUncompressed{}
	m.BloomFilterOffset = f.offset
	if err := f.encode(&h); err != nil {
		return err
	}
	m.KeyValueMetadata = append(m.KeyValueMetadata, format.KeyValue{Key: filterKey, Value: fmt.Sprintf("%d %d %08x", f.offset, size, crc32.Checksum(f.blocks, castagnoli))})
	if err := f.write(f.blocks); err != nil {
		return err
	}
	m.BloomFilterLength = int32(f.offset - m.BloomFilterOffset)
	return nil
}

// pageFilters writes a bloom filter per page of a column whose values f.filter holds the hashes of, row by row. All have the same number of
// blocks, and the blocks of one number lie together (block 0 of every page, block 1 of every page, ...), because a look-up needs one block of
// each. They are ours: other readers do not know that they are there.
func (f *fileWriter) pageFilters(c *column, m *format.ColumnMetaData) error {
	pages := (len(f.filter) + c.rows - 1) / c.rows
	most := 1
	own := make([][]uint64, pages)
	for p := range own {
		own[p] = f.distinct(slices.Clone(f.filter[p*c.rows : min((p+1)*c.rows, len(f.filter))]))
		most = max(most, len(own[p]))
	}
	blocks := max(1, bloom.NumSplitBlocksOf(int64(most), bloomBits))
	f.blocks = slices.Grow(f.blocks[:0], pages*blocks*bloom.BlockSize)[:pages*blocks*bloom.BlockSize]
	clear(f.blocks)
	all := bloom.MakeSplitBlockFilter(f.blocks)
	for p := range own {
		for _, h := range own[p] {
			all[blockOf(h, blocks)*pages+p].Insert(uint32(h))
		}
	}
	m.KeyValueMetadata = append(m.KeyValueMetadata, format.KeyValue{Key: pagesKey, Value: fmt.Sprintf("%d %d %08x", f.offset, len(f.blocks), crc32.Checksum(f.blocks, castagnoli))})
	return f.write(f.blocks)
}

// blockOf returns the number of the block that a hash selects among n.
func blockOf(hash uint64, n int) int { return int((hash >> 32) * uint64(n) >> 32) }

// distinct removes repeated hashes in place, so that a filter is sized for the values there are and not for the rows.
func (f *fileWriter) distinct(hashes []uint64) []uint64 {
	size := 1 << bits.Len(uint(2*len(hashes)))
	if cap(f.seen) < size {
		f.seen = make([]uint64, size)
	}
	seen := f.seen[:size]
	clear(seen)
	kept := hashes[:0]
	for _, h := range hashes {
		slot := h & uint64(size-1)
		for seen[slot] != 0 && seen[slot] != h {
			slot = (slot + 1) & uint64(size-1)
		}
		if seen[slot] == 0 { // a hash of 0 marks nothing and is kept each time, which does no harm
			seen[slot] = h
			kept = append(kept, h)
		}
	}
	return kept
}

// finish writes the offset indexes and the footer.
func (f *fileWriter) finish(meta []format.KeyValue, info *Info) error {
	rows := int64(0)
	for g := range f.groups {
		rows += f.groups[g].NumRows
		for c := range f.indexes[g] {
			chunk := &f.groups[g].Columns[c]
			chunk.OffsetIndexOffset = f.offset
			if err := f.encode(&f.indexes[g][c]); err != nil {
				return err
			}
			chunk.OffsetIndexLength = int32(f.offset - chunk.OffsetIndexOffset)
		}
	}
	md := format.FileMetaData{Version: 2, Schema: schemaOf(f.columns), NumRows: rows, RowGroups: f.groups, KeyValueMetadata: meta,
		CreatedBy: createdBy}
	for range f.columns {
		md.ColumnOrders = append(md.ColumnOrders, format.ColumnOrder{Value: &format.TypeDefinedOrder{}})
	}
	if md.RowGroups == nil {
		md.RowGroups = []format.RowGroup{}
	}
	footer, err := thrift.Marshal(&f.protocol, &md)
	if err != nil {
		return err
	}
	tail := binary.LittleEndian.AppendUint32([]byte(footerMagic), crc32.Checksum(footer, castagnoli))
	tail = append(tail, footer...)
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(footer)))
	if err := f.write(append(tail, "PAR1"...)); err != nil {
		return err
	}
	info.Bytes = f.offset
	f.sum.Sum(info.SHA256[:0])
	f.out = nil
	return nil
}

func physical(k columnKind) format.Type {
	switch k {
	case kindInt64:
		return format.Int64
	case kindNonce:
		return format.FixedLenByteArray
	default:
		return format.ByteArray
	}
}

func schemaOf(columns []column) []format.SchemaElement {
	root := format.SchemaElement{Name: "probity"}
	root.NumChildren.Set(int32(len(columns)))
	out := []format.SchemaElement{root}
	for _, c := range columns {
		e := format.SchemaElement{Name: c.name}
		e.Type.Set(physical(c.kind))
		e.RepetitionType.Set(format.Required)
		switch c.kind {
		case kindNonce:
			e.TypeLength.Set(16)
		case kindString:
			e.ConvertedType.Set(deprecated.UTF8)
			e.LogicalType.Value = &format.StringType{}
		}
		out = append(out, e)
	}
	return out
}

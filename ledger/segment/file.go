package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const maxFooter = 64 << 20

var (
	protocol thrift.CompactProtocol
	unzstd   = func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithDecoderMaxMemory(maxPage))
		if err != nil {
			panic(err) // only wrong options can fail
		}
		return d
	}()
)

// file is an open Parquet file of one of the two kinds. It is safe for concurrent use; scanners over it are not.
type file struct {
	f    *os.File
	path string
	size int64
	md   format.FileMetaData
	meta map[string]string
	cols []column

	mu      sync.Mutex
	indexes map[[2]int]format.OffsetIndex
	filters map[filterID]filterRef
}

// openFile reads and checks the footer of an open file, which it closes when it fails: the columns must be exactly those of the file's version, and everything the footer
// points at must lie in the file. path names the file in errors; versions holds the columns of version 1, 2, ....
func openFile(f *os.File, path, kind string, versions ...[]column) (_ *file, err error) {
	out := &file{f: f, path: path, indexes: map[[2]int]format.OffsetIndex{},
		filters: map[filterID]filterRef{}}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: damaged footer: %v", path, r)
		}
		if err != nil {
			f.Close()
		}
	}()
	if err := out.footer(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	version, err := strconv.Atoi(out.meta["probity.version"])
	if out.meta["probity.kind"] != kind || err != nil || version < 1 || version > len(versions) {
		return nil, fmt.Errorf("%s is not a Probity %s file of a known version", path, kind)
	}
	out.cols = versions[version-1]
	if err := out.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

func (f *file) Close() error { return f.f.Close() }

func (f *file) footer() error {
	st, err := f.f.Stat()
	if err != nil {
		return err
	}
	f.size = st.Size()
	var tail [8]byte
	if f.size < 12 {
		return errors.New("too short for a Parquet file")
	}
	if _, err := f.f.ReadAt(tail[:], f.size-8); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if string(tail[4:]) != "PAR1" || n > f.size-12 || n > maxFooter {
		return errors.New("not a Parquet file, or cut off")
	}
	if n > f.size-20 {
		return errors.New("not a Parquet file of ours, or cut off")
	}
	b := make([]byte, n+8)
	if err := f.readFull(b, f.size-16-n); err != nil {
		return err
	}
	if string(b[:4]) != footerMagic || binary.LittleEndian.Uint32(b[4:]) != crc32.Checksum(b[8:], castagnoli) {
		return errors.New("the footer fails its checksum")
	}
	b = b[8:]
	if err := thrift.NewDecoder(protocol.NewReaderFromBytes(b)).Decode(&f.md); err != nil {
		return fmt.Errorf("damaged footer: %w", err)
	}
	f.meta = make(map[string]string, len(f.md.KeyValueMetadata))
	for _, kv := range f.md.KeyValueMetadata {
		f.meta[kv.Key] = kv.Value
	}
	return nil
}

func (f *file) check() error {
	if len(f.md.Schema) != len(f.cols)+1 {
		return errors.New("unexpected columns")
	}
	for i, c := range f.cols {
		e := &f.md.Schema[i+1]
		if e.Name != c.name || e.Type.V != physical(c.kind) || e.RepetitionType.V != format.Required {
			return fmt.Errorf("unexpected column %d", i)
		}
	}
	total := int64(0)
	for g := range f.md.RowGroups {
		rg := &f.md.RowGroups[g]
		if rg.NumRows <= 0 || rg.NumRows > RowGroup || len(rg.Columns) != len(f.cols) {
			return fmt.Errorf("damaged row group %d", g)
		}
		total += rg.NumRows
		for i := range rg.Columns {
			m := &rg.Columns[i].MetaData
			if m.NumValues != rg.NumRows || m.DataPageOffset < 4 || m.TotalCompressedSize < 0 || m.DataPageOffset > f.size ||
				m.DictionaryPageOffset < 0 || m.DictionaryPageOffset > m.DataPageOffset {
				return fmt.Errorf("damaged column %s of row group %d", f.cols[i].name, g)
			}
		}
	}
	if total != f.md.NumRows {
		return errors.New("row counts disagree")
	}
	return nil
}

func (f *file) metaUint(key string) (uint64, error) {
	v, err := strconv.ParseUint(f.meta[key], 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%s: footer lacks %s", f.path, key)
	}
	return v, nil
}

// index returns where the pages of a column chunk are.
func (f *file) index(group, col int) (format.OffsetIndex, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := [2]int{group, col}
	if ix, ok := f.indexes[key]; ok {
		return ix, nil
	}
	var ix format.OffsetIndex
	c := &f.md.RowGroups[group].Columns[col]
	n, at := int64(c.OffsetIndexLength), c.OffsetIndexOffset
	if n <= 0 || at < 4 || at > f.size || n > f.size-at {
		return ix, errors.New("damaged offset index")
	}
	b := make([]byte, n)
	if _, err := f.f.ReadAt(b, at); err != nil {
		return ix, err
	}
	if err := thrift.NewDecoder(protocol.NewReaderFromBytes(b)).Decode(&ix); err != nil {
		return ix, fmt.Errorf("damaged offset index: %w", err)
	}
	rows := f.md.RowGroups[group].NumRows
	for i, p := range ix.PageLocations {
		if p.FirstRowIndex < 0 || p.FirstRowIndex >= rows || i == 0 && p.FirstRowIndex != 0 ||
			i > 0 && p.FirstRowIndex <= ix.PageLocations[i-1].FirstRowIndex || p.Offset < 4 || p.CompressedPageSize <= 0 ||
			p.Offset > f.size-int64(p.CompressedPageSize) {
			return ix, errors.New("damaged offset index")
		}
	}
	if len(ix.PageLocations) == 0 {
		return ix, errors.New("damaged offset index")
	}
	f.indexes[key] = ix
	return ix, nil
}

// intBounds returns the INT64 bounds of a column chunk.
func (f *file) intBounds(group, col int) (lo, hi int64, err error) {
	s := &f.md.RowGroups[group].Columns[col].MetaData.Statistics
	if len(s.MinValue) != 8 || len(s.MaxValue) != 8 {
		return 0, 0, fmt.Errorf("%s: no bounds of %s", f.path, f.cols[col].name)
	}
	return int64(binary.LittleEndian.Uint64(s.MinValue)), int64(binary.LittleEndian.Uint64(s.MaxValue)), nil
}

// readFull reads exactly len(b) bytes at off.
func (f *file) readFull(b []byte, off int64) error {
	if _, err := f.f.ReadAt(b, off); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

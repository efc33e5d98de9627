package segment

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
)

// probe is how many rows a dictionary may grow before it is judged. The shares are those of distinct values, in eighths, beyond which the
// dictionary is given up. For handles that is where it costs more than it saves: each distinct value is stored once and each row needs a code
// on top. For strings it is lower, because whoever fetches a single row must decompress the whole dictionary.
const (
	probe       = 2048
	handleShare = 6
	stringShare = 2
)

var (
	packedInts  delta.BinaryPackedEncoding
	lengthBytes delta.LengthByteArrayEncoding
	dictCodes   rle.DictionaryEncoding
	xxh         bloom.XXH64
)

// deltaColumn holds integers that change little from row to row (seq and times).
type deltaColumn struct{ vals []int64 }

func (c *deltaColumn) add(v int64) { c.vals = append(c.vals, v) }
func (c *deltaColumn) page(dst []byte, from, to int) ([]byte, error) {
	return packedInts.EncodeInt64(dst, c.vals[from:to])
}
func (c *deltaColumn) encoding() format.Encoding           { return format.DeltaBinaryPacked }
func (c *deltaColumn) dictionary(dst []byte) ([]byte, int) { return dst, 0 }
func (c *deltaColumn) hashes(dst []uint64) []uint64        { return dst }
func (c *deltaColumn) reset()                              { c.vals = c.vals[:0] }
func (c *deltaColumn) bounds() (lo, hi []byte, ok bool)    { return intBounds(c.vals) }

func intBounds(vals []int64) (lo, hi []byte, ok bool) {
	if len(vals) == 0 {
		return nil, nil, false
	}
	a, b := vals[0], vals[0]
	for _, v := range vals {
		a, b = min(a, v), max(b, v)
	}
	return binary.LittleEndian.AppendUint64(nil, uint64(a)), binary.LittleEndian.AppendUint64(nil, uint64(b)), true
}

// handleColumn holds random integers that repeat (handles, profiles).
type handleColumn struct {
	dict  dict
	codes []int32
	vals  []int64 // instead of codes, once the dictionary was given up
	plain bool
}

func (c *handleColumn) add(v int64) {
	if c.plain {
		c.vals = append(c.vals, v)
		return
	}
	c.codes = append(c.codes, int32(c.dict.num(v)))
	if len(c.codes)&(probe-1) == 0 {
		c.judge()
	}
}

// judge gives the dictionary up when it does not pay.
func (c *handleColumn) judge() {
	n := len(c.codes)
	if n < probe || len(c.dict.nums)*8 <= n*handleShare {
		return
	}
	c.plain = true
	for _, code := range c.codes {
		c.vals = append(c.vals, c.dict.nums[code])
	}
}

// addCodes adds a row per code. entries are what the codes stand for, 8 bytes little-endian each; scratch is overwritten.
func (c *handleColumn) addCodes(entries []byte, codes []uint32, scratch *[]int32) {
	if c.plain {
		for _, code := range codes {
			c.vals = append(c.vals, int64(binary.LittleEndian.Uint64(entries[8*code:])))
		}
		return
	}
	global := (*scratch)[:0]
	for i := 0; i < len(entries); i += 8 {
		global = append(global, int32(c.dict.num(int64(binary.LittleEndian.Uint64(entries[i:])))))
	}
	*scratch = global
	for _, code := range codes {
		c.codes = append(c.codes, global[code])
	}
	c.judge()
}

func (c *handleColumn) page(dst []byte, from, to int) ([]byte, error) {
	if !c.plain {
		return appendDictCodes(dst, c.codes[from:to], len(c.dict.nums))
	}
	for _, v := range c.vals[from:to] {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return dst, nil
}

func (c *handleColumn) encoding() format.Encoding {
	if c.plain {
		return format.Plain
	}
	return format.RLEDictionary
}

func (c *handleColumn) dictionary(dst []byte) ([]byte, int) {
	if c.plain {
		return dst, 0
	}
	for _, v := range c.dict.nums {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return dst, len(c.dict.nums)
}

func (c *handleColumn) values() []int64 {
	if c.plain {
		return c.vals
	}
	return c.dict.nums
}

func (c *handleColumn) bounds() (lo, hi []byte, ok bool) { return intBounds(c.values()) }

func (c *handleColumn) hashes(dst []uint64) []uint64 {
	for _, v := range c.values() {
		dst = append(dst, xxh.Sum64Uint64(uint64(v)))
	}
	return dst
}

func (c *handleColumn) reset() {
	c.dict.reset()
	c.codes, c.vals, c.plain = c.codes[:0], c.vals[:0], false
}

// stringColumn holds strings that may repeat: a dictionary as long as one pays.
type stringColumn struct {
	dict     dict
	codes    []int32
	plain    bool
	values   bytesColumn // instead of codes, once the dictionary was given up
	last     string      // entry of the last row, while there is a dictionary
	lastCode int32
}

func (c *stringColumn) add(s string) {
	if c.plain {
		c.values.addString(s)
		return
	}
	if len(c.codes) == 0 || s != c.last {
		c.lastCode = int32(c.dict.str(s))
		c.last = c.dict.strs[c.lastCode]
	}
	c.codes = append(c.codes, c.lastCode)
	if len(c.codes)&(probe-1) == 0 {
		c.judge()
	}
}

// judge gives the dictionary up when it does not pay.
func (c *stringColumn) judge() {
	n := len(c.codes)
	if n < probe || len(c.dict.strs)*8 <= n*stringShare {
		return
	}
	c.plain = true
	for _, code := range c.codes {
		c.values.addString(c.dict.strs[code])
	}
}

// addCodes adds a row per code. entries are what the codes stand for; scratch is overwritten.
func (c *stringColumn) addCodes(entries []string, codes []uint32, scratch *[]int32) {
	if c.plain {
		for _, code := range codes {
			c.values.addString(entries[code])
		}
		return
	}
	global := (*scratch)[:0]
	for _, s := range entries {
		global = append(global, int32(c.dict.str(s)))
	}
	*scratch = global
	for _, code := range codes {
		c.codes = append(c.codes, global[code])
	}
	if n := len(codes); n > 0 { // rows may follow one by one
		c.lastCode = global[codes[n-1]]
		c.last = c.dict.strs[c.lastCode]
	}
	c.judge()
}

func (c *stringColumn) page(dst []byte, from, to int) ([]byte, error) {
	if c.plain {
		return c.values.page(dst, from, to)
	}
	return appendDictCodes(dst, c.codes[from:to], len(c.dict.strs))
}

func (c *stringColumn) encoding() format.Encoding {
	if c.plain {
		return c.values.encoding()
	}
	return format.RLEDictionary
}

func (c *stringColumn) dictionary(dst []byte) ([]byte, int) {
	if c.plain {
		return dst, 0
	}
	for _, s := range c.dict.strs {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
		dst = append(dst, s...)
	}
	return dst, len(c.dict.strs)
}

func (c *stringColumn) bounds() (lo, hi []byte, ok bool) {
	if c.plain {
		return c.values.stringBounds()
	}
	a, b := c.dict.strs[0], c.dict.strs[0]
	for _, s := range c.dict.strs {
		a, b = min(a, s), max(b, s)
	}
	if len(a) > maxStatSize || len(b) > maxStatSize {
		return nil, nil, false
	}
	return []byte(a), []byte(b), true
}

func (c *stringColumn) hashes(dst []uint64) []uint64 {
	if c.plain {
		return c.values.hashes(dst)
	}
	for _, s := range c.dict.strs {
		dst = append(dst, xxh.Sum64([]byte(s)))
	}
	return dst
}

func (c *stringColumn) reset() {
	c.dict.reset()
	c.codes, c.plain, c.last = c.codes[:0], false, ""
	c.values.reset()
}

// bytesColumn holds byte strings that hardly repeat.
type bytesColumn struct {
	data    []byte
	offsets []uint32 // one more than there are values
	scratch []uint32
}

func (c *bytesColumn) add(b []byte) { c.addString(alias(b)) }

func (c *bytesColumn) addString(s string) {
	if len(c.offsets) == 0 {
		c.offsets = append(c.offsets, 0)
	}
	c.data = append(c.data, s...)
	c.offsets = append(c.offsets, uint32(len(c.data)))
}

// addAll adds the values that lie in data one after another, given where each ends; both may begin in the middle of a column, with ends still counted from
// its beginning.
func (c *bytesColumn) addAll(ends []uint32, data []byte) {
	if len(ends) == 0 {
		return
	}
	if len(c.offsets) == 0 {
		c.offsets = append(c.offsets, 0)
	}
	base := uint32(len(c.data)+len(data)) - ends[len(ends)-1] // modulo 2^32
	for _, end := range ends {
		c.offsets = append(c.offsets, base+end)
	}
	c.data = append(c.data, data...)
}

func (c *bytesColumn) page(dst []byte, from, to int) ([]byte, error) {
	c.scratch = slices.Grow(c.scratch[:0], to-from+1)[:to-from+1]
	rel, base := c.scratch, c.offsets[from]
	for i := range rel {
		rel[i] = c.offsets[from+i] - base
	}
	return lengthBytes.EncodeByteArray(dst, c.data[base:c.offsets[to]], rel)
}

func (c *bytesColumn) encoding() format.Encoding           { return format.DeltaLengthByteArray }
func (c *bytesColumn) dictionary(dst []byte) ([]byte, int) { return dst, 0 }
func (c *bytesColumn) bounds() (lo, hi []byte, ok bool)    { return nil, nil, false }

func (c *bytesColumn) stringBounds() (lo, hi []byte, ok bool) {
	for i := 0; i+1 < len(c.offsets); i++ {
		v := c.data[c.offsets[i]:c.offsets[i+1]]
		if i == 0 || bytes.Compare(v, lo) < 0 {
			lo = v
		}
		if i == 0 || bytes.Compare(v, hi) > 0 {
			hi = v
		}
	}
	if len(lo) > maxStatSize || len(hi) > maxStatSize {
		return nil, nil, false
	}
	return bytes.Clone(lo), bytes.Clone(hi), true
}

func (c *bytesColumn) hashes(dst []uint64) []uint64 {
	for i := 0; i+1 < len(c.offsets); i++ {
		dst = append(dst, xxh.Sum64(c.data[c.offsets[i]:c.offsets[i+1]]))
	}
	return dst
}

func (c *bytesColumn) reset() { c.data, c.offsets = c.data[:0], c.offsets[:0] }

// nonceColumn holds 16 random bytes per row.
type nonceColumn struct{ data []byte }

func (c *nonceColumn) page(dst []byte, from, to int) ([]byte, error) {
	return append(dst, c.data[16*from:16*to]...), nil
}
func (c *nonceColumn) encoding() format.Encoding           { return format.Plain }
func (c *nonceColumn) dictionary(dst []byte) ([]byte, int) { return dst, 0 }
func (c *nonceColumn) bounds() (lo, hi []byte, ok bool)    { return nil, nil, false }
func (c *nonceColumn) hashes(dst []uint64) []uint64        { return dst }
func (c *nonceColumn) reset()                              { c.data = c.data[:0] }

// appendDictCodes appends dictionary indexes: a byte with their width, then the RLE / bit-packed hybrid.
func appendDictCodes(dst []byte, codes []int32, entries int) ([]byte, error) {
	if entries == 1 { // width 0 needs no more than one run; parquet-go would write the same
		return appendRun(dst, len(codes)), nil
	}
	return dictCodes.EncodeInt32(dst, codes)
}

// appendRun appends a single RLE run of n zeros of width 0.
func appendRun(dst []byte, n int) []byte {
	return binary.AppendUvarint(append(dst, 0), uint64(n)<<1)
}

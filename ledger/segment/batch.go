package segment

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"unsafe"
)

// Hot batch, version 1. Columns one after another, so that a batch can be decoded into columns as cheaply as into rows:
//
//	"PWB" u8(1) uvarint(rows)
//	seq         uvarint(first); u8 1 when the rest follow without a gap, else u8 0 and a zigzag delta per further row
//	recorded_at zigzag delta per row, from 0
//	occurred_at zigzag difference from recorded_at per row
//	source, action, category, activity, outcome, severity, resource_type, shape: dictionaries of strings
//	actor, subject, resource, ip, profile: dictionaries of integers
//	resource_id, event_id, correlation_id, clear, sealed: byte columns
//	nonce       16 bytes per row
//	CRC32C      4 bytes little-endian over everything before
//
//	dictionary:  uvarint(entries), the entries (uvarint length and bytes; or 8 bytes little-endian), then one code per row: nothing when
//	             there is one entry, a byte when at most 256, else uvarint
//	byte column: u8 1 and uvarint(length) when all have one length, else u8 0 and uvarint(length) per row; then the bytes
const batchMagic = "PWB\x01"

// MaxBatchRows is the largest number of rows of one batch.
const MaxBatchRows = 1 << 20

var (
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
	errTruncate = errors.New("hot batch is truncated")
	errBatch    = errors.New("hot batch is corrupted")
)

// AppendBatch appends the encoding of rows to dst. It panics when there are more than [MaxBatchRows] rows: batches are cut long before.
func AppendBatch(dst []byte, rows []Row) []byte {
	if len(rows) > MaxBatchRows {
		panic("segment: batch of more than MaxBatchRows rows")
	}
	start := len(dst)
	dst = append(dst, batchMagic...)
	dst = binary.AppendUvarint(dst, uint64(len(rows)))
	if len(rows) > 0 {
		dst = appendTimes(dst, rows)
		for c := range stringColumns {
			dst = appendStrings(dst, rows, stringColumns[c])
		}
		for c := range handleColumns {
			dst = appendHandles(dst, rows, handleColumns[c])
		}
		for c := range byteColumns {
			dst = appendBytes(dst, rows, byteColumns[c])
		}
		for i := range rows {
			dst = append(dst, rows[i].Nonce[:]...)
		}
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// The columns are addressed by their offset within Row, so that one loop serves all of them without a call per value.
var (
	stringColumns = [...]uintptr{
		unsafe.Offsetof(Row{}.Source), unsafe.Offsetof(Row{}.Action), unsafe.Offsetof(Row{}.Category), unsafe.Offsetof(Row{}.Activity),
		unsafe.Offsetof(Row{}.Outcome), unsafe.Offsetof(Row{}.Severity), unsafe.Offsetof(Row{}.ResourceType), unsafe.Offsetof(Row{}.Shape),
	}
	handleColumns = [...]uintptr{
		unsafe.Offsetof(Row{}.Actor), unsafe.Offsetof(Row{}.Subject), unsafe.Offsetof(Row{}.Resource), unsafe.Offsetof(Row{}.IP),
		unsafe.Offsetof(Row{}.Profile),
	}
	// A []byte begins with the same two words as a string, so both are read as strings here.
	byteColumns = [...]uintptr{
		unsafe.Offsetof(Row{}.ResourceID), unsafe.Offsetof(Row{}.EventID), unsafe.Offsetof(Row{}.CorrelationID),
		unsafe.Offsetof(Row{}.Clear), unsafe.Offsetof(Row{}.Sealed),
	}
)

const firstSliceColumn = 3 // of byteColumns; from here on they are []byte

func stringAt(r *Row, off uintptr) string { return *(*string)(unsafe.Add(unsafe.Pointer(r), off)) }
func int64At(r *Row, off uintptr) int64   { return *(*int64)(unsafe.Add(unsafe.Pointer(r), off)) }

func appendTimes(dst []byte, rows []Row) []byte {
	dst = binary.AppendUvarint(dst, uint64(rows[0].Seq))
	dense := byte(1)
	for i := 1; i < len(rows); i++ {
		if rows[i].Seq != rows[i-1].Seq+1 {
			dense = 0
			break
		}
	}
	dst = append(dst, dense)
	for i := 1; dense == 0 && i < len(rows); i++ {
		dst = binary.AppendVarint(dst, rows[i].Seq-rows[i-1].Seq)
	}
	prev := int64(0)
	for i := range rows {
		dst = binary.AppendVarint(dst, rows[i].RecordedAt-prev)
		prev = rows[i].RecordedAt
	}
	for i := range rows {
		dst = binary.AppendVarint(dst, rows[i].OccurredAt-rows[i].RecordedAt)
	}
	return dst
}

// appendCodes writes one code per row in the narrowest form that holds n entries.
func appendCodes(dst []byte, codes []uint32, n int) []byte {
	switch {
	case n <= 1:
	case n <= 256:
		for _, c := range codes {
			dst = append(dst, byte(c))
		}
	default:
		for _, c := range codes {
			dst = binary.AppendUvarint(dst, uint64(c))
		}
	}
	return dst
}

func appendStrings(dst []byte, rows []Row, off uintptr) []byte {
	d := getDict(len(rows))
	defer dicts.Put(d)
	last, lastCode := "", uint32(0)
	for i := range rows {
		s := stringAt(&rows[i], off)
		if i == 0 || s != last {
			lastCode = d.str(s)
			last = s
		}
		d.codes[i] = lastCode
	}
	dst = binary.AppendUvarint(dst, uint64(len(d.strs)))
	for _, s := range d.strs {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	return appendCodes(dst, d.codes, len(d.strs))
}

func appendHandles(dst []byte, rows []Row, off uintptr) []byte {
	d := getDict(len(rows))
	defer dicts.Put(d)
	for i := range rows {
		d.codes[i] = d.num(int64At(&rows[i], off))
	}
	dst = binary.AppendUvarint(dst, uint64(len(d.nums)))
	for _, v := range d.nums {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return appendCodes(dst, d.codes, len(d.nums))
}

func appendBytes(dst []byte, rows []Row, off uintptr) []byte {
	n := len(stringAt(&rows[0], off))
	same := byte(1)
	for i := range rows {
		if len(stringAt(&rows[i], off)) != n {
			same = 0
			break
		}
	}
	dst = append(dst, same)
	if same == 1 {
		dst = binary.AppendUvarint(dst, uint64(n))
	} else {
		for i := range rows {
			dst = binary.AppendUvarint(dst, uint64(len(stringAt(&rows[i], off))))
		}
	}
	for i := range rows {
		dst = append(dst, stringAt(&rows[i], off)...)
	}
	return dst
}

// BatchRows returns how many rows an encoded batch claims to have, without checking the rest of it.
func BatchRows(b []byte) (int, error) {
	if len(b) < len(batchMagic)+1 || string(b[:len(batchMagic)]) != batchMagic {
		return 0, errors.New("not a hot batch of a known version")
	}
	n, w := binary.Uvarint(b[len(batchMagic):])
	if w <= 0 || n > MaxBatchRows {
		return 0, errBatch
	}
	return int(n), nil
}

// batchBody checks an encoded batch of n rows and returns its columns.
func batchBody(b []byte, n int) ([]byte, error) {
	if len(b) < len(batchMagic)+5 {
		return nil, errTruncate
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, errors.New("hot batch fails its checksum")
	}
	d := decoder{b: body[len(batchMagic):]}
	d.uvarint()
	if n*16 > len(d.b) {
		return nil, errTruncate
	}
	return d.b, nil
}

// DecodeBatch appends the rows of an encoded batch to rows. Strings and byte slices of the result alias b, which must not change while
// they are in use. Damaged input gives an error, never a panic.
func DecodeBatch(b []byte, rows []Row) ([]Row, error) {
	n, err := BatchRows(b)
	if err != nil {
		return rows, err
	}
	body, err := batchBody(b, n)
	if err != nil {
		return rows, err
	}
	d := decoder{b: body}
	was := len(rows)
	if free := cap(rows) - was; free < n {
		rows = append(make([]Row, 0, was+n), rows...)
	}
	rows = rows[:was+n]
	out := rows[was:]
	clear(out)
	if n > 0 {
		d.rows(out)
	}
	if d.bad || len(d.b) != 0 {
		return rows[:was], errBatch
	}
	return rows, nil
}

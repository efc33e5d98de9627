package segment

import (
	"encoding/binary"
	"unsafe"
)

// decoder walks the body of a batch. After the first defect bad is set and every further read yields zero values.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	if len(d.b) > 0 && d.b[0] < 0x80 {
		v := d.b[0]
		d.b = d.b[1:]
		return uint64(v)
	}
	v, w := binary.Uvarint(d.b)
	if w <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[w:]
	return v
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) rows(out []Row) {
	d.times(out)
	for c := range stringColumns {
		d.strings(out, stringColumns[c])
	}
	for c := range handleColumns {
		d.handles(out, handleColumns[c])
	}
	for c := range byteColumns {
		d.bytes(out, byteColumns[c], c >= firstSliceColumn)
	}
	for i := range out {
		copy(out[i].Nonce[:], d.take(16))
	}
}

func (d *decoder) times(out []Row) {
	out[0].Seq = int64(d.uvarint())
	dense := d.byte()
	if dense > 1 {
		d.bad = true
	}
	for i := 1; i < len(out); i++ {
		out[i].Seq = out[i-1].Seq + 1
		if dense == 0 {
			out[i].Seq = out[i-1].Seq + d.varint()
		}
	}
	prev := int64(0)
	for i := range out {
		prev += d.varint()
		out[i].RecordedAt = prev
	}
	for i := range out {
		out[i].OccurredAt = out[i].RecordedAt + d.varint()
	}
}

// codes calls set with the code of every row; n is the number of entries, at least 1.
func (d *decoder) codes(rows, n int, set func(row, code int)) {
	switch {
	case n == 1:
		for i := range rows {
			set(i, 0)
		}
	case n <= 256:
		for i, c := range d.take(uint64(rows)) {
			if int(c) >= n {
				d.bad = true
				return
			}
			set(i, int(c))
		}
	default:
		for i := range rows {
			c := d.uvarint()
			if c >= uint64(n) {
				d.bad = true
				return
			}
			set(i, int(c))
		}
	}
}

// entries reads the size of a dictionary: at least one entry and no more than rows.
func (d *decoder) entries(rows int) int {
	n := d.uvarint()
	if n == 0 || n > uint64(rows) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) strings(out []Row, off uintptr) {
	n := d.entries(len(out))
	if d.bad {
		return
	}
	dict := make([]string, n)
	for i := range dict {
		dict[i] = alias(d.take(d.uvarint()))
	}
	d.codes(len(out), n, func(row, code int) { *(*string)(unsafe.Add(unsafe.Pointer(&out[row]), off)) = dict[code] })
}

func (d *decoder) handles(out []Row, off uintptr) {
	n := d.entries(len(out))
	raw := d.take(8 * uint64(n))
	if d.bad {
		return
	}
	d.codes(len(out), n, func(row, code int) {
		*(*int64)(unsafe.Add(unsafe.Pointer(&out[row]), off)) = int64(binary.LittleEndian.Uint64(raw[8*code:]))
	})
}

func (d *decoder) bytes(out []Row, off uintptr, slice bool) {
	same := d.byte()
	if same > 1 {
		d.bad = true
	}
	var lengths decoder // walks the lengths a second time, in step with the bytes
	var n uint64
	if same == 1 {
		n = d.uvarint()
	} else {
		lengths = *d
		for range out {
			d.uvarint()
		}
	}
	for i := range out {
		if same == 0 {
			n = lengths.uvarint()
		}
		v := d.take(n)
		if d.bad || len(v) == 0 {
			continue
		}
		if slice {
			*(*[]byte)(unsafe.Add(unsafe.Pointer(&out[i]), off)) = v
		} else {
			*(*string)(unsafe.Add(unsafe.Pointer(&out[i]), off)) = alias(v)
		}
	}
}

// alias returns the string that shares b's memory.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

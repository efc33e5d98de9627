package segment

import (
	"encoding/binary"
	"io"
	"iter"
	"unicode/utf8"

	"probity.dev/internal/errs"
)

// WriteBatches is [WriteWorking] for the rows of encoded hot batches. Both have the same columns, so they are carried over as columns: a dictionary's
// entry is looked up once per batch instead of once per row, and values are copied a batch at a time. Batches MUST come in ascending order of their rows'
// seqs; a batch is not kept after the next one is asked for. A damaged batch is an error.
func WriteBatches(w io.Writer, batches iter.Seq2[[]byte, error]) (Info, error) {
	return writeWorking(w, func(ww *workingWriter, info *Info) error {
		var rows []Row
		for b, err := range batches {
			if err != nil {
				return err
			}
			n, err := BatchRows(b)
			if err != nil {
				return err
			}
			if n > RowGroup { // never cut by the ledger; row by row it crosses row groups
				if rows, err = DecodeBatch(b, rows[:0]); err != nil {
					return err
				}
				for i := range rows {
					if err := ww.row(&rows[i], info); err != nil {
						return err
					}
				}
				continue
			}
			if err := ww.batch(b, n, info); err != nil {
				return err
			}
		}
		return nil
	})
}

// batch adds the n rows of an encoded batch.
func (w *workingWriter) batch(b []byte, n int, info *Info) error {
	body, err := batchBody(b, n)
	if err != nil || n == 0 {
		return err
	}
	if w.rows+n > RowGroup || w.rows > 0 && len(w.clear.data)+len(w.sealed.data)+len(b) > maxGroupBytes {
		if err := w.flush(); err != nil {
			return err
		}
	}
	d := decoder{b: body}
	if err := w.batchTimes(&d, n, info); err != nil {
		return err
	}
	// The columns of a batch are in an order of their own: eight dictionaries of strings, those of integers, then what hardly repeats.
	for i := range stringColumns {
		if err := w.batchStrings(&d, n, i); err != nil {
			return err
		}
	}
	for i := range w.handles {
		w.batchHandles(&d, n, &w.handles[i])
	}
	for i := len(stringColumns); i < len(w.strings); i++ {
		if err := w.batchTexts(&d, n, i); err != nil {
			return err
		}
	}
	for _, c := range [...]*bytesColumn{&w.clear, &w.sealed} {
		ends, data := w.batchBytes(&d, n)
		c.addAll(ends, data)
	}
	w.nonce.data = append(w.nonce.data, d.take(16*uint64(n))...)
	if d.bad || len(d.b) != 0 {
		return errBatch
	}
	w.rows += n
	return nil
}

func (w *workingWriter) batchTimes(d *decoder, n int, info *Info) error {
	at := len(w.times[0].vals)
	seqs := append(w.times[0].vals, int64(d.uvarint()))
	dense := d.byte()
	for i := 1; i < n; i++ {
		step := int64(1)
		if dense == 0 {
			step = d.varint()
		}
		seqs = append(seqs, seqs[at+i-1]+step)
	}
	recorded, prev := w.times[1].vals, int64(0)
	for range n {
		prev += d.varint()
		recorded = append(recorded, prev)
	}
	occurred := w.times[2].vals
	for i := range n {
		occurred = append(occurred, recorded[at+i]+d.varint())
	}
	if d.bad || dense > 1 {
		return errBatch
	}
	w.times[0].vals, w.times[1].vals, w.times[2].vals = seqs, recorded, occurred
	for i := at; i < at+n; i++ {
		if info.Rows > 0 && seqs[i] <= w.last {
			return errs.New(errs.Internal, "segment: seq %d follows %d", seqs[i], w.last)
		}
		w.last = seqs[i]
		info.add(seqs[i], recorded[i], occurred[i])
	}
	return nil
}

// batchCodes reads the codes of n rows, each below entries.
func (w *workingWriter) batchCodes(d *decoder, n, entries int) []uint32 {
	if cap(w.codes) < n {
		w.codes = make([]uint32, n)
	}
	codes := w.codes[:n]
	most := uint32(0)
	switch {
	case entries == 1:
		clear(codes)
	case entries <= 256:
		raw := d.take(uint64(n))
		if d.bad {
			return nil
		}
		for i, c := range raw {
			codes[i] = uint32(c)
			most = max(most, uint32(c))
		}
	default:
		for i := range codes {
			c := uint32(min(d.uvarint(), 1<<32-1))
			codes[i] = c
			most = max(most, c)
		}
	}
	if d.bad || most >= uint32(entries) {
		d.bad = true
		return nil
	}
	return codes
}

func (w *workingWriter) batchStrings(d *decoder, n, i int) error {
	entries := d.entries(n)
	w.entries = w.entries[:0]
	for range entries {
		w.entries = append(w.entries, alias(d.take(d.uvarint())))
	}
	codes := w.batchCodes(d, n, entries)
	if d.bad {
		return errBatch
	}
	if workingColumns[int(ColSource)+i].kind == kindString {
		for _, s := range w.entries {
			if !utf8.ValidString(s) {
				return w.notUTF8(i)
			}
		}
	}
	w.strings[i].addCodes(w.entries, codes, &w.global)
	return nil
}

func (w *workingWriter) notUTF8(i int) error {
	return errs.New(errs.Internal, "segment: %s near seq %d is not valid UTF-8", workingColumns[int(ColSource)+i].name, w.last)
}

func (w *workingWriter) batchHandles(d *decoder, n int, c *handleColumn) {
	entries := d.entries(n)
	raw := d.take(8 * uint64(entries))
	if codes := w.batchCodes(d, n, entries); !d.bad {
		c.addCodes(raw, codes, &w.global)
	}
}

// batchBytes reads a byte column: where each value ends, and all of them in one piece.
func (w *workingWriter) batchBytes(d *decoder, n int) (ends []uint32, data []byte) {
	ends = w.ends[:0]
	same, total := d.byte(), uint64(0)
	switch same {
	case 0:
		for range n {
			total += min(d.uvarint(), 1<<32)
			ends = append(ends, uint32(total))
		}
	case 1:
		each := min(d.uvarint(), 1<<32)
		for range n {
			total += each
			ends = append(ends, uint32(total))
		}
	default:
		d.bad = true
	}
	w.ends = ends
	return ends, d.take(total) // fails for a total beyond the batch, and so for one that does not fit
}

func (w *workingWriter) batchTexts(d *decoder, n, i int) error {
	ends, data := w.batchBytes(d, n)
	if d.bad {
		return errBatch
	}
	if !ascii(data) {
		from := uint32(0)
		for _, end := range ends {
			if !utf8.Valid(data[from:end]) {
				return w.notUTF8(i)
			}
			from = end
		}
	}
	c, from := &w.strings[i], uint32(0)
	for k, end := range ends {
		if c.plain {
			c.values.addAll(ends[k:], data[from:])
			return nil
		}
		c.add(alias(data[from:end]))
		from = end
	}
	return nil
}

// ascii reports whether b holds no byte above 0x7f.
func ascii(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

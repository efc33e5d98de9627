package segment

import (
	"encoding/hex"
	"io"
	"iter"
	"strconv"

	"github.com/parquet-go/parquet-go/format"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
)

// EvidenceMeta says which leaves an evidence file holds. It is stored in the file's footer.
type EvidenceMeta struct {
	// Log is the log id (16 hex digits).
	Log string
	// First is the seq of the first leaf.
	First uint64
	// Count is the number of leaves; filled in on reading, ignored on writing.
	Count uint64
	// Root is the RFC 6962 root of the file's own leaves, as the caller knows it from the tiles.
	Root [32]byte
}

// The columns of an evidence file, version 2. A leaf is its parts laid end to end (see [evidence.Parts]):
//
//	start ‖ nonce ‖ 02 1b u64(recorded_at) ‖ 03 head(occurred_at) ‖ words ‖ hashes
//
// with u64 8 bytes big-endian and head the shortest CBOR integer. What is random is stored as it is, what repeats is a code, so writing costs
// neither a compressor's time nor the bytes that a compressor needs to step over random ones.
var evidenceColumns = []column{
	{name: "seq", kind: kindInt64, rows: scanPage},
	{name: "recorded_at", kind: kindInt64, rows: scanPage},
	{name: "occurred_at", kind: kindInt64, rows: scanPage},
	{name: "start", kind: kindOpaque, rows: scanPage},
	{name: "nonce", kind: kindNonce, rows: fetchPage},
	{name: "words", kind: kindOpaque, rows: textPage},
	{name: "hashes", kind: kindBytes, rows: fetchPage},
}

// evidenceColumnsV1 are those of version 1, which had the leaf in one piece.
var evidenceColumnsV1 = []column{
	{name: "seq", kind: kindInt64, rows: scanPage},
	{name: "leaf", kind: kindBytes, rows: fetchPage},
}

type evidenceWriter struct {
	file                    *fileWriter
	seq, recorded, occurred deltaColumn
	start, words            stringColumn
	nonce                   nonceColumn
	hashes                  bytesColumn
	data                    []columnData
}

var evidenceWriters = newShelf(func() *evidenceWriter {
	w := &evidenceWriter{file: newFileWriter(evidenceColumns)}
	w.start.dict.own, w.words.dict.own = true, true
	w.data = []columnData{&w.seq, &w.recorded, &w.occurred, &w.start, &w.nonce, &w.words, &w.hashes}
	return w
})

func (w *evidenceWriter) release() {
	for _, d := range w.data {
		d.reset()
	}
	evidenceWriters.put(w, cap(w.hashes.data)+cap(w.words.values.data))
}

func (w *evidenceWriter) flush() error { return w.file.group(len(w.seq.vals), w.data) }

func (w *evidenceWriter) add(seq int64, leaf []byte, p *evidence.Parts) error {
	if err := p.Split(leaf); err != nil {
		return errs.Wrap(errs.Internal, err, "segment: leaf %d is malformed", seq)
	}
	w.seq.add(seq)
	w.recorded.add(p.RecordedAt)
	w.occurred.add(p.OccurredAt)
	w.start.add(alias(p.Start))
	w.nonce.data = append(w.nonce.data, p.Nonce...)
	w.words.add(alias(p.Words))
	w.hashes.add(p.Hashes)
	return nil
}

// WriteEvidence writes leaves, in order, as an evidence file that gives them back byte for byte. The first leaf's seq is meta.First. A leaf is not kept
// after the next one is asked for; a malformed one is an error. Info's OccurredAt bounds stay zero: nothing looks for evidence by them.
func WriteEvidence(w io.Writer, meta EvidenceMeta, leaves iter.Seq2[[]byte, error]) (Info, error) {
	ew := evidenceWriters.get()
	defer ew.release()
	var info Info
	if err := ew.file.start(w); err != nil {
		return info, err
	}
	var parts evidence.Parts
	seq := int64(meta.First)
	for leaf, err := range leaves {
		if err != nil {
			return info, err
		}
		if err := ew.add(seq, leaf, &parts); err != nil {
			return info, err
		}
		info.add(seq, parts.RecordedAt, 0)
		seq++
		if len(ew.seq.vals) == RowGroup || len(ew.hashes.data)+len(ew.words.values.data) > maxGroupBytes {
			if err := ew.flush(); err != nil {
				return info, err
			}
		}
	}
	if err := ew.flush(); err != nil {
		return info, err
	}
	err := ew.file.finish([]format.KeyValue{
		{Key: "probity.kind", Value: "evidence"}, {Key: "probity.version", Value: "2"}, {Key: "probity.log", Value: meta.Log},
		{Key: "probity.first", Value: strconv.FormatUint(meta.First, 10)}, {Key: "probity.count", Value: strconv.FormatInt(info.Rows, 10)},
		{Key: "probity.root", Value: hex.EncodeToString(meta.Root[:])},
	}, &info)
	return info, err
}

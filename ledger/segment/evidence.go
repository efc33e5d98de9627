package segment

import (
	"encoding/hex"
	"io"
	"iter"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"
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

// minLeaf is where recorded_at ends in a leaf; anything shorter cannot be one.
const minLeaf = 64

var evidenceColumns = []column{
	{name: "seq", kind: kindInt64, rows: scanPage},
	{name: "leaf", kind: kindBytes, rows: fetchPage},
}

type evidenceWriter struct {
	file *fileWriter
	seq  deltaColumn
	leaf bytesColumn
}

var evidenceWriters = sync.Pool{New: func() any {
	return &evidenceWriter{file: newFileWriter(evidenceColumns, zstd.SpeedFastest)}
}}

// WriteEvidence writes leaves, verbatim and in order, as an evidence file. The first leaf's seq is meta.First. A leaf is not kept after the next
// one is asked for. Info's OccurredAt bounds stay zero: nothing looks for evidence by them.
func WriteEvidence(w io.Writer, meta EvidenceMeta, leaves iter.Seq2[[]byte, error]) (Info, error) {
	ew := evidenceWriters.Get().(*evidenceWriter)
	defer func() {
		ew.seq.reset()
		ew.leaf.reset()
		evidenceWriters.Put(ew)
	}()
	var info Info
	if err := ew.file.start(w); err != nil {
		return info, err
	}
	flush := func() error {
		return ew.file.group(len(ew.seq.vals), []columnData{&ew.seq, &ew.leaf})
	}
	seq := int64(meta.First)
	for leaf, err := range leaves {
		if err != nil {
			return info, err
		}
		if len(leaf) > evidence.MaxLeaf || len(leaf) < minLeaf {
			return info, errs.New(errs.Internal, "segment: leaf %d has an impossible size", seq)
		}
		ew.seq.add(seq)
		ew.leaf.add(leaf)
		info.add(seq, evidence.RecordedAt(leaf), 0)
		seq++
		if len(ew.seq.vals) == RowGroup || len(ew.leaf.data) > maxGroupBytes {
			if err := flush(); err != nil {
				return info, err
			}
		}
	}
	if err := flush(); err != nil {
		return info, err
	}
	err := ew.file.finish([]format.KeyValue{
		{Key: "probity.kind", Value: "evidence"}, {Key: "probity.version", Value: "1"}, {Key: "probity.log", Value: meta.Log},
		{Key: "probity.first", Value: strconv.FormatUint(meta.First, 10)}, {Key: "probity.count", Value: strconv.FormatInt(info.Rows, 10)},
		{Key: "probity.root", Value: hex.EncodeToString(meta.Root[:])},
	}, &info)
	return info, err
}

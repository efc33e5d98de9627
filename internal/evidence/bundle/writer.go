package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"hash/crc32"
	"io"
	"strconv"
	"time"

	"github.com/klauspost/compress/flate"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/tlog"
)

// Meta is what a writer has to know before the first event.
type Meta struct {
	CreatedAt time.Time
	Origin    string
	LogID     string
	Epoch     uint64
	// Base is the seq of leaf 0.
	Base uint64
	// Checkpoint is the signed note; TreeSize is its size.
	Checkpoint []byte
	TreeSize   uint64
	// Range proves the range of leaves that follow through [Writer.AddLeaf]; nil for ModeInclusion.
	Range   *tlog.RangeProof
	Filter  []Clause
	Tags    []TagKey
	Masking string
	// Keys are the log's verifier keys, one a line, old ones included.
	Keys string
}

// Writer writes a bundle to a stream, in memory bounded by a few parts.
type Writer struct {
	zip      *zip.Writer
	m        Manifest
	leaves   *part
	events   [3]*part // disclosures, views, proofs
	nextLeaf uint64   // index
	nextSeq  uint64
	buf      []byte
	parts    map[string]int
	err      error
}

// NewWriter starts a bundle.
func NewWriter(w io.Writer, meta Meta) (*Writer, error) {
	b := &Writer{zip: zip.NewWriter(w), parts: map[string]int{}}
	b.m = Manifest{
		Format: Format, CreatedAt: meta.CreatedAt.UTC().Truncate(time.Microsecond), Origin: meta.Origin, LogID: meta.LogID, Epoch: meta.Epoch, Base: meta.Base,
		TreeSize: meta.TreeSize, Proof: ModeInclusion, Filter: meta.Filter, Masking: meta.Masking,
	}
	if b.m.Filter == nil {
		b.m.Filter = []Clause{}
	}
	if p := meta.Range; p != nil {
		b.m.Proof, b.m.Range = ModeRange, &Range{First: meta.Base + p.First, Count: p.Count}
		b.nextLeaf = p.First
		if p.Size != meta.TreeSize {
			return nil, errs.New(errs.Internal, "the range proof is for size %d, the checkpoint for %d", p.Size, meta.TreeSize)
		}
	}
	b.m.Completeness = describe(&b.m)
	if err := b.m.check(); err != nil {
		return nil, err
	}
	if _, err := NewMatcher(meta.Filter, meta.Tags); err != nil {
		return nil, err
	}
	return b, b.small(meta)
}

func (b *Writer) small(meta Meta) error {
	b.file(readmeName, []byte(readme))
	b.file(keysName, []byte(meta.Keys))
	b.file(checkpointName, meta.Checkpoint)
	if meta.Range != nil {
		b.json(rangeName, rangeJSON(meta.Range))
	}
	if len(meta.Tags) > 0 {
		b.json(tagsName, tagsFile{Keys: meta.Tags})
	}
	return b.err
}

func (b *Writer) json(name string, v any) {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil && b.err == nil {
		b.err = errs.Wrap(errs.Internal, err, "cannot encode %s", name)
	}
	b.file(name, append(text, '\n'))
}

func (b *Writer) file(name string, content []byte) {
	p := newPart()
	p.write(content)
	b.flush(name, p)
}

// AddLeaf adds the next leaf of the range, whether its event is in the bundle or not. It may be called before, between or after calls
// of AddEvent.
func (b *Writer) AddLeaf(leaf []byte) error {
	if b.m.Range == nil || b.nextLeaf >= b.m.Range.First-b.m.Base+b.m.Range.Count {
		return errs.New(errs.Internal, "the bundle has no room for another leaf")
	}
	if b.leaves == nil {
		b.leaves = newPart()
	}
	entry, err := tlog.AppendEntry(b.buf[:0], leaf)
	if err != nil {
		return err
	}
	b.buf = entry
	b.leaves.write(entry)
	b.nextLeaf++
	if b.nextLeaf%tlog.BlockLeaves == 0 || b.leaves.size >= cutPart {
		b.cut(Leaves, &b.leaves)
	}
	return b.err
}

// AddEvent adds a matching event in mode range, in order of seq: what proves it and what people read, the JSON view of the API. Every
// value in the view must be one that the disclosure proves or claims.
func (b *Writer) AddEvent(seq uint64, d *evidence.Disclosure, view []byte) error {
	if b.m.Proof != ModeRange {
		return errs.New(errs.Internal, "in mode inclusion an event needs its proof")
	}
	return b.add(seq, d, view, nil, nil)
}

// AddProvenEvent is AddEvent in mode inclusion: with the event's leaf and its inclusion proof at the checkpoint's size.
func (b *Writer) AddProvenEvent(seq uint64, leaf []byte, path []tlog.Hash, d *evidence.Disclosure, view []byte) error {
	if b.m.Proof != ModeInclusion {
		return errs.New(errs.Internal, "in mode range events have no proofs of their own")
	}
	return b.add(seq, d, view, leaf, path)
}

func (b *Writer) add(seq uint64, d *evidence.Disclosure, view, leaf []byte, path []tlog.Hash) error {
	if seq < b.nextSeq || seq < b.m.Base || seq-b.m.Base >= b.m.TreeSize {
		return errs.New(errs.Internal, "event %d is out of order or not in the tree", seq)
	}
	for i := range b.events {
		if b.events[i] == nil {
			b.events[i] = newPart()
		}
	}
	line := strconv.AppendUint(append(b.buf[:0], `{"seq":`...), seq, 10)
	line, err := d.AppendJSON(append(line, `,"disclosure":`...))
	if err != nil {
		return err
	}
	if line = append(line, "}\n"...); len(line) > maxLine || len(view) >= maxLine {
		return errs.New(errs.TooLarge, "event %d is too large for a bundle", seq)
	}
	b.events[0].write(line)
	b.events[1].write(append(append(line[:0], view...), '\n'))
	if leaf != nil {
		line = strconv.AppendUint(append(line[:0], `{"seq":`...), seq, 10)
		line = base64.StdEncoding.AppendEncode(append(line, `,"leaf":"`...), leaf)
		line = append(line, `","path":[`...)
		for i := range path {
			if i > 0 {
				line = append(line, ',')
			}
			line = append(base64.StdEncoding.AppendEncode(append(line, '"'), path[i][:]), '"')
		}
		line = append(line, "]}\n"...)
		b.events[2].write(line)
	}
	b.buf = line
	b.nextSeq = seq + 1
	b.m.Events++
	b.events[0].events++
	if b.events[0].events >= PartEvents || b.events[0].size >= cutPart || b.events[1].size >= cutPart || b.events[2].size >= cutPart {
		b.cutEvents()
	}
	return b.err
}

func (b *Writer) cutEvents() {
	b.cut(Disclosures, &b.events[0])
	b.cut(Events, &b.events[1])
	if b.m.Proof == ModeInclusion {
		b.cut(Proofs, &b.events[2])
	}
	b.events[2] = nil
}

func (b *Writer) cut(kind string, p **part) {
	if *p != nil {
		b.flush(partName(kind, b.parts[kind]), *p)
		b.parts[kind]++
		*p = nil
	}
}

// Close writes what is buffered, the manifest and its signature, and finishes the zip. Without it there is no bundle.
func (b *Writer) Close(signers ...tlog.Signer) error {
	b.cut(Leaves, &b.leaves)
	b.cutEvents()
	if b.err != nil {
		return b.err
	}
	if r := b.m.Range; r != nil && b.nextLeaf != r.First-b.m.Base+r.Count {
		return errs.New(errs.Internal, "the bundle's range ends at seq %d, but leaves end at %d", r.First+r.Count, b.m.Base+b.nextLeaf)
	}
	text, err := json.MarshalIndent(&b.m, "", " ")
	if err != nil {
		return errs.Wrap(errs.Internal, err, "cannot encode the manifest")
	}
	sig, err := tlog.SignNote(signedText(b.m.Origin, text), signers...)
	if err != nil {
		return err
	}
	b.file(manifestName, text)
	b.file(signatureName, sig)
	if b.err != nil {
		return b.err
	}
	if err := b.zip.Close(); err != nil {
		return errs.Wrap(errs.Unavailable, err, "cannot finish the bundle")
	}
	return nil
}

// flush writes a part to the zip and lists it in the manifest. The manifest and its signature list themselves after the manifest was
// encoded, which has no effect.
func (b *Writer) flush(name string, p *part) {
	if b.err != nil {
		return
	}
	if b.err = p.deflate.Close(); b.err != nil {
		return
	}
	b.m.Files = append(b.m.Files, File{Name: name, Size: p.size, SHA256: hex.EncodeToString(p.sum.Sum(nil))})
	w, err := b.zip.CreateRaw(&zip.FileHeader{
		Name: name, Method: zip.Deflate, Modified: b.m.CreatedAt, CRC32: p.crc.Sum32(),
		UncompressedSize64: uint64(p.size), CompressedSize64: uint64(p.out.Len()),
	})
	if err == nil {
		_, err = w.Write(p.out.Bytes())
	}
	if err != nil {
		b.err = errs.Wrap(errs.Unavailable, err, "cannot write the bundle")
	}
}

// part is a file that is being compressed in memory, since a zip takes one file at a time and several are under way.
type part struct {
	out     bytes.Buffer
	deflate *flate.Writer
	sum     hash.Hash
	crc     hash.Hash32
	size    int64
	events  int
}

func newPart() *part {
	p := &part{sum: sha256.New(), crc: crc32.NewIEEE()}
	p.deflate, _ = flate.NewWriter(&p.out, 5) // only for a level out of range
	return p
}

func (p *part) write(b []byte) {
	p.sum.Write(b)
	p.crc.Write(b)
	p.deflate.Write(b) //nolint:errcheck // a bytes.Buffer takes everything
	p.size += int64(len(b))
}

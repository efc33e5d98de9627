package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/tlog"
)

// Reader reads a bundle. Its methods are safe for concurrent use.
type Reader struct {
	Manifest *Manifest
	// ManifestBytes and Signature are manifest.json and manifest.sig as they are in the file.
	ManifestBytes []byte
	Signature     []byte

	closer io.Closer
	files  map[string]*zip.File
	listed map[string]File

	mu      sync.Mutex
	checked map[string]bool // files that have been read and found good
}

// Open opens a bundle file. The caller closes it.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errs.Wrap(errs.NotFound, err, "cannot open the bundle")
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, errs.Wrap(errs.Invalid, err, "cannot open the bundle")
	}
	r, err := NewReader(f, st.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	r.closer = f
	return r, nil
}

// NewReader reads the manifest and checks that the zip holds exactly the files that it lists. Nothing is believed yet: the caller
// checks the signature with [Reader.CheckSignature] before it reads on, and so never unpacks more than the signer listed.
func NewReader(ra io.ReaderAt, size int64) (*Reader, error) {
	z, err := zip.NewReader(ra, size)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "this is not a bundle: it is not a readable zip")
	}
	r := &Reader{files: map[string]*zip.File{}, listed: map[string]File{}, checked: map[string]bool{}}
	if len(z.File) > maxFiles+2 {
		return nil, errs.New(errs.Invalid, "the bundle has too many files")
	}
	for _, f := range z.File {
		if r.files[f.Name] != nil {
			return nil, errs.New(errs.Invalid, "the bundle has two files of the same name")
		}
		r.files[f.Name] = f
	}
	if r.ManifestBytes, err = r.raw(manifestName, maxManifest); err != nil {
		return nil, err
	}
	if r.Signature, err = r.raw(signatureName, maxSmall); err != nil {
		return nil, err
	}
	if r.Manifest, err = parseManifest(r.ManifestBytes); err != nil {
		return nil, err
	}
	for _, f := range r.Manifest.Files {
		if r.files[f.Name] == nil {
			return nil, errs.New(errs.Invalid, "%s is listed in the manifest and missing in the bundle", f.Name)
		}
		if _, twice := r.listed[f.Name]; twice {
			return nil, errs.New(errs.Invalid, "%s is listed twice in the manifest", f.Name)
		}
		r.listed[f.Name] = f
	}
	for name := range r.files {
		if _, ok := r.listed[name]; !ok && name != manifestName && name != signatureName {
			return nil, errs.New(errs.Invalid, "the bundle has a file that its manifest does not list: %.80q", name)
		}
	}
	return r, nil
}

// Close closes the file that Open opened.
func (r *Reader) Close() error {
	if r.closer == nil {
		return nil
	}
	return r.closer.Close()
}

// CheckSignature checks that a key of the manifest's origin signed exactly this manifest.
func (r *Reader) CheckSignature(keys *tlog.Keys) error {
	origin, text, err := tlog.OpenNote(r.Signature, signedSuffix, keys)
	if err != nil {
		return err
	}
	if origin != r.Manifest.Origin || text != signedText(origin, r.ManifestBytes) {
		return errs.New(errs.Invalid, "the manifest is not the one that was signed")
	}
	return nil
}

// raw reads a file of at most limit bytes.
func (r *Reader) raw(name string, limit int64) ([]byte, error) {
	f := r.files[name]
	if f == nil {
		return nil, errs.New(errs.Invalid, "the bundle has no %s", name)
	}
	in, err := f.Open()
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "cannot read %s", name)
	}
	defer in.Close()
	out := bytes.NewBuffer(make([]byte, 0, min(int64(f.UncompressedSize64), limit)+bytes.MinRead))
	_, err = out.ReadFrom(io.LimitReader(in, limit+1))
	b := out.Bytes()
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s is damaged", name)
	}
	if int64(len(b)) > limit {
		return nil, errs.New(errs.Invalid, "%s is larger than it may be", name)
	}
	return b, nil
}

// read reads a listed file and checks its size and hash.
func (r *Reader) read(name string) ([]byte, error) {
	f, ok := r.listed[name]
	if !ok {
		return nil, errs.New(errs.Invalid, "the bundle has no %s", name)
	}
	b, err := r.raw(name, f.Size)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(b); int64(len(b)) != f.Size || hex.EncodeToString(sum[:]) != f.SHA256 {
		return nil, errs.New(errs.Invalid, "%s is not the file that the manifest lists", name)
	}
	r.mu.Lock()
	r.checked[name] = true
	r.mu.Unlock()
	return b, nil
}

// CheckFiles reads every listed file that was not read yet, so that nothing in a bundle stays unchecked.
func (r *Reader) CheckFiles() error {
	for _, f := range r.Manifest.Files {
		r.mu.Lock()
		done := r.checked[f.Name]
		r.mu.Unlock()
		if done {
			continue
		}
		if _, err := r.read(f.Name); err != nil {
			return err
		}
	}
	return nil
}

// Checkpoint returns the signed checkpoint.
func (r *Reader) Checkpoint() ([]byte, error) { return r.read(checkpointName) }

// Keys returns the verifier keys that came with the bundle.
func (r *Reader) Keys() (*tlog.Keys, error) {
	b, err := r.read(keysName)
	if err != nil {
		return nil, err
	}
	return tlog.ParseKeys(string(b))
}

// RangeProof returns the range proof of mode range.
func (r *Reader) RangeProof() (*tlog.RangeProof, error) {
	b, err := r.read(rangeName)
	if err != nil {
		return nil, err
	}
	var f rangeFile
	if err := unmarshal(b, &f); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s is malformed", rangeName)
	}
	m := r.Manifest
	if m.Range == nil || f.First+m.Base != m.Range.First || f.Count != m.Range.Count || f.Size != m.TreeSize {
		return nil, errs.New(errs.Invalid, "%s is for another range than the manifest names", rangeName)
	}
	return f.proof(), nil
}

// Tags returns the disclosed tag keys; a bundle need not have any.
func (r *Reader) Tags() ([]TagKey, error) {
	if _, ok := r.listed[tagsName]; !ok {
		return nil, nil
	}
	b, err := r.read(tagsName)
	if err != nil {
		return nil, err
	}
	var f tagsFile
	if err := unmarshal(b, &f); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s is malformed", tagsName)
	}
	return f.Keys, nil
}

// Parts is the number of parts of a kind.
func (r *Reader) Parts(kind string) int {
	n := 0
	for r.listed[partName(kind, n)].Name != "" {
		n++
	}
	return n
}

// LeafPart returns the leaves of a part, which alias one buffer.
func (r *Reader) LeafPart(n int) ([][]byte, error) {
	b, err := r.read(partName(Leaves, n))
	if err != nil {
		return nil, err
	}
	out := make([][]byte, 0, 4096)
	for len(b) > 0 {
		var leaf []byte
		if leaf, b, err = tlog.CutEntry(b); err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "%s is malformed", partName(Leaves, n))
		}
		if out = append(out, leaf); len(out) > PartEvents {
			return nil, errs.New(errs.Invalid, "%s has too many leaves", partName(Leaves, n))
		}
	}
	return out, nil
}

// Event is one event of a bundle.
type Event struct {
	Seq  uint64
	View []byte
	// Leaf and Path are given in mode inclusion only.
	Leaf []byte
	Path []tlog.Hash

	disclosure []byte
}

// Disclosure parses the event's disclosure into d.
func (e *Event) Disclosure(d *evidence.Disclosure) error {
	if err := d.UnmarshalJSON(e.disclosure); err != nil {
		return errs.Wrap(errs.Invalid, err, "event %d", e.Seq)
	}
	return nil
}

// EventPart is one part of the events, read and checked against the manifest.
type EventPart struct {
	name                       string
	views, disclosures, proofs []byte
	withProofs                 bool
}

// EventPart reads a part of the events.
func (r *Reader) EventPart(n int) (*EventPart, error) {
	p := &EventPart{name: partName(Events, n), withProofs: r.Manifest.Proof == ModeInclusion}
	var err error
	if p.views, err = r.read(p.name); err != nil {
		return nil, err
	}
	if p.disclosures, err = r.read(partName(Disclosures, n)); err != nil {
		return nil, err
	}
	if p.withProofs {
		if p.proofs, err = r.read(partName(Proofs, n)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Next returns the next event of the part, io.EOF after the last. Its parts alias the part's buffers.
func (p *EventPart) Next() (*Event, error) {
	if len(p.views) == 0 && len(p.disclosures) == 0 && len(p.proofs) == 0 {
		return nil, io.EOF
	}
	line, ok := cutLine(&p.disclosures)
	view, ok2 := cutLine(&p.views)
	if !ok || !ok2 {
		return nil, errs.New(errs.Invalid, "%s does not match its disclosures", p.name)
	}
	seq, disclosure, ok := cutSeq(line)
	if !ok {
		return nil, errs.New(errs.Invalid, "a disclosure of %s is malformed", p.name)
	}
	e := &Event{Seq: seq, View: view, disclosure: disclosure}
	if p.withProofs {
		if err := p.proof(e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (p *EventPart) proof(e *Event) error {
	var w struct {
		Seq  uint64         `json:"seq"`
		Leaf []byte         `json:"leaf"`
		Path []evidence.B64 `json:"path"`
	}
	line, ok := cutLine(&p.proofs)
	if !ok {
		return errs.New(errs.Invalid, "event %d has no proof", e.Seq)
	}
	if err := json.Unmarshal(line, &w, json.RejectUnknownMembers(true)); err != nil || w.Seq != e.Seq || len(w.Path) > tlog.MaxProof {
		return errs.New(errs.Invalid, "the proof of event %d is malformed", e.Seq)
	}
	e.Leaf = w.Leaf
	for _, h := range w.Path {
		e.Path = append(e.Path, tlog.Hash(h))
	}
	return nil
}

// cutSeq takes a line apart that is spelled as the writer spells it: {"seq":N,"disclosure":…}.
func cutSeq(line []byte) (seq uint64, disclosure []byte, ok bool) {
	line, ok = bytes.CutPrefix(line, []byte(`{"seq":`))
	digits, rest, ok2 := bytes.Cut(line, []byte(`,"disclosure":`))
	if !ok || !ok2 || !bytes.HasSuffix(rest, []byte("}")) || len(digits) > 1 && digits[0] == '0' || len(digits) > 0 && digits[0] == '+' {
		return 0, nil, false
	}
	seq, err := strconv.ParseUint(string(digits), 10, 62)
	return seq, rest[:len(rest)-1], err == nil
}

func cutLine(b *[]byte) ([]byte, bool) {
	i := bytes.IndexByte(*b, '\n')
	if i < 0 || i > maxLine {
		return nil, false
	}
	line := (*b)[:i]
	*b = (*b)[i+1:]
	return line, true
}

package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/tlog"
)

// Format is the value of a manifest's format.
const Format = "probity/bundle/v1"

// Modes of proof.
const (
	// ModeRange ships every leaf of a range, so that it can be checked that no matching event was left out.
	ModeRange = "range"
	// ModeInclusion ships the leaves of the events alone, each with its inclusion proof; it proves nothing about what is missing.
	ModeInclusion = "inclusion"
)

// Names of the fixed files; the others are numbered parts.
const (
	manifestName   = "manifest.json"
	signatureName  = "manifest.sig"
	checkpointName = "checkpoint"
	rangeName      = "range-proof.json"
	tagsName       = "tags.json"
	keysName       = "keys.txt"
	readmeName     = "README.txt"
)

// Kinds of parts, which are their folders.
const (
	Leaves      = "leaves"      // 16-bit length and leaf, for every leaf of the range
	Proofs      = "proofs"      // NDJSON {seq, leaf, path}, for every event
	Disclosures = "disclosures" // NDJSON {seq, disclosure}, for every event
	Events      = "events"      // NDJSON views for people, for every event
)

// Limits of a bundle. A reader refuses what is above them before it reads on.
const (
	// MaxPart is the most bytes of a part; a writer starts a new one before.
	MaxPart = 40 << 20
	// PartEvents is the most events or leaves of a part. Parts of leaves end at block boundaries of the log.
	PartEvents   = tlog.BlockLeaves
	cutPart      = 32 << 20 // where a writer starts a new part
	maxLine      = 4 << 20
	maxSmall     = 1 << 20
	maxTags      = 16 << 20
	maxManifest  = 32 << 20
	maxFiles     = 100_000
	maxClauses   = 64
	maxTagKeys   = 100_000
	signedSuffix = "/bundle"
)

// Manifest describes a bundle. It is signed as the bytes that were written.
type Manifest struct {
	Format    string    `json:"format"`
	CreatedAt time.Time `json:"created_at"`
	// Origin, LogID, Epoch and Base name the log; seq = Base + leaf index.
	Origin string `json:"origin"`
	LogID  string `json:"log_id"`
	Epoch  uint64 `json:"epoch"`
	Base   uint64 `json:"base"`
	// TreeSize is the size of the checkpoint.
	TreeSize uint64 `json:"tree_size"`
	// Proof is ModeRange or ModeInclusion.
	Proof string `json:"proof"`
	// Range is the range of seq whose leaves are all here, boundary leaves included. Nil in ModeInclusion.
	Range *Range `json:"range,omitempty"`
	// Filter is what was asked for. All clauses must hold.
	Filter       []Clause     `json:"filter"`
	Completeness Completeness `json:"completeness"`
	// Events is the number of events in the bundle.
	Events uint64 `json:"events"`
	// Masking says in words which rules were applied for this recipient.
	Masking string `json:"masking"`
	Files   []File `json:"files"`
}

// Range is [First, First+Count).
type Range struct {
	First uint64 `json:"first"`
	Count uint64 `json:"count"`
}

// Completeness says whether it can be checked that no matching event was left out.
type Completeness struct {
	// Kind is "proven" or "claimed".
	Kind string `json:"kind"`
	// Scope says in words over what.
	Scope string `json:"scope"`
	// Claimed lists what is only the sender's word.
	Claimed []string `json:"claimed"`
}

// Kinds of completeness.
const (
	Proven  = "proven"
	Claimed = "claimed"
)

// File is one file of the bundle, uncompressed.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// TagKey discloses K_tag of a clause for one role and period.
type TagKey struct {
	// Clause is the index of the tag clause in the filter.
	Clause int `json:"clause"`
	// Role is actor, subject or resource.
	Role string `json:"role"`
	// Period is the UTC month, year*12 + month-1.
	Period int          `json:"period"`
	Key    evidence.B64 `json:"key"`
}

type tagsFile struct {
	Keys []TagKey `json:"keys"`
}

type rangeFile struct {
	First uint64         `json:"first_leaf_index"`
	Count uint64         `json:"count"`
	Size  uint64         `json:"tree_size"`
	Left  []evidence.B64 `json:"left"`
	Right []evidence.B64 `json:"right"`
}

func (f *rangeFile) proof() *tlog.RangeProof {
	p := &tlog.RangeProof{First: f.First, Count: f.Count, Size: f.Size}
	for _, h := range f.Left {
		p.Left = append(p.Left, tlog.Hash(h))
	}
	for _, h := range f.Right {
		p.Right = append(p.Right, tlog.Hash(h))
	}
	return p
}

func rangeJSON(p *tlog.RangeProof) rangeFile {
	f := rangeFile{First: p.First, Count: p.Count, Size: p.Size, Left: []evidence.B64{}, Right: []evidence.B64{}}
	for _, h := range p.Left {
		f.Left = append(f.Left, evidence.B64(h))
	}
	for _, h := range p.Right {
		f.Right = append(f.Right, evidence.B64(h))
	}
	return f
}

// unmarshal reads a small JSON file strictly: unknown and repeated members are refused, so that no two readers can understand a
// signed text differently.
func unmarshal(b []byte, v any) error { return json.Unmarshal(b, v, json.RejectUnknownMembers(true)) }

// signedText is what manifest.sig signs.
func signedText(origin string, manifest []byte) string {
	sum := sha256.Sum256(manifest)
	return origin + signedSuffix + "\n" + hex.EncodeToString(sum[:]) + "\n"
}

func parseManifest(b []byte) (*Manifest, error) {
	m := &Manifest{}
	if err := unmarshal(b, m); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "the bundle's manifest is malformed")
	}
	if m.Format != Format {
		return nil, errs.New(errs.Unsupported, "this is not a bundle of format %s", Format)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Manifest) check() error {
	bad := func(what string) error {
		return errs.New(errs.Invalid, "the bundle's manifest is inconsistent: %s", what)
	}
	switch {
	case m.TreeSize > tlog.MaxSize || m.Base > tlog.MaxSize:
		return bad("size or base out of range")
	case m.Proof != ModeRange && m.Proof != ModeInclusion:
		return bad("unknown proof mode")
	case (m.Proof == ModeRange) != (m.Range != nil):
		return bad("a range is given exactly in mode range")
	case len(m.Files) > maxFiles || len(m.Filter) > maxClauses:
		return bad("too many files or clauses")
	case m.Completeness.Kind != Proven && m.Completeness.Kind != Claimed:
		return bad("unknown kind of completeness")
	}
	if r := m.Range; r != nil && (r.First < m.Base || r.First-m.Base > m.TreeSize || r.Count > m.TreeSize-(r.First-m.Base)) {
		return bad("the range is not within the tree")
	}
	for i := range m.Filter {
		if err := m.Filter[i].check(); err != nil {
			return err
		}
	}
	if m.Completeness.Kind == Proven && (m.Proof != ModeRange || len(claims(m.Filter)) > 0) {
		return bad("completeness is called proven where nothing can prove it")
	}
	return m.checkFiles()
}

func (m *Manifest) checkFiles() error {
	next := map[string]int{}
	for _, f := range m.Files {
		limit := int64(maxSmall)
		switch f.Name {
		case checkpointName, keysName, readmeName, rangeName:
		case tagsName:
			limit = maxTags
		default:
			kind, _, _ := strings.Cut(f.Name, "/")
			if kind != Leaves && kind != Proofs && kind != Disclosures && kind != Events || f.Name != partName(kind, next[kind]) {
				return errs.New(errs.Invalid, "the bundle's manifest lists a file that does not belong there: %.80q", f.Name)
			}
			next[kind]++
			limit = MaxPart
		}
		if f.Size < 0 || f.Size > limit || len(f.SHA256) != 64 {
			return errs.New(errs.Invalid, "the bundle's manifest gives %s an impossible size or hash", f.Name)
		}
	}
	if next[Disclosures] != next[Events] || (m.Proof == ModeRange) != (next[Proofs] == 0) && m.Events > 0 {
		return errs.New(errs.Invalid, "the bundle's parts do not match each other")
	}
	return nil
}

func partName(kind string, n int) string {
	if kind == Leaves {
		return fmt.Sprintf("leaves/%06d.bin", n)
	}
	return fmt.Sprintf("%s/%06d.ndjson", kind, n)
}

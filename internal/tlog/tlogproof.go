package tlog

import (
	"bytes"

	"github.com/transparency-dev/formats/proof"

	"probity.dev/internal/errs"
)

// Proof is a C2SP tlog-proof@v1: everything that a verifier needs beside the leaf and the log's key.
type Proof struct {
	Index      uint64 // of the leaf in its tree
	Path       []Hash // RFC 6962 inclusion proof
	Checkpoint []byte // signed note
	Extra      []byte // optional; not covered by the proof
}

// Marshal formats the proof.
func (p *Proof) Marshal() []byte {
	return proof.TLogProof{Index: p.Index, Hashes: p.Path, Checkpoint: p.Checkpoint, ExtraData: p.Extra}.Marshal()
}

// ParseProof parses what [Proof.Marshal] makes and no other spelling of it.
func ParseProof(b []byte) (*Proof, error) {
	if len(b) > maxNote || bytes.Count(b, []byte("\n")) > MaxProof+maxNote/HashSize {
		return nil, errs.New(errs.Invalid, "proof is too long")
	}
	var w proof.TLogProof
	if err := w.Unmarshal(b); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "this is not a tlog-proof")
	}
	if len(w.Hashes) > MaxProof || w.Index > MaxSize || !bytes.Equal(w.Marshal(), b) {
		return nil, errs.New(errs.Invalid, "tlog-proof is not in its canonical spelling")
	}
	return &Proof{Index: w.Index, Path: w.Hashes, Checkpoint: w.Checkpoint, Extra: w.ExtraData}, nil
}

// Verify checks that the leaf with this hash is in the log that signed the checkpoint, which it returns.
func (p *Proof) Verify(leafHash Hash, k *Keys) (*Checkpoint, error) {
	cp, err := Open(p.Checkpoint, k)
	if err != nil {
		return nil, err
	}
	if err := VerifyInclusion(leafHash, p.Index, cp.Size, p.Path, cp.Root); err != nil {
		return nil, err
	}
	return cp, nil
}

package tlog

import (
	"encoding/base64"
	"fmt"

	"github.com/transparency-dev/formats/log"

	"probity.dev/internal/errs"
)

// Checkpoint is a verified C2SP tlog-checkpoint.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   Hash
	// Text is the signed note as it was received.
	Text []byte
}

// Sign returns the signed checkpoint of a log. Before calling it, the ledger MUST have made the tree durable and shown that it extends
// whatever was signed before: two different signed trees of one size are a fork for ever.
func Sign(origin string, size uint64, root Hash, signers ...Signer) ([]byte, error) {
	for _, s := range signers {
		if s.Name() != origin {
			return nil, errs.New(errs.Internal, "the key of %q cannot sign for %q", s.Name(), origin)
		}
	}
	return SignNote(checkpointText(origin, size, root), signers...)
}

func checkpointText(origin string, size uint64, root Hash) string {
	return string(log.Checkpoint{Origin: origin, Size: size, Hash: root[:]}.Marshal())
}

// Open checks a signed checkpoint: the signature of a key named like its origin, and that the text has exactly the three lines
// origin, size and root, in their only spelling.
func Open(signed []byte, k *Keys) (*Checkpoint, error) {
	origin, text, err := OpenNote(signed, "", k)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "checkpoint is not validly signed")
	}
	return parseCheckpoint(signed, origin, text)
}

func parseCheckpoint(signed []byte, origin, text string) (*Checkpoint, error) {
	var c log.Checkpoint
	rest, err := c.Unmarshal([]byte(text))
	if err != nil || len(rest) != 0 || len(c.Hash) != HashSize || c.Size > MaxSize || c.Origin != origin {
		return nil, errs.New(errs.Invalid, "checkpoint is malformed")
	}
	if checkpointText(c.Origin, c.Size, Hash(c.Hash)) != text {
		return nil, errs.New(errs.Invalid, "checkpoint is not in its canonical spelling")
	}
	if c.Size == 0 && Hash(c.Hash) != EmptyRoot {
		return nil, errs.New(errs.Invalid, "checkpoint of an empty log has a root that is not the empty tree's")
	}
	return &Checkpoint{Origin: origin, Size: c.Size, Root: Hash(c.Hash), Text: signed}, nil
}

// String describes the checkpoint in a report.
func (c *Checkpoint) String() string {
	return fmt.Sprintf("%s size %d root %s", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
}

package tlog

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"probity.dev/internal/errs"
)

// promiseSuffix follows the origin in the first line of a promise.
const promiseSuffix = "/promise"

// Promise is the log's signed word, given with the answer to an append, that certain leaves are durably committed at certain
// sequence numbers. A checkpoint that covers them and holds other leaves there convicts the log (ledger/DESIGN.md §6).
type Promise struct {
	Origin string
	// First is the seq of the first leaf, Count how many consecutive leaves there are, at least 1.
	First, Count uint64
	// Root is the [MTH] over the leaf hashes.
	Root Hash
	// RecordedAt of the last leaf, in microseconds since 1970 UTC.
	RecordedAt int64
}

func (p *Promise) text() string {
	return fmt.Sprintf("%s%s\n%d\n%d\n%s\n%d\n", p.Origin, promiseSuffix, p.First, p.Count, base64.StdEncoding.EncodeToString(p.Root[:]), p.RecordedAt)
}

// Sign returns the signed promise.
func (p *Promise) Sign(signers ...Signer) ([]byte, error) {
	if p.Count == 0 || p.First > MaxSize || p.Count > MaxSize || p.RecordedAt < 0 {
		return nil, errs.New(errs.Internal, "promise is out of range")
	}
	for _, s := range signers {
		if s.Name() != p.Origin {
			return nil, errs.New(errs.Internal, "the key of %q cannot sign for %q", s.Name(), p.Origin)
		}
	}
	return SignNote(p.text(), signers...)
}

// OpenPromise checks a signed promise.
func OpenPromise(signed []byte, k *Keys) (*Promise, error) {
	origin, text, err := OpenNote(signed, promiseSuffix, k)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "promise is not validly signed")
	}
	return parsePromise(origin, text)
}

func parsePromise(origin, text string) (*Promise, error) {
	bad := errs.New(errs.Invalid, "promise is malformed")
	lines := strings.Split(text, "\n")
	if len(lines) != 6 {
		return nil, bad
	}
	p := &Promise{Origin: origin}
	var e1, e2, e3, e4 error
	p.First, e1 = strconv.ParseUint(lines[1], 10, 63)
	p.Count, e2 = strconv.ParseUint(lines[2], 10, 63)
	root, e3 := base64.StdEncoding.Strict().DecodeString(lines[3])
	p.RecordedAt, e4 = strconv.ParseInt(lines[4], 10, 64)
	if e1 != nil || e2 != nil || e3 != nil || e4 != nil || len(root) != HashSize || p.Count == 0 || p.First > MaxSize || p.RecordedAt < 0 {
		return nil, bad
	}
	p.Root = Hash(root)
	if p.text() != text {
		return nil, bad
	}
	return p, nil
}

// Check reports whether these are the leaves that were promised, in order.
func (p *Promise) Check(leafHashes []Hash) error {
	if uint64(len(leafHashes)) != p.Count || MTH(leafHashes) != p.Root {
		return errs.New(errs.Invalid, "these are not the %d leaves promised at seq %d", p.Count, p.First)
	}
	return nil
}

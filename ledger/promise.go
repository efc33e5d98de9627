package ledger

import (
	"sync"

	"probity.dev/internal/tlog"
)

// sharedPromise is the promise for all that one group commit added to a log. A signature takes as long as everything else that is done for a single event, so the requests of a group
// share one, and each gets the proof of its part. Whoever needs it first signs, outside of the commit.
type sharedPromise struct {
	epoch      int64
	first      uint64 // seq
	recordedAt int64
	leaves     []tlog.Hash

	once  sync.Once
	trees *tlog.Subtrees
	text  string
	err   error
}

// cut returns the promise, and the proof of the part of it that begins at seq first, nil when that is all of it.
func (p *sharedPromise) cut(t *tenant, first, count uint64) (text string, proof *tlog.RangeProof, err error) {
	p.once.Do(func() { p.sign(t) })
	if p.err != nil || count == uint64(len(p.leaves)) {
		return p.text, nil, p.err
	}
	return p.text, p.trees.Prove(first-p.first, count), nil
}

func (p *sharedPromise) sign(t *tenant) {
	p.trees = tlog.NewSubtrees(p.leaves)
	promise := tlog.Promise{Origin: t.origin(p.epoch), First: p.first, Count: uint64(len(p.leaves)), Root: p.trees.Root(), RecordedAt: p.recordedAt}
	text, err := promise.Sign(t.signersOf(promise.Origin)...)
	p.text, p.err = string(text), err
}

package verify

import (
	"context"
	"encoding/binary"
	"fmt"
	"sort"
	"strings"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/tlog"
)

// findNonces reads the log again to name the records whose nonces start with one of these values.
func (c *logCheck) findNonces(ctx context.Context, prefixes map[uint64]bool) error {
	seen := map[string]uint64{}
	var v evidence.View
	err := c.src.Leaves(ctx, 0, c.total, func(index uint64, leaf []byte) error {
		if v.Scan(leaf) != nil || !prefixes[binary.BigEndian.Uint64(v.Nonce)|1] {
			return nil
		}
		if first, ok := seen[string(v.Nonce)]; ok {
			c.problem(NonceRepeated, ptr(c.log.Base+index), "the record has the nonce of the one with seq %d", c.log.Base+first)
			return nil
		}
		seen[string(v.Nonce)] = index
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && c.shortAt == nil {
		c.problem(Unreadable, nil, "the evidence could not be read a second time: %v", err)
	}
	return nil
}

// conclude compares the root with what was signed and puts the problems in order.
func (c *logCheck) conclude() {
	good := c.cp != nil && c.rootAt(c.cp) == agrees
	for i := range c.problems {
		p := &c.problems[i]
		settle(p, good && p.Seq != nil && *p.Seq < c.log.Base+c.cp.Size)
	}
	c.missing()
	c.dropConsequences()
	explained := false // do the records found wrong explain a wrong root?
	for _, p := range c.problems {
		switch p.Kind {
		case LeafChanged, LeavesSwapped, LeafMissing, TailDropped, Unreadable:
			explained = true
		}
	}
	sort.SliceStable(c.problems, func(i, j int) bool { return order(&c.problems[i]) < order(&c.problems[j]) })
	if c.cp != nil && c.rootAt(c.cp) == differs && !explained {
		c.mismatch()
		explained = true
	}
	c.comparePinned(explained)
}

// dropConsequences removes what follows from a record that is not the one that was logged: that its content makes no sense there,
// that its neighbour seems out of order, or that the tiles above it disagree.
func (c *logCheck) dropConsequences() {
	culprit := map[uint64]bool{}
	for _, p := range c.problems {
		if p.Kind == LeafChanged || p.Kind == LeavesSwapped {
			culprit[*p.Seq] = true
			if p.Kind == LeavesSwapped {
				culprit[p.partner] = true
			}
		}
	}
	below := func(p *Problem) bool {
		for seq := range culprit {
			if seq >= *p.Seq && seq-*p.Seq < p.span {
				return true
			}
		}
		return false
	}
	kept := c.problems[:0]
	for _, p := range c.problems {
		switch p.Kind {
		case TileChanged:
			if p.span > 0 && below(&p) {
				continue
			}
		case LeafMalformed, TimeOrder, NonceRepeated, WorkingChanged:
			if p.Seq != nil && (culprit[*p.Seq] || p.Kind == TimeOrder && *p.Seq > 0 && culprit[*p.Seq-1]) {
				continue
			}
		}
		kept = append(kept, p)
	}
	c.problems = kept
}

// order sorts by record, problems of the whole log last.
func order(p *Problem) uint64 {
	if p.Seq == nil {
		return 1 << 63
	}
	return *p.Seq
}

type verdict int

const (
	unknown verdict = iota // the leaves do not reach that size
	agrees
	differs
)

func (c *logCheck) rootAt(cp *tlog.Checkpoint) verdict {
	for _, m := range c.marks {
		if m.size == cp.Size && m.got != nil {
			if *m.got == cp.Root {
				return agrees
			}
			return differs
		}
	}
	return unknown
}

// probe looks whether leaves follow the missing one within its block.
func (c *logCheck) probe(ctx context.Context) {
	at := *c.shortAt + 1
	end := min(c.total, (at/tlog.BlockLeaves+1)*tlog.BlockLeaves)
	for ; at < end && !c.resumed && ctx.Err() == nil; at++ {
		err := c.src.Leaves(ctx, at, 1, func(uint64, []byte) error {
			c.resumed = true
			return nil
		})
		if err != nil && errs.CodeOf(err) != errs.NotFound {
			return // unreadable: nothing is known about what follows
		}
	}
}

func (c *logCheck) missing() {
	if c.shortAt == nil {
		return
	}
	seq, at := c.log.Base+*c.shortAt, *c.shortAt
	for _, p := range c.problems {
		if p.Kind == Unreadable && p.Seq != nil && *p.Seq == seq {
			return
		}
	}
	switch {
	case c.resumed:
		c.problem(LeafMissing, &seq, "the record is missing; later ones are there")
	case c.cp != nil && at < c.cp.Size:
		c.problem(TailDropped, &seq, "the newest records are gone: the signed checkpoint covers %d records, %d are stored", c.cp.Size, at)
	default:
		c.problem(TailDropped, &seq, "storage says that it holds %d records, only %d are there", c.log.Stored, at)
	}
}

// mismatch reports a root that is not the signed one although records and tiles agree, narrowing down where the difference begins.
func (c *logCheck) mismatch() {
	low, high := uint64(0), c.cp.Size
	for _, m := range c.marks {
		if m.got == nil {
			continue
		}
		if *m.got == m.root {
			low = max(low, m.size)
		} else {
			high = min(high, m.size)
		}
	}
	if low > high { // marks contradict each other: the signer has forked
		low = 0
	}
	where := fmt.Sprintf("the first difference is among seq %d to %d", c.log.Base+low, c.log.Base+high-1)
	if high == 0 || low >= high {
		where = "the checkpoint has been replaced"
	}
	seq := c.log.Base + low
	c.problem(RootMismatch, &seq, "records and tiles agree with each other, but not with the signed checkpoint of %d records: the checkpoint was replaced or the log rewritten; %s",
		c.cp.Size, where)
}

func (c *logCheck) comparePinned(explained bool) {
	p := c.pinned
	if p == nil {
		return
	}
	switch {
	case c.cp != nil && c.cp.Size < p.Size:
		c.problem(Rollback, ptr(c.log.Base+c.cp.Size), "the log is older than a checkpoint seen before: it has %d records now and had %d: an old copy was restored, or records were dropped",
			c.cp.Size, p.Size)
	case c.cp != nil && c.cp.Size == p.Size && c.cp.Root != p.Root:
		c.problem(Fork, nil, "two different checkpoints of %d records have been signed: the log has forked", p.Size)
	case c.rootAt(p) == differs && !explained:
		c.problem(Fork, nil, "the log does not continue the one seen before: its first %d records are not those of the pinned checkpoint", p.Size)
	case c.cp == nil && c.head.Size < p.Size:
		c.problem(Rollback, ptr(c.log.Base+c.head.Size), "the log has %d records and had %d when it was seen last", c.head.Size, p.Size)
	}
}

// checkEpochs checks how the epochs of each log follow each other.
func checkEpochs(r *Report, logs []*logCheck) {
	byLog := map[string][]*logCheck{}
	for _, c := range logs {
		byLog[c.log.LogID] = append(byLog[c.log.LogID], c)
		if want := fmt.Sprintf("/%s/%d", c.log.LogID, c.log.Epoch); c.log.LogID != "" && !strings.HasSuffix(c.log.Origin, want) {
			r.add(Problem{Kind: EpochBroken, Origin: c.log.Origin, Message: "the origin does not name this log and epoch"})
		}
	}
	for _, epochs := range byLog {
		sort.Slice(epochs, func(i, j int) bool { return epochs[i].log.Epoch < epochs[j].log.Epoch })
		for i := 1; i < len(epochs); i++ {
			a, b := epochs[i-1], epochs[i]
			seq := b.log.Base
			switch {
			case a.log.Epoch == b.log.Epoch:
				r.add(Problem{Kind: EpochBroken, Origin: b.log.Origin, Seq: &seq, Message: "the epoch is there twice"})
			case b.log.Base < a.log.Base+max(a.report.Size, a.report.Pinned):
				r.add(Problem{Kind: EpochBroken, Origin: b.log.Origin, Seq: &seq, Message: "the epoch begins within the numbers of the one before it"})
			case b.firstTime != 0 && b.firstTime < a.lastTime:
				r.add(Problem{Kind: TimeOrder, Origin: b.log.Origin, Seq: &seq, Message: "the epoch begins before the last record of the one before it"})
			}
		}
	}
}

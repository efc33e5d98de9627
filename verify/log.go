package verify

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
)

// Dir checks the logs in a data directory, or wherever else the sources read from. target is what the report calls it. An error means
// that the check could not be made; everything that is wrong with a log is in the report.
func Dir(ctx context.Context, target string, logs []Source, opt Options) (*Report, error) {
	return checkLogs(ctx, &Report{Target: target, Kind: "directory"}, logs, opt)
}

func checkLogs(ctx context.Context, r *Report, logs []Source, opt Options) (*Report, error) {
	start := time.Now()
	st, err := openState(opt.State)
	if err != nil {
		return nil, err
	}
	var events uint64
	var done []*logCheck
	for _, src := range logs {
		c := &logCheck{src: src, log: src.Log(), opt: opt, state: st, done: events}
		if c.keys = opt.Keys; c.keys == nil {
			r.OwnKeys = true
			if c.keys, err = tlog.ParseKeys(c.log.Keys); err != nil {
				c.keys = &tlog.Keys{}
			}
		}
		if err := c.run(ctx); err != nil {
			return nil, err
		}
		for _, p := range c.problems {
			r.add(p)
		}
		r.Notes = append(r.Notes, c.notes...)
		r.Logs = append(r.Logs, c.report)
		events += c.report.Leaves
		done = append(done, c)
	}
	for origin := range st.notes {
		if !slices.ContainsFunc(done, func(c *logCheck) bool { return c.log.Origin == origin }) {
			r.add(Problem{Kind: Rollback, Origin: origin, Message: "the state file has a checkpoint of this log, which is not there any more"})
		}
	}
	checkEpochs(r, done)
	r.finish(start, events)
	if r.OK {
		for _, c := range done {
			st.pin(c.log.Origin, c.log.Checkpoint)
		}
		if err := st.save(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// logCheck is the check of one epoch of one log.
type logCheck struct {
	src   Source
	log   Log
	opt   Options
	keys  *tlog.Keys
	state *state
	done  uint64 // leaves of the logs before, for progress

	cp     *tlog.Checkpoint
	pinned *tlog.Checkpoint
	marks  []mark
	total  uint64 // leaves to look at

	head      tlog.Head
	upper     [][]tlog.Hash // nodes of tile levels 2 and up that await their tile
	last      *block        // the last block, for its right edge
	firstTime int64
	lastTime  int64
	shortAt   *uint64 // where the first leaf is missing
	resumed   bool    // leaves follow a missing one

	report   LogReport
	problems []Problem
	notes    []string
}

// mark is a size at which the root is known from a signed checkpoint.
type mark struct {
	size uint64
	root tlog.Hash
	got  *tlog.Hash // what the leaves give
}

func (c *logCheck) problem(kind Kind, seq *uint64, format string, args ...any) {
	c.problems = append(c.problems, Problem{Kind: kind, Origin: c.log.Origin, Seq: seq, Message: fmt.Sprintf(format, args...)})
}

func (c *logCheck) run(ctx context.Context) error {
	c.report = LogReport{Origin: c.log.Origin, Epoch: c.log.Epoch, Base: c.log.Base}
	c.openCheckpoints()
	c.total = c.log.Stored
	if c.cp != nil {
		c.total = max(c.total, c.cp.Size)
		c.report.Size, c.report.Root = c.cp.Size, hex.EncodeToString(c.cp.Root[:])
	}
	all, err := c.blocks(ctx)
	if err != nil {
		return err
	}
	if c.shortAt != nil && !c.resumed {
		c.probe(ctx)
	} else if c.log.PartialTiles && c.shortAt == nil {
		c.edgeTiles(ctx)
	}
	if err := c.repeatedNonces(ctx, all); err != nil {
		return err
	}
	c.conclude()
	return nil
}

func (c *logCheck) openCheckpoints() {
	cp, err := tlog.Open(c.log.Checkpoint, c.keys)
	switch {
	case len(c.log.Checkpoint) == 0:
		c.problem(CheckpointInvalid, nil, "the log has no signed checkpoint")
	case err != nil:
		c.problem(CheckpointInvalid, nil, "the checkpoint is not one that the log's key signed: %v", err)
	case cp.Origin != c.log.Origin:
		c.problem(CheckpointInvalid, nil, "the checkpoint is that of another log, %s", cp.Origin)
	default:
		c.cp = cp
		c.marks = append(c.marks, mark{size: cp.Size, root: cp.Root})
	}
	if c.pinned, err = c.state.pinned(c.log.Origin, c.keys); err != nil {
		c.problem(CheckpointInvalid, nil, "the checkpoint in the state file is not signed by a key that was given: %v", err)
	} else if c.pinned != nil {
		c.report.Pinned = c.pinned.Size
		c.marks = append(c.marks, mark{size: c.pinned.Size, root: c.pinned.Root})
	}
	for _, text := range c.log.Older {
		if o, err := tlog.Open(text, c.keys); err == nil && o.Origin == c.log.Origin {
			c.marks = append(c.marks, mark{size: o.Size, root: o.Root})
		}
	}
	sort.SliceStable(c.marks, func(i, j int) bool { return c.marks[i].size < c.marks[j].size })
}

// blocks checks all blocks in parallel and merges them in order.
func (c *logCheck) blocks(ctx context.Context) ([]*nonces, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := c.opt.workers()
	c.noteMarks() // of an empty tree
	count := int((c.total + tlog.BlockLeaves - 1) / tlog.BlockLeaves)
	results := make(chan (chan *block), workers+1)
	type job struct {
		first uint64
		out   chan *block
	}
	jobs := make(chan job)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	working, _ := c.src.(WorkingSource)
	all := make([]*nonces, workers)
	for i := range workers {
		all[i] = newNonces(c.total)
		w := &worker{ctx: ctx, src: c.src, log: &c.log, nonces: all[i], working: working}
		wg.Go(func() {
			for j := range jobs {
				j.out <- w.run(j.first, min(tlog.BlockLeaves, c.total-j.first), c.tileSize())
			}
		})
	}
	wg.Go(func() {
		defer close(results)
		defer close(jobs)
		for i := range count {
			out := make(chan *block, 1)
			select {
			case results <- out:
			case <-ctx.Done():
				return
			}
			select {
			case jobs <- job{uint64(i) * tlog.BlockLeaves, out}:
			case <-ctx.Done():
				return
			}
		}
	})
	for range count {
		select {
		case out := <-results:
			select {
			case b := <-out:
				c.merge(ctx, b)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return all, ctx.Err()
}

// tileSize is the size of the tree whose tiles are stored.
func (c *logCheck) tileSize() uint64 {
	if c.log.PartialTiles && c.cp != nil {
		return c.cp.Size
	}
	return c.total
}

// merge takes the next block in order.
func (c *logCheck) merge(ctx context.Context, b *block) {
	c.report.Leaves += uint64(len(b.hashes))
	c.report.Tiles += b.tiles
	c.report.Working += b.working
	c.problems = append(c.problems, b.problems...)
	if b.firstTime != 0 {
		if b.firstTime < c.lastTime {
			c.problem(TimeOrder, ptr(c.log.Base+b.first), "recorded_at is earlier than that of the record before it")
		}
		if c.firstTime == 0 {
			c.firstTime = b.firstTime
		}
		c.lastTime = b.lastTime
	}
	if c.shortAt != nil {
		c.resumed = c.resumed || len(b.hashes) > 0
		return
	}
	end := b.first + uint64(len(b.hashes))
	c.grow(ctx, b)
	if end < b.first+b.want {
		c.shortAt = &end
		if b.err != nil && errs.CodeOf(b.err) != errs.NotFound {
			c.problem(Unreadable, ptr(c.log.Base+end), "the evidence cannot be read from here: %v", b.err)
		}
	}
	if c.opt.Progress != nil {
		c.opt.Progress(c.done+c.report.Leaves, c.done+c.total)
	}
	c.last = b
}

// grow adds a block to the tree, noting the root at every mark.
func (c *logCheck) grow(ctx context.Context, b *block) {
	inside := slices.ContainsFunc(c.marks, func(m mark) bool { return m.size > b.first && m.size < b.first+tlog.BlockLeaves })
	if b.full() && !inside {
		c.head.AppendSubtree(tlog.BlockHeight, b.root) //nolint:errcheck // blocks are aligned
		c.noteMarks()
	} else {
		for _, h := range b.hashes {
			c.head.AppendLeaf(h)
			c.noteMarks()
		}
	}
	if b.full() {
		c.addUpper(ctx, 2, b.first/tlog.BlockLeaves, b.root)
		b.hashes = b.hashes[:0:0]
	}
}

func (c *logCheck) noteMarks() {
	for i := range c.marks {
		if m := &c.marks[i]; m.got == nil && m.size == c.head.Size {
			r := c.head.Root()
			m.got = &r
		}
	}
}

// addUpper adds a node to a tile level from 2 up and compares the stored tile when it is full.
func (c *logCheck) addUpper(ctx context.Context, level uint8, index uint64, node tlog.Hash) {
	for len(c.upper) <= int(level) {
		c.upper = append(c.upper, nil)
	}
	c.upper[level] = append(c.upper[level], node)
	if len(c.upper[level]) < tlog.TileWidth {
		return
	}
	nodes := c.upper[level]
	c.upper[level] = nil
	c.compareUpper(ctx, level, index/tlog.TileWidth, nodes)
	c.addUpper(ctx, level+1, index/tlog.TileWidth, tlog.MTH(nodes))
}

func (c *logCheck) compareUpper(ctx context.Context, level uint8, index uint64, nodes []tlog.Hash) {
	t := tlog.Tile{Level: level, Index: index, Width: len(nodes)}
	got, err := c.src.ReadTile(ctx, level, index, len(nodes))
	what := "a stored tree tile cannot be read"
	if err == nil {
		c.report.Tiles++
		if len(got) == len(nodes)*tlog.HashSize {
			for i := range nodes {
				if string(got[i*tlog.HashSize:(i+1)*tlog.HashSize]) != string(nodes[i][:]) {
					what, err = "a stored tree tile disagrees with the tiles below it", fmt.Errorf("entry %d", i)
					break
				}
			}
			if err == nil {
				return
			}
		}
	}
	if ctx.Err() != nil {
		return
	}
	c.problem(TileChanged, ptr(c.log.Base+index<<(tlog.TileHeight*(uint(level)+1))), "%s: %v", what, err)
	p := &c.problems[len(c.problems)-1]
	p.Where, p.span = t.Path(), uint64(len(nodes))<<(tlog.TileHeight*uint(level))
}

// edgeTiles compares the partial tiles of the upper levels, where the source serves them.
func (c *logCheck) edgeTiles(ctx context.Context) {
	if c.cp == nil || c.head.Size != c.cp.Size {
		return
	}
	if b := c.last; b != nil && b.want != tlog.BlockLeaves && len(b.nodes) > 0 {
		c.compareUpper(ctx, 1, b.first/tlog.BlockLeaves, b.nodes)
	}
	for level := 2; level < len(c.upper); level++ {
		if nodes := c.upper[level]; len(nodes) > 0 {
			c.compareUpper(ctx, uint8(level), c.cp.Size>>(tlog.TileHeight*(uint(level)+1)), nodes)
		}
	}
}

// repeatedNonces looks for nonces that occur twice; only when a prefix does is the log read again.
func (c *logCheck) repeatedNonces(ctx context.Context, all []*nonces) error {
	if len(all) > 0 && all[0].skip > 0 {
		c.notes = append(c.notes, fmt.Sprintf("log %s: one nonce in %d was compared with the others", c.log.Origin, 1<<all[0].skip))
	}
	again := repeated(all)
	if len(again) == 0 {
		return nil
	}
	return c.findNonces(ctx, again)
}

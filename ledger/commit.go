package ledger

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"probity.dev/internal/confine"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/person"
	"probity.dev/ledger/segment"
)

// Bounds of one group commit. Submissions that arrive while a commit is under way form the next group, so latency is about two commits under load and one
// without.
const (
	groupEvents = 16_384
	groupBytes  = 32 << 20
	queueLength = 4096
	blockEvents = 65_536 // hot rows never straddle a block, and a sealed segment never does
)

// Effect is a change that is committed together with its event. It runs in the same transaction, under a savepoint, and must do nothing else that lasts.
type Effect func(ctx context.Context, tx *sql.Tx) error

// submission is a group of events that belong together: one request, or one decision with its effect.
type submission struct {
	ctx    context.Context
	t      *tenant
	events []encoded
	people person.Batch
	effect Effect
	atomic bool
	period periodID
	bytes  int
	// refresh asks for what other processes have done, and nothing else.
	refresh bool
	// prove asks, beside that, to compare the log with the high-water mark in any case.
	prove bool

	results  []Result // one for each event
	first    uint64   // seq of the first accepted event
	accepted int
	promise  *sharedPromise
	recorded int64
	err      error
	done     chan struct{}
}

var errClosing = errs.New(errs.Unavailable, "the server is shutting down")

var errPeriod = errors.New("the month changed between encoding and commit")

// committer is the only writer of logs in this process. MUST be the only goroutine that touches dedupe windows and trees.
type committer struct {
	l      *Ledger
	queue  chan *submission
	quit   chan struct{}
	idle   chan struct{}
	hasher tlog.Hasher
}

func newCommitter(l *Ledger) *committer {
	c := &committer{l: l, queue: make(chan *submission, queueLength), quit: make(chan struct{}), idle: make(chan struct{})}
	go c.run()
	return c
}

// submit hands s over and waits until it is durable or has failed. A context that ends while s is queued does not take s back.
func (c *committer) submit(s *submission) error {
	s.done = make(chan struct{})
	select {
	case c.queue <- s:
	case <-c.quit:
		return errClosing
	default:
		e := errs.New(errs.Throttled, "too many appends are waiting")
		e.RetryAfter = time.Second
		return e
	}
	select {
	case <-s.done:
		return s.err
	case <-c.idle: // it may have been queued when the committer had looked for the last time
	}
	select {
	case <-s.done:
		return s.err
	default:
		return errClosing
	}
}

func (c *committer) run() {
	defer close(c.idle)
	for {
		select {
		case s := <-c.queue:
			c.commit(c.gather([]*submission{s}))
		case <-c.quit:
			for {
				select {
				case s := <-c.queue:
					c.commit(c.gather([]*submission{s}))
				default:
					return
				}
			}
		}
	}
}

func (c *committer) stop() {
	close(c.quit)
	<-c.idle
}

// gather adds what has arrived to a group, up to its bounds.
func (c *committer) gather(group []*submission) []*submission {
	events, bytes := 0, 0
	for _, s := range group {
		events += len(s.events)
		bytes += s.bytes
	}
	for events < groupEvents && bytes < groupBytes {
		select {
		case s := <-c.queue:
			group = append(group, s)
			events += len(s.events)
			bytes += s.bytes
		default:
			return group
		}
	}
	return group
}

// commit makes a group durable in one transaction and answers every submission of it.
func (c *committer) commit(group []*submission) {
	group, questions := apart(group)
	if c.takeUp(questions); len(group) == 0 {
		return
	}
	start := time.Now()
	logs := map[*tenant]*logAppend{}
	questions = nil
	// Whoever asked may be gone; what is under way is finished.
	ctx, end := c.l.span(context.Background(), spanCommit)
	err := c.l.db.Write(ctx, func(tx *sql.Tx) error {
		if c.l.db.Shared() { // while others had the lock, more has arrived
			group, questions = apart(c.gather(group))
		}
		events := 0
		for _, s := range group {
			events += len(s.events)
		}
		trace.SpanFromContext(ctx).SetAttributes(attribute.Int("probity.requests", len(group)), attribute.Int("probity.events", events))
		for _, s := range group {
			a := logs[s.t]
			if a == nil {
				if err := c.current(ctx, tx, s.t); err != nil {
					return err
				}
				a = newLogAppend(s.t, events)
				logs[s.t] = a
			}
			if s.err = s.t.usable(); s.err != nil {
				continue
			}
			if err := c.one(ctx, tx, a, s); err != nil {
				return err
			}
		}
		for _, a := range logs {
			if err := a.t.people.Persist(ctx, tx, a.people...); err != nil {
				return err
			}
			if err := a.store(ctx, c.l.db, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, s := range group {
			if s.err == nil {
				s.err = err
			}
		}
	} else {
		for _, a := range logs {
			a.apply(c.l)
			a.t.people.Kept()
		}
	}
	for _, s := range group {
		if s.err == nil {
			s.t.people.Committed(&s.people)
		}
		close(s.done)
	}
	c.l.metrics.commit(group, time.Since(start))
	end(err)
	c.takeUp(questions)
}

// apart separates those who only ask for what other processes have done.
func apart(group []*submission) (rest, questions []*submission) {
	for _, s := range group {
		if s.refresh {
			questions = append(questions, s)
		} else {
			rest = append(rest, s)
		}
	}
	return rest, questions
}

// one prepares a submission inside the transaction. An error of the submission stays with it (s.err); a returned error fails the whole group.
func (c *committer) one(ctx context.Context, tx *sql.Tx, a *logAppend, s *submission) error {
	a.stamp()
	if len(s.events) > 0 && evidence.Period(a.recordedAt) != s.period.period {
		s.err = errPeriod
		return nil
	}
	if s.err = s.t.people.Check(ctx, &s.people); s.err != nil {
		return diskTrouble(s.err)
	}
	mark := a.mark()
	if s.err = c.choose(ctx, tx, a, s); s.err != nil {
		a.reset(mark)
		return nil
	}
	// Nothing of a submission without an effect can fail any more but the database, which is everybody's trouble. A changed name rewrites what is stored of the
	// person: if that is damaged, it is the trouble of those who name the person.
	if s.effect == nil && !s.people.Rewrites() {
		a.people = append(a.people, &s.people)
		return nil
	}
	var failed error
	err := sqldb.Savepoint(ctx, tx, "submission", func() error {
		failed = s.t.people.Persist(ctx, tx, &s.people)
		if failed == nil && s.effect != nil {
			// What somebody's request changes beside the log stays within what the request may touch.
			failed = c.l.db.Confined(ctx, tx, confine.Of(s.ctx), func() error { return s.effect(ctx, tx) })
		}
		return failed
	})
	if failed != nil {
		s.err = failed
		a.reset(mark)
		return diskTrouble(failed)
	}
	return err
}

// diskTrouble returns err when the database itself is in trouble, so that nothing of the group is committed on doubtful ground.
func diskTrouble(err error) error {
	if errs.CodeOf(err) == errs.Unavailable {
		return err
	}
	return nil
}

// choose decides which events of a submission are new, and appends those to the log's pending rows.
func (c *committer) choose(ctx context.Context, tx *sql.Tx, a *logAppend, s *submission) error {
	s.results = make([]Result, len(s.events))
	s.first, s.accepted, s.recorded = a.next(), 0, a.recordedAt
	for i := range s.events {
		e := &s.events[i]
		r := &s.results[i]
		r.Index = i
		seq, digest, known, err := a.known(ctx, tx, e.print)
		if err != nil {
			return err
		}
		switch {
		case !known:
			r.Status, r.Seq = StatusAccepted, a.next()
			a.add(e)
			s.accepted++
		case digest == e.digest:
			r.Status, r.Seq = StatusDuplicate, seq
		default:
			r.Status, r.Seq = StatusRejected, seq
			r.Err = errs.Field("/id", "conflict", "an event with the same source and id but other content is recorded as seq %d", seq)
			r.Err.Code = errs.Conflict
			if s.atomic {
				return r.Err
			}
		}
		r.ID = e.row.EventID
	}
	fresh := a.hash(&c.hasher)
	for i := range s.results {
		if r := &s.results[i]; r.Status == StatusAccepted {
			r.LeafHash, fresh = fresh[0], fresh[1:]
		}
	}
	s.promise = a.promise
	return nil
}

// logAppend collects what one group appends to one log.
type logAppend struct {
	t          *tenant
	from       *headState
	recordedAt int64
	leaves     [][]byte
	hashes     []tlog.Hash
	rows       []segment.Row
	prints     []uint64
	digests    []uint64
	recent     map[uint64]int // fingerprints of this group
	tree       *tlog.Tree
	batches    []HotBatch
	people     []*person.Batch // of submissions without an effect
	promise    *sharedPromise  // filled in by apply
}

func newLogAppend(t *tenant, events int) *logAppend {
	from := t.committed.Load()
	return &logAppend{t: t, from: from, recordedAt: from.recordedAt, recent: make(map[uint64]int, events), leaves: make([][]byte, 0, events), hashes: make([]tlog.Hash, 0, events),
		promise: &sharedPromise{}, rows: make([]segment.Row, 0, events), prints: make([]uint64, 0, events), digests: make([]uint64, 0, events)}
}

// stamp fixes the group's recorded_at: the server's time, never before that of an earlier event.
func (a *logAppend) stamp() {
	if len(a.leaves) == 0 {
		a.recordedAt = max(sqldb.Now(), a.from.recordedAt)
	}
}

func (a *logAppend) next() uint64 { return a.from.base + a.from.tree.Size() + uint64(len(a.leaves)) }
func (a *logAppend) mark() int    { return len(a.leaves) }

func (a *logAppend) reset(mark int) {
	for _, p := range a.prints[mark:] {
		delete(a.recent, p)
	}
	a.leaves, a.hashes, a.rows = a.leaves[:mark], a.hashes[:mark], a.rows[:mark]
	a.prints, a.digests = a.prints[:mark], a.digests[:mark]
}

// known reports whether an event with this fingerprint is recorded, or about to be by this group.
func (a *logAppend) known(ctx context.Context, tx *sql.Tx, print uint64) (seq, digest uint64, known bool, err error) {
	if i, ok := a.recent[print]; ok {
		return a.from.base + a.from.tree.Size() + uint64(i), a.digests[i], true, nil
	}
	err = a.t.dedupe.find(print, func(at uint64) (bool, error) {
		stored, d, err := a.storedPrint(ctx, tx, at)
		if err != nil || stored != print {
			return false, err
		}
		seq, digest, known = at, d, true
		return true, nil
	})
	return seq, digest, known, err
}

// storedPrint reads the fingerprint and the digest of a recorded event.
func (a *logAppend) storedPrint(ctx context.Context, tx *sql.Tx, seq uint64) (print, digest uint64, err error) {
	var first uint64
	var body []byte
	err = tx.QueryRowContext(ctx, `SELECT first_seq, body FROM dedupe WHERE log_id = $1 AND first_seq <= $2 ORDER BY first_seq DESC LIMIT 1`, a.t.logID, seq).Scan(&first, &body)
	if err != nil {
		return 0, 0, sqldb.Translate(err)
	}
	at := int(seq-first) * dedupeBytes
	if at+dedupeBytes > len(body) {
		return 0, 0, fmt.Errorf("the fingerprints of seq %d are missing", seq)
	}
	return binary.BigEndian.Uint64(body[at:]), binary.BigEndian.Uint64(body[at+8:]), nil
}

func (a *logAppend) add(e *encoded) {
	evidence.Restamp(e.leaf, a.recordedAt)
	e.row.RecordedAt, e.row.Seq = a.recordedAt, int64(a.next())
	a.recent[e.print] = len(a.leaves)
	a.leaves, a.rows = append(a.leaves, e.leaf), append(a.rows, e.row)
	a.prints, a.digests = append(a.prints, e.print), append(a.digests, e.digest)
}

// hash returns the hashes of the leaves added since the last time.
func (a *logAppend) hash(h *tlog.Hasher) []tlog.Hash {
	from := len(a.hashes)
	for _, leaf := range a.leaves[from:] {
		if h.Leaf(leaf); h.Len() == tlog.LeavesAtOnce {
			a.hashes = h.Leaves(a.hashes)
		}
	}
	a.hashes = h.Leaves(a.hashes)
	return a.hashes[from:]
}

// store writes the group's rows, tiles and head. The head moves by compare-and-set, so a second writer cannot fork the log.
func (a *logAppend) store(ctx context.Context, db *sqldb.DB, tx *sql.Tx) error {
	if len(a.leaves) == 0 {
		return nil
	}
	a.tree = a.from.tree.Clone()
	tiles := a.tree.Append(a.hashes)
	put := make([]sqldb.Statement, 0, len(tiles)+4)
	for _, tile := range tiles {
		put = append(put, sqldb.Statement{SQL: `INSERT INTO tile (log_id, epoch, level, idx, body) VALUES ($1, $2, $3, $4, $5)`,
			Args: []any{a.t.logID, a.from.epoch, tile.Level, tile.Index, tile.Data}})
	}
	first := a.from.base + a.from.tree.Size()
	for i := 0; i < len(a.leaves); {
		n := min(len(a.leaves)-i, blockEvents-int((first+uint64(i)-a.from.base)%blockEvents))
		put = a.storeRows(put, first+uint64(i), i, i+n)
		i += n
	}
	root := a.tree.Root()
	put = append(put, sqldb.Statement{SQL: `UPDATE log SET size = $1, root = $2, recorded_at = $3 WHERE log_id = $4 AND epoch = $5 AND size = $6`,
		Args: []any{a.tree.Size(), root[:], a.recordedAt, a.t.logID, a.from.epoch, a.from.tree.Size()}})
	changed, err := db.Exec(ctx, tx, put...)
	if err != nil {
		return err
	}
	if changed[len(changed)-1] != 1 {
		return errs.New(errs.Unavailable, "another server is writing to this log")
	}
	return nil
}

// storeRows adds the statements that store the leaves i to j, which begin at seq first.
func (a *logAppend) storeRows(put []sqldb.Statement, first uint64, i, j int) []sqldb.Statement {
	size := 0
	for _, leaf := range a.leaves[i:j] {
		size += 2 + len(leaf)
	}
	leaves := make([]byte, 0, size)
	for _, leaf := range a.leaves[i:j] {
		leaves = binary.BigEndian.AppendUint16(leaves, uint16(len(leaf)))
		leaves = append(leaves, leaf...)
	}
	size = 4096
	for k := i; k < j; k++ {
		r := &a.rows[k]
		size += 128 + len(r.ResourceID) + len(r.EventID) + len(r.CorrelationID) + len(r.Clear) + len(r.Sealed)
	}
	working := segment.AppendBatch(make([]byte, 0, size), a.rows[i:j])
	prints := make([]byte, 0, (j-i)*dedupeBytes)
	for k := i; k < j; k++ {
		prints = binary.BigEndian.AppendUint64(prints, a.prints[k])
		prints = binary.BigEndian.AppendUint64(prints, a.digests[k])
	}
	a.batches = append(a.batches, HotBatch{First: first, Count: uint64(j - i), Recorded: a.recordedAt, Body: working})
	return append(put, sqldb.Statement{SQL: `INSERT INTO hot_evidence (log_id, first_seq, count, body) VALUES ($1, $2, $3, $4)`, Args: []any{a.t.logID, first, j - i, leaves}},
		sqldb.Statement{SQL: `INSERT INTO hot_working (log_id, first_seq, count, recorded_at, body) VALUES ($1, $2, $3, $4, $5)`, Args: []any{a.t.logID, first, j - i, a.recordedAt, working}},
		sqldb.Statement{SQL: `INSERT INTO dedupe (log_id, first_seq, count, recorded_at, body) VALUES ($1, $2, $3, $4, $5)`, Args: []any{a.t.logID, first, j - i, a.recordedAt, prints}})
}

// apply makes the committed state visible in memory.
func (a *logAppend) apply(l *Ledger) {
	if len(a.leaves) == 0 {
		return
	}
	for i, p := range a.prints {
		a.t.dedupe.add(p, a.from.base+a.from.tree.Size()+uint64(i))
	}
	a.t.dedupe.loaded = a.from.base + a.tree.Size()
	p := a.promise
	p.epoch, p.first, p.recordedAt, p.leaves = a.from.epoch, a.from.base+a.from.tree.Size(), a.recordedAt, a.hashes
	a.t.hot.add(a.batches...)
	a.t.committed.Store(&headState{epoch: a.from.epoch, base: a.from.base, tree: a.tree, edge: a.tree.Edge(), recordedAt: a.recordedAt})
	l.appended(a.t)
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/evidence/bundle"
	"probity.dev/internal/tlog"
)

// Bundle checks an audit bundle with nothing but the file and the log's key. An error means that the file cannot be opened at all;
// everything else that is wrong is in the report. With Options.State the bundle's checkpoint must not contradict the pinned one of the
// same size; a bundle never changes the state file.
func Bundle(ctx context.Context, path string, opt Options) (*Report, error) {
	start := time.Now()
	r := &Report{Target: path, Kind: "bundle"}
	st, err := openState(opt.State)
	if err != nil {
		return nil, err
	}
	in, err := bundle.Open(path)
	if err != nil {
		if errs.CodeOf(err) == errs.NotFound {
			return nil, err
		}
		r.add(Problem{Kind: BundleInvalid, Message: err.Error()})
		r.finish(start, 0)
		return r, nil
	}
	defer in.Close() //nolint:errcheck // it was only read
	c := &bundleCheck{in: in, m: in.Manifest, opt: opt, state: st, r: r}
	if err := c.run(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var p *stop
		if !errors.As(err, &p) {
			p = &stop{Problem{Kind: BundleInvalid, Message: err.Error()}}
		}
		p.Origin = c.m.Origin
		r.add(p.Problem)
	}
	for i := range r.Logs {
		r.Logs[i].Leaves = c.leaves
	}
	r.finish(start, c.leaves)
	return r, nil
}

// stop is a problem that ends the check: what follows it cannot be judged.
type stop struct{ Problem }

func (s *stop) Error() string { return s.String() }

func stopAt(kind Kind, seq uint64, format string, args ...any) error {
	return &stop{Problem{Kind: kind, Seq: &seq, Message: fmt.Sprintf(format, args...)}}
}

type bundleCheck struct {
	in     *bundle.Reader
	m      *bundle.Manifest
	opt    Options
	state  *state
	r      *Report
	keys   *tlog.Keys
	cp     *tlog.Checkpoint
	match  *bundle.Matcher
	events *eventStream
	leaves uint64
	queue  []shownEvent

	firstTime, lastTime int64
}

func (c *bundleCheck) run(ctx context.Context) error {
	if err := c.open(); err != nil {
		return err
	}
	tags, err := c.in.Tags()
	if err != nil {
		return err
	}
	if c.match, err = bundle.NewMatcher(c.m.Filter, tags); err != nil {
		return err
	}
	c.events = &eventStream{in: c.in, parts: c.in.Parts(bundle.Events)}
	if c.m.Proof == bundle.ModeInclusion {
		err = c.flushBefore(c.inclusion(ctx))
	} else {
		err = c.ranged(ctx)
	}
	if err != nil {
		return err
	}
	if c.r.Bundle.Events != c.m.Events {
		return errs.New(errs.Invalid, "the bundle has %d events, its manifest says %d", c.r.Bundle.Events, c.m.Events)
	}
	return c.in.CheckFiles()
}

// open checks signatures: of the manifest first, since nothing else is worth reading without it.
func (c *bundleCheck) open() error {
	m := c.m
	c.r.Bundle = &BundleReport{CreatedAt: m.CreatedAt, Completeness: m.Completeness.Kind, Scope: m.Completeness.Scope, Claimed: m.Completeness.Claimed, Masking: m.Masking}
	if m.Range != nil {
		c.r.Bundle.First = m.Range.First
	}
	var err error
	if c.keys = c.opt.Keys; c.keys == nil {
		c.r.OwnKeys = true
		if c.keys, err = c.in.Keys(); err != nil {
			return err
		}
	}
	if err := c.in.CheckSignature(c.keys); err != nil {
		return &stop{Problem{Kind: BundleInvalid, Where: "manifest.sig", Message: "the manifest is not signed by the log's key, or was changed afterwards: " + errs.Message(err)}}
	}
	text, err := c.in.Checkpoint()
	if err != nil {
		return err
	}
	if c.cp, err = tlog.Open(text, c.keys); err != nil || c.cp.Origin != m.Origin || c.cp.Size != m.TreeSize {
		return &stop{Problem{Kind: CheckpointInvalid, Where: "checkpoint", Message: "the checkpoint is not one that the log's key signed for this bundle"}}
	}
	c.r.Logs = []LogReport{{Origin: m.Origin, Epoch: m.Epoch, Base: m.Base, Size: c.cp.Size, Root: fmt.Sprintf("%x", c.cp.Root)}}
	pinned, err := c.state.pinned(m.Origin, c.keys)
	if err != nil {
		return err
	}
	if pinned != nil && pinned.Size == c.cp.Size && pinned.Root != c.cp.Root {
		return &stop{Problem{Kind: Fork, Message: fmt.Sprintf("the bundle's checkpoint of %d records is not the one seen before: the log has forked", pinned.Size)}}
	}
	if pinned != nil && pinned.Size != c.cp.Size {
		c.r.Notes = append(c.r.Notes, "the pinned checkpoint has another size than the bundle's; verify the server against the state file to compare them")
	}
	return nil
}

// inclusion checks events that bring their own proofs.
func (c *bundleCheck) inclusion(ctx context.Context) error {
	for {
		e, err := c.events.next()
		if errors.Is(err, io.EOF) {
			return ctx.Err()
		} else if err != nil {
			return err
		}
		if e.Seq < c.m.Base {
			return stopAt(RowForeign, e.Seq, "the event is not of this log")
		}
		hash := tlog.LeafHash(e.Leaf)
		if err := tlog.VerifyInclusion(hash, e.Seq-c.m.Base, c.cp.Size, e.Path, c.cp.Root); err != nil {
			return stopAt(RowForeign, e.Seq, "the event is not in the log at this place")
		}
		var v evidence.View
		if err := v.Scan(e.Leaf); err != nil {
			return stopAt(LeafMalformed, e.Seq, "the record is not valid evidence")
		}
		if ok, why := c.match.Match(&v); !ok {
			return stopAt(RowForeign, e.Seq, "the event does not match the filter (%s)", why)
		}
		if err := c.event(e, hash, e.Leaf); err != nil {
			return err
		}
		c.leaves++
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// eventStream reads the events of all parts in order.
type eventStream struct {
	in    *bundle.Reader
	parts int
	at    int
	cur   *bundle.EventPart
	head  *bundle.Event
	last  uint64
	any   bool
}

func (s *eventStream) peek() (*bundle.Event, error) {
	for s.head == nil {
		if s.cur == nil {
			if s.at == s.parts {
				return nil, io.EOF
			}
			var err error
			if s.cur, err = s.in.EventPart(s.at); err != nil {
				return nil, err
			}
			s.at++
		}
		e, err := s.cur.Next()
		if errors.Is(err, io.EOF) {
			s.cur = nil
			continue
		} else if err != nil {
			return nil, err
		}
		if s.any && e.Seq <= s.last {
			return nil, stopAt(BundleInvalid, e.Seq, "the events are not in order, or one is there twice")
		}
		s.head, s.last, s.any = e, e.Seq, true
	}
	return s.head, nil
}

func (s *eventStream) drop() { s.head = nil }

func (s *eventStream) next() (*bundle.Event, error) {
	e, err := s.peek()
	s.drop()
	return e, err
}

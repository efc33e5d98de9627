package verify

import (
	"sync"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/evidence/bundle"
	"probity.dev/internal/tlog"
)

// shownEvent is an event of the bundle that awaits the comparison of what is shown with its leaf.
type shownEvent struct {
	event *bundle.Event
	hash  tlog.Hash
	leaf  []byte
}

// queueLength is how many events are compared at a time, in parallel.
const queueLength = 2048

// event queues an event. Events are queued in order, so a problem found later belongs to a later record.
func (c *bundleCheck) event(e *bundle.Event, hash tlog.Hash, leaf []byte) error {
	c.queue = append(c.queue, shownEvent{e, hash, leaf})
	if len(c.queue) < queueLength {
		return nil
	}
	return c.flush()
}

// flushBefore compares the queued events, which come before whatever err is about.
func (c *bundleCheck) flushBefore(err error) error {
	if e := c.flush(); e != nil {
		return e
	}
	return err
}

// flush compares the queued events and returns the first problem among them.
func (c *bundleCheck) flush() error {
	workers := min(c.opt.workers(), len(c.queue)/64+1)
	found := make([]error, len(c.queue))
	sums := make([]BundleReport, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			k := shownChecker{sum: &sums[w]}
			for i := w; i < len(c.queue); i += workers {
				if found[i] = k.compare(&c.queue[i]); found[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	c.queue = c.queue[:0]
	for _, err := range found {
		if err != nil {
			return err
		}
	}
	b := c.r.Bundle
	for _, s := range sums {
		b.Events += s.Events
		b.Fields += s.Fields
		b.Claims += s.Claims
		b.Withheld += s.Withheld
		b.Erased += s.Erased
	}
	return nil
}

// shownChecker compares events with their leaves.
type shownChecker struct {
	check  evidence.Checker
	result evidence.Result
	view   evidence.View
	sum    *BundleReport
}

func (k *shownChecker) compare(s *shownEvent) error {
	e := s.event
	if err := k.view.Scan(s.leaf); err != nil {
		return stopAt(LeafMalformed, e.Seq, "the record is not valid evidence")
	}
	var d evidence.Disclosure
	if err := e.Disclosure(&d); err != nil {
		return stopAt(BundleInvalid, e.Seq, "its disclosure is malformed")
	}
	if err := k.check.Check(&d, evidence.Hash(k.view.FieldsRoot), &k.result); err != nil {
		return stopAt(ValueChanged, e.Seq, "%s", errs.Message(err))
	}
	if err := bundle.CheckView(e.View, e.Seq, s.hash, &k.view, &k.result); err != nil {
		return stopAt(ValueChanged, e.Seq, "%s", errs.Message(err))
	}
	k.sum.Events++
	k.sum.Fields += uint64(len(k.result.Fields))
	k.sum.Claims += uint64(len(k.result.Claims))
	k.sum.Withheld += uint64(k.result.Withheld + k.result.Hidden)
	k.sum.Erased += uint64(k.result.Erased)
	return nil
}

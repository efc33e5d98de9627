package app

import (
	"context"
	"sync"

	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
)

// decisionSource finds the events of decisions in the ledger.
type decisionSource struct{ l *ledger.Ledger }

// Decision implements decision.Source.
func (s decisionSource) Decision(ctx context.Context, tenantID, id string) (out *event.Record, err error) {
	q := ledger.Query{EventID: []string{id}, Source: []string{"probity"}, Action: []string{"access.decision"}}
	_, err = s.l.Search(ctx, tenantID, q, ledger.Page{Limit: 1}, nil, func(r *event.Record) error { out = r; return nil })
	if err == nil && out == nil {
		err = errs.New(errs.NotFound, "There is no such decision, or its event is not in the log yet.")
	}
	return out, err
}

// runDecisions has the events of decisions recorded until the returned function is called, which waits for those that are left.
func (a *App) runDecisions(ctx context.Context) (end func()) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { a.decisions.Run(work) })
	return func() {
		stop()
		running.Wait()
	}
}

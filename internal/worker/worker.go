package worker

import (
	"context"
	"sync"
)

// Group is the goroutines of one service. The zero Group is ready to use.
type Group struct {
	mu   sync.Mutex
	stop context.CancelFunc
	done sync.WaitGroup
}

// Start runs each function in a goroutine of its own and returns at once. Their context carries the values of ctx and ends with [Group.Close] only, so that what is under way when
// a server is told to stop can be finished in order.
func (g *Group) Start(ctx context.Context, run ...func(context.Context)) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.mu.Lock()
	g.stop = stop
	g.mu.Unlock()
	for _, f := range run {
		g.done.Go(func() { f(ctx) })
	}
}

// Go runs another function, for those that Start has begun.
func (g *Group) Go(f func()) { g.done.Go(f) }

// Close ends the context and waits until every function has returned. It does nothing before Start, and may be called twice.
func (g *Group) Close() {
	g.mu.Lock()
	stop := g.stop
	g.mu.Unlock()
	if stop != nil {
		stop()
	}
	g.done.Wait()
}

package worker

import (
	"context"
	"sync/atomic"
	"testing"
)

// TestGroup: work outlives the context that started it, and Close waits for all of it, once or twice.
func TestGroup(t *testing.T) {
	var g Group
	g.Close()
	parent, cancel := context.WithCancel(context.Background())
	var ended atomic.Int32
	started := make(chan struct{})
	g.Start(parent, func(ctx context.Context) {
		g.Go(func() { <-ctx.Done(); ended.Add(1) })
		close(started)
		<-ctx.Done()
		ended.Add(1)
	})
	<-started
	cancel()
	if n := ended.Load(); n != 0 {
		t.Errorf("%d functions ended with the context that started them", n)
	}
	g.Close()
	g.Close()
	if n := ended.Load(); n != 2 {
		t.Errorf("%d functions had ended when Close returned", n)
	}
}

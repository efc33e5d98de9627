package faults

import (
	"context"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/test/instance"
)

// mark is the shared high-water mark of the log, as another program sees it.
func (c *cluster) mark() (content string) {
	c.t.Helper()
	for _, name := range (&buckets{Server: c.Server}).objects(c.t, c.working) {
		if !strings.HasPrefix(name, "highwater/") {
			continue
		}
		o, err := c.Client.GetObject(context.Background(), c.working.Bucket, c.working.Prefix+name, minio.GetObjectOptions{})
		if err != nil {
			c.t.Fatal(err)
		}
		b, err := io.ReadAll(o)
		if err != nil {
			c.t.Fatal(err)
		}
		content += string(b)
		o.Close()
	}
	if content == "" {
		c.t.Error("there is no high-water mark in the store")
	}
	return content
}

// TestLaggingReplica has a database fail over to a copy that lacks what has been signed for, while the only server that knows better dies. The other server, which has seen no more than the copy holds, signs nothing on it: no
// checkpoint and no promise.
func TestLaggingReplica(t *testing.T) { sqldbtest.Only(t, sqldbtest.Postgres, testLaggingReplica) }

func testLaggingReplica(t *testing.T) {
	c := joined(t, 2, "--checkpoint-interval", "50ms")
	a, b := c.start(0), c.start(1)
	a.Append(batch("shop", 0, 50))
	covered := func(s *instance.Server, n uint64) func() bool {
		return func() bool { return s.State().Checkpoint.Size >= n }
	}
	b.Until(20*time.Second, "the other server showed a checkpoint", covered(b, 50))
	failOver := sqldbtest.FailOver(t, c.dirs[0])
	b.Signal(syscall.SIGSTOP)
	a.Append(batch("shop", 50, 50))
	a.Until(20*time.Second, "the newest events were signed for", covered(a, 100))
	c.book.Checkpoint(a.Do("GET", "/api/log/checkpoint", nil).Body)
	signed := c.mark()
	c.kill(0)
	back := failOver()
	b.Signal(syscall.SIGCONT)

	for i := range 20 {
		answer, err := b.Send("POST", "/api/events", strings.NewReader(string(batch("late", i*5, 5))), "Content-Type", "application/json")
		if err == nil && answer.Status < 500 {
			t.Fatalf("an append to an older copy was answered %d %s", answer.Status, answer.Body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	st := b.State()
	if !strings.Contains(st.Frozen, "older than the last signed checkpoint") || st.Checkpoint.Size >= 100 {
		t.Errorf("the log on the older copy is frozen because %q, with a checkpoint of %d", st.Frozen, st.Checkpoint.Size)
	}
	if answer := b.Do("GET", "/readyz", nil); answer.Status != 503 {
		t.Errorf("a server whose only log is frozen says it is ready: %d", answer.Status)
	}
	// So does a server that starts on the copy.
	s := c.start(0)
	if why := s.State().Frozen; !strings.Contains(why, "older than the last signed checkpoint") {
		t.Errorf("frozen because %q", why)
	}
	if now := c.mark(); now != signed {
		t.Errorf("something was signed on the copy:\n%s\n%s", signed, now)
	}
	c.kill(0)
	b.Stop()

	// With the right database, everything is there.
	back()
	c.start(0)
	c.start(1).Append(batch("shop", 100, 10))
	c.agree()
	if n := c.at(0).Count("source=shop"); n != 110 {
		t.Errorf("%d events are there", n)
	}
	c.at(0).Stop()
	c.at(1).Stop()
	c.verify(0)
}

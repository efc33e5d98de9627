package faults

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/test/instance"
)

// TestSeveralServers takes three servers through their life: clients write and read on any of them while each is restarted in turn, which no client notices, and while one after the other is killed, at any moment, in the
// middle of sealing and in the middle of an export. What they have acknowledged is one history, and it verifies.
func TestSeveralServers(t *testing.T) { sqldbtest.Only(t, sqldbtest.Postgres, testSeveralServers) }

func testSeveralServers(t *testing.T) {
	c := joined(t, 3, "--seal-after", "200ms", "--checkpoint-interval", "50ms", "--drain", "300ms")
	c.startAll()
	c.rollingRestart()
	if t.Failed() {
		return
	}
	c.agree()
	var took figuresOfServers
	for round := range rounds() {
		c.killOne(round, &took)
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	st := c.at(0).State()
	for i := range c.dirs {
		c.at(i).Stop()
		c.put(i, nil)
	}
	c.verify(rand.IntN(len(c.dirs)))
	t.Logf("%d kills, %d of them while sealing, %d of the server that published, %d while exporting: %d events acknowledged and all there, %d checkpoints seen, %d segments", rounds(), took.sealing, took.publishing,
		took.exporting, c.book.Acked(), c.book.Seen(), st.Segments)
	if took.sealing == 0 || took.exporting == 0 || took.publishing == 0 || st.Segments == 0 {
		t.Error("nobody was killed at what this test is about")
	}
}

// figuresOfServers count what killed servers were at.
type figuresOfServers struct{ sealing, exporting, publishing int }

// rollingRestart restarts all servers, one after the other, under load.
func (c *cluster) rollingRestart() {
	c.t.Helper()
	l := c.begin(1000, 6)
	time.Sleep(300 * time.Millisecond)
	for i := range c.dirs {
		s := c.at(i)
		stopped := make(chan struct{})
		go func() {
			s.Stop()
			close(stopped)
		}()
		<-stopped
		time.Sleep(rand.N(200 * time.Millisecond))
		c.start(i)
		time.Sleep(200 * time.Millisecond)
	}
	l.end()
}

// killOne kills a server under load, and starts it again when the others have gone on for a while.
func (c *cluster) killOne(round int, f *figuresOfServers) {
	c.t.Helper()
	l := c.begin(round, 5)
	end := sync.OnceFunc(l.end)
	defer end()
	time.Sleep(rand.N(300 * time.Millisecond))
	victim := rand.IntN(len(c.dirs))
	var export *instance.Export
	switch round % 4 {
	case 0:
		if i := c.awaitHolder(whoSeals); i >= 0 {
			victim = i
			f.sealing++
		}
	case 1:
		export = new(instance.Export)
		c.at(victim).Post("/api/exports", 202, map[string]any{"format": []string{"ndjson", "csv", "bundle"}[round/4%3], "filter": map[string]any{}}, export)
		if i := c.awaitHolder(whoExports); i >= 0 {
			victim = i
			f.exporting++
		}
		time.Sleep(rand.N(20 * time.Millisecond))
	case 2:
		if i := c.awaitHolder(whoPublishes); i >= 0 {
			victim = i
			f.publishing++
		}
	}
	c.kill(victim)
	before := c.book.Acked()
	time.Sleep(500*time.Millisecond + rand.N(time.Second))
	if c.book.Acked() == before {
		c.t.Errorf("round %d: nothing was acknowledged while server %d was gone", round, victim)
	}
	c.start(victim)
	end()
	c.agree()
	if export != nil {
		c.taken(export)
	}
}

// taken expects an export to be finished by whoever is there, and to be had from every server.
func (c *cluster) taken(e *instance.Export) {
	c.t.Helper()
	c.at(0).Await(e)
	if e.Status != "done" {
		c.t.Fatalf("%s is %s: %s", e.Format, e.Status, e.Error)
	}
	for i := range c.dirs {
		if a := c.at(i).Do("GET", e.URL, nil); a.Status != 200 || int64(len(a.Body)) != e.Bytes || digest(a.Body) != e.SHA256 {
			c.t.Errorf("server %d: the file of %s is not the one described: %d, %d bytes of %d", i, e.Format, a.Status, len(a.Body), e.Bytes)
		}
	}
}

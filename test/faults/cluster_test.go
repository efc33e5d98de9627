package faults

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"probity.dev/app"
	"probity.dev/internal/blob"
	"probity.dev/internal/blob/blobtest"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/test/instance"
)

// cluster is several servers of one installation: one PostgreSQL database, one object store, a data directory each.
type cluster struct {
	*blobtest.Server
	evidence, working blob.Location
	founded           *app.InitResult
	flags             []string
	dirs              []string
	book              *instance.Book

	t       testing.TB
	mu      sync.Mutex
	servers []*instance.Server // nil while one is down
}

// joined makes an installation of n servers, none of which runs yet.
func joined(t testing.TB, n int, flags ...string) *cluster {
	t.Helper()
	c := &cluster{Server: blobtest.Start(t), t: t, servers: make([]*instance.Server, n)}
	c.evidence, c.working = c.Bucket(true, 0), c.Bucket(false, 0)
	t.Setenv("AWS_ACCESS_KEY_ID", c.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", c.SecretKey)
	storage := []string{"--storage", blobtest.URL(c.evidence), "--storage-working", blobtest.URL(c.working)}
	c.flags = append(storage, flags...)
	for i := range n {
		c.dirs = append(c.dirs, filepath.Join(t.TempDir(), "data"))
		if i == 0 {
			c.founded = instance.Init(t, c.dirs[0], storage...)
			continue
		}
		instance.Join(t, c.dirs[i], c.dirs[0])
	}
	c.book = instance.NewBook(t, c.founded.VKey)
	c.book.Shared = true
	return c
}

// start starts the server i.
func (c *cluster) start(i int, flags ...string) *instance.Server {
	c.t.Helper()
	s := instance.Start(c.t, c.dirs[i], c.founded.APIKey, append(c.flags, flags...)...)
	c.put(i, s)
	return s
}

func (c *cluster) startAll() {
	c.t.Helper()
	for i := range c.servers {
		c.start(i)
	}
}

func (c *cluster) put(i int, s *instance.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers[i] = s
}

func (c *cluster) at(i int) *instance.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.servers[i]
}

// kill ends the server i without a word.
func (c *cluster) kill(i int) {
	c.at(i).Kill()
	c.put(i, nil)
}

// retryFor is how long a request is repeated.
const retryFor = 30 * time.Second

// send sends a request as a load balancer does: to any server, and to another one when the connection is refused or breaks before there is an answer. Whatever is answered is the client's. by is the server that answered.
func (c *cluster) send(method, path string, body []byte, header ...string) (a *instance.Answer, by *instance.Server, err error) {
	for end := time.Now().Add(retryFor); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		s := c.at(rand.IntN(len(c.dirs)))
		if s == nil {
			continue
		}
		if a, err = s.Send(method, path, bytes.NewReader(body), header...); err == nil {
			return a, s, nil
		}
	}
	return nil, nil, fmt.Errorf("no server answered within %s: %w", retryFor, err)
}

// clients are producers that read what they have written, each on whatever server it is sent to.
type clients struct {
	c    *cluster
	stop chan struct{}
	wg   sync.WaitGroup
}

// begin sets n producers and somebody who watches checkpoints to work. round makes the names of their sources their own.
func (c *cluster) begin(round, n int) *clients {
	l := &clients{c: c, stop: make(chan struct{})}
	for i := range n {
		l.wg.Go(func() { l.produce(fmt.Sprintf("p%d.r%d", i, round)) })
	}
	l.wg.Go(l.watch)
	return l
}

func (l *clients) end() {
	close(l.stop)
	l.wg.Wait()
}

func (l *clients) going() bool {
	select {
	case <-l.stop:
		return false
	default:
		return true
	}
}

func (l *clients) produce(source string) {
	for n := 0; l.going() && !l.c.t.Failed(); {
		k := 1 + rand.IntN(20)*rand.IntN(2)
		a, by, err := l.c.send("POST", "/api/events", batch(source, n, k), "Content-Type", "application/json")
		if err != nil || a.Status != http.StatusCreated {
			l.c.t.Errorf("an append was answered with an error: %v %s", err, textOf(a))
			return
		}
		r := new(instance.Receipt)
		a.JSON(by, r)
		l.c.book.Receipt(source, r)
		n += k
		l.readBack(source, n, r)
		time.Sleep(rand.N(5 * time.Millisecond))
	}
}

func textOf(a *instance.Answer) string {
	if a == nil {
		return ""
	}
	return fmt.Sprintf("%d %s", a.Status, a.Body)
}

// readBack expects the newest event of a source to be the one that was acknowledged last, on whatever server.
func (l *clients) readBack(source string, n int, r *instance.Receipt) {
	a, by, err := l.c.send("GET", "/api/events?limit=1&source="+source, nil)
	if err != nil || a.Status != http.StatusOK {
		l.c.t.Errorf("a search was answered with an error: %v %s", err, textOf(a))
		return
	}
	var page struct{ Items []instance.View }
	a.JSON(by, &page)
	if want := "e" + strconv.Itoa(n-1); len(page.Items) != 1 || page.Items[0].ID != want || page.Items[0].Seq != r.Results[len(r.Results)-1].Seq {
		l.c.t.Errorf("%s on %s: %+v was not read back", want, source, r.Results[len(r.Results)-1])
	}
}

func (l *clients) watch() {
	for ; l.going(); time.Sleep(3 * time.Millisecond) {
		if a, _, err := l.c.send("GET", "/api/log/checkpoint", nil); err == nil && a.Status == http.StatusOK {
			l.c.book.Checkpoint(a.Body)
		}
	}
}

// query asks the database for one text; "" when there is no row.
func (c *cluster) query(text string, args ...any) string {
	c.t.Helper()
	config, err := pgx.ParseConfig(sqldbtest.Address(c.t, c.dirs[0]))
	if err != nil {
		c.t.Fatal(err)
	}
	config.RuntimeParams["probity.tenant"] = "*" // or row-level security shows no jobs
	db, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close(context.Background())
	var out string
	if err := db.QueryRow(context.Background(), text, args...).Scan(&out); err != nil && err != pgx.ErrNoRows { //nolint:errorlint // pgx returns it as it is
		c.t.Fatal(err)
	}
	return out
}

var pidInName = regexp.MustCompile(`-(\d+)-[^-]*$`)

// holder is the server whose name a query returns, -1 when there is none.
func (c *cluster) holder(query string) int {
	c.t.Helper()
	m := pidInName.FindStringSubmatch(c.query(query))
	if m == nil {
		return -1
	}
	for i := range c.dirs {
		if s := c.at(i); s != nil && strconv.Itoa(s.Pid()) == m[1] {
			return i
		}
	}
	return -1
}

const (
	whoSeals     = `SELECT holder FROM lease WHERE name LIKE 'seal/%' AND until_at > extract(epoch FROM clock_timestamp()) * 1000000`
	whoPublishes = `SELECT holder FROM lease WHERE name = 'publish' AND until_at > extract(epoch FROM clock_timestamp()) * 1000000`
	whoExports   = `SELECT owner FROM job JOIN river_job ON river_job.id = job.job_id WHERE river_job.state = 'running'`
)

// awaitHolder waits until one of the servers is at it; -1 after some seconds.
func (c *cluster) awaitHolder(query string) int {
	c.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if i := c.holder(query); i >= 0 {
			return i
		}
	}
	return -1
}

// verify verifies the installation from the data directory i, whose server must not run.
func (c *cluster) verify(i int) {
	c.t.Helper()
	out, errOut, code := instance.Run(c.t, append([]string{"verify", c.dirs[i], "--key", c.founded.VKey, "--state", c.book.State}, c.flags[:4]...)...)
	if code != 0 {
		c.t.Errorf("verify: %d %s%s", code, out, errOut)
	}
}

// agree waits until all servers that run show the same log, covered by a checkpoint, and compares it with the book on each.
func (c *cluster) agree() {
	c.t.Helper()
	var first *instance.LogState
	for i := range c.dirs {
		s := c.at(i)
		if s == nil {
			continue
		}
		c.book.Check(s)
		st := s.State()
		if first == nil {
			first = st
		}
		if st.Frozen != "" || st.Size != first.Size || st.Checkpoint.Text != first.Checkpoint.Text {
			c.t.Errorf("server %d has %d events, a checkpoint of %d, frozen because %q; another has %d and %d", i, st.Size, st.Checkpoint.Size, st.Frozen, first.Size, first.Checkpoint.Size)
		}
	}
}

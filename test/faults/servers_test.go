package faults

import (
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/blob/blobtest"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/tlog"
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

// TestServersThatDoNotFit starts servers that would miss what the others have.
func TestServersThatDoNotFit(t *testing.T) {
	sqldbtest.Only(t, sqldbtest.Postgres, testServersThatDoNotFit)
}

func testServersThatDoNotFit(t *testing.T) {
	c := joined(t, 2)
	refused := func(what string, i int, key string, flags ...string) {
		t.Helper()
		s, says := instance.TryStart(t, c.dirs[i], key, flags...)
		if s != nil {
			t.Errorf("a server started: %q", what)
			s.Kill()
		} else if !strings.Contains(says, what) {
			t.Errorf("a server was refused with %q, not %q", says, what)
		}
	}
	alone, _ := instance.TryStart(t, c.dirs[0], c.founded.APIKey)
	if alone == nil {
		t.Fatal("a server with a data directory did not start, though nothing is sealed")
	}
	refused("another probity works on this database", 1, c.founded.APIKey)
	refused("set storage for all of them", 1, c.founded.APIKey, c.flags...)
	alone.Stop()

	c.start(0)
	refused("several servers need a common object store", 1, c.founded.APIKey)
	other := c.Bucket(true, 0)
	refused("must be the same on all of them", 1, c.founded.APIKey, append([]string{"--storage", blobtest.URL(other)}, c.flags[2:]...)...)
	key := filepath.Join(c.dirs[1], "keys", "master.key")
	right, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "other")
	instance.Init(t, wrong)
	strange, err := os.ReadFile(filepath.Join(wrong, "keys", "master.key"))
	if err == nil {
		err = os.WriteFile(key, strange, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	refused("the master key in", 1, c.founded.APIKey, c.flags...)
	if err := os.WriteFile(key, right, 0o600); err != nil {
		t.Fatal(err)
	}
	out, errOut, code := instance.Run(t, append([]string{"log", "new-epoch", "--data", c.dirs[1], "--reason", "no", "--yes"}, c.flags[:4]...)...)
	if code == 0 || !strings.Contains(errOut, "other servers work on this database") {
		t.Errorf("an epoch was opened beside a server: %d %s %s", code, out, errOut)
	}
	c.start(1)
	c.agree()
}

// TestDecisionsReachAllServers makes decisions on one server and looks at once, or a second later where that is the promise, whether another goes by them.
func TestDecisionsReachAllServers(t *testing.T) {
	sqldbtest.Only(t, sqldbtest.Postgres, testDecisionsReachAllServers)
}

func testDecisionsReachAllServers(t *testing.T) {
	c := joined(t, 2)
	c.startAll()
	a, b := c.at(0), c.at(1)
	var user struct{ ID string }
	a.Post("/api/users", 201, map[string]any{"email": "ada@example.org", "name": "Ada", "role": "auditor", "password": "a long enough password"}, &user)
	login := b.Do("POST", "/api/session", []byte(`{"email":"ada@example.org","password":"a long enough password"}`), "Content-Type", "application/json", "Authorization", "")
	cookie, _, _ := strings.Cut(login.Header.Get("Set-Cookie"), ";")
	signedIn := func(s *instance.Server) int { return s.As("").Do("GET", "/api/session", nil, "Cookie", cookie).Status }
	if login.Status != 200 || signedIn(a) != 200 || signedIn(b) != 200 {
		t.Fatalf("signed in on one server: %d %s; on the other %d", login.Status, login.Body, signedIn(a))
	}
	if s := a.Do("PATCH", "/api/users/"+user.ID, []byte(`{"locked":true}`), "Content-Type", "application/json").Status; s != 200 {
		t.Fatalf("locking: %d", s)
	}
	if s := signedIn(b); s != 401 {
		t.Errorf("the session of a locked account works on another server: %d", s)
	}
	var key struct{ ID, Secret string }
	a.Post("/api/keys", 201, map[string]any{"name": "writer", "scopes": []string{"ledger.append"}}, &key)
	writes := func(s *instance.Server, i int) int {
		return s.As(key.Secret).Do("POST", "/api/events", batch("keyed", i, 1), "Content-Type", "application/json").Status
	}
	if s := writes(b, 0); s != 201 {
		t.Errorf("a new key on another server: %d", s)
	}
	if s := a.Do("DELETE", "/api/keys/"+key.ID, nil).Status; s >= 300 {
		t.Errorf("revoking: %d", s)
	}
	time.Sleep(time.Second)
	if s := writes(b, 1); s != 401 {
		t.Errorf("a second after it was revoked, a key on another server: %d", s)
	}
	// The same request under the same key has one answer, wherever it is repeated.
	header := []string{"Content-Type", "application/json", "Idempotency-Key", "k"}
	body := []byte(`{"source":"s","action":"a.read"}`)
	first, again := a.Do("POST", "/api/events", body, header...), b.Do("POST", "/api/events", body, header...)
	if first.Status != 201 || string(first.Body) != string(again.Body) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d %s, repeated elsewhere %d %s", first.Status, first.Body, again.Status, again.Body)
	}
	// A person has one name, the newest that a server knows of; what others have done it knows when it has read.
	person := func(s *instance.Server, id, name string) {
		s.Count("source=hr")
		s.Append([]byte(`{"source":"hr","action":"staff.update","id":"` + id + `","actor":{"type":"user","id":"u1","name":"` + name + `"}}`))
	}
	person(a, "1", "Grace Hopper")
	person(b, "2", "Grace Murray")
	for i, s := range []*instance.Server{a, b} {
		for name, want := range map[string]int{"Grace Hopper": 0, "Grace Murray": 2} {
			if n := s.Count("actor=" + url.QueryEscape(name)); n != want {
				t.Errorf("server %d finds %d events of %s, want %d", i, n, name, want)
			}
		}
	}
	e, _ := a.Export("csv", map[string]any{"source": []string{"keyed"}})
	c.taken(e)
	// Whoever publishes signs with the keys that any server has made, and every server takes what they sign.
	for i, s := range []*instance.Server{a, b, b, a} {
		var keys struct{ Signing []struct{ VKey string } }
		s.Post("/api/crypto/keys/rotate", 200, map[string]any{"key": "signing", "reason": "test", "overlap": "1m"}, nil)
		s.Post("/api/crypto/keys/rotate", 200, map[string]any{"key": "tenant", "reason": "test"}, nil)
		s.Get("/api/crypto/keys", &keys)
		known, err := tlog.ParseKeys(keys.Signing[0].VKey)
		if err != nil {
			t.Fatal(err)
		}
		for k, s := range []*instance.Server{b, a} {
			r := s.Append(batch("rotated", 100*i+10*k, 10))
			s.Until(10*time.Second, "a checkpoint by the newest key", func() bool {
				c, err := tlog.Open([]byte(s.State().Checkpoint.Text), known)
				return err == nil && c.Size > r.Results[len(r.Results)-1].Seq
			})
		}
	}
	for _, s := range []*instance.Server{a, b} {
		if n := s.Count("source=rotated"); n != 80 {
			t.Errorf("%d events after rotations", n)
		}
	}
	if answer := a.Do("POST", "/api/crypto/keys/rotate", []byte(`{"key":"master","reason":"test"}`), "Content-Type", "application/json"); answer.Status != 403 || !strings.Contains(string(answer.Body), "copy its keys/master.key") {
		t.Errorf("the master key of one of several servers: %d %s", answer.Status, answer.Body)
	}
	// Verifying on one server shows on the other.
	if s := a.Do("POST", "/api/log/verify", nil).Status; s >= 300 {
		t.Errorf("verifying: %d", s)
	}
}

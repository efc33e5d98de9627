package stream

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"probity.dev/internal/blob/blobtest"
	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/notify"
	"probity.dev/notify/send"
)

// nearby is the service with a client that reaches this machine without TLS, as an operator may allow.
func (w *world) nearby() *Service {
	c, err := outbound.New(outbound.Options{Allow: []string{"127.0.0.1"}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return New(Options{DB: w.db, Recorder: w, Sealer: w, Sender: &send.Sender{HTTP: c}, Source: w, Instance: "audit.test", Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }})
}

// turn does one round and waits until every stream is idle.
func (w *world) turn() {
	w.t.Helper()
	slots := make(chan struct{}, atOnce)
	if err := w.s.round(context.Background(), slots); err != nil {
		w.t.Fatal(err)
	}
	for range atOnce {
		slots <- struct{}{}
	}
}

// natsServer starts a real NATS server with JetStream that ends with the test.
func natsServer(t *testing.T, dir string, port int) (*server.Server, int) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true, Username: "probity", Password: "secret-of-nats"})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	t.Cleanup(s.Shutdown)
	_, p, _ := strings.Cut(strings.TrimPrefix(s.ClientURL(), "nats://"), ":")
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(s.ClientURL())
	}
	return s, n
}

func TestNATS(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.s = w.nearby()
	dir := t.TempDir()
	srv, port := natsServer(t, dir, -1)
	url := fmt.Sprintf("nats://127.0.0.1:%d", port)
	conn, err := nats.Connect(url, nats.UserInfo("probity", "secret-of-nats"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	w.append(1200, "invoice.create")
	set := Settings{URL: url, Subject: "audit.events", Username: "probity", Password: "secret-of-nats"}
	v, _ := w.create(NewStream{Kind: NATS, From: zero(), Settings: set})
	if strings.Contains(v.Target, "secret") || v.Target != "audit.events at 127.0.0.1" {
		t.Error(v.Target)
	}
	// Nobody takes the subject yet: nothing is lost.
	w.turn()
	if got, err := w.s.Get(ctx, admin, v.ID); err != nil || got.NextSeq != 0 || got.LastProblem != "no JetStream stream of the server takes this subject" {
		t.Fatalf("%+v %v", got, err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "AUDIT", Subjects: []string{"audit.>"}}); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(int64(time.Hour))
	w.turn()
	// The server is away for a while, and then the same events are sent once more.
	w.append(10, "invoice.update")
	srv.Shutdown()
	srv.WaitForShutdown()
	w.turn()
	if got, err := w.s.Get(ctx, admin, v.ID); err != nil || got.NextSeq != 1200 || got.Failures == 0 {
		t.Fatalf("%+v %v", got, err)
	}
	natsServer(t, dir, port)
	w.clock.Add(int64(time.Hour))
	w.turn()
	if _, err := w.s.Update(ctx, admin, v.ID, nil, zero()); err != nil {
		t.Fatal(err)
	}
	w.turn()
	if got, err := w.s.Get(ctx, admin, v.ID); err != nil || got.Behind != 0 {
		t.Fatalf("%+v %v", got, err)
	}
	w.until("the connection of the test", conn.IsConnected)
	stored, err := js.Stream(ctx, "AUDIT")
	if err != nil {
		t.Fatal(err)
	}
	if n := stored.CachedInfo().State.Msgs; n != 1210 {
		t.Fatalf("%d messages are stored, want each of 1210 once", n)
	}
	for _, seq := range []uint64{1, 700, 1210} {
		m, err := stored.GetMsg(ctx, seq)
		if err != nil || m.Header.Get("Nats-Msg-Id") != fmt.Sprintf("%s-%d", v.ID, seq-1) || !strings.HasPrefix(string(m.Data), fmt.Sprintf(`{"seq":%d,`, seq-1)) || m.Subject != "audit.events" {
			t.Errorf("%d: %+v %v", seq, m, err)
		}
	}
	if o, err := w.s.Test(ctx, admin, v.ID); err != nil || !o.OK {
		t.Errorf("%+v %v", o, err)
	}
	set.Password = "wrong"
	if o := w.s.o.Sender.SendNATS(ctx, set.nats(), []send.NATSMessage{{ID: "x", Data: []byte("{}")}}); o.OK || o.Problem != "the NATS server refuses the credentials" {
		t.Errorf("%+v", o)
	}
}

func TestS3(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.s = w.nearby()
	store := blobtest.Start(t)
	if err := store.Client.MakeBucket(ctx, "siem-drop", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	set := Settings{Endpoint: "http://" + store.Address, Region: "us-east-1", Bucket: "siem-drop", Prefix: "audit/prod/", AccessKey: store.AccessKey, SecretKey: store.SecretKey}
	w.append(objectEvents+5, "x")
	v, _ := w.create(NewStream{Kind: S3, From: zero(), Settings: set})
	if strings.Contains(v.Target, store.SecretKey) || !strings.HasPrefix(v.Target, "siem-drop/audit/prod/ at ") {
		t.Error(v.Target)
	}
	read := func() (names []string, seqs []int) {
		t.Helper()
		for o := range store.Client.ListObjects(ctx, "siem-drop", minio.ListObjectsOptions{Recursive: true}) {
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			names = append(names, o.Key)
			body, err := store.Client.GetObject(ctx, "siem-drop", o.Key, minio.GetObjectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(body)
			for lines.Scan() {
				text, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), `{"seq":`), ",")
				n, err := strconv.Atoi(text)
				if err != nil {
					t.Fatal(lines.Text())
				}
				seqs = append(seqs, n)
			}
			body.Close()
		}
		return names, seqs
	}
	w.turn()
	if names, seqs := read(); len(names) != 1 || names[0] != "audit/prod/2026/01/02/"+v.ID+"-0000000000000000.ndjson" || !inOrder(seqs, 0, objectEvents) {
		t.Fatalf("%v with %d events", names, len(seqs))
	}
	// The rest waits a minute for others.
	w.turn()
	if names, _ := read(); len(names) != 1 {
		t.Errorf("%v", names)
	}
	w.clock.Add(int64(objectEvery + time.Second))
	w.turn()
	if names, seqs := read(); len(names) != 2 || !inOrder(seqs, 0, objectEvents+5) {
		t.Errorf("%v with %d events", names, len(seqs))
	}
	// An object whose answer was lost is written again under its name, with what came meanwhile.
	w.append(3, "x")
	last := int64(objectEvents)
	if _, err := w.s.Update(ctx, admin, v.ID, nil, &last); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(int64(objectEvery + time.Second))
	w.turn()
	if names, seqs := read(); len(names) != 2 || !inOrder(seqs, 0, objectEvents+8) {
		t.Errorf("%v with %d events", names, len(seqs))
	}
	if o, err := w.s.Test(ctx, admin, v.ID); err != nil || !o.OK {
		t.Errorf("%+v %v", o, err)
	}
	for change, want := range map[string]string{"bucket": "the object store has no such bucket", "key": "the object store refuses the credentials"} {
		b := set.bucket()
		if change == "bucket" {
			b.Bucket = "elsewhere"
		} else {
			b.SecretKey = "wrong-secret-1234"
		}
		if o := w.s.o.Sender.PutObject(ctx, b, "x", "text/plain", []byte("x")); o.OK || !strings.HasPrefix(o.Problem, want) {
			t.Errorf("%s: %+v", change, o)
		}
	}
	store.Stop()
	if o := w.s.o.Sender.PutObject(ctx, set.bucket(), "x", "text/plain", []byte("x")); o.OK || strings.Contains(o.Problem, "127.0.0.1") {
		t.Errorf("%+v", o)
	}
}

// TestDestinationsChecked: what leads inside, or cannot work, is refused before anything is stored, and no secret comes back.
func TestDestinationsChecked(t *testing.T) {
	w := newWorld(t)
	bucket := Settings{Endpoint: "https://example.com", Region: "us-east-1", Bucket: "abc", AccessKey: "AK-SECRET", SecretKey: "SK-SECRET"}
	subject := Settings{URL: "tls://example.com:4222", Subject: "audit.events"}
	for name, c := range map[string]struct {
		kind   string
		change func(*Settings)
		field  string
	}{
		"inside": {S3, func(s *Settings) { s.Endpoint = "https://169.254.169.254" }, "/settings/endpoint"}, "plain": {S3, func(s *Settings) { s.Endpoint = "http://s3.example.org" }, "/settings/endpoint"},
		"path": {S3, func(s *Settings) { s.Endpoint = "https://example.com/abc" }, "/settings/endpoint"}, "name": {S3, func(s *Settings) { s.Bucket = "A B" }, "/settings/bucket"},
		"prefix": {S3, func(s *Settings) { s.Prefix = "../x/" }, "/settings/prefix"}, "keys": {S3, func(s *Settings) { s.SecretKey = "" }, "/settings/secret_key"}, "region": {S3, func(s *Settings) { s.Region = "" }, "/settings/region"},
		"nats inside": {NATS, func(s *Settings) { s.URL = "tls://127.0.0.1:4222" }, "/settings/url"}, "nats plain": {NATS, func(s *Settings) { s.URL = "nats://nats.example.org:4222" }, "/settings/url"},
		"nats http": {NATS, func(s *Settings) { s.URL = "https://example.com" }, "/settings/url"}, "wildcard": {NATS, func(s *Settings) { s.Subject = "audit.>" }, "/settings/subject"},
		"system": {NATS, func(s *Settings) { s.Subject = "$JS.API.STREAM.DELETE.X" }, "/settings/subject"}, "two": {NATS, func(s *Settings) { s.Token, s.Username, s.Password = "a", "b", "c" }, "/settings/password"},
	} {
		set := bucket
		if c.kind == NATS {
			set = subject
		}
		c.change(&set)
		_, _, err := w.s.Create(context.Background(), admin, NewStream{Name: "x", Kind: c.kind, Format: Native, Settings: set})
		if errs.CodeOf(err) != errs.Invalid || strings.Contains(fmt.Sprint(err), "SECRET") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var e *errs.Error
		if !errors.As(err, &e) || len(e.Fields) == 0 || e.Fields[0].Pointer != c.field {
			t.Errorf("%s: %+v", name, err)
		}
	}
	for _, ok := range []NewStream{{Kind: S3, Settings: bucket}, {Kind: NATS, Settings: subject}} {
		w.create(ok)
	}
}

// TestDeadFor72Hours has the receiver dead for three days while events go on: nothing is lost, everything comes in order, and the stream catches up by itself.
func TestDeadFor72Hours(t *testing.T) { sqldbtest.Each(t, testDeadFor72Hours) }

func testDeadFor72Hours(t *testing.T) {
	w := newWorld(t)
	told := 0
	w.s.o.Notify = func(_ context.Context, _ *sql.Tx, _ string, n notify.Notification) error {
		if n.Kind != notify.KindStreamPaused {
			t.Errorf("%+v", n)
		}
		told++
		return nil
	}
	v, _ := w.create(NewStream{Kind: Webhook, From: zero(), Settings: Settings{URL: w.url("/a")}})
	w.append(5, "x")
	w.turn()
	dead := true
	w.answer = func(string) (int, string) {
		if dead {
			return 503, ""
		}
		return 200, ""
	}
	attempts, total := int64(0), 5
	step := func(hours float64) {
		t.Helper()
		for range int(hours * 4) {
			w.append(7, "x")
			total += 7
			w.clock.Add(int64(15 * time.Minute))
			w.turn()
		}
	}
	state := func() *Stream {
		t.Helper()
		got, err := w.s.Get(context.Background(), admin, v.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	step(72)
	if got := state(); got.Paused != "" || got.NextSeq != 5 || got.Failures < 200 || got.Behind != int64(total-5) {
		t.Fatalf("after 72 hours: %+v", got)
	} else {
		attempts = got.Failures
	}
	dead = false
	step(0.25)
	if got := state(); got.Behind != 0 || got.Failures != 0 || !inOrder(w.seqs(), 0, total) {
		t.Fatalf("%d of %d events after %d attempts: %+v", len(w.seqs()), total, attempts, got)
	}
	// Dead for longer than that, it is paused, somebody is told, and a resumed one catches up.
	dead = true
	step(pauseAfter.Hours() + 1)
	if got := state(); got.Paused == "" || told != 1 {
		t.Fatalf("%+v, told %d times", got, told)
	}
	dead = false
	step(1)
	no := false
	if _, err := w.s.Update(context.Background(), admin, v.ID, &no, nil); err != nil {
		t.Fatal(err)
	}
	step(0.25)
	if !inOrder(w.seqs(), 0, total) {
		t.Errorf("%d of %d events", len(w.seqs()), total)
	}
}

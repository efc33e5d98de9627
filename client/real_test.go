package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/app"
	"probity.dev/client"
	"probity.dev/internal/config"
)

// serve starts a whole server on an empty data directory and returns a client with a key that may do everything.
func serve(t *testing.T) (*client.Client, *app.InitResult) {
	t.Helper()
	cfg := config.Defaults()
	cfg.Data, cfg.Listen, cfg.LogLevel, cfg.CheckpointInterval = t.TempDir(), "127.0.0.1:0", "error", 20*time.Millisecond
	ctx, stop := context.WithCancel(context.Background())
	init, err := app.Init(ctx, cfg, app.InitOptions{Tenant: "Acme", Email: "admin@acme.example", Name: "Admin", KeyName: "test"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Open(ctx, cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- a.Serve(ctx, func(url string) { started <- url }) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, a.Close()); err != nil {
			t.Error(err)
		}
	})
	select {
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return nil, nil
	case url := <-started:
		c, err := client.New(url, init.APIKey)
		if err != nil {
			t.Fatal(err)
		}
		return c, init
	}
}

func event(i int) client.Event {
	return client.Event{Source: "booking.api", Action: "invoice.update", Actor: client.Actor{Type: "user", ID: fmt.Sprint("u", i%7), Name: "Ana Example", Email: "ana@example.org"},
		Resource: client.Resource{Type: "invoice", ID: fmt.Sprint(i)}, Changes: []client.Change{{Path: "/price", Before: client.Value(i), After: client.Value(i + 1)}}, OccurredAt: time.Now()}
}

func numbered(n int) iter.Seq2[client.Event, error] {
	return func(yield func(client.Event, error) bool) {
		for i := range n {
			if !yield(event(i), nil) {
				return
			}
		}
	}
}

// TestAgainstTheServer goes through the whole SDK with a real server.
func TestAgainstTheServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole server")
	}
	c, init := serve(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	events := []client.Event{event(0), event(1), {Source: "booking.api"}}
	r, err := c.Append(ctx, events...)
	if err != nil || r.Accepted != 2 || r.Rejected != 1 || r.Results[2].Error == nil || r.Results[2].Error.Fields[0].Pointer != "/action" {
		t.Fatalf("%+v %v", r, err)
	}
	if err := r.Check(init.VKey); err != nil {
		t.Fatal(err)
	}
	again, err := c.Append(ctx, events[:2]...)
	if err != nil || again.Duplicates != 2 || again.Results[0].Seq != r.Results[0].Seq {
		t.Fatalf("%+v %v", again, err)
	}
	changed := events[0]
	changed.Reason = "other content"
	if r, err := c.Append(ctx, changed); client.CodeOf(err) != client.Conflict {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := c.AppendWith(ctx, []client.Event{event(5), {Source: "x"}}, client.Atomic()); client.CodeOf(err) != client.Invalid {
		t.Fatal(err)
	}
	one := []client.Event{event(6)}
	first, err := c.AppendWith(ctx, one, client.IdempotencyKey("key-1"))
	if err != nil {
		t.Fatal(err)
	}
	if second, err := c.AppendWith(ctx, one, client.IdempotencyKey("key-1")); err != nil || second.Accepted != 1 || second.FirstSeq != first.FirstSeq {
		t.Fatalf("%+v %v", second, err)
	}

	const n = 5000
	seen := 0
	sum, err := c.Bulk(ctx, numbered(n), client.BulkOptions{OnReceipt: func(r *client.Receipt) error {
		if r.FirstIndex != seen {
			t.Errorf("receipt at %d, expected %d", r.FirstIndex, seen)
		}
		seen += r.Accepted
		return r.Check(init.VKey)
	}})
	if err != nil || sum.Accepted != n || seen != n {
		t.Fatalf("%+v %d %v", sum, seen, err)
	}
	if sum, err := c.AppendStream(ctx, strings.NewReader("{\"source\":\"a\",\"action\":\"b.c\",\"id\":\"1\"}\nnonsense\n"), client.BulkOptions{}); err != nil || sum.Accepted != 1 || sum.Rejected != 1 {
		t.Fatalf("%+v %v", sum, err)
	}
	read(ctx, t, c, r, n)
	prove(ctx, t, c, r, init.VKey)
	export(ctx, t, c)

	stranger, err := client.New(serverOf(c), "pk_aaaaaaaa_"+strings.Repeat("A", 43))
	if err != nil {
		t.Fatal(err)
	}
	var p *client.Error
	if _, err := stranger.Get(ctx, 0); !errors.As(err, &p) || p.Code != client.Unauthorized || p.Status != 401 || p.RequestID == "" {
		t.Fatal(err)
	}
}

func serverOf(c *client.Client) string { return client.Base(c) }

func read(ctx context.Context, t *testing.T, c *client.Client, r *client.Receipt, n int) {
	t.Helper()
	found := 0
	last := uint64(1 << 62)
	for rec, err := range c.Search(ctx, client.Query{Action: []string{"invoice.*"}, Source: []string{"booking.api"}, PageSize: 1000}) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Seq >= last {
			t.Fatal("not newest first")
		}
		last = rec.Seq
		found++
	}
	if found != n+3 {
		t.Fatalf("%d found", found)
	}
	for _, err := range c.Search(ctx, client.Query{Time: "nonsense"}) {
		if client.CodeOf(err) != client.Invalid {
			t.Fatal(err)
		}
	}
	for rec, err := range c.Search(ctx, client.Query{OldestFirst: true, Actor: []string{"ana@example.org"}}) {
		if err != nil || rec.Actor.Name != "Ana Example" || len(rec.Changes) != 1 || string(rec.Changes[0].After) != "1" || rec.Sentence == "" {
			t.Fatalf("%+v %v", rec, err)
		}
		break
	}
	got, err := c.Get(ctx, r.Results[0].Seq)
	if err != nil || got.ID != r.Results[0].ID || got.Source != "booking.api" {
		t.Fatalf("%+v %v", got, err)
	}
	if same, err := c.Lookup(ctx, "booking.api", got.ID); err != nil || same.Seq != got.Seq {
		t.Fatalf("%+v %v", same, err)
	}
	if _, err := c.Get(ctx, 1<<40); client.CodeOf(err) != client.NotFound {
		t.Fatal(err)
	}
	history := 0
	for _, err := range c.History(ctx, "invoice", "1") {
		if err != nil {
			t.Fatal(err)
		}
		history++
	}
	if history != 2 {
		t.Fatalf("%d events of invoice 1", history)
	}
}

func prove(ctx context.Context, t *testing.T, c *client.Client, r *client.Receipt, vkey string) {
	t.Helper()
	p, err := c.Proof(ctx, r.Results[0].Seq)
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Verify(vkey)
	if err != nil || string(v.Fields["/actor/name"]) != `"Ana Example"` || v.Size == 0 {
		t.Fatalf("%+v %v", v, err)
	}
	forged := *p
	forged.Disclosures = json.RawMessage(bytes.Replace(p.Disclosures, []byte("Ana"), []byte("Eva"), 1))
	if _, err := forged.Verify(vkey); err == nil {
		t.Fatal("a changed value was proven")
	}
	forged = *p
	forged.LeafIndex++
	if _, err := forged.Verify(vkey); err == nil {
		t.Fatal("another place was proven")
	}
	log, err := c.Log(ctx)
	if err != nil || log.VKey != vkey {
		t.Fatalf("%+v %v", log, err)
	}
	keys, err := c.Keys(ctx, log.LogID)
	if err != nil || !strings.Contains(keys, vkey) {
		t.Fatal(keys, err)
	}
	older, err := c.Checkpoint(ctx, log.LogID)
	if err != nil {
		t.Fatal(err)
	}
	next, err := c.Append(ctx, event(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Proof(ctx, next.FirstSeq); err != nil { // waits for a checkpoint
		t.Fatal(err)
	}
	newer, err := c.Checkpoint(ctx, log.LogID)
	if err != nil || newer == older {
		t.Fatal(err)
	}
	if err := c.CheckConsistency(ctx, log.LogID, keys, older, newer); err != nil {
		t.Fatal(err)
	}
	if err := c.CheckConsistency(ctx, log.LogID, keys, newer, older); err == nil {
		t.Fatal("a log cannot shrink")
	}
}

func export(ctx context.Context, t *testing.T, c *client.Client) {
	t.Helper()
	e, err := c.CreateExport(ctx, client.ExportRequest{Format: "csv", Query: client.Query{Resource: []string{"invoice/1"}}})
	if err != nil {
		t.Fatal(err)
	}
	states := 0
	if e, err = c.WaitExport(ctx, e.ID, func(*client.Export) { states++ }); err != nil || states == 0 {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Download(ctx, e, &b); err != nil || strings.Count(b.String(), "\n") != 4 {
		t.Fatalf("%v: %s", err, b.String())
	}
	e.SHA256 = strings.Repeat("0", 64)
	if err := c.Download(ctx, e, io.Discard); err == nil {
		t.Fatal("another file passed for the one that was made")
	}
	if err := c.CancelExport(ctx, e.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateExport(ctx, client.ExportRequest{Format: "docx"}); client.CodeOf(err) != client.Invalid {
		t.Fatal(err)
	}
}

// TestReceiptsOfRequestsAtTheSameTime checks every receipt by itself while many requests share commits, and that a receipt is not proven by the proof of another.
func TestReceiptsOfRequestsAtTheSameTime(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole server")
	}
	c, init := serve(t)
	var mu sync.Mutex
	var part *client.Receipt
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 20 {
				r, err := c.Append(t.Context(), event(1000*w+i))
				if err != nil {
					t.Error(err)
					return
				}
				if err := r.Check(init.VKey); err != nil {
					t.Error(err)
				}
				if r.PromiseProof != nil {
					mu.Lock()
					part = r
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if part == nil {
		t.Fatal("no two requests were committed together")
	}
	part.Results[0].LeafHash[3] ^= 1
	if part.Check(init.VKey) == nil {
		t.Error("a receipt about another event passes")
	}
	part.Results[0].LeafHash[3] ^= 1
	part.PromiseProof.Left = append(part.PromiseProof.Left, make([]byte, 32))
	if part.Check(init.VKey) == nil {
		t.Error("a proof with more in it passes")
	}
	part.PromiseProof = nil
	if part.Check(init.VKey) == nil {
		t.Error("a receipt without its proof passes")
	}
}

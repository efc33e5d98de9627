package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
)

func items(t testing.TB, texts ...string) []ledger.Item {
	t.Helper()
	out := make([]ledger.Item, len(texts))
	for i, s := range texts {
		e, err := event.Parse([]byte(s))
		if err != nil {
			var bad *errs.Error
			errors.As(err, &bad)
			out[i].Err = bad
			continue
		}
		out[i].Event = e
	}
	return out
}

func numbered(n int) string {
	return fmt.Sprintf(`{"id":"n%d","source":"app","action":"thing.update","actor":{"id":"u%d","name":"Person %d"},"resource":{"type":"thing","id":"t%d"},"data":{"n":%d}}`, n, n%7, n%7, n%5, n)
}

func TestOneBadEventLeavesItsNeighbours(t *testing.T) {
	sqldbtest.Each(t, testOneBadEventLeavesItsNeighbours)
}

func testOneBadEventLeavesItsNeighbours(t *testing.T) {
	b := ledgertest.New(t)
	r, err := b.Ledger.Append(context.Background(), ledgertest.Tenant, items(t, numbered(1), `{"action":"x.y"}`, numbered(2), `{"a":1,"a":2}`, numbered(1)), ledger.AppendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Accepted != 2 || r.Rejected != 2 || r.Duplicates != 1 {
		t.Fatalf("%+v", r)
	}
	if e := r.Results[1].Err; e == nil || e.Fields[0].Pointer != "/source" {
		t.Errorf("the wrong event is not explained: %v", e)
	}
	if r.Results[4].Seq != r.Results[0].Seq {
		t.Error("a repetition within a request does not point at the first")
	}
}

func TestAtomicIsAllOrNothing(t *testing.T) { sqldbtest.Each(t, testAtomicIsAllOrNothing) }

func testAtomicIsAllOrNothing(t *testing.T) {
	b := ledgertest.New(t)
	ctx := context.Background()
	for name, texts := range map[string][]string{
		"unreadable": {numbered(1), `{`},
		"invalid":    {numbered(1), `{"action":"x.y"}`},
		"conflict":   {numbered(1), strings.Replace(numbered(1), `"n":1`, `"n":9`, 1)},
	} {
		if _, err := b.Ledger.Append(ctx, ledgertest.Tenant, items(t, texts...), ledger.AppendOptions{Atomic: true}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := all(t, b, ledger.Query{}); len(got) != 0 {
		t.Errorf("%d events were recorded", len(got))
	}
}

func TestEventAndEffectAreOneTransaction(t *testing.T) {
	sqldbtest.Each(t, testEventAndEffectAreOneTransaction)
}

func testEventAndEffectAreOneTransaction(t *testing.T) {
	b := ledgertest.New(t)
	ctx := context.Background()
	effect := func(fail error) ledger.Effect {
		return func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `INSERT INTO setting (tenant_id, name, value, updated_at) VALUES ('x', 'y', 'z', 0)`); err != nil {
				return err
			}
			return fail
		}
	}
	no := errors.New("no")
	if err := b.Record(ctx, ledgertest.Tenant, &event.Event{Action: "test.fail", Actor: event.Actor{Type: "system", ID: "s"}}, effect(no)); !errors.Is(err, no) {
		t.Fatalf("got %v", err)
	}
	var n int
	count := func() int {
		if err := b.DB.Read(ctx).QueryRow(`SELECT COUNT(*) FROM setting WHERE tenant_id = 'x'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if count() != 0 || len(all(t, b, ledger.Query{})) != 0 {
		t.Error("something of a failed decision was kept")
	}
	if err := b.Record(ctx, ledgertest.Tenant, &event.Event{Action: "test.pass", Actor: event.Actor{Type: "system", ID: "s"}}, effect(nil)); err != nil {
		t.Fatal(err)
	}
	if count() != 1 || len(all(t, b, ledger.Query{Category: []string{"governance"}})) != 1 {
		t.Error("a decision or its effect is missing")
	}
}

func TestConcurrentAppendsGiveEachEventOneSeq(t *testing.T) {
	sqldbtest.Each(t, testConcurrentAppendsGiveEachEventOneSeq)
}

func testConcurrentAppendsGiveEachEventOneSeq(t *testing.T) {
	b := ledgertest.New(t)
	var mu sync.Mutex
	seen := map[uint64]string{}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				r, err := b.Ledger.Append(context.Background(), ledgertest.Tenant, items(t, numbered(1000*w+i), numbered(1000*w+i+500)), ledger.AppendOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, x := range r.Results {
					if seen[x.Seq] != "" {
						t.Errorf("seq %d was given twice", x.Seq)
					}
					seen[x.Seq] = x.ID
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	got := all(t, b, ledger.Query{})
	if len(got) != 400 {
		t.Fatalf("%d events", len(got))
	}
	last := time.Time{}
	for i, r := range got {
		if r.Seq != uint64(i) || seen[r.Seq] != r.ID || r.RecordedAt.Before(last) {
			t.Fatalf("event %d: seq %d, id %s, recorded %s", i, r.Seq, r.ID, r.RecordedAt)
		}
		last = r.RecordedAt
	}
}

func TestPromiseCoversWhatWasAccepted(t *testing.T) {
	sqldbtest.Each(t, testPromiseCoversWhatWasAccepted)
}

func testPromiseCoversWhatWasAccepted(t *testing.T) {
	b := ledgertest.New(t)
	r := b.Append(t, numbered(1), numbered(2), numbered(3))
	keys, err := tlog.ParseKeys(b.Info.VKey)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tlog.OpenPromise([]byte(r.Promise), keys)
	if err != nil {
		t.Fatal(err)
	}
	hashes := []tlog.Hash{r.Results[0].LeafHash, r.Results[1].LeafHash, r.Results[2].LeafHash}
	if err := p.Check(hashes); err != nil {
		t.Error(err)
	}
	hashes[1][0] ^= 1
	if p.Check(hashes) == nil {
		t.Error("a promise covers another leaf")
	}
}

// TestRequestsShareAPromise sends from many at once and checks every receipt by itself, as a client does.
func TestRequestsShareAPromise(t *testing.T) { sqldbtest.Each(t, testRequestsShareAPromise) }

func testRequestsShareAPromise(t *testing.T) {
	b := ledgertest.New(t)
	keys, err := tlog.ParseKeys(b.Info.VKey)
	if err != nil {
		t.Fatal(err)
	}
	var shared atomic.Int64
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 20 {
				r, err := b.Ledger.Append(context.Background(), ledgertest.Tenant, items(t, numbered(1000*w+2*i), numbered(1000*w+2*i+1)), ledger.AppendOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				p, err := tlog.OpenPromise([]byte(r.Promise), keys)
				if err != nil {
					t.Error(err)
					return
				}
				leaves := []tlog.Hash{r.Results[0].LeafHash, r.Results[1].LeafHash}
				if r.PromiseProof == nil {
					err = p.Check(leaves)
				} else {
					shared.Add(1)
					if q := r.PromiseProof; q.First != r.First-p.First || q.Count != 2 || q.Size != p.Count {
						t.Errorf("the proof is about %d from %d of %d", q.Count, q.First, q.Size)
					}
					err = tlog.VerifyRange(r.PromiseProof, leaves, p.Root)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if shared.Load() == 0 {
		t.Error("no two requests were committed together")
	}
}

// TestOldDatabaseIsNotSignedFor restores yesterday's database under today's high-water mark.
func TestOldDatabaseIsNotSignedFor(t *testing.T) { sqldbtest.Each(t, testOldDatabaseIsNotSignedFor) }

func testOldDatabaseIsNotSignedFor(t *testing.T) {
	b := ledgertest.New(t)
	ctx := context.Background()
	b.Append(t, numbered(1))
	if _, err := b.Prove(ctx, ledgertest.Tenant, 0, nil); err != nil {
		t.Fatal(err)
	}
	dir := b.Dir
	b.Stop(t)
	restore := sqldbtest.Copy(t, dir)
	b = ledgertest.Open(t, dir)
	b.Append(t, numbered(2), numbered(3))
	if _, err := b.Prove(ctx, ledgertest.Tenant, 2, nil); err != nil {
		t.Fatal(err)
	}
	b.Stop(t)
	restore()
	b = ledgertest.Open(t, dir)
	_, err := b.Ledger.Append(ctx, ledgertest.Tenant, items(t, numbered(4)), ledger.AppendOptions{})
	if errs.CodeOf(err) != errs.Unavailable || !strings.Contains(err.Error(), "older than the last signed checkpoint") {
		t.Errorf("appending to an old database: %v", err)
	}
	if got := all(t, b, ledger.Query{}); len(got) != 1 {
		t.Errorf("%d events can be read", len(got))
	}
	h, err := b.Head(ctx, ledgertest.Tenant)
	if err != nil || h.Frozen == "" {
		t.Errorf("not shown as frozen: %+v %v", h, err)
	}
}

func TestSettingsAreEnforcedAndRecorded(t *testing.T) {
	sqldbtest.Each(t, testSettingsAreEnforcedAndRecorded)
}

func testSettingsAreEnforcedAndRecorded(t *testing.T) {
	b := ledgertest.New(t)
	ctx := context.Background()
	by := event.Actor{Type: "user", ID: "admin"}
	s, err := b.Settings(ctx, ledgertest.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	next := *s
	next.EventClasses = map[string]bool{"data": false}
	if err := b.PutSettings(ctx, ledgertest.Tenant, &next, by); err != nil {
		t.Fatal(err)
	}
	r, err := b.Ledger.Append(ctx, ledgertest.Tenant, items(t, numbered(1)), ledger.AppendOptions{})
	if err != nil || r.Disabled != 1 || r.Results[0].Status != ledger.StatusDisabled {
		t.Errorf("a switched-off class: %+v %v", r, err)
	}
	if got := all(t, b, ledger.Query{Action: []string{"settings.update"}}); len(got) != 1 || got[0].Text("/actor/id") != "admin" {
		t.Errorf("the switch is not in the log: %v", got)
	}
	for name, change := range map[string]func(*ledger.Settings){
		"governance off":    func(s *ledger.Settings) { s.EventClasses = map[string]bool{"governance": false} },
		"short retention":   func(s *ledger.Settings) { s.RetentionMonths = 5 },
		"unknown format":    func(s *ledger.Settings) { s.ExportFormats = []string{"exe"} },
		"unknown zone":      func(s *ledger.Settings) { s.Timezone = "Mars/Base" },
		"unknown class":     func(s *ledger.Settings) { s.EventClasses = map[string]bool{"gossip": true} },
		"unknown rhythm":    func(s *ledger.Settings) { s.ExportFrequency = "hourly" },
		"unknown anonymity": func(s *ledger.Settings) { s.AnonymiseExports = "maybe" },
	} {
		bad := next
		change(&bad)
		if err := b.PutSettings(ctx, ledgertest.Tenant, &bad, by); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCustomFields(t *testing.T) { sqldbtest.Each(t, testCustomFields) }

func testCustomFields(t *testing.T) {
	b := ledgertest.New(t)
	ctx := context.Background()
	fields := []ledger.CustomField{{Name: "ward", Type: "enum", Enum: []string{"north", "south"}, Required: true}, {Name: "badge", Type: "string", Pattern: `[A-Z]\d+`, Personal: true, Category: "user.unique_id"},
		{Name: "beds", Type: "integer"}, {Name: "share", Type: "number"}, {Name: "urgent", Type: "boolean"}, {Name: "day", Type: "date"}, {Name: "at", Type: "datetime"}}
	if err := b.PutCustomFields(ctx, ledgertest.Tenant, fields, event.Actor{Type: "user", ID: "admin"}); err != nil {
		t.Fatal(err)
	}
	with := func(custom string) string {
		return strings.Replace(numbered(1), `"data"`, `"custom":`+custom+`,"data"`, 1)
	}
	b.Append(t, with(`{"ward":"north","badge":"B12","beds":3,"share":0.5,"urgent":true,"day":"2026-02-28","at":"2026-02-28T10:00:00Z"}`))
	for _, bad := range []string{`{}`, `{"ward":"west"}`, `{"ward":"north","badge":"b12"}`, `{"ward":"north","beds":1.5}`, `{"ward":"north","share":"1"}`, `{"ward":"north","urgent":1}`,
		`{"ward":"north","day":"2026-02-30"}`, `{"ward":"north","at":"noon"}`, `{"ward":"north","floor":1}`} {
		r, err := b.Ledger.Append(ctx, ledgertest.Tenant, items(t, strings.Replace(with(bad), `"n1"`, `"other"`, 1)), ledger.AppendOptions{})
		if err != nil || r.Rejected != 1 || !strings.HasPrefix(r.Results[0].Err.Fields[0].Pointer, "/custom/") {
			t.Errorf("%s: %+v %v", bad, r, err)
		}
	}
	if got := all(t, b, ledger.Query{Fields: map[string]string{"ward": "north", "beds": "3"}}); len(got) != 1 {
		t.Errorf("%d found by custom fields", len(got))
	} else if f, _ := got[0].Field("/custom/badge"); f.State != event.Opened || f.Category != "user.unique_id" {
		t.Errorf("a personal custom field is %+v", f)
	} else if f, _ := got[0].Field("/custom/ward"); f.State != event.Clear {
		t.Errorf("an operational custom field is %+v", f)
	}
	if got := all(t, b, ledger.Query{Fields: map[string]string{"ward": "south"}}); len(got) != 0 {
		t.Error("found by another value")
	}
	for name, f := range map[string]ledger.CustomField{"name": {Name: "Bad Name", Type: "string"}, "type": {Name: "x", Type: "blob"}, "pattern": {Name: "x", Type: "string", Pattern: "("}, "enum": {Name: "x", Type: "enum"}} {
		if err := b.PutCustomFields(ctx, ledgertest.Tenant, []ledger.CustomField{f}, event.Actor{ID: "a"}); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSourcesOfAKeyAndReservedSource(t *testing.T) {
	sqldbtest.Each(t, testSourcesOfAKeyAndReservedSource)
}

func testSourcesOfAKeyAndReservedSource(t *testing.T) {
	b := ledgertest.New(t)
	for _, x := range []struct {
		source  string
		sources []string
		want    ledger.Status
	}{{"app", []string{"app"}, ledger.StatusAccepted}, {"app.web", []string{"app.*"}, ledger.StatusAccepted}, {"other", []string{"app.*"}, ledger.StatusRejected}, {"probity", nil, ledger.StatusRejected}} {
		text := strings.NewReplacer(`"app"`, `"`+x.source+`"`).Replace(numbered(1))
		r, err := b.Ledger.Append(context.Background(), ledgertest.Tenant, items(t, text), ledger.AppendOptions{Sources: x.sources})
		if err != nil || r.Results[0].Status != x.want {
			t.Errorf("source %s with key for %v: %+v %v", x.source, x.sources, r, err)
		}
	}
}

func TestTenantsAreApart(t *testing.T) { sqldbtest.Each(t, testTenantsAreApart) }

func testTenantsAreApart(t *testing.T) {
	b := ledgertest.New(t)
	ctx := context.Background()
	if _, err := b.CreateTenant(ctx, "t-other", "Other"); err != nil {
		t.Fatal(err)
	}
	b.Append(t, haircut)
	n := 0
	for _, q := range []ledger.Query{{}, {Actor: []string{"bob"}}, {Text: "Bob"}, {Resource: []string{"service/haircut"}}} {
		if _, err := b.Search(ctx, "t-other", q, ledger.Page{}, nil, func(*event.Record) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if people, err := b.People(ctx, "t-other", "bob", 5, nil); n > 0 || len(people) > 0 || err != nil {
		t.Errorf("another tenant sees %d events and %d people (%v)", n, len(people), err)
	}
	if _, err := b.Get(ctx, "t-other", 0, nil); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("another tenant gets seq 0: %v", err)
	}
	if _, err := b.Search(ctx, "t-nobody", ledger.Query{}, ledger.Page{}, nil, nil); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("an unknown tenant: %v", err)
	}
}

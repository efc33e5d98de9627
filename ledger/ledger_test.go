package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/evidence"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
)

const haircut = `{"id":"e1","source":"salon.app","action":"service.update","actor":{"type":"user","id":"bob","name":"Bob Example","email":"bob@salon.example"},
"resource":{"type":"service","id":"haircut","name":"Haircut"},"subject":{"type":"client","id":"c-7","name":"Ana"},"changes":[{"path":"/price","before":50,"after":10}],
"context":{"ip":"192.0.2.7","user_agent":"Mozilla/5.0"},"reason":"told by Ana","data":{"note":"call +1 555 0100","count":3}}`

func all(t *testing.T, b *ledgertest.Box, q ledger.Query) []*event.Record {
	t.Helper()
	var out []*event.Record
	if _, err := b.Search(context.Background(), ledgertest.Tenant, q, ledger.Page{Ascending: true}, nil, func(r *event.Record) error {
		out = append(out, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAppendIsReadBackAndProven(t *testing.T) { sqldbtest.Each(t, testAppendIsReadBackAndProven) }

func testAppendIsReadBackAndProven(t *testing.T) {
	b := ledgertest.New(t)
	r := b.Append(t, haircut)
	if r.First != 0 || r.Promise == "" {
		t.Fatalf("receipt %+v", r)
	}
	got := all(t, b, ledger.Query{})
	if len(got) != 1 {
		t.Fatalf("%d events found", len(got))
	}
	for path, want := range map[string]string{"/actor/name": "Bob Example", "/subject/name": "Ana", "/reason": "told by Ana", "/data/count": "3", "/changes/0/before": "50",
		"/context/user_agent": "Mozilla/5.0", "/resource/name": "Haircut", "/data/note": "call +1 555 0100"} {
		if g := got[0].Text(path); g != want {
			t.Errorf("%s = %q, want %q", path, g, want)
		}
	}
	p, err := b.Prove(context.Background(), ledgertest.Tenant, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := tlog.ParseKeys(strings.Join(p.VKeys, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	tp, err := tlog.ParseProof([]byte(p.TLogProof))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tp.Verify(p.LeafHash, keys); err != nil {
		t.Fatal(err)
	}
	leaf, err := evidence.DecodeLeaf(p.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.Disclosure.Check(leaf)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Fields) != len(got[0].Fields) {
		t.Errorf("%d fields proven of %d", len(res.Fields), len(got[0].Fields))
	}
}

func TestSearchFindsByPersonResourceAndText(t *testing.T) {
	sqldbtest.Each(t, testSearchFindsByPersonResourceAndText)
}

func testSearchFindsByPersonResourceAndText(t *testing.T) {
	b := ledgertest.New(t)
	b.Append(t, haircut, strings.NewReplacer(`"e1"`, `"e2"`, `"bob"`, `"carl"`, "bob@", "carl@", "Bob Example", "Carl", "haircut", "beard").Replace(haircut))
	for name, x := range map[string]struct {
		q    ledger.Query
		want int
	}{
		"by actor id":       {ledger.Query{Actor: []string{"bob"}}, 1},
		"by actor e-mail":   {ledger.Query{Actor: []string{"BOB@salon.example"}}, 1},
		"by actor name":     {ledger.Query{Actor: []string{"bob example"}}, 1},
		"by unknown actor":  {ledger.Query{Actor: []string{"dave"}}, 0},
		"by subject":        {ledger.Query{Subject: []string{"c-7"}}, 2},
		"by resource":       {ledger.Query{Resource: []string{"service/beard"}}, 1},
		"by resource type":  {ledger.Query{Resource: []string{"service"}}, 2},
		"by address":        {ledger.Query{IP: []string{"192.0.2.7"}}, 2},
		"by action glob":    {ledger.Query{Action: []string{"service.*"}}, 2},
		"by text":           {ledger.Query{Text: "carl@SALON"}, 1},
		"by text in reason": {ledger.Query{Text: "told by"}, 2},
	} {
		if got := len(all(t, b, x.q)); got != x.want {
			t.Errorf("%s: %d found, want %d", name, got, x.want)
		}
	}
}

func TestDuplicatesAndConflicts(t *testing.T) { sqldbtest.Each(t, testDuplicatesAndConflicts) }

func testDuplicatesAndConflicts(t *testing.T) {
	b := ledgertest.New(t)
	b.Append(t, haircut)
	for i, x := range []struct {
		text string
		want ledger.Status
	}{{haircut, ledger.StatusDuplicate}, {strings.Replace(haircut, "50", "51", 1), ledger.StatusRejected}} {
		e, err := event.Parse([]byte(x.text))
		if err != nil {
			t.Fatal(err)
		}
		r, err := b.Ledger.Append(context.Background(), ledgertest.Tenant, []ledger.Item{{Event: e}}, ledger.AppendOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Results[0].Status != x.want || r.Results[0].Seq != 0 {
			t.Errorf("%d: %+v", i, r.Results[0])
		}
	}
	dir := b.Dir
	b.Stop(t)
	again := ledgertest.Open(t, dir)
	e, _ := event.Parse([]byte(haircut))
	r, err := again.Ledger.Append(context.Background(), ledgertest.Tenant, []ledger.Item{{Event: e}}, ledger.AppendOptions{})
	if err != nil || r.Duplicates != 1 {
		t.Errorf("after a restart: %+v %v", r, err)
	}
}

func TestSealedEventsReadTheSame(t *testing.T) { sqldbtest.Each(t, testSealedEventsReadTheSame) }

func testSealedEventsReadTheSame(t *testing.T) {
	b := ledgertest.New(t)
	for i := range 30 {
		texts := make([]string, 20)
		for j := range texts {
			texts[j] = strings.NewReplacer(`"e1"`, fmt.Sprintf(`"e%d-%d"`, i, j), `"bob"`, fmt.Sprintf(`"bob%d"`, j)).Replace(haircut)
		}
		b.Append(t, texts...)
	}
	before := all(t, b, ledger.Query{})
	ctx := context.Background()
	if _, err := b.Prove(ctx, ledgertest.Tenant, 599, nil); err != nil { // waits for the checkpoint
		t.Fatal(err)
	}
	if err := b.Seal(ctx, ledgertest.Tenant, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	b.Append(t, strings.Replace(haircut, `"e1"`, `"later"`, 1))
	dir := b.Dir
	b.Stop(t)
	b = ledgertest.Open(t, dir)
	after := all(t, b, ledger.Query{})
	if len(before) != 600 || len(after) != 601 {
		t.Fatalf("%d before, %d after", len(before), len(after))
	}
	for i := range before {
		if x, y := string(before[i].AppendJSON(nil)), string(after[i].AppendJSON(nil)); x != y {
			t.Fatalf("event %d changed when sealed:\n%s\n%s", i, x, y)
		}
	}
	if _, err := b.Prove(ctx, ledgertest.Tenant, 17, nil); err != nil {
		t.Fatal(err)
	}
}

package ledger_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
	"probity.dev/verify"
)

// nameless withholds names, as a masking policy might.
type nameless struct{}

func (nameless) Mask(r *event.Record) {
	for i := range r.Fields {
		switch f := &r.Fields[i]; {
		case strings.HasSuffix(f.Path, "/name"):
			f.Value, f.State = nil, event.Withheld
		case f.Path == "/actor/email" && f.Value != nil:
			f.Value, f.State = []byte(`"•••"`), event.Masked
		}
	}
}

func bundleOf(t *testing.T, b *ledgertest.Box, q ledger.Query, o ledger.BundleOptions) string {
	t.Helper()
	var buf bytes.Buffer
	if _, err := b.Bundle(context.Background(), ledgertest.Tenant, q, o, &buf); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "b.zip")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBundlesVerify(t *testing.T) { sqldbtest.Each(t, testBundlesVerify) }

func testBundlesVerify(t *testing.T) {
	b := ledgertest.New(t)
	ctx := context.Background()
	for i := range 40 {
		b.Append(t, numbered(i), strings.NewReplacer(`"e1"`, `"h`+strings.Repeat("x", i)+`"`, `"bob"`, []string{`"bob"`, `"carl"`}[i%2]).Replace(haircut))
	}
	middle := time.Now()
	b.Append(t, numbered(100))
	if err := b.Seal(ctx, ledgertest.Tenant, middle); err != nil {
		t.Fatal(err)
	}
	keys, err := tlog.ParseKeys(b.Info.VKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		q      ledger.Query
		o      ledger.BundleOptions
		events uint64
		proven bool
	}{
		"everything":         {ledger.Query{}, ledger.BundleOptions{}, 81, true},
		"by actor":           {ledger.Query{Actor: []string{"carl"}}, ledger.BundleOptions{}, 20, true},
		"by subject":         {ledger.Query{Subject: []string{"c-7"}}, ledger.BundleOptions{}, 40, true},
		"by anybody":         {ledger.Query{Person: []string{"bob"}}, ledger.BundleOptions{}, 20, true},
		"by nobody":          {ledger.Query{Actor: []string{"zed"}}, ledger.BundleOptions{}, 0, true},
		"by resource":        {ledger.Query{Resource: []string{"thing/t3"}}, ledger.BundleOptions{}, 8, true},
		"by action":          {ledger.Query{Action: []string{"service.*"}}, ledger.BundleOptions{}, 40, true},
		"recorded before":    {ledger.Query{Time: "recorded", To: middle}, ledger.BundleOptions{}, 80, true},
		"recorded after":     {ledger.Query{Time: "recorded", From: middle}, ledger.BundleOptions{}, 1, true},
		"masked":             {ledger.Query{Action: []string{"service.*"}}, ledger.BundleOptions{Mask: nameless{}, Masking: "no names"}, 40, true},
		"by text":            {ledger.Query{Text: "told by"}, ledger.BundleOptions{}, 40, false},
		"inclusion":          {ledger.Query{Actor: []string{"carl"}}, ledger.BundleOptions{Inclusion: true}, 20, false},
		"inclusion, masked":  {ledger.Query{}, ledger.BundleOptions{Inclusion: true, Mask: nameless{}}, 81, false},
		"a range of numbers": {ledger.Query{SeqFrom: 10, SeqTo: 20}, ledger.BundleOptions{}, 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := verify.Bundle(ctx, bundleOf(t, b, x.q, x.o), verify.Options{Keys: keys})
			if err != nil {
				t.Fatal(err)
			}
			if !r.OK {
				t.Fatal(r.String())
			}
			if r.Bundle.Events != x.events || (r.Bundle.Completeness == "proven") != x.proven {
				t.Errorf("%d events, completeness %s", r.Bundle.Events, r.Bundle.Completeness)
			}
		})
	}
}

package ledgertest

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/crypt"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// Tenant is the id of the tenant that New makes.
const Tenant = "t-test"

// Box is an opened ledger and what it stands on.
type Box struct {
	*ledger.Ledger
	DB   *sqldb.DB
	Dir  string
	Info ledger.TenantInfo
	opt  ledger.Options
}

// New opens a ledger with one tenant in a new folder. It is closed at the end of the test.
func New(t testing.TB, change ...func(*ledger.Options)) *Box {
	t.Helper()
	return Open(t, t.TempDir(), change...)
}

// Open opens the ledger in dir, making it at first use.
func Open(t testing.TB, dir string, change ...func(*ledger.Options)) *Box {
	t.Helper()
	return OpenOn(t, dir, sqldbtest.OpenIn(t, dir), change...)
}

// OpenOn is Open with a database of the caller's, which it closes at the end of the test.
func OpenOn(t testing.TB, dir string, db *sqldb.DB, change ...func(*ledger.Options)) *Box {
	t.Helper()
	ctx := context.Background()
	key := filepath.Join(dir, "master.key")
	kms, err := crypt.OpenFileKMS(key)
	if err != nil {
		if kms, err = crypt.CreateFileKMS(key); err != nil {
			t.Fatal(err)
		}
	}
	b := &Box{DB: db, Dir: dir, opt: ledger.Options{DB: db, KMS: kms, Dir: dir, Instance: "test.example", Classifier: Classifier{}, Engine: Scan{}, CheckpointInterval: 10 * time.Millisecond}}
	for _, c := range change {
		c(&b.opt)
	}
	if b.Ledger, err = ledger.Open(ctx, b.opt); err != nil {
		t.Fatal(err)
	}
	if b.Info, err = b.Tenant(ctx, Tenant); err != nil {
		if b.Info, err = b.CreateTenant(ctx, Tenant, "Test"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { b.Stop(t) })
	return b
}

// Stop closes the ledger and the database; it may be called twice.
func (b *Box) Stop(t testing.TB) {
	if b.Ledger == nil {
		return
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := b.DB.Close(); err != nil {
		t.Error(err)
	}
	b.Ledger = nil
}

// Append parses and appends events and fails the test unless all are accepted.
func (b *Box) Append(t testing.TB, texts ...string) *ledger.Receipt {
	t.Helper()
	items := make([]ledger.Item, len(texts))
	for i, s := range texts {
		e, err := event.Parse([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		items[i].Event = e
	}
	r, err := b.Ledger.Append(context.Background(), Tenant, items, ledger.AppendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Accepted != len(texts) {
		for _, x := range r.Results {
			if x.Err != nil {
				t.Log(x.Err, x.Err.Fields)
			}
		}
		t.Fatalf("%d of %d events accepted", r.Accepted, len(texts))
	}
	return r
}

// Classifier knows a few names; everything else is unknown text, numbers are operational.
type Classifier struct{}

// Classify implements event.Classifier.
func (Classifier) Classify(_, path string, v []byte) event.Class {
	name := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case name == "email":
		return event.Class{Category: "user.contact.email", Kind: event.Personal}
	case name == "name" || name == "phone":
		return event.Class{Category: "user." + name, Kind: event.Personal}
	case strings.HasPrefix(path, "/context/") && name != "request_id":
		return event.Class{Category: "user.device", Kind: event.Personal}
	case slices.Contains([]string{"/id", "/severity", "/correlation_id", "/resource/id", "/context/request_id"}, path), strings.HasPrefix(path, "/changes/") && (name == "path" || name == "op"):
		return event.Class{Kind: event.Operational}
	case len(v) > 0 && v[0] != '"':
		return event.Class{Kind: event.Operational}
	}
	return event.Class{}
}

// ClassifyChange implements event.Classifier.
func (c Classifier) ClassifyChange(action, path string, v []byte) event.Class {
	return c.Classify(action, "/"+path, v)
}

// PersonType implements event.Classifier.
func (Classifier) PersonType(typ string) bool {
	return typ == "patient" || typ == "client" || typ == "user"
}

// Suspicious implements event.Classifier.
func (Classifier) Suspicious(s string) bool { return strings.Contains(s, "@") }

// Scan is a query.Engine that reads everything.
type Scan struct{}

// Rows implements query.Engine.
func (Scan) Rows(ctx context.Context, s query.Snapshot, f query.Filter, p query.Page, yield func(*segment.Row) error) error {
	rows, err := scan(s, f)
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b *segment.Row) int {
		if p.Desc {
			return cmp.Compare(b.Seq, a.Seq)
		}
		return cmp.Compare(a.Seq, b.Seq)
	})
	n := 0
	for _, r := range rows {
		if p.After > 0 && (p.Desc && r.Seq >= int64(p.After) || !p.Desc && r.Seq <= int64(p.After)) {
			continue
		}
		if p.Limit > 0 && n == p.Limit {
			return nil
		}
		n++
		if err := yield(r); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func scan(s query.Snapshot, f query.Filter) ([]*segment.Row, error) {
	var out []*segment.Row
	keep := func(r *segment.Row) error {
		if f.Match(r) && (s.Head == 0 || r.Seq < int64(s.Head)) {
			out = append(out, r.Clone())
		}
		return nil
	}
	for _, g := range s.Segments {
		if err := segment.ReadWorking(g.Path, segment.AllColumns, keep); err != nil {
			return nil, err
		}
	}
	for _, b := range s.Hot {
		rows, err := segment.DecodeBatch(b.Bytes, nil)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			if err := keep(&rows[i]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// Stats implements query.Engine; it only counts.
func (Scan) Stats(_ context.Context, s query.Snapshot, f query.Filter, _ query.StatsSpec) (*query.Stats, error) {
	rows, err := scan(s, f)
	if err != nil {
		return nil, err
	}
	return &query.Stats{Total: int64(len(rows))}, nil
}

// Close implements query.Engine.
func (Scan) Close() error { return nil }

package person

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"probity.dev/internal/crypt"
	"probity.dev/internal/evidence"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
)

type bench struct {
	db   *sqldb.DB
	keys *crypt.Tenant
	key  evidence.Hash
}

func newBench(t testing.TB) *bench {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	kms, err := crypt.CreateFileKMS(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{key: crypt.Secret()}
	if b.keys, _, err = crypt.NewTenant(ctx, kms, "t"); err != nil {
		t.Fatal(err)
	}
	b.db = sqldbtest.Open(t)
	return b
}

func (b *bench) open(t testing.TB) *Directory {
	t.Helper()
	d, err := Open(context.Background(), "t", 1, b.db, b.keys, b.key)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func commit(t testing.TB, d *Directory, b *Batch) {
	t.Helper()
	ctx := context.Background()
	d.Prepare(b)
	if err := d.db.Write(ctx, func(tx *sql.Tx) error { return d.Persist(ctx, tx, b) }); err != nil {
		t.Fatal(err)
	}
	d.Committed(b)
}

// check looks n persons up in every way, and that each has the handle and profile it was given.
func check(t *testing.T, d *Directory, when string, handles, profiles []int64) {
	t.Helper()
	ctx := context.Background()
	for i, h := range handles {
		id := Identity{Namespace: "app", Type: "user", ID: fmt.Sprint("u", i), Name: fmt.Sprint("Name ", i), Email: fmt.Sprintf("u%d@example.com", i)}
		var b Batch
		p, err := d.Resolve(ctx, &b, id)
		if err != nil || p.Handle != h || !b.Empty() {
			t.Fatalf("%s: person %d resolves to %d, not %d (new rows: %v, error: %v)", when, i, p.Handle, h, !b.Empty(), err)
		}
		for _, term := range []string{id.ID, "U" + id.ID[1:], id.Email} {
			if found, err := d.Find(ctx, term); err != nil || len(found) != 1 || found[0] != h {
				t.Fatalf("%s: %s finds %v, not %d (%v)", when, term, found, h, err)
			}
		}
		if body, err := d.ReadProfile(ctx, h, profiles[i]); err != nil || string(body) != id.Name {
			t.Fatalf("%s: profile of %d is %q (%v)", when, i, body, err)
		}
		if who, err := d.Describe(ctx, h); err != nil || who.Email != id.Email {
			t.Fatalf("%s: person %d is %+v (%v)", when, i, who, err)
		}
	}
	if m, err := d.Search(ctx, "NAME 1", 5); err != nil || len(m) != 5 {
		t.Fatalf("%s: search finds %d (%v)", when, len(m), err)
	}
}

func TestPersonsAreTheSameInMemoryAndTables(t *testing.T) {
	sqldbtest.Each(t, testPersonsAreTheSameInMemoryAndTables)
}

func testPersonsAreTheSameInMemoryAndTables(t *testing.T) {
	s := newBench(t)
	d := s.open(t)
	ctx := context.Background()
	var handles, profiles []int64
	for i := range 50 {
		var b Batch
		id := Identity{Namespace: "app", Type: "user", ID: fmt.Sprint("u", i), Name: "first name", Email: fmt.Sprintf("u%d@example.com", i)}
		p, err := d.Resolve(ctx, &b, id)
		if err != nil {
			t.Fatal(err)
		}
		profiles = append(profiles, d.Profile(&b, p, []byte(fmt.Sprint("Name ", i))))
		handles = append(handles, p.Handle)
		commit(t, d, &b)
		b = Batch{}
		id.Name = fmt.Sprint("Name ", i)
		if _, err := d.Resolve(ctx, &b, id); err != nil || b.Empty() {
			t.Fatalf("a changed name is not noticed (%v)", err)
		}
		commit(t, d, &b)
	}
	check(t, d, "cached", handles, profiles)
	check(t, s.open(t), "stored", handles, profiles)
}

func TestRolledBackPersonIsStoredNextTime(t *testing.T) {
	sqldbtest.Each(t, testRolledBackPersonIsStoredNextTime)
}

func testRolledBackPersonIsStoredNextTime(t *testing.T) {
	s := newBench(t)
	d := s.open(t)
	ctx := context.Background()
	id := Identity{Namespace: "app", Type: "user", ID: "x"}
	var lost, kept Batch
	first, err := d.Resolve(ctx, &lost, id)
	if err != nil {
		t.Fatal(err)
	}
	again, err := d.Resolve(ctx, &kept, id)
	if err != nil || again.Handle != first.Handle || kept.Empty() {
		t.Fatalf("%v: handles %d and %d, nothing to store: %v", err, first.Handle, again.Handle, kept.Empty())
	}
	commit(t, d, &kept)
	if found, err := s.open(t).Find(ctx, "x"); err != nil || len(found) != 1 || found[0] != first.Handle {
		t.Errorf("found %v (%v)", found, err)
	}
}

func TestNobodyIsFoundAcrossTenants(t *testing.T) { sqldbtest.Each(t, testNobodyIsFoundAcrossTenants) }

func testNobodyIsFoundAcrossTenants(t *testing.T) {
	s := newBench(t)
	d := s.open(t)
	var b Batch
	p, err := d.Resolve(context.Background(), &b, Identity{Namespace: "app", Type: "user", ID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, d, &b)
	other, err := Open(context.Background(), "t2", 2, s.db, s.keys, crypt.Secret())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Secret(context.Background(), p.Handle); err == nil {
		t.Error("another tenant reads the secret")
	}
	if found, err := other.Find(context.Background(), "x"); err != nil || len(found) != 0 {
		t.Errorf("another tenant finds %v (%v)", found, err)
	}
}

func FuzzPage(f *testing.F) {
	r := record{handle: 5, scope: [8]byte{1}, generation: 1, created: 2, lookups: make([]byte, 32), secret: []byte("s"), base: []byte("b"), display: []byte("d")}
	f.Add(appendItem([]byte{pageFormat}, 3, r.append(nil)))
	table := pageTable{width: 8}
	f.Fuzz(func(t *testing.T, b []byte) {
		again := []byte{pageFormat}
		err := table.items(1, b, func(n numbered) error {
			r, err := parseRecord(n.body)
			if err != nil {
				return err
			}
			again = appendItem(again, byte(n.number%8), r.append(nil))
			return nil
		})
		if err == nil {
			if err := table.items(1, again, func(n numbered) error { _, err := parseRecord(n.body); return err }); err != nil {
				t.Fatal(err)
			}
		}
	})
}

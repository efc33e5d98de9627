package person

import (
	"context"
	"database/sql"
	"testing"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
)

// destroy does what erasing a person must do to the directory's tables.
func destroy(t *testing.T, d *Directory, handle int64) {
	t.Helper()
	ctx := context.Background()
	number := number(t, d, handle)
	out := []byte{pageFormat}
	page := number / personsPerPage
	err := d.personTable.read(ctx, d.db.Read(ctx), d.no, []int64{page}, func(page int64, body []byte) error {
		return d.personTable.items(page, body, func(n numbered) error {
			r, err := parseRecord(n.body)
			if n.number == number {
				r.secret = nil
			}
			out = appendItem(out, byte(n.number%personsPerPage), r.append(nil))
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.Exec(`UPDATE person SET body = $1 WHERE tenant_no = $2 AND page = $3`, out, d.no, page)
		if n, _ := res.RowsAffected(); n != 1 {
			t.Fatal("the person is not filed")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDestroyedSecretStaysDestroyed(t *testing.T) {
	sqldbtest.Each(t, testDestroyedSecretStaysDestroyed)
}

func testDestroyedSecretStaysDestroyed(t *testing.T) {
	s := newBench(t)
	d := s.open(t)
	ctx := context.Background()
	var late Batch // names the person before it is stored, and commits after it is destroyed
	if _, err := d.Resolve(ctx, &late, user(1)); err != nil {
		t.Fatal(err)
	}
	d.Prepare(&late)
	h, first := bring(t, d, user(1), "first")
	neighbour, _ := bring(t, d, user(2), "neighbour")
	_, second := bring(t, d, user(1), "second")
	renamed := user(1)
	renamed.Name = "Later"
	bring(t, d, renamed, "second")
	destroy(t, d, h)
	gone := func(when string, d *Directory) {
		t.Helper()
		if _, err := d.Secret(ctx, h); errs.CodeOf(err) != errs.NotFound {
			t.Errorf("%s: secret: %v", when, err)
		}
		if who, err := d.Describe(ctx, h); errs.CodeOf(err) != errs.NotFound {
			t.Errorf("%s: %+v, %v", when, who, err)
		}
		for _, p := range []int64{first, second} {
			if b, err := d.ReadProfile(ctx, h, p); errs.CodeOf(err) != errs.NotFound {
				t.Errorf("%s: profile %d: %q, %v", when, p, b, err)
			}
		}
		if m, err := d.Search(ctx, "", 10); err != nil || len(m) != 0 {
			t.Errorf("%s: %v, %v", when, m, err)
		}
		if m, err := d.Search(ctx, "name", 10); err != nil || len(m) != 1 || m[0].Handle != neighbour {
			t.Errorf("%s: %v, %v", when, m, err)
		}
		if m, err := d.Search(ctx, "later", 10); err != nil || len(m) != 0 {
			t.Errorf("%s: %v, %v", when, m, err)
		}
		var b Batch
		if err := d.Prefetch(ctx, &b, []Identity{user(1), user(2)}); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if _, err := d.Resolve(ctx, &b, user(1)); errs.CodeOf(err) != errs.NotFound || !b.Empty() {
			t.Errorf("%s: %v", when, err)
		}
		if p, err := d.Resolve(ctx, &b, user(2)); err != nil || p.Handle != neighbour {
			t.Errorf("%s: %v", when, err)
		}
	}
	gone("reopened", s.open(t))
	if err := d.db.Write(ctx, func(tx *sql.Tx) error { return d.Persist(ctx, tx, &late) }); err != nil {
		t.Fatal(err)
	}
	d.Committed(&late)
	gone("after another batch named the person, reopened", s.open(t))

	// A new name that was on its way.
	change := displayRow{number: number(t, d, h), display: []byte("sealed"), alias: [lookupSize]byte{1}}
	if err := d.db.Write(ctx, func(tx *sql.Tx) error { return d.rename(ctx, tx, change) }); err != nil {
		t.Fatal(err)
	}
	gone("after a new name, reopened", s.open(t))
}

func number(t *testing.T, d *Directory, handle int64) int64 {
	t.Helper()
	n, ok := d.handles.number(handle)
	if !ok {
		t.Fatal("no such handle")
	}
	return n
}

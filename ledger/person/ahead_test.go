package person

import (
	"database/sql"
	"fmt"
	"testing"

	"probity.dev/internal/evidence"
)

// TestAheadOpensEverybodyOnce asks for one person of many, and gets all but whom it is to leave out.
func TestAheadOpensEverybodyOnce(t *testing.T) {
	s := newBench(t)
	const n = 500
	wanted := people(t, s.open(t), n)
	d := s.open(t)
	destroy(t, d, wanted[0].Handle)
	r := d.Read()
	r.ahead.from = 3
	o, other := r.Opener(), r.Opener()
	got := map[int64]string{}
	ask := func(o *Opener, want ...Wanted) bool {
		t.Helper()
		news, err := o.Ahead(t.Context(), want, func(handle int64, secret *evidence.Hash, profile []byte) {
			if mine, err := d.Secret(t.Context(), handle); err != nil || mine != *secret {
				t.Errorf("handle %d: another secret than that of the person (%v)", handle, err)
			}
			if _, again := got[handle]; again {
				t.Errorf("handle %d was yielded twice", handle)
			}
			got[handle] = string(profile)
		})
		if err != nil {
			t.Fatal(err)
		}
		return news
	}
	if ask(o, wanted[7]) || len(got) > 0 {
		t.Error("persons were opened before the reading was long")
	}
	if !ask(o, wanted[0], wanted[8], Wanted{Handle: -1}) || len(got) != n-1 {
		t.Errorf("%d persons of %d", len(got), n-1)
	}
	for i, w := range wanted[1:n] {
		if want := fmt.Sprint("profile ", i+1); got[w.Handle] != want {
			t.Errorf("%q in place of %q", got[w.Handle], want)
		}
	}
	if ask(o, wanted[9]) || !ask(other, wanted[9]) || ask(other, wanted[9]) {
		t.Error("an opener must hear once what another has yielded")
	}
}

// TestAheadLeavesLargeDirectories asks in a directory of more persons than are remembered.
func TestAheadLeavesLargeDirectories(t *testing.T) {
	s := newBench(t)
	wanted := people(t, s.open(t), 200)
	r := s.open(t).Read()
	r.ahead.from, r.ahead.most = 0, 199
	news, err := r.Opener().Ahead(t.Context(), wanted, func(int64, *evidence.Hash, []byte) { t.Error("a person was opened") })
	if news || err != nil {
		t.Error(news, err)
	}
}

// TestAheadLeavesOutWhatIsDamaged puts the record of a person, and that of another in their place, where they do not belong.
func TestAheadLeavesOutWhatIsDamaged(t *testing.T) {
	s := newBench(t)
	wanted := people(t, s.open(t), personsPerPage)
	d := s.open(t)
	first, _ := d.handles.number(wanted[0].Handle)
	page := first / personsPerPage
	var items []numbered
	err := d.personTable.read(t.Context(), d.db.Read(t.Context()), d.no, []int64{page}, func(page int64, body []byte) error {
		return d.personTable.items(page, append([]byte(nil), body...), func(n numbered) error {
			items = append(items, n)
			return nil
		})
	})
	if err != nil || len(items) < 4 {
		t.Fatal(len(items), err)
	}
	items[0].body, items[1].body = items[1].body, items[0].body
	items[2].body[len(items[2].body)-1] ^= 1
	body := []byte{pageFormat}
	for _, n := range items {
		body = appendItem(body, byte(n.number%personsPerPage), n.body)
	}
	err = d.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE person SET body = $1 WHERE tenant_no = $2 AND page = $3`, body, d.no, page)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r := d.Read()
	r.ahead.from = 0
	n := 0
	if _, err := r.Opener().Ahead(t.Context(), wanted, func(int64, *evidence.Hash, []byte) { n++ }); err != nil || n != personsPerPage-3 {
		t.Errorf("%d of %d persons (%v)", n, personsPerPage, err)
	}
}

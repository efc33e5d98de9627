package ledger

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/crypt"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/person"
)

// textPeople is a directory of persons whose names, and what else their profiles hold, are made of letters that fold in unusual ways.
type textPeople struct {
	t        *testing.T
	r        *rand.Rand
	db       *sqldb.DB
	d        *person.Directory
	handles  []int64
	profiles [][]string // JSON values; nil for who has none
}

func (p *textPeople) word(n int) string {
	letters := []rune(`abcABC kKſsS019.-"\éÉöÖKÅåİiⱥȺσςΣß` + "\x01\n\t")
	out := make([]rune, 1+p.r.IntN(n))
	for i := range out {
		out[i] = letters[p.r.IntN(len(letters))]
	}
	return string(out)
}

// add stores a person, or another name of one who is there.
func (p *textPeople) add(i int, id person.Identity) {
	var b person.Batch
	who, err := p.d.Resolve(p.t.Context(), &b, id)
	if err != nil {
		p.t.Fatal(err)
	}
	if i == len(p.handles) {
		var values []string
		if i%7 != 3 {
			values = p.values(id)
			var body []byte
			for _, v := range values {
				body = append(binary.AppendUvarint(body, uint64(len(v))), v...)
			}
			if p.d.Profile(&b, who, body) != person.FirstProfile {
				p.t.Fatal("not the first profile")
			}
		}
		p.handles, p.profiles = append(p.handles, who.Handle), append(p.profiles, values)
	}
	p.d.Prepare(&b)
	if err := p.db.Write(p.t.Context(), func(tx *sql.Tx) error { return p.d.Persist(p.t.Context(), tx, &b) }); err != nil {
		p.t.Fatal(err)
	}
	p.d.Committed(&b)
}

func (p *textPeople) values(id person.Identity) (values []string) {
	for _, text := range []string{"user", id.ID, id.Name, id.Email} {
		v, err := jsontext.AppendQuote(nil, text)
		if err != nil {
			p.t.Fatal(err)
		}
		values = append(values, string(v))
	}
	if p.r.IntN(2) == 0 {
		values = append(values, []string{`"Mozilla/5.0 (Kſs) É"`, `["reader","ÅDMIN"]`, `"okhttp"`}[p.r.IntN(3)])
	}
	p.r.Shuffle(len(values), func(i, k int) { values[i], values[k] = values[k], values[i] })
	return values
}

// compare looks for many texts and returns how many profiles were left out without a look, and how many texts were there.
func (p *textPeople) compare(when string, searches int) (left, found int) {
	if _, err := p.d.Search(p.t.Context(), "nobody has this", 1); err != nil { // waits for the index
		p.t.Fatal(err)
	}
	numbers := p.d.Numbers()
	for range searches {
		text := strings.ToLower(strings.TrimSpace(p.word(3)))
		if v := p.profiles[p.r.IntN(len(p.profiles))]; v != nil && p.r.IntN(2) == 0 {
			whole := []rune(v[p.r.IntN(len(v))])
			from := p.r.IntN(len(whole))
			text = strings.ToLower(strings.TrimSpace(string(whole[from : from+1+p.r.IntN(len(whole)-from)])))
		}
		if text == "" {
			continue
		}
		n := newNeedle(text)
		texts := p.d.Texts(text, n.in)
		for _, all := range []bool{false, true} {
			sift := p.d.Sift(func(int64, []byte) bool { return true }, texts, all)
			for i, h := range p.handles {
				may, known := sift.May(numbers, h, person.FirstProfile)
				in := false
				for _, v := range p.profiles[i] {
					in = in || containsFold([]byte(v), text)
				}
				if in {
					found++
				}
				if known && !may {
					left++
					if in {
						p.t.Fatalf("%s: %q is in %q, and yet the profile is left out", when, text, p.profiles[i])
					}
				}
				if known && may && !all {
					p.t.Fatalf("%s: %q: a profile is not looked at although not all that has it is wanted", when, text)
				}
			}
		}
	}
	return left, found
}

// TestTextsLeaveOutNobody compares what the index of names says of first profiles with the profiles, while persons come and change their names, and after a start.
func TestTextsLeaveOutNobody(t *testing.T) {
	kms, err := crypt.CreateFileKMS(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	keys, _, err := crypt.NewTenant(t.Context(), kms, "t")
	if err != nil {
		t.Fatal(err)
	}
	p := &textPeople{t: t, r: rand.New(rand.NewPCG(8, 13)), db: sqldbtest.Open(t)}
	secret := crypt.Secret()
	open := func() {
		if p.d, err = person.Open(t.Context(), "t", 1, p.db, keys, secret); err != nil {
			t.Fatal(err)
		}
	}
	open()
	name := func(i int) person.Identity {
		return person.Identity{Namespace: "app", Type: "user", ID: fmt.Sprint("u", i, p.word(4)), Name: p.word(8), Email: p.word(8)}
	}
	var ids []person.Identity
	for i := range 150 {
		ids = append(ids, name(i))
		p.add(i, ids[i])
	}
	for i, id := range ids[:20] {
		other := name(i)
		id.Name, id.Email = other.Name, other.Email
		p.add(i, id)
	}
	for _, when := range []string{"as they came", "after a start"} {
		left, found := p.compare(when, 600)
		if left < 60_000 || found < 2_000 {
			t.Errorf("%s: %d profiles left out and %d texts found: the comparison says little", when, left, found)
		}
		open()
	}
}

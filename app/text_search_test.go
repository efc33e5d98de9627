package app

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/access/masking"
	"probity.dev/catalog/field"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
	"probity.dev/ledger/query"
)

// TestTextSearchFindsWhatOpeningEverythingFinds compares the search that opens only what may match with one that opens every event, for random events and texts,
// and for readers who see different things.
func TestTextSearchFindsWhatOpeningEverythingFinds(t *testing.T) {
	dir := t.TempDir()
	open := func() (*ledgertest.Box, func()) {
		engine := query.Open(query.Options{})
		box := ledgertest.Open(t, dir, func(o *ledger.Options) { o.Classifier, o.Engine = field.New(nil), engine })
		return box, func() { box.Stop(t); engine.Close() }
	}
	box, done := open()
	r := rand.New(rand.NewPCG(11, 7))
	words := fillWithWords(t, box, r)
	eraseSome(t, box)
	done()
	policy := masking.Builtin()
	policy.Roles["strange"] = masking.Role{Default: masking.Hash, Unknown: masking.Text, Categories: map[string]masking.Mask{"user.name": masking.Initials,
		"user.contact.email": masking.Show, "user.device": masking.Show, "user.unique_id": masking.Hash, "user.contact.phone_number": masking.CardLast4}}
	masks := masking.New(policy, [32]byte{1}, masking.WithFinder(find))
	for name, mask := range map[string]event.Masker{"all": nil, "admin": masks.For("admin", true), "masked": masks.For("admin", false), "auditor": masks.For("auditor", false),
		"strange": masks.For("strange", false), "writer": masks.For("writer", false), "drop": masks.Export("admin", true, masking.DropNames)} {
		box, done := open() // knows nobody yet
		whole := func(text string) []uint64 { return foundBy(t, box, text, plainMask{orShow(mask)}, true) }
		some, hits := r.Perm(len(words)), 0
		for _, i := range some[:30] {
			text := words[i]
			desc := i%2 == 0
			got, want := foundBy(t, box, text, mask, !desc), whole(text)
			if desc {
				slices.Reverse(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s finds %q in %v, not in %v", name, text, got, want)
			}
			hits += len(want)
		}
		if hits == 0 && name != "writer" {
			t.Errorf("%s found nothing at all: the comparison says nothing", name)
		}
		done()
	}
}

// showAll shows everything and, unlike no mask, says nothing ahead.
type showAll struct{}

func (showAll) Mask(*event.Record) {}

func orShow(m event.Masker) event.Masker {
	if m == nil {
		return showAll{}
	}
	return m
}

func foundBy(t *testing.T, box *ledgertest.Box, text string, mask event.Masker, ascending bool) (seqs []uint64) {
	t.Helper()
	_, err := box.Search(t.Context(), ledgertest.Tenant, ledger.Query{Text: text}, ledger.Page{Ascending: ascending}, mask, func(r *event.Record) error {
		seqs = append(seqs, r.Seq)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seqs
}

// fillWithWords appends random events, most of them sealed, and returns texts that some of them hold in some form, and some that none does.
func fillWithWords(t *testing.T, box *ledgertest.Box, r *rand.Rand) (words []string) {
	values := []string{`"Ana Horvat"`, `"VESNA Müller"`, `"José \"Pepe\" Ibáñez"`, `"caf\u00e9 \u004Belvin"`, `"İstanbul"`, `"Kelvin K and ſ"`, `"groß Straße"`, `12.50`, `-3e5`, `true`, `null`,
		`["alpha","Beta",3]`, `"a/b\\c"`, `"+1 555 010 1234"`, `"4242 4242 4242 4242"`, `"1984-05-31"`, `""`, `{"deep":{"er":"Ωmega"}}`, `"\u00c9cole"`, `"Ⱥpple"`, `"` + strings.Repeat("long text ", 40) + `END"`}
	pick := func() string { return values[r.IntN(len(values))] }
	words = []string{"no such word", "•••", `"`, `","`, "e5", "ru", "\\u00", "@", "-", "user", "k", "ſ", "k", "ö", "école", "éco", "person-", "198.51"}
	var texts []string
	for i := range 700 {
		a, c := r.IntN(23), r.IntN(31)
		who := fmt.Sprintf(`{"type":"user","id":"u-%d","name":"Ana Horvát %d","email":"ana%d@Example.com","roles":["reception"]}`, a, a, a)
		subject, resource, context := fmt.Sprintf(`,"subject":{"type":"client","id":"c-%d","name":"Vesna %d"}`, c, c), fmt.Sprintf(`{"type":"invoice","id":"i-%d"}`, i), ""
		switch r.IntN(6) {
		case 0:
			subject = ""
		case 1:
			subject = fmt.Sprintf(`,"subject":{"type":"user","id":"u-%d"}`, a)
		case 2:
			resource = fmt.Sprintf(`{"type":"client","id":"c-%d","name":"Ida %d"}`, c, c)
		case 3:
			who = `{"type":"system"}`
		}
		if r.IntN(2) == 0 {
			context = fmt.Sprintf(`,"context":{"ip":"198.51.100.%d","user_agent":"Agent %d (Windows)","session_id":"s-%d"}`, a, r.IntN(4), i)
		}
		id := fmt.Sprintf(`"e-%d"`, i)
		if r.IntN(9) == 0 {
			id = fmt.Sprintf(`"p%d@example.com"`, i)
		}
		texts = append(texts, fmt.Sprintf(`{"id":%s,"source":"app%d","action":"invoice.update","actor":%s,"resource":%s%s%s,"reason":"asked by phone %d","correlation_id":"op-%d",
			"changes":[{"path":"/phone","before":"+1 555 010 %04d","after":%s}],"data":{"note":%s,"count":%d,"password":"hunter%d","other":%s}}`,
			id, r.IntN(3), who, resource, subject, context, i%40, i, i, pick(), pick(), i*37, i, pick()))
		if len(texts) == 30 || i == 699 {
			box.Append(t, texts...)
			texts = texts[:0]
		}
		if i == 449 || i == 599 {
			if _, err := box.Prove(t.Context(), ledgertest.Tenant, uint64(i), nil); err != nil {
				t.Fatal(err)
			}
			if err := box.Seal(t.Context(), ledgertest.Tenant, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if files, err := filepath.Glob(filepath.Join(box.Dir, "segments", "*", "working-*")); err != nil || len(files) == 0 {
		t.Fatal("nothing was sealed", err)
	}
	// Parts of what a reader may be shown, in some other case.
	masks := masking.New(masking.Builtin(), [32]byte{1}, masking.WithFinder(find))
	for _, mask := range []event.Masker{masks.For("admin", true), masks.For("auditor", false)} {
		_, err := box.Search(context.Background(), ledgertest.Tenant, ledger.Query{}, ledger.Page{}, mask, func(rec *event.Record) error {
			f := rec.Fields[r.IntN(len(rec.Fields))]
			if v := []rune(string(f.Value)); len(v) > 0 {
				from := r.IntN(len(v))
				to := from + 1 + r.IntN(min(12, len(v)-from))
				if r.IntN(3) == 0 {
					from, to = 0, len(v) // with its quotes, if it has any
				}
				words = append(words, swapCase(string(v[from:to]), r))
				if r.IntN(3) == 0 {
					words = append(words, strings.Trim(string(v), `"`))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return words
}

func swapCase(s string, r *rand.Rand) string {
	switch r.IntN(3) {
	case 0:
		return strings.ToUpper(s)
	case 1:
		return strings.ToLower(s)
	}
	return s
}

// eraseSome makes some persons unknown, as an erasure does, by taking away what is stored of them.
func eraseSome(t *testing.T, box *ledgertest.Box) {
	t.Helper()
	err := box.DB.Write(t.Context(), func(tx *sql.Tx) error {
		res, err := tx.ExecContext(t.Context(), `DELETE FROM person WHERE page IN (SELECT page FROM person ORDER BY page LIMIT 1 OFFSET 2)`)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("%d pages: %w", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

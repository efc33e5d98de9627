package event

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// sameAsSplit compares Batch.Parse with Split and Parse.
func sameAsSplit(t *testing.T, b *Batch, body []byte, limit int) {
	t.Helper()
	before := bytes.Clone(body)
	list, n, err := b.Parse(body, limit)
	if !bytes.Equal(body, before) {
		t.Fatal("the body was changed")
	}
	texts, want := Split(body)
	if (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() || n != len(texts) {
		t.Fatalf("%d events (%v), want %d (%v): %q", n, err, len(texts), want, body)
	}
	if want != nil || len(texts) > limit {
		if list != nil {
			t.Fatalf("events of %q", body)
		}
		return
	}
	for i, text := range texts {
		e, err := Parse(text)
		got := list[i]
		if (err == nil) != (got.Err == nil) || err != nil && err.Error() != got.Err.Error() {
			t.Fatalf("event %d: %v, want %v: %q", i, got.Err, err, body)
		}
		if err != nil {
			if got.Event != nil {
				t.Fatal("an event beside an error")
			}
			continue
		}
		if g, w := fieldsText(got.Event.Flatten(nil)), fieldsText(e.Flatten(nil)); g != w || got.Event.Action != e.Action || !got.Event.OccurredAt.Equal(e.OccurredAt) || !reflect.DeepEqual(got.Event.spans, e.spans) {
			t.Fatalf("event %d:\n%s\n%s", i, g, w)
		}
	}
}

func TestBatchIsSplitAndParse(t *testing.T) {
	var b Batch // used again and again
	all := seeds(t)
	rng := rand.New(rand.NewPCG(2, 2))
	bits := []string{"", " ", "\n", ",", "[", "]", "{", "}", `"`, `\`, `{"events":`, "x", "1", "null", `{"a":1`, `{"actor":5}`, `"s"`, `{"reason":"` + strings.Repeat("r", 3000) + `"}`}
	for _, body := range []string{"", " ", "[]", " [ ] ", `{"events":[]}`, `{"events":[{}]}x`, `{"events":[{}],"a":1}`, `[{}]]`, `[[{}]]`, `[{},{}`, `{}`, ` {"a":1} `, `[{"a":[},{"b":1}]`, `[{"a":"},{"b":1}]`} {
		sameAsSplit(t, &b, []byte(body), 1000)
	}
	for range 4000 {
		open, end := "[", "]"
		switch rng.IntN(4) {
		case 0:
			open, end = ` { "events" : [ `, " ]\n} "
		case 1:
			open, end = " [ ", " ] "
		}
		body := []byte(open)
		for i := range rng.IntN(6) {
			if i > 0 {
				body = append(body, ',')
			}
			if body = append(body, all[rng.IntN(len(all))]...); rng.IntN(8) == 0 {
				body = append(body, bits[rng.IntN(len(bits))]...)
			}
		}
		body = append(body, end...)
		if rng.IntN(2) == 0 {
			at := rng.IntN(len(body))
			body = append(body[:at:at], append([]byte(bits[rng.IntN(len(bits))]), body[at+rng.IntN(2):]...)...)
		}
		sameAsSplit(t, &b, body, 3+rng.IntN(4))
	}
}

// TestBatchLeavesWhatWasTaken: strings of an earlier request stay as they were.
func TestBatchLeavesWhatWasTaken(t *testing.T) {
	var b Batch
	first, _, err := b.Parse([]byte(`[{"id":"one","actor":{"name":"Ana"}}, {"id" : "two", "data":{"k" : [1, 2]}}]`), 10)
	if err != nil {
		t.Fatal(err)
	}
	id, name, id2, v := first[0].Event.ID, first[0].Event.Actor.Name, first[1].Event.ID, first[1].Event.Data[0].Value
	for range 3 {
		if _, _, err := b.Parse([]byte(`[{"id":"xxx","actor":{"name":"yyy"}},{"id":"zzz","data":{"k":"`+strings.Repeat("w", 4000)+`"}}]`), 10); err != nil {
			t.Fatal(err)
		}
	}
	if id != "one" || name != "Ana" || id2 != "two" || string(v) != "[1,2]" {
		t.Errorf("%q %q %q %s", id, name, id2, v)
	}
}

func BenchmarkBatch(b *testing.B) {
	one := compactJSON(sample)
	body := []byte("[" + one + strings.Repeat(","+one, 999) + "]")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var batch Batch
	for b.Loop() {
		if _, n, err := batch.Parse(body, 1000); err != nil || n != 1000 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
}

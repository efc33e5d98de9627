package export

import (
	"io"
	"testing"
)

// BenchmarkEncode reports the cost of one row by format.
func BenchmarkEncode(b *testing.B) {
	list := crowd(b, 2000, 30)
	for _, name := range []string{"csv", "ndjson", "ocsf", "parquet", "pdf"} {
		b.Run(name, func(b *testing.B) {
			e, err := New(name, io.Discard, Options{Pseudonym: NewPseudonyms(testKey), MaxRows: 1 << 40})
			if err != nil {
				b.Fatal(err)
			}
			if err := e.Begin(testMeta()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if err := e.Write(list[i%len(list)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("csv-without-sentence", func(b *testing.B) {
		columns := []string{"seq", "recorded_at", "occurred_at", "action", "outcome", "actor_id", "actor_name", "actor_email", "resource_type",
			"resource_id", "resource_name", "subject_id", "ip", "source", "severity", "reason", "changes", "data"}
		e, _ := New("csv", io.Discard, Options{Columns: columns})
		b.ReportAllocs()
		for i := range b.N {
			if err := e.Write(list[i%len(list)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tally", func(b *testing.B) {
		t := NewTally(nil, NewPseudonyms(testKey))
		b.ReportAllocs()
		for i := range b.N {
			t.Add(list[i%len(list)])
		}
	})
	b.Run("sentence", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for i := range b.N {
			buf = list[i%len(list)].AppendSentence(buf[:0])
		}
	})
}

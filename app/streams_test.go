package app

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"probity.dev/internal/actor"
	"probity.dev/notify/stream"
)

// TestStreamSource reads a real log as streams do: every event once, in order, masked unless asked otherwise, one JSON object for each.
func TestStreamSource(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	c := newCaller(t, a)
	for range 5 {
		c.answer(t, actor.System(tenant), "POST", "/api/events", `{"source":"shop","action":"order.create","actor":{"type":"user","id":"u-1","name":"Ana Lima","email":"ana.lima@example.org"},"resource":{"type":"order","id":"o-1"}}`)
	}
	s := streamSource{a}
	ctx := context.Background()
	head, err := s.Head(ctx, tenant)
	if err != nil || head < 5 {
		t.Fatal(head, err)
	}
	read := func(f stream.Filter, unmasked bool, format string, limit int) (seqs []uint64, text string) {
		t.Helper()
		for from := uint64(0); from < head; {
			lines, next, err := s.Read(ctx, tenant, from, f, unmasked, format, limit)
			if err != nil || next <= from || len(lines) > limit {
				t.Fatalf("from %d: %d lines, next %d, %v", from, len(lines), next, err)
			}
			for _, l := range lines {
				if !json.Valid(l.JSON) || bytes.ContainsRune(l.JSON, '\n') || l.RecordedAt.IsZero() {
					t.Fatalf("%s", l.JSON)
				}
				seqs = append(seqs, l.Seq)
				text += string(l.JSON)
			}
			from = next
		}
		return seqs, text
	}
	for _, format := range []string{stream.Native, stream.OCSF} {
		seqs, masked := read(stream.Filter{}, false, format, 2)
		if len(seqs) != int(head) {
			t.Errorf("%s: %d of %d events", format, len(seqs), head)
		}
		for i, seq := range seqs {
			if seq != uint64(i) {
				t.Fatalf("%s: %v", format, seqs)
			}
		}
		if strings.Contains(masked, "ana.lima@example.org") || strings.Contains(masked, "Ana Lima") {
			t.Errorf("%s: personal values went out", format)
		}
		seqs, open := read(stream.Filter{Actions: []string{"order.*"}}, true, format, 100)
		if len(seqs) != 5 || !strings.Contains(open, "ana.lima@example.org") {
			t.Errorf("%s: %v", format, seqs)
		}
	}
	if _, ocsf := read(stream.Filter{}, false, stream.OCSF, 100); !strings.Contains(ocsf, `"class_uid"`) {
		t.Error(ocsf)
	}
	// Nothing matches, and the position moves all the same.
	if lines, next, err := s.Read(ctx, tenant, 0, stream.Filter{Sources: []string{"nobody"}}, false, stream.Native, 10); err != nil || len(lines) != 0 || next != head {
		t.Errorf("%d lines, next %d, %v", len(lines), next, err)
	}
}

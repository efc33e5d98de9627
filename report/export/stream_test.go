package export

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
)

func TestStream(t *testing.T) { sqldbtest.Each(t, testStream) }

func testStream(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	ctx := context.Background()
	for _, format := range Formats() {
		var b bytes.Buffer
		last := int64(-1)
		rows, err := s.Stream(ctx, auditor, Request{Format: format}, &b, func(done, _ int64) { last = done })
		if err != nil || b.Len() == 0 {
			t.Fatal(format, err)
		}
		want := int64(len(w.events))
		if format == FormatBundle {
			want = 2
		}
		if rows != want || last != want {
			t.Errorf("%s: %d rows, progress ended at %d, want %d", format, rows, last, want)
		}
	}
	if got, want := w.actions(), strings.TrimSpace(strings.Repeat("create:success complete:success ", len(Formats()))); got != want {
		t.Errorf("recorded %s", got)
	}
}

func TestStreamThatFailsIsRecorded(t *testing.T) { sqldbtest.Each(t, testStreamThatFailsIsRecorded) }

func testStreamThatFailsIsRecorded(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	w.broken = errors.New("boom")
	if _, err := s.Stream(context.Background(), auditor, Request{Format: "csv"}, &bytes.Buffer{}, nil); !errors.Is(err, w.broken) {
		t.Errorf("%v", err)
	}
	w.broken, w.hold = nil, make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := s.Stream(ctx, auditor, Request{Format: "csv"}, &bytes.Buffer{}, nil); err == nil {
		t.Error("a stopped export ended well")
	}
	if got := w.actions(); got != "create:success complete:failure" {
		t.Errorf("recorded %s", got)
	}
	for _, r := range []Request{{Format: "docx"}, {Format: "csv", Columns: []string{"nosuch"}}} {
		if _, err := s.Stream(context.Background(), auditor, r, &bytes.Buffer{}, nil); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if _, err := s.Stream(context.Background(), actor.Principal{TenantID: tenant, UserID: "w"}, Request{Format: "csv"}, &bytes.Buffer{}, nil); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("without the right: %v", err)
	}
}

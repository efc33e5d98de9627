package app

import (
	"bytes"
	"context"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/notify/stream"
	"probity.dev/report/export"
)

// streamSource gives streams the ledger's events, encoded as exports are.
type streamSource struct{ a *App }

// Head implements stream.Source.
func (s streamSource) Head(ctx context.Context, tenantID string) (uint64, error) {
	h, err := s.a.Ledger.Head(ctx, tenantID)
	return h.Next, err
}

// Read implements stream.Source.
func (s streamSource) Read(ctx context.Context, tenantID string, from uint64, f stream.Filter, unmasked bool, format string, limit int) ([]stream.Line, uint64, error) {
	viewer := actor.Principal{TenantID: tenantID, KeyID: "stream", Roles: []string{actor.RoleAuditor}, Permissions: []string{actor.LedgerSearch}}
	if unmasked {
		viewer.Roles, viewer.Permissions = []string{actor.RoleAdmin}, append(viewer.Permissions, actor.LedgerViewUnmasked)
	}
	h, err := s.a.Ledger.Head(ctx, tenantID)
	if err != nil {
		return nil, 0, err
	}
	name := "ndjson"
	if format == stream.OCSF {
		name = "ocsf"
	}
	var buf bytes.Buffer
	enc, err := export.New(name, &buf, export.Options{TenantID: tenantID})
	if err != nil {
		return nil, 0, err
	}
	if err := enc.Begin(export.Meta{Log: export.LogInfo{Origin: h.Origin}}); err != nil {
		return nil, 0, err
	}
	var lines []stream.Line
	q := ledger.Query{Action: f.Actions, Source: f.Sources, Outcome: f.Outcomes, SeqFrom: from}
	found, err := s.a.Ledger.Search(ctx, tenantID, q, ledger.Page{Ascending: true, Limit: limit}, s.a.masks.For(viewer), func(r *event.Record) error {
		lines = append(lines, stream.Line{Seq: r.Seq, RecordedAt: time.Time(r.RecordedAt)})
		return enc.Write(r)
	})
	if err != nil {
		return nil, 0, err
	}
	if err := enc.End(export.Summary{Rows: int64(len(lines))}); err != nil {
		return nil, 0, err
	}
	// Both formats write one line for each event.
	i := 0
	for text := range bytes.SplitSeq(bytes.TrimSuffix(buf.Bytes(), []byte("\n")), []byte("\n")) {
		if i < len(lines) {
			lines[i].JSON = text
		}
		i++
	}
	next := max(found.Head, from)
	if found.More {
		next = lines[len(lines)-1].Seq + 1
	}
	return lines, next, nil
}

package app

import (
	"context"
	"io"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"probity.dev/internal/actor"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/httpapi"
	"probity.dev/ledger/query"
	"probity.dev/report/export"
)

// exportsPart is the export service and what it stands on.
type exportsPart struct {
	Service *export.Service
	source  *exportSource
}

func (a *App) openExports(context.Context) error {
	a.exports.source = &exportSource{ledger: a.Ledger, masks: a.masks, tracer: a.telemetry.Tracer}
	var err error
	a.exports.Service, err = export.NewService(export.ServiceOptions{DB: a.db, Source: a.exports.source, Recorder: recorder{a.Ledger}, Sealer: exportSealer{a.Ledger},
		Tenants: exportTenants{a.Ledger}, Notifier: exportNotifier{a}, Files: a.storage.working, Shared: sharable(a.Config), Jobs: a.jobs, Queue: queueOfExports, Viewer: a.present, Logger: a.telemetry.Logger})
	if err == nil {
		a.links.Add("export", sharedExports{a.exports.Service, a.atWork})
	}
	return err
}

// exportSource gives exports the ledger's events as their reader may see them.
type exportSource struct {
	ledger *ledger.Ledger
	masks  *masks
	tracer trace.Tracer
}

// Query turns a filter as a person typed it into a query.
func Query(f export.Filter) (ledger.Query, error) {
	p := httpapi.FilterParams{From: f.From, To: f.To, Time: f.Time, Actor: f.Actor, Subject: f.Subject, Person: f.Person, Action: f.Action, Resource: f.Resource, Outcome: f.Outcome,
		Source: f.Source, IP: f.IP, Category: f.Category, Activity: f.Activity, Severity: f.Severity, CorrelationID: f.CorrelationID, Text: f.Text}
	q, err := p.Query()
	q.Fields, q.SeqFrom, q.SeqTo = f.Fields, f.SeqFrom, f.SeqTo
	return q, err
}

// Permit implements export.Source.
func (s *exportSource) Permit(_ context.Context, _ string, f export.Filter, viewer actor.Principal) error {
	q, err := Query(f)
	if err != nil {
		return err
	}
	return s.ledger.Permit(q, s.masks.For(viewer))
}

// Count implements export.Source. With conditions on values it counts what the other conditions leave, which is an upper bound.
func (s *exportSource) Count(ctx context.Context, tenantID string, f export.Filter) (int64, error) {
	q, err := Query(f)
	if err != nil {
		return 0, err
	}
	q.Text, q.Fields = "", nil
	stats, err := s.ledger.Stats(ctx, tenantID, q, query.StatsSpec{TotalOnly: true})
	if err != nil {
		return 0, err
	}
	return stats.Total, nil
}

// Records implements export.Source.
func (s *exportSource) Records(ctx context.Context, tenantID string, f export.Filter, viewer actor.Principal, work func([]*event.Record) (func() error, error)) error {
	q, err := Query(f)
	if err != nil {
		return err
	}
	ctx, span := s.tracer.Start(ctx, "export.records")
	defer span.End()
	_, err = s.ledger.Runs(ctx, tenantID, q, s.masks.For(viewer), work)
	return err
}

// Next implements export.Source.
func (s *exportSource) Next(ctx context.Context, tenantID string) (uint64, error) {
	h, err := s.ledger.Head(ctx, tenantID)
	return h.Next, err
}

// LogInfo implements export.Source.
func (s *exportSource) LogInfo(ctx context.Context, tenantID string) (export.LogInfo, error) {
	h, err := s.ledger.Head(ctx, tenantID)
	if err != nil {
		return export.LogInfo{}, err
	}
	return export.LogInfo{Origin: h.Origin, Size: h.Published - h.Base, Root: httpapi.Base64(h.Root[:]), SignedAt: h.SignedAt, Checkpoint: h.Checkpoint, VKey: h.VKeys[0]}, nil
}

// Bundle implements export.Source.
func (s *exportSource) Bundle(ctx context.Context, tenantID string, f export.Filter, viewer actor.Principal, o export.BundleOptions, w io.Writer, progress func(done, total int64)) error {
	q, err := Query(f)
	if err != nil {
		return err
	}
	ctx, span := s.tracer.Start(ctx, "export.bundle")
	defer span.End()
	_, err = s.ledger.Bundle(ctx, tenantID, q, ledger.BundleOptions{Inclusion: o.Proof == "inclusion", Epoch: o.Epoch, Mask: s.masks.For(viewer), Masking: MaskingWords(viewer), Progress: progress}, w)
	return err
}

// MaskingWords says which masking a viewer's exports have.
func MaskingWords(p actor.Principal) string {
	if p.Unmasked() {
		return "none: personal values are shown as recorded, credentials are withheld"
	}
	return "masked for the role " + strings.Join(rolesOf(p), ", ")
}

// exportSealer keeps job rows unreadable in the database.
type exportSealer struct{ l *ledger.Ledger }

// Seal implements export.Sealer.
func (s exportSealer) Seal(tenantID string, b []byte) ([]byte, error) {
	return s.l.SealSecret(context.Background(), tenantID, "export", b)
}

// Open implements export.Sealer.
func (s exportSealer) Open(tenantID string, b []byte) ([]byte, error) {
	return s.l.OpenSecret(context.Background(), tenantID, "export", b)
}

// exportTenants reads what a tenant's settings say about exports.
type exportTenants struct{ l *ledger.Ledger }

// ExportSettings implements export.Tenants.
func (t exportTenants) ExportSettings(ctx context.Context, tenantID string) (export.TenantSettings, error) {
	info, err := t.l.Tenant(ctx, tenantID)
	if err != nil {
		return export.TenantSettings{}, err
	}
	s, err := t.l.Settings(ctx, tenantID)
	if err != nil {
		return export.TenantSettings{}, err
	}
	key, err := t.l.PseudonymKey(ctx, tenantID)
	if err != nil {
		return export.TenantSettings{}, err
	}
	loc, err := time.LoadLocation(s.Timezone)
	if err != nil {
		loc = time.UTC
	}
	return export.TenantSettings{Name: info.Name, Location: loc, Formats: s.ExportFormats, Anonymise: export.Anonymisation(s.AnonymiseExports), PseudonymKey: key[:]}, nil
}

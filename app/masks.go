package app

import (
	"context"
	"sync"

	"probity.dev/access/masking"
	"probity.dev/catalog/field"
	"probity.dev/internal/actor"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
)

// masks decides what each caller sees: the masking policy with the tenant's own key for pseudonyms.
type masks struct {
	ledger  *ledger.Ledger
	policy  masking.Policy
	mu      sync.Mutex
	engines map[string]*masking.Engine
}

func newMasks(l *ledger.Ledger, p masking.Policy) *masks {
	return &masks{ledger: l, policy: p, engines: map[string]*masking.Engine{}}
}

func (m *masks) engine(ctx context.Context, tenantID string) (*masking.Engine, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.engines[tenantID]; ok {
		return e, nil
	}
	key, err := m.ledger.PseudonymKey(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	e := masking.New(m.policy, key, masking.WithFinder(find))
	m.engines[tenantID] = e
	return e, nil
}

func find(text string, yield func(start, end int, category string)) {
	for _, s := range field.Find(text) {
		yield(s.Start, s.End, s.Category)
	}
}

// rolesOf are the masking roles of a caller: a person's own; a key's follows from whether it may see values as they are.
func rolesOf(p actor.Principal) []string {
	switch {
	case len(p.MaskAs) > 0:
		return p.MaskAs
	case len(p.Roles) > 0:
		return p.Roles
	case p.Unmasked():
		return []string{actor.RoleAdmin}
	case p.Can(actor.LedgerSearch):
		return []string{actor.RoleAuditor}
	}
	return []string{actor.RoleWriter}
}

// For returns what p sees. Without the tenant's key nothing is shown.
func (m *masks) For(p actor.Principal) event.Masker {
	e, err := m.engine(context.Background(), p.TenantID)
	if err != nil {
		return nothing{}
	}
	return e.ForRoles(rolesOf(p), p.Unmasked())
}

// Texts implements api.Texts.
func (m *masks) Texts(p actor.Principal) func(category, text string) string {
	if t, ok := m.For(p).(interface {
		Text(category, text string) string
	}); ok {
		return t.Text
	}
	return func(string, string) string { return "" }
}

// Export returns what p sees in an export that is anonymised by mode.
func (m *masks) Export(p actor.Principal, unmasked bool, mode masking.Mode) event.Masker {
	e, err := m.engine(context.Background(), p.TenantID)
	if err != nil {
		return nothing{}
	}
	return e.ExportRoles(rolesOf(p), p.Unmasked() && unmasked, mode)
}

// nothing withholds everything.
type nothing struct{}

// Mask implements event.Masker.
func (nothing) Mask(r *event.Record) {
	for i := range r.Fields {
		r.Fields[i].Value, r.Fields[i].State = nil, event.Withheld
	}
}

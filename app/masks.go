package app

import (
	"context"
	"sync"

	"probity.dev/access/disclosure"
	"probity.dev/access/masking"
	"probity.dev/catalog/field"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
)

// masks decides what each caller sees: the tenant's masking policy with the tenant's own key for pseudonyms, for each purpose.
type masks struct {
	ledger   *ledger.Ledger
	policies *disclosure.Service
	mu       sync.Mutex
	engines  map[maskedFor]madeMasks
}

// maskedFor is whose masks they are, and what for.
type maskedFor struct{ tenant, purpose string }

type madeMasks struct {
	version int64
	*masking.Engine
	needsPurpose bool
}

// maxEngines bounds the memory of masks; each holds some hundred kilobytes.
const maxEngines = 1000

func newMasks(l *ledger.Ledger, p *disclosure.Service) *masks {
	return &masks{ledger: l, policies: p, engines: map[maskedFor]madeMasks{}}
}

func (m *masks) engine(ctx context.Context, tenantID, purpose string) (madeMasks, error) {
	policy, version, err := m.policies.Policy(ctx, tenantID)
	if err != nil {
		return madeMasks{}, err
	}
	which := maskedFor{tenantID, purpose}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.engines[which]; ok && e.version == version {
		return e, nil
	}
	if _, known := policy.Purposes[purpose]; !known && purpose != "" {
		return madeMasks{}, errPurpose
	}
	key, err := m.ledger.PseudonymKey(ctx, tenantID)
	if err != nil {
		return madeMasks{}, err
	}
	if policy.Purposes[purpose].Unlinked {
		key = evidence.HMAC((*evidence.Hash)(&key), []byte("probity/mask/purpose/v1\x00"+purpose))
	}
	if len(m.engines) >= maxEngines {
		clear(m.engines)
	}
	e := madeMasks{version, masking.New(policy.For(purpose), key, masking.WithFinder(find)), policy.RequirePurpose && purpose == ""}
	m.engines[which] = e
	return e, nil
}

var errPurpose = errs.Field("header/"+api.PurposeHeader, "unknown", "There is no such purpose; GET /api/settings/masking/purposes lists them.")

// knows refuses a purpose that the tenant's policy does not have.
func (m *masks) knows(ctx context.Context, tenantID, purpose string) error {
	if purpose == "" {
		return nil
	}
	policy, _, err := m.policies.Policy(ctx, tenantID)
	if _, ok := policy.Purposes[purpose]; err == nil && !ok {
		err = errPurpose
	}
	return err
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
	e, err := m.engine(context.Background(), p.TenantID, p.Purpose)
	if err != nil {
		return nothing{}
	}
	return e.ForRoles(rolesOf(p), p.Unmasked() && (!e.needsPurpose || p.IsSystem()))
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
	e, err := m.engine(context.Background(), p.TenantID, p.Purpose)
	if err != nil {
		return nothing{}
	}
	return e.ExportRoles(rolesOf(p), p.Unmasked() && unmasked && (!e.needsPurpose || p.IsSystem()), mode)
}

// nothing withholds everything.
type nothing struct{}

// Mask implements event.Masker.
func (nothing) Mask(r *event.Record) {
	for i := range r.Fields {
		r.Fields[i].Value, r.Fields[i].State = nil, event.Withheld
	}
}

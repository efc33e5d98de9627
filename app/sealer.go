package app

import (
	"context"

	"probity.dev/ledger"
)

// sealer seals what a domain keeps about people under the tenant's key.
type sealer struct{ l *ledger.Ledger }

// Seal implements the Sealer interfaces of the domains.
func (s sealer) Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error) {
	return s.l.SealSecret(ctx, tenantID, label, b)
}

// Unseal implements the Sealer interfaces of the domains.
func (s sealer) Unseal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error) {
	return s.l.OpenSecret(ctx, tenantID, label, b)
}

package crypt

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Tenant seals the secrets of one tenant under the tenant's own keyset. It is safe for concurrent use.
type Tenant struct {
	id        string
	primitive tink.AEAD
}

type kmsAEAD struct {
	ctx context.Context
	kms KMS
}

func (a kmsAEAD) Encrypt(p, aad []byte) ([]byte, error) { return a.kms.Wrap(a.ctx, p, aad) }
func (a kmsAEAD) Decrypt(c, aad []byte) ([]byte, error) { return a.kms.Unwrap(a.ctx, c, aad) }

// NewTenant makes a keyset for a tenant and returns it wrapped, for storing.
func NewTenant(ctx context.Context, kms KMS, tenantID string) (*Tenant, []byte, error) {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, nil, err
	}
	var buf bytes.Buffer
	if err := h.WriteWithAssociatedData(keyset.NewBinaryWriter(&buf), kmsAEAD{ctx, kms}, []byte("tenant|"+tenantID)); err != nil {
		return nil, nil, err
	}
	p, err := aead.New(h)
	return &Tenant{id: tenantID, primitive: p}, buf.Bytes(), err
}

// OpenTenant unwraps a tenant's keyset.
func OpenTenant(ctx context.Context, kms KMS, tenantID string, wrapped []byte) (*Tenant, error) {
	h, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(wrapped)), kmsAEAD{ctx, kms}, []byte("tenant|"+tenantID))
	if err != nil {
		return nil, fmt.Errorf("the keyset of tenant %s does not open with this master key: %w", tenantID, err)
	}
	p, err := aead.New(h)
	return &Tenant{id: tenantID, primitive: p}, err
}

// Seal encrypts b and binds it to the tenant and to label, which names what it is ("person|42").
func (t *Tenant) Seal(label string, b []byte) ([]byte, error) {
	return t.primitive.Encrypt(b, []byte(t.id+"|"+label))
}

// Open decrypts what Seal returned for the same label.
func (t *Tenant) Open(label string, sealed []byte) ([]byte, error) {
	return t.primitive.Decrypt(sealed, []byte(t.id+"|"+label))
}

// Secret returns 32 fresh random bytes.
func Secret() (s [32]byte) {
	rand.Read(s[:]) //nolint:errcheck // crypto/rand.Read never fails: it ends the program instead
	return s
}

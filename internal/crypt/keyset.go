package crypt

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"google.golang.org/protobuf/proto"

	"probity.dev/internal/errs"
)

// kmsAEAD has Tink wrap a keyset with a KMS. It keeps the KMS's error, of which Tink keeps the text at most.
type kmsAEAD struct {
	ctx context.Context
	kms KMS
	err error
}

// Encrypt implements tink.AEAD.
func (a *kmsAEAD) Encrypt(p, aad []byte) (out []byte, err error) {
	out, a.err = a.kms.Wrap(a.ctx, p, aad)
	return out, a.err
}

// Decrypt implements tink.AEAD.
func (a *kmsAEAD) Decrypt(c, aad []byte) (out []byte, err error) {
	out, a.err = a.kms.Unwrap(a.ctx, c, aad)
	return out, a.err
}

// fail words what went wrong with a tenant's keyset.
func (a *kmsAEAD) fail(tenantID string, err error) error {
	if a.err == nil {
		return errs.Wrap(errs.Internal, err, "the stored keyset of tenant %s is damaged", tenantID)
	}
	var e *errs.Error
	if !errors.As(a.err, &e) {
		return fmt.Errorf("the keyset of tenant %s: %w", tenantID, a.err)
	}
	return &errs.Error{Code: e.Code, Message: "the keyset of tenant " + tenantID + ": " + e.Message, Cause: e.Cause, RetryAfter: e.RetryAfter}
}

// keysetAAD is what a wrapped keyset is bound to.
func keysetAAD(tenantID string) []byte { return []byte("tenant|" + tenantID) }

// NewTenant makes a keyset for a tenant and returns it wrapped, for storing.
func NewTenant(ctx context.Context, kms KMS, tenantID string) (*Tenant, []byte, error) {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, nil, err
	}
	return wrapTenant(ctx, kms, tenantID, h)
}

// OpenTenant unwraps a tenant's keyset. The error has the code of the KMS's: Unavailable when it cannot be asked now.
func OpenTenant(ctx context.Context, kms KMS, tenantID string, wrapped []byte) (*Tenant, error) {
	h, err := openHandle(ctx, kms, tenantID, wrapped)
	if err != nil {
		return nil, err
	}
	return newTenant(tenantID, h)
}

// RotateTenant adds a key to a wrapped keyset, which seals from now on; what the others sealed still opens. It returns the keyset opened, and wrapped for storing.
func RotateTenant(ctx context.Context, kms KMS, tenantID string, wrapped []byte) (*Tenant, []byte, error) {
	h, err := openHandle(ctx, kms, tenantID, wrapped)
	if err != nil {
		return nil, nil, err
	}
	m := keyset.NewManagerFromHandle(h)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, nil, err
	}
	if err := m.SetPrimary(id); err != nil {
		return nil, nil, err
	}
	if h, err = m.Handle(); err != nil {
		return nil, nil, err
	}
	return wrapTenant(ctx, kms, tenantID, h)
}

// RewrapTenant wraps a keyset with to that from has wrapped; they may be the same service with a newer version of its key. What it returns has been opened again and compared.
func RewrapTenant(ctx context.Context, from, to KMS, tenantID string, wrapped []byte) ([]byte, error) {
	h, err := openHandle(ctx, from, tenantID, wrapped)
	if err != nil {
		return nil, err
	}
	_, out, err := wrapTenant(ctx, to, tenantID, h)
	return out, err
}

// Rewrap is [RewrapTenant] for any secret.
func Rewrap(ctx context.Context, from, to KMS, wrapped, aad []byte) ([]byte, error) {
	plain, err := from.Unwrap(ctx, wrapped, aad)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	out, err := to.Wrap(ctx, plain, aad)
	if err != nil {
		return nil, err
	}
	again, err := to.Unwrap(ctx, out, aad)
	if err != nil {
		return nil, err
	}
	defer clear(again)
	if subtle.ConstantTimeCompare(plain, again) != 1 {
		return nil, errs.New(errs.Internal, "the key-management service gives back something else than it was given")
	}
	return out, nil
}

// WrappedKeyset returns the part of a stored keyset that the KMS wrapped, for [KMS.Version].
func WrappedKeyset(stored []byte) ([]byte, error) {
	e, err := keyset.NewBinaryReader(bytes.NewReader(stored)).ReadEncrypted()
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a stored keyset is damaged")
	}
	return e.GetEncryptedKeyset(), nil
}

// Describe tells the id of the key that seals, in hex, and how many keys the keyset has.
func (t *Tenant) Describe() (primary string, keys int) {
	k := t.keys.Load()
	return hex.EncodeToString(k.primary.prefix[1:]), len(k.byID)
}

func openHandle(ctx context.Context, kms KMS, tenantID string, wrapped []byte) (*keyset.Handle, error) {
	a := &kmsAEAD{ctx: ctx, kms: kms}
	h, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(wrapped)), a, keysetAAD(tenantID))
	if err != nil {
		return nil, a.fail(tenantID, err)
	}
	return h, nil
}

// wrapTenant wraps a keyset, opens it again and compares, so that nothing is stored that could not be read.
func wrapTenant(ctx context.Context, kms KMS, tenantID string, h *keyset.Handle) (*Tenant, []byte, error) {
	var buf bytes.Buffer
	a := &kmsAEAD{ctx: ctx, kms: kms}
	if err := h.WriteWithAssociatedData(keyset.NewBinaryWriter(&buf), a, keysetAAD(tenantID)); err != nil {
		return nil, nil, a.fail(tenantID, err)
	}
	again, err := openHandle(ctx, kms, tenantID, buf.Bytes())
	if err != nil {
		return nil, nil, err
	}
	if !proto.Equal(insecurecleartextkeyset.KeysetMaterial(h), insecurecleartextkeyset.KeysetMaterial(again)) {
		return nil, nil, errs.New(errs.Internal, "the key-management service gives back another keyset than it was given")
	}
	t, err := newTenant(tenantID, h)
	return t, buf.Bytes(), err
}

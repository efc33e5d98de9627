package httpapi

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
)

// MasterKeys is the key-management service with the master key, which all tenants share.
type MasterKeys interface {
	// State tells where the master key stands.
	State(ctx context.Context) (*MasterKeyState, error)
	// Rotate gives it another version and wraps everything under it anew; with dry, it only looks whether that could be done.
	Rotate(ctx context.Context, p actor.Principal, reason string, dry bool) error
}

// MasterKeyState is where the master key stands.
type MasterKeyState struct {
	KMS     string    `json:"kms" doc:"Name of the master key: file, vault://… or awskms:…"`
	Version string    `json:"version" doc:"Version under which the keysets were last wrapped"`
	Current string    `json:"current_version" doc:"Version that the service wraps with now"`
	Since   time.Time `json:"since" doc:"When the keysets were first wrapped under that version"`
	Tenants int       `json:"tenants"`
	Behind  int       `json:"behind" doc:"Keysets and secrets that are not wrapped under the service's present version; rotating finishes them"`
	Problem string    `json:"problem,omitempty" doc:"Why the service cannot be used now"`
}

type keysetView struct {
	Primary string    `json:"primary" doc:"Id of the key that seals"`
	Keys    int       `json:"keys" doc:"Keys in the keyset, those that only open what they sealed included"`
	Since   time.Time `json:"since"`
	Version string    `json:"wrapped_under" doc:"Version of the master key that wraps the keyset"`
}

type signingKeyView struct {
	ID        string     `json:"key_id"`
	VKey      string     `json:"vkey"`
	State     string     `json:"state" enum:"active,overlap,retired"`
	CreatedAt time.Time  `json:"created_at"`
	RetiresAt *time.Time `json:"retires_at,omitempty" doc:"When a key with a successor stops signing, or stopped"`
}

type keysView struct {
	Master  MasterKeyState   `json:"master"`
	Keyset  keysetView       `json:"tenant"`
	Signing []signingKeyView `json:"signing" doc:"The newest first. What a retired key signed stays valid."`
}

type keysOutput struct{ Body keysView }

type rotateInput struct {
	Body struct {
		Key     string `json:"key" enum:"master,tenant,signing"`
		Reason  string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why; it is recorded"`
		Overlap string `json:"overlap,omitempty" doc:"How long the old signing key signs beside the new one: 1m to 366d" default:"30d"`
		DryRun  bool   `json:"dry_run,omitempty" doc:"Look whether it could be done and change nothing"`
	}
}

func (h *Handlers) registerKeys(a *api.API) {
	needs := api.Needs(actor.SettingsManage)
	huma.Register(a, api.Op("get-crypto-keys", "GET /api/crypto/keys", "Where the keys stand", needs,
		api.Describe("The master key, the tenant's keyset and the log's signing keys with their ages. Keys themselves are never shown, but for the public ones.")), h.getKeys)
	huma.Register(a, api.Op("rotate-crypto-key", "POST /api/crypto/keys/rotate", "Rotate a key", needs, api.StepUp(),
		api.Describe("master: a new version of the master key, and every keyset wrapped anew; only where there is one tenant. tenant: another key seals what is written from now on. signing: another key signs "+
			"checkpoints, beside the old one for the time of overlap. What is stored stays readable and what is signed stays valid. The change is an event.")), h.rotateKey)
}

func (h *Handlers) getKeys(ctx context.Context, _ *struct{}) (*keysOutput, error) {
	p, err := actor.Require(ctx, actor.SettingsManage)
	if err != nil {
		return nil, err
	}
	m, err := h.Master.State(ctx)
	if err != nil {
		return nil, err
	}
	k, err := h.Ledger.Keys(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	out := &keysOutput{Body: keysView{Master: *m, Keyset: keysetView(k.Keyset), Signing: []signingKeyView{}}}
	for _, s := range k.Signing {
		v := signingKeyView{ID: s.ID, VKey: s.VKey, State: s.State(h.now()), CreatedAt: s.CreatedAt}
		if !s.RetiresAt.IsZero() {
			v.RetiresAt = &s.RetiresAt
		}
		out.Body.Signing = append(out.Body.Signing, v)
	}
	return out, nil
}

func (h *Handlers) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

func (h *Handlers) rotateKey(ctx context.Context, in *rotateInput) (*keysOutput, error) {
	p, err := actor.Require(ctx, actor.SettingsManage)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	switch b.Key {
	case "master":
		err = h.Master.Rotate(ctx, p, b.Reason, b.DryRun)
	case "tenant":
		if !b.DryRun {
			err = h.Ledger.RotateKeyset(ctx, p.TenantID, By(p), b.Reason)
		}
	case "signing":
		overlap, bad := config.ParseDuration(b.Overlap)
		if bad != nil || overlap < ledger.MinOverlap || overlap > ledger.MaxOverlap {
			return nil, errs.Field("/overlap", "invalid", "this is a duration from 1m to 366d, such as 30d")
		}
		if !b.DryRun {
			_, err = h.Ledger.RotateSigningKey(ctx, p.TenantID, overlap, By(p), b.Reason)
		}
	}
	if err != nil {
		return nil, err
	}
	return h.getKeys(ctx, nil)
}

package client

import (
	"context"
	"net/http"
	"time"
)

// KeyState is where the keys of a tenant stand. Secret keys are not in it.
type KeyState struct {
	Master struct {
		// KMS names the master key, Version is the one that wraps the keysets since Since, Current the one that the service wraps with now.
		KMS     string    `json:"kms"`
		Version string    `json:"version"`
		Current string    `json:"current_version"`
		Since   time.Time `json:"since"`
		Tenants int       `json:"tenants"`
		// Behind counts what is not wrapped under Current yet.
		Behind  int    `json:"behind"`
		Problem string `json:"problem,omitempty"`
	} `json:"master"`
	Tenant struct {
		Primary string    `json:"primary"`
		Keys    int       `json:"keys"`
		Since   time.Time `json:"since"`
		Version string    `json:"wrapped_under"`
	} `json:"tenant"`
	Signing []SigningKey `json:"signing"` // the newest first
}

// SigningKey is a key that signs, or signed, for a log.
type SigningKey struct {
	ID        string     `json:"key_id"`
	VKey      string     `json:"vkey"`
	State     string     `json:"state"` // active, overlap, retired
	CreatedAt time.Time  `json:"created_at"`
	RetiresAt *time.Time `json:"retires_at,omitempty"`
}

// KeyState fetches where the keys of the tenant stand.
func (c *Client) KeyState(ctx context.Context) (*KeyState, error) {
	out := new(KeyState)
	return out, c.get(ctx, "/api/crypto/keys", nil, out)
}

// KeyRotation says which key to rotate.
type KeyRotation struct {
	// Key is master, tenant or signing.
	Key    string `json:"key"`
	Reason string `json:"reason"`
	// Overlap is how long the old signing key signs beside the new one, such as "30d".
	Overlap string `json:"overlap,omitempty"`
	DryRun  bool   `json:"dry_run,omitempty"`
}

// RotateKey rotates a key and returns where the keys stand then.
func (c *Client) RotateKey(ctx context.Context, r KeyRotation) (*KeyState, error) {
	out := new(KeyState)
	return out, c.call(ctx, request{method: http.MethodPost, path: "/api/crypto/keys/rotate"}, r, out)
}

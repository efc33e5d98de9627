package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// APIKey is an API key of the tenant, without its secret.
type APIKey struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Prefix     string     `json:"prefix"`
	Scopes     []string   `json:"scopes"`
	Sources    []string   `json:"sources"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	// OldSecretUntil is until when the secret works that the key had before it was rotated.
	OldSecretUntil *time.Time `json:"old_secret_until,omitempty"`
	// Secret is the whole key; only RotateAPIKey returns it.
	Secret string `json:"secret,omitempty"`
}

// APIKeys lists the API keys, newest first, revoked ones included.
func (c *Client) APIKeys(ctx context.Context) ([]APIKey, error) {
	var out struct {
		Items []APIKey `json:"items"`
	}
	return out.Items, c.get(ctx, "/api/keys", nil, &out)
}

// RotateAPIKey gives an API key another secret. The old one works for as long as overlap says, up to 30 days.
func (c *Client) RotateAPIKey(ctx context.Context, id string, overlap time.Duration) (*APIKey, error) {
	out := new(APIKey)
	return out, c.call(ctx, request{method: http.MethodPost, path: "/api/keys/" + url.PathEscape(id) + "/rotate"}, map[string]any{"overlap_seconds": int64(overlap / time.Second)}, out)
}

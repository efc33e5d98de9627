package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Tenant is a tenant of an installation, as the tenant that operates the installation sees it.
type Tenant struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	// Operates says that this is the tenant whose people manage the others.
	Operates bool `json:"operates,omitempty"`
	// State is active, suspended, leaving or deleted.
	State     string     `json:"state"`
	ChangedAt *time.Time `json:"changed_at,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	// DeleteAt is when a leaving tenant is deleted, Problem why it is not although it is due.
	DeleteAt *time.Time `json:"delete_at,omitempty"`
	Problem  string     `json:"problem,omitempty"`
	LogID    string     `json:"log_id"`
	Events   uint64     `json:"events"`
	Users    int        `json:"users"`
}

// Tenants lists the tenants of the installation. It needs an API key, with the permission tenants.manage, of the tenant that operates it.
func (c *Client) Tenants(ctx context.Context) ([]Tenant, error) {
	var out struct {
		Items []Tenant `json:"items"`
	}
	return out.Items, c.get(ctx, "/api/tenants", nil, &out)
}

// ChangeTenant suspends a tenant, lets it resume, or takes it back after it was given up: how is suspend, resume or take-back.
func (c *Client) ChangeTenant(ctx context.Context, id, how, reason string) (*Tenant, error) {
	out := new(Tenant)
	return out, c.call(ctx, request{method: http.MethodPost, path: "/api/tenants/" + url.PathEscape(id) + "/" + url.PathEscape(how)}, map[string]any{"reason": reason}, out)
}

// GiveUpTenant suspends a tenant and has it deleted after so many days, 1 to 365. name is its name, so that none is taken for another.
func (c *Client) GiveUpTenant(ctx context.Context, id, name, reason string, days int) (*Tenant, error) {
	out := new(Tenant)
	return out, c.call(ctx, request{method: http.MethodDelete, path: "/api/tenants/" + url.PathEscape(id)}, map[string]any{"confirm": name, "reason": reason, "grace_days": days}, out)
}

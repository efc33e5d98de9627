package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// EvidenceHold is a legal hold on the sealed evidence of a range of the log.
type EvidenceHold struct {
	ID       string `json:"id"`
	FirstSeq uint64 `json:"first_seq"`
	// EndSeq is the seq after the last; 0 for a hold that covers what is recorded later too.
	EndSeq        uint64     `json:"end_seq"`
	Reason        string     `json:"reason"`
	PlacedAt      time.Time  `json:"placed_at"`
	PlacedBy      string     `json:"placed_by"`
	ReleasedAt    *time.Time `json:"released_at,omitempty"`
	ReleasedBy    string     `json:"released_by,omitempty"`
	ReleaseReason string     `json:"release_reason,omitempty"`
	State         string     `json:"state"` // active, released
	Objects       int        `json:"objects"`
	// Pending says that the object store does not reflect this yet.
	Pending bool `json:"pending"`
}

// PlaceHold puts a legal hold on the evidence of [first, end); end 0 has no end.
func (c *Client) PlaceHold(ctx context.Context, first, end uint64, reason string) (*EvidenceHold, error) {
	out := new(EvidenceHold)
	in := map[string]any{"first_seq": first, "end_seq": end, "reason": reason}
	return out, c.call(ctx, request{method: http.MethodPost, path: "/api/evidence/holds"}, in, out)
}

// ReleaseHold ends a legal hold.
func (c *Client) ReleaseHold(ctx context.Context, id, reason string) (*EvidenceHold, error) {
	out := new(EvidenceHold)
	return out, c.call(ctx, request{method: http.MethodPost, path: "/api/evidence/holds/" + url.PathEscape(id) + "/release"}, map[string]any{"reason": reason}, out)
}

// Holds lists the legal holds, the newest first, released ones included.
func (c *Client) Holds(ctx context.Context) ([]EvidenceHold, error) {
	var out struct {
		Items []EvidenceHold `json:"items"`
	}
	return out.Items, c.get(ctx, "/api/evidence/holds", nil, &out)
}

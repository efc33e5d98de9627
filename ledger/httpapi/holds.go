package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/ledger"
)

type holdView struct {
	ID            string     `json:"id"`
	FirstSeq      uint64     `json:"first_seq"`
	EndSeq        uint64     `json:"end_seq" doc:"The seq after the last; 0 for a hold that covers what is recorded later too"`
	Reason        string     `json:"reason" mask:"unknown"`
	PlacedAt      time.Time  `json:"placed_at"`
	PlacedBy      string     `json:"placed_by" mask:"user.name"`
	ReleasedAt    *time.Time `json:"released_at,omitempty"`
	ReleasedBy    string     `json:"released_by,omitempty" mask:"user.name"`
	ReleaseReason string     `json:"release_reason,omitempty" mask:"unknown"`
	State         string     `json:"state" enum:"active,released"`
	Objects       int        `json:"objects" doc:"Sealed files in the range"`
	Pending       bool       `json:"pending" doc:"The object store does not reflect this yet, because it does not answer or a file was sealed just now"`
}

func viewOfHold(h *ledger.EvidenceHold) holdView {
	v := holdView{ID: h.ID, FirstSeq: h.First, EndSeq: h.End, Reason: h.Reason, PlacedAt: h.PlacedAt, PlacedBy: h.PlacedBy, ReleasedBy: h.ReleasedBy, ReleaseReason: h.ReleaseReason, State: "active",
		Objects: h.Objects, Pending: h.Pending}
	if !h.Active() {
		v.State, v.ReleasedAt = "released", &h.ReleasedAt
	}
	return v
}

type holdOutput struct{ Body holdView }

type holdsOutput struct {
	Body struct {
		Items []holdView `json:"items"`
		// Possible tells those who ask before they try.
		Possible bool `json:"possible" doc:"false where sealed files lie in a folder, which cannot hold them"`
	}
}

type placeHoldInput struct {
	Body struct {
		FirstSeq uint64 `json:"first_seq,omitempty" doc:"First seq of the range; 0 for the beginning of the log"`
		EndSeq   uint64 `json:"end_seq,omitempty" doc:"The seq after the last; absent or 0 for a hold without an end"`
		Reason   string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why, such as the name of the matter; it is recorded"`
	}
}

type releaseHoldInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why; it is recorded"`
	}
}

func (h *Handlers) registerHolds(a *api.API) {
	needs := api.Needs(actor.SettingsManage)
	huma.Register(a, api.Op("list-evidence-holds", "GET /api/evidence/holds", "Legal holds on sealed evidence", needs), h.listHolds)
	huma.Register(a, api.Op("place-evidence-hold", "POST /api/evidence/holds", "Place a legal hold on sealed evidence", needs, api.Status(http.StatusCreated),
		api.Describe("The object store's own legal hold (S3 Object Lock) on the evidence of a range of the log or of all of it, sealed now or later: while it is on, the store deletes none of it, whatever the "+
			"retention and whoever asks. It is recorded. A data directory without an object store cannot hold (415).")), h.placeHold)
	huma.Register(a, api.Op("release-evidence-hold", "POST /api/evidence/holds/{id}/release", "Release a legal hold", needs, api.StepUp(),
		api.Describe("What another hold covers stays held, and what a retention locks stays locked.")), h.releaseHold)
}

func (h *Handlers) listHolds(ctx context.Context, _ *struct{}) (*holdsOutput, error) {
	p, err := actor.Require(ctx, actor.SettingsManage)
	if err != nil {
		return nil, err
	}
	all, err := h.Ledger.Holds(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	out := &holdsOutput{}
	out.Body.Items, out.Body.Possible = []holdView{}, h.Ledger.HoldsPossible()
	for i := range all {
		out.Body.Items = append(out.Body.Items, viewOfHold(&all[i]))
	}
	return out, nil
}

func (h *Handlers) placeHold(ctx context.Context, in *placeHoldInput) (*holdOutput, error) {
	p, err := actor.Require(ctx, actor.SettingsManage)
	if err != nil {
		return nil, err
	}
	hold, err := h.Ledger.PlaceHold(ctx, p.TenantID, in.Body.FirstSeq, in.Body.EndSeq, By(p), in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &holdOutput{viewOfHold(hold)}, nil
}

func (h *Handlers) releaseHold(ctx context.Context, in *releaseHoldInput) (*holdOutput, error) {
	p, err := actor.Require(ctx, actor.SettingsManage)
	if err != nil {
		return nil, err
	}
	hold, err := h.Ledger.ReleaseHold(ctx, p.TenantID, in.ID, By(p), in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &holdOutput{viewOfHold(hold)}, nil
}

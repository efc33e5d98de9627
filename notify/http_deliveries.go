package notify

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type deliveryOutput struct {
	Body struct {
		Delivery
		History []Attempt `json:"history" doc:"The attempts, oldest first"`
	} `nameHint:"DeliveryWithAttempts"`
}

func deliveryBody(d *Delivery, attempts []Attempt) *deliveryOutput {
	if d == nil {
		return nil
	}
	out := &deliveryOutput{}
	out.Body.Delivery, out.Body.History = *d, attempts
	return out
}

type deliveryListOutput struct {
	Body struct {
		Items      []*Delivery `json:"items"`
		NextCursor string      `json:"next_cursor,omitempty" doc:"Of the next, older page; absent at the end"`
	} `nameHint:"DeliveryList"`
}

type deliveryListInput struct {
	ChannelID string `query:"channel_id" maxLength:"64"`
	Status    string `query:"status" doc:"queued, sending, delivered, dead, discarded, muted or failed"`
	Cursor    string `query:"cursor" maxLength:"100"`
	Limit     int32  `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type deadLetterListInput struct {
	ChannelID string `query:"channel_id" maxLength:"64"`
	Cursor    string `query:"cursor" maxLength:"100"`
	Limit     int32  `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (s *Service) list(ctx context.Context, f DeliveryFilter) (*deliveryListOutput, error) {
	by, err := actor.Require(ctx, actor.NotifyView)
	if err != nil {
		return nil, err
	}
	out := &deliveryListOutput{}
	out.Body.Items, out.Body.NextCursor, err = s.Deliveries(ctx, by, f)
	return out, err
}

func (s *Service) registerDeliveries(a huma.API) {
	view := api.Needs(actor.NotifyView)
	huma.Register(a, api.Op("list-deliveries", "GET /api/notify/deliveries", "List deliveries of notifications", view, api.Errors(400), api.Describe("Newest first. Ended deliveries are kept for 30 days, dead letters for 90.")),
		func(ctx context.Context, in *deliveryListInput) (*deliveryListOutput, error) {
			return s.list(ctx, DeliveryFilter{ChannelID: in.ChannelID, Status: in.Status, Cursor: in.Cursor, Limit: int(in.Limit)})
		})
	huma.Register(a, api.Op("get-delivery", "GET /api/notify/deliveries/{id}", "Show a delivery and its attempts", view, api.Errors(404)),
		func(ctx context.Context, in *channelID) (*deliveryOutput, error) {
			by, err := actor.Require(ctx, actor.NotifyView)
			if err != nil {
				return nil, err
			}
			d, attempts, err := s.Delivery(ctx, by, in.ID)
			return deliveryBody(d, attempts), err
		})
}

type replayOutput struct {
	Body struct {
		Replayed int `json:"replayed" format:"int32"`
	} `nameHint:"Replayed"`
}

func (s *Service) registerDeadLetters(a huma.API) {
	view, manage := api.Needs(actor.NotifyView), api.Needs(actor.NotifyManage)
	replay := func(ctx context.Context, id, channelID string) (*replayOutput, error) {
		by, err := actor.Require(ctx, actor.NotifyManage)
		if err != nil {
			return nil, err
		}
		out := &replayOutput{}
		out.Body.Replayed, err = s.Replay(ctx, by, id, channelID)
		return out, err
	}
	huma.Register(a, api.Op("list-dead-letters", "GET /api/notify/dead-letters", "List deliveries that were given up", view, api.Errors(400)),
		func(ctx context.Context, in *deadLetterListInput) (*deliveryListOutput, error) {
			return s.list(ctx, DeliveryFilter{ChannelID: in.ChannelID, Status: statusDead, Cursor: in.Cursor, Limit: int(in.Limit)})
		})
	huma.Register(a, api.Op("replay-dead-letters", "POST /api/notify/dead-letters/replay", "Deliver dead letters again", manage, api.MaxBody(4<<10), api.Errors(404),
		api.Describe("Queues the oldest thousand again, of one channel or of all that are not paused, under their old ids.")),
		func(ctx context.Context, in *struct {
			Body struct {
				ChannelID string `json:"channel_id,omitempty" maxLength:"64" doc:"Only those of this channel"`
			} `nameHint:"ReplayRequest"`
		}) (*replayOutput, error) {
			return replay(ctx, "", in.Body.ChannelID)
		})
	huma.Register(a, api.Op("replay-dead-letter", "POST /api/notify/dead-letters/{id}/replay", "Deliver a dead letter again", manage, api.Errors(404, 409)),
		func(ctx context.Context, in *channelID) (*replayOutput, error) { return replay(ctx, in.ID, "") })
	huma.Register(a, api.Op("discard-dead-letter", "DELETE /api/notify/dead-letters/{id}", "Put a dead letter away", manage, api.Status(http.StatusNoContent), api.Errors(404),
		api.Describe("It stays in the list of deliveries as discarded.")),
		func(ctx context.Context, in *channelID) (*struct{}, error) {
			by, err := actor.Require(ctx, actor.NotifyManage)
			if err != nil {
				return nil, err
			}
			return nil, s.Discard(ctx, by, in.ID)
		})
}

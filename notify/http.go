package notify

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/notify/send"
)

type channelSettings struct {
	URL        string   `json:"url,omitempty" maxLength:"2048" writeOnly:"true" doc:"Of Slack's incoming webhook, Discord, a Teams workflow, a webhook; https"`
	Token      string   `json:"token,omitempty" maxLength:"256" writeOnly:"true" doc:"Of a Slack bot, instead of a URL"`
	Channel    string   `json:"channel,omitempty" maxLength:"80" doc:"Of Slack, with a token"`
	RoutingKey string   `json:"routing_key,omitempty" maxLength:"64" writeOnly:"true" doc:"PagerDuty's integration key (Events API v2)"`
	Region     string   `json:"region,omitempty" enum:"us,eu" doc:"Of PagerDuty; us when absent"`
	Recipients []string `json:"recipients,omitempty" maxItems:"50" doc:"E-mail addresses"`
}

func (c *channelSettings) settings() send.Settings {
	return send.Settings{URL: c.URL, Token: c.Token, Channel: c.Channel, RoutingKey: c.RoutingKey, Region: c.Region, Recipients: c.Recipients}
}

type channelID struct {
	ID string `path:"id" maxLength:"64"`
}

type channelOutput struct {
	Body *Channel
}

type channelListOutput struct {
	Body struct {
		Items []*Channel `json:"items"`
	} `nameHint:"NotificationChannelList"`
}

type newChannelInput struct {
	Body struct {
		Name     string          `json:"name" minLength:"1" maxLength:"100"`
		Kind     string          `json:"kind" enum:"email,slack,discord,pagerduty,teams,webhook"`
		Topics   []string        `json:"topics,omitempty" maxItems:"50" doc:"Kinds of notification, * for any run of characters; absent for all"`
		Settings channelSettings `json:"settings"`
	} `nameHint:"NewNotificationChannel"`
}

type secretOutput struct {
	Body struct {
		Channel
		Secret string `json:"secret,omitempty" doc:"Of a webhook: verifies its v1 signatures. It is shown this once."`
	} `nameHint:"NotificationChannelWithSecret"`
}

type changeChannelInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Name       *string          `json:"name,omitempty" minLength:"1" maxLength:"100"`
		Topics     *[]string        `json:"topics,omitempty" maxItems:"50"`
		Settings   *channelSettings `json:"settings,omitempty" doc:"Replaces what the channel was set up with"`
		Paused     *bool            `json:"paused,omitempty" doc:"While a channel is paused, notifications become dead letters"`
		MutedUntil *time.Time       `json:"muted_until,omitempty" doc:"While a channel is muted, notifications are noted and not sent. A time that is over ends it."`
	} `nameHint:"NotificationChannelChange"`
}

// Register adds the operations of this domain to an API.
func (s *Service) Register(a huma.API) {
	s.registerChannels(a)
	s.registerKeys(a)
	s.registerDeliveries(a)
	s.registerDeadLetters(a)
}

func (s *Service) registerChannels(a huma.API) {
	view, manage := api.Needs(actor.NotifyView), api.Needs(actor.NotifyManage)
	huma.Register(a, api.Op("list-notification-kinds", "GET /api/notify/kinds", "List the kinds of notification", view),
		func(context.Context, *struct{}) (*struct {
			Body struct {
				Items []Kind `json:"items"`
			} `nameHint:"NotificationKindList"`
		}, error) {
			out := &struct {
				Body struct {
					Items []Kind `json:"items"`
				} `nameHint:"NotificationKindList"`
			}{}
			out.Body.Items = Kinds()
			return out, nil
		})
	huma.Register(a, api.Op("list-notification-channels", "GET /api/notify/channels", "List notification channels", view),
		func(ctx context.Context, _ *struct{}) (*channelListOutput, error) {
			by, err := actor.Require(ctx, actor.NotifyView)
			if err != nil {
				return nil, err
			}
			out := &channelListOutput{}
			out.Body.Items, err = s.Channels(ctx, by)
			return out, err
		})
	huma.Register(a, api.Op("create-notification-channel", "POST /api/notify/channels", "Set up a notification channel", manage, api.MaxBody(64<<10), api.Status(http.StatusCreated), api.Errors(400, 403, 409),
		api.Describe("What a channel is set up with is encrypted and never shown again. Which settings a kind needs: email recipients; slack url, or token and channel; discord, teams and webhook url; pagerduty routing_key.")),
		func(ctx context.Context, in *newChannelInput) (*secretOutput, error) {
			by, err := actor.Require(ctx, actor.NotifyManage)
			if err != nil {
				return nil, err
			}
			c, secret, err := s.Create(ctx, by, NewChannel{Name: in.Body.Name, Kind: in.Body.Kind, Topics: in.Body.Topics, Settings: in.Body.Settings.settings()})
			return withSecret(c, secret), err
		})
	huma.Register(a, api.Op("get-notification-channel", "GET /api/notify/channels/{id}", "Show a notification channel", view, api.Errors(404)),
		func(ctx context.Context, in *channelID) (*channelOutput, error) {
			by, err := actor.Require(ctx, actor.NotifyView)
			if err != nil {
				return nil, err
			}
			c, err := s.Channel(ctx, by, in.ID)
			return &channelOutput{c}, err
		})
	huma.Register(a, api.Op("change-notification-channel", "PATCH /api/notify/channels/{id}", "Change, mute, pause or resume a notification channel", manage, api.MaxBody(64<<10), api.Errors(400, 404, 409)), s.change)
	huma.Register(a, api.Op("delete-notification-channel", "DELETE /api/notify/channels/{id}", "Delete a notification channel", manage, api.Status(http.StatusNoContent), api.Errors(404),
		api.Describe("What waits for it, dead letters included, is put away.")),
		func(ctx context.Context, in *channelID) (*struct{}, error) {
			by, err := actor.Require(ctx, actor.NotifyManage)
			if err != nil {
				return nil, err
			}
			return nil, s.Delete(ctx, by, in.ID)
		})
}

func withSecret(c *Channel, secret string) *secretOutput {
	if c == nil {
		return nil
	}
	out := &secretOutput{}
	out.Body.Channel, out.Body.Secret = *c, secret
	return out
}

func (s *Service) change(ctx context.Context, in *changeChannelInput) (*channelOutput, error) {
	by, err := actor.Require(ctx, actor.NotifyManage)
	if err != nil {
		return nil, err
	}
	ch := ChannelChange{Name: in.Body.Name, Topics: in.Body.Topics, Paused: in.Body.Paused, MutedUntil: in.Body.MutedUntil}
	if ch.MutedUntil != nil && !ch.MutedUntil.After(s.o.Now()) {
		ch.MutedUntil = &time.Time{}
	}
	if in.Body.Settings != nil {
		set := in.Body.Settings.settings()
		ch.Settings = &set
	}
	c, err := s.Update(ctx, by, in.ID, ch)
	return &channelOutput{c}, err
}

func (s *Service) registerKeys(a huma.API) {
	manage := api.Needs(actor.NotifyManage)
	huma.Register(a, api.Op("rotate-webhook-key", "POST /api/notify/channels/{id}/key", "Give a webhook a new key", manage, api.Errors(404, 409),
		api.Describe("The previous key signs along for a day; every request carries the signatures of both meanwhile.")),
		func(ctx context.Context, in *channelID) (*secretOutput, error) {
			by, err := actor.Require(ctx, actor.NotifyManage)
			if err != nil {
				return nil, err
			}
			c, secret, err := s.Rotate(ctx, by, in.ID)
			return withSecret(c, secret), err
		})
	huma.Register(a, api.Op("test-notification-channel", "POST /api/notify/channels/{id}/test", "Send a test over a channel", manage, api.Errors(404), api.Timeout(time.Minute),
		api.Describe("Sends a notification of the kind channel.test now, and answers with how that went. A test is not tried again and is no dead letter.")),
		func(ctx context.Context, in *channelID) (*deliveryOutput, error) {
			by, err := actor.Require(ctx, actor.NotifyManage)
			if err != nil {
				return nil, err
			}
			d, attempts, err := s.Test(ctx, by, in.ID)
			return deliveryBody(d, attempts), err
		})
}

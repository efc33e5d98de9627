package stream

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type streamID struct {
	ID string `path:"id" maxLength:"64"`
}

type streamOutput struct{ Body *Stream }

type listOutput struct {
	Body struct {
		Items []*Stream `json:"items"`
	} `nameHint:"EventStreamList"`
}

type createInput struct {
	Body struct {
		Name     string `json:"name" minLength:"1" maxLength:"100"`
		Kind     string `json:"kind" enum:"webhook,splunk,syslog,s3,nats"`
		Format   string `json:"format,omitempty" enum:"native,ocsf" default:"native"`
		Filter   Filter `json:"filter,omitempty"`
		Unmasked bool   `json:"unmasked,omitempty" doc:"Send personal values as they are; needs ledger.view_unmasked"`
		Settings struct {
			URL       string `json:"url,omitempty" maxLength:"2048" writeOnly:"true" doc:"Of a webhook, of a collector's services/collector/event, or of a NATS server: tls://host:4222"`
			Token     string `json:"token,omitempty" maxLength:"256" writeOnly:"true" doc:"Of Splunk's HTTP Event Collector, or of a NATS server"`
			Host      string `json:"host,omitempty" maxLength:"253" doc:"Of a syslog server (RFC 5424 over TLS)"`
			Port      int    `json:"port,omitempty" format:"int32" minimum:"1" maximum:"65535" doc:"6514 when absent"`
			Endpoint  string `json:"endpoint,omitempty" maxLength:"512" doc:"Of an object store that speaks S3, such as https://s3.eu-central-1.amazonaws.com"`
			Region    string `json:"region,omitempty" maxLength:"40" doc:"Of the bucket"`
			Bucket    string `json:"bucket,omitempty" maxLength:"63"`
			Prefix    string `json:"prefix,omitempty" maxLength:"512" doc:"Of the objects' names; ended with a slash"`
			AccessKey string `json:"access_key,omitempty" maxLength:"256" writeOnly:"true"`
			SecretKey string `json:"secret_key,omitempty" maxLength:"256" writeOnly:"true"`
			Subject   string `json:"subject,omitempty" maxLength:"255" doc:"That a JetStream stream of the NATS server takes"`
			Username  string `json:"username,omitempty" maxLength:"256" doc:"For the NATS server, with password"`
			Password  string `json:"password,omitempty" maxLength:"256" writeOnly:"true"`
		} `json:"settings"`
		FromSeq *int64 `json:"from_seq,omitempty" format:"int53" minimum:"0" doc:"The first event to be sent, 0 for all; absent begins with the next one that is recorded"`
	} `nameHint:"NewEventStream"`
}

type createOutput struct {
	Body struct {
		Stream
		Secret string `json:"secret,omitempty" doc:"Of a webhook: verifies its v1 signatures. It is shown this once."`
	} `nameHint:"EventStreamWithSecret"`
}

type testOutput struct {
	Body struct {
		OK      bool   `json:"ok" doc:"The receiver took it"`
		Code    int32  `json:"code,omitempty"`
		Problem string `json:"problem,omitempty"`
	} `nameHint:"EventStreamTest"`
}

type changeInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Paused  *bool  `json:"paused,omitempty"`
		NextSeq *int64 `json:"next_seq,omitempty" format:"int53" minimum:"0" doc:"Sends from this event on, again if need be"`
	} `nameHint:"EventStreamChange"`
}

// Register adds the operations of streams to an API.
func (s *Service) Register(a huma.API) {
	view, manage := api.Needs(actor.NotifyView), api.Needs(actor.NotifyManage)
	huma.Register(a, api.Op("list-event-streams", "GET /api/notify/streams", "List streams of events", view),
		func(ctx context.Context, _ *struct{}) (*listOutput, error) {
			by, err := actor.Require(ctx, actor.NotifyView)
			if err != nil {
				return nil, err
			}
			out := &listOutput{}
			out.Body.Items, err = s.List(ctx, by)
			return out, err
		})
	huma.Register(a, api.Op("create-event-stream", "POST /api/notify/streams", "Send events on as they are recorded", manage, api.MaxBody(64<<10), api.Status(http.StatusCreated), api.Errors(400, 403, 409),
		api.Describe("In order and at least once; a batch has a stable id, an event its seq. A receiver that fails is tried again and, after four days, the stream is paused; it catches up when it is resumed.")), s.create)
	huma.Register(a, api.Op("get-event-stream", "GET /api/notify/streams/{id}", "Show a stream of events", view, api.Errors(404)),
		func(ctx context.Context, in *streamID) (*streamOutput, error) {
			by, err := actor.Require(ctx, actor.NotifyView)
			if err != nil {
				return nil, err
			}
			v, err := s.Get(ctx, by, in.ID)
			return &streamOutput{v}, err
		})
	huma.Register(a, api.Op("change-event-stream", "PATCH /api/notify/streams/{id}", "Pause, resume or rewind a stream of events", manage, api.MaxBody(4<<10), api.Errors(400, 404)),
		func(ctx context.Context, in *changeInput) (*streamOutput, error) {
			by, err := actor.Require(ctx, actor.NotifyManage)
			if err != nil {
				return nil, err
			}
			v, err := s.Update(ctx, by, in.ID, in.Body.Paused, in.Body.NextSeq)
			return &streamOutput{v}, err
		})
	huma.Register(a, api.Op("test-event-stream", "POST /api/notify/streams/{id}/test", "Send a test line over a stream", manage, api.Errors(404), api.Timeout(2*time.Minute),
		api.Describe("Hands over one JSON object with the member test, now, and answers with how that went. The position stays.")),
		func(ctx context.Context, in *streamID) (*testOutput, error) {
			by, err := actor.Require(ctx, actor.NotifyManage)
			if err != nil {
				return nil, err
			}
			o, err := s.Test(ctx, by, in.ID)
			out := &testOutput{}
			out.Body.OK, out.Body.Code, out.Body.Problem = o.OK, int32(o.Code), o.Problem
			return out, err
		})
	huma.Register(a, api.Op("delete-event-stream", "DELETE /api/notify/streams/{id}", "Delete a stream of events", manage, api.Status(http.StatusNoContent), api.Errors(404)),
		func(ctx context.Context, in *streamID) (*struct{}, error) {
			by, err := actor.Require(ctx, actor.NotifyManage)
			if err != nil {
				return nil, err
			}
			return nil, s.Delete(ctx, by, in.ID)
		})
}

func (s *Service) create(ctx context.Context, in *createInput) (*createOutput, error) {
	by, err := actor.Require(ctx, actor.NotifyManage)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	v, secret, err := s.Create(ctx, by, NewStream{Name: b.Name, Kind: b.Kind, Format: b.Format, Filter: b.Filter, Unmasked: b.Unmasked, From: b.FromSeq,
		Settings: Settings{URL: b.Settings.URL, Token: b.Settings.Token, Host: b.Settings.Host, Port: b.Settings.Port, Endpoint: b.Settings.Endpoint, Region: b.Settings.Region,
			Bucket: b.Settings.Bucket, Prefix: b.Settings.Prefix, AccessKey: b.Settings.AccessKey, SecretKey: b.Settings.SecretKey, Subject: b.Settings.Subject, Username: b.Settings.Username, Password: b.Settings.Password}})
	if err != nil {
		return nil, err
	}
	out := &createOutput{}
	out.Body.Stream, out.Body.Secret = *v, secret
	return out, nil
}

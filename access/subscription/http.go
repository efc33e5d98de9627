package subscription

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type authorizeInput struct {
	header http.Header
}

// Resolve takes the headers as they came: that there are two Authorization headers must be seen.
func (in *authorizeInput) Resolve(hc huma.Context) []error {
	in.header = http.Header{}
	hc.EachHeader(func(name, value string) {
		if http.CanonicalHeaderKey(name) == "Authorization" {
			in.header.Add("Authorization", value)
		}
	})
	return nil
}

type authorizeOutput struct {
	CacheControl string         `header:"Cache-Control"`
	Body         *Authorization `nameHint:"ScribeAuthorization"`
}

type listOutput struct {
	Body struct {
		Items []Subscription `json:"items"`
	} `nameHint:"SubscriptionList"`
}

type setInput struct {
	Body struct {
		Subscription
	} `nameHint:"SubscriptionSetting"`
}

type oneOutput struct {
	Body Subscription `nameHint:"Subscription"`
}

// Register adds the operations of subscriptions to an API.
func (s *Service) Register(a huma.API) {
	authorize := api.Op("authorize-scribe", "GET /api/access/scribe/authorization", "Ask whether a clinician may use the scribe", api.Anonymous(), api.Errors(403, 429, 503),
		api.Describe("The clinician's token is in `Authorization: Bearer`: of an issuer that the tenant trusts, or of a session (`POST /api/session/token`). It must be valid now, have the role `"+ScribeRole+"` in its claim `roles`, and the clinician "+
			"or the tenant must have a subscription that is active or on trial. Otherwise the answer is 403 with a `reason`: `token_missing`, `token_invalid`, `token_expired`, `token_not_yet_valid`, `issuer_not_trusted`, `session_ended`, "+
			"`role_missing`, `subscription_missing`, `subscription_inactive`, `subscription_expired` or `subscription_not_started`. Every refusal is recorded."))
	authorize.Security = []map[string][]string{{"apiKey": {}}}
	huma.Register(a, authorize, func(ctx context.Context, in *authorizeInput) (*authorizeOutput, error) {
		out, err := s.Authorize(ctx, in.header)
		if err != nil {
			return nil, err
		}
		return &authorizeOutput{CacheControl: "no-store", Body: out}, nil
	})
	manage := api.Needs(actor.AccessManage)
	huma.Register(a, api.Op("list-subscriptions", "GET /api/subscriptions", "List subscriptions", manage),
		func(ctx context.Context, _ *struct{}) (*listOutput, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			out := &listOutput{}
			out.Body.Items, err = s.List(ctx, by)
			return out, err
		})
	huma.Register(a, api.Op("set-subscription", "PUT /api/subscriptions", "Make or change a subscription", manage, api.MaxBody(16<<10), api.Errors(400, 409),
		api.Describe("Of a user, or with an empty subject of the tenant as a whole; a user's own counts before the tenant's.")),
		func(ctx context.Context, in *setInput) (*oneOutput, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			u, err := s.Set(ctx, by, in.Body.Subscription)
			return &oneOutput{u}, err
		})
	huma.Register(a, api.Op("remove-subscription", "POST /api/subscriptions/remove", "Remove a subscription", manage, api.MaxBody(16<<10), api.Status(http.StatusNoContent), api.Errors(404, 409),
		api.Describe("The user is in the body because ids of users may be addresses, which must not stand in a URL.")),
		func(ctx context.Context, in *struct {
			Body struct {
				Subject string `json:"subject" maxLength:"1024"`
			} `nameHint:"SubscriptionSubject"`
		}) (*struct{}, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			return nil, s.Remove(ctx, by, in.Body.Subject)
		})
}

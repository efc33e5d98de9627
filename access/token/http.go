package token

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type exchangeInput struct {
	Body struct {
		Scopes []string `json:"scopes,omitempty" maxItems:"200" doc:"Only some of what the session may do, such as operations.ledger.search; all of it when left out"`
	} `nameHint:"TokenExchange"`
}

type exchangeOutput struct {
	CacheControl string    `header:"Cache-Control"`
	Body         Exchanged `nameHint:"SessionToken"`
}

type jwksOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Keys []JWK `json:"keys"`
	} `nameHint:"JWKS"`
}

type issuerListOutput struct {
	Body struct {
		Items []Issuer `json:"items"`
	} `nameHint:"TokenIssuerList"`
}

type issuerOutput struct {
	Body Issuer `nameHint:"TokenIssuer"`
}

type trustInput struct {
	Body Definition `nameHint:"NewTokenIssuer"`
}

type changeIssuerInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Definition
		Paused bool `json:"paused,omitempty" doc:"Refuses its tokens until this is taken back"`
	} `nameHint:"TokenIssuerChange"`
}

type rotateInput struct {
	Body struct {
		Revoke bool `json:"revoke,omitempty" doc:"Refuse the tokens of the old key at once"`
	} `nameHint:"TokenKeyRotation"`
}

// Register adds the operations of tokens to an API.
func (s *Service) Register(a huma.API) {
	s.registerSession(a)
	s.registerIssuers(a)
}

func (s *Service) registerSession(a huma.API) {
	huma.Register(a, api.Op("exchange-session", "POST /api/session/token", "Exchange the session for a token", api.MaxBody(16<<10), api.Errors(400, 401, 403, 409), api.Tag("session"),
		api.Describe("The token (a JWT signed with EdDSA) is valid for five minutes, for this API and for others that check it against the keys at `"+JWKSPath+"`. Here it is refused as soon as the session has ended. Its scopes are those permissions of "+
			"the session, after `operations.`. It is no session itself: it cannot be exchanged again.")),
		func(ctx context.Context, in *exchangeInput) (*exchangeOutput, error) {
			by, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			out, err := s.Exchange(ctx, by, in.Body.Scopes)
			return &exchangeOutput{CacheControl: "no-store", Body: out}, err
		})
	huma.Register(a, api.Op("get-jwks", "GET "+JWKSPath, "Take the public keys of this installation's tokens", api.Public(), api.Tag("session")),
		func(ctx context.Context, _ *struct{}) (*jwksOutput, error) {
			out := &jwksOutput{CacheControl: "public, max-age=300"}
			var err error
			out.Body.Keys, err = s.Published(ctx)
			return out, err
		})
	huma.Register(a, api.Op("rotate-token-key", "POST /api/token-keys/rotate", "Replace the key that signs tokens", api.Needs(actor.AccessManage), api.MaxBody(1<<10), api.Status(http.StatusNoContent), api.Errors(409),
		api.Describe("It is replaced by itself every thirty days.")),
		func(ctx context.Context, in *rotateInput) (*struct{}, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			return nil, s.RotateKey(ctx, by, in.Body.Revoke)
		})
}

func (s *Service) registerIssuers(a huma.API) {
	manage := api.Needs(actor.AccessManage)
	huma.Register(a, api.Op("list-token-issuers", "GET /api/token-issuers", "List the issuers whose tokens are accepted", manage),
		func(ctx context.Context, _ *struct{}) (*issuerListOutput, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			out := &issuerListOutput{}
			out.Body.Items, err = s.Issuers(ctx, by)
			return out, err
		})
	huma.Register(a, api.Op("trust-token-issuer", "POST /api/token-issuers", "Accept the tokens of an issuer", manage, api.MaxBody(64<<10), api.Status(http.StatusCreated), api.Errors(400, 403, 409)),
		func(ctx context.Context, in *trustInput) (*issuerOutput, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			is, err := s.Trust(ctx, by, in.Body)
			return &issuerOutput{is}, err
		})
	huma.Register(a, api.Op("change-token-issuer", "PUT /api/token-issuers/{id}", "Change, pause or resume an issuer", manage, api.MaxBody(64<<10), api.Errors(400, 403, 404, 409)),
		func(ctx context.Context, in *changeIssuerInput) (*issuerOutput, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			is, err := s.Change(ctx, by, in.ID, in.Body.Definition, in.Body.Paused)
			return &issuerOutput{is}, err
		})
	huma.Register(a, api.Op("distrust-token-issuer", "DELETE /api/token-issuers/{id}", "Refuse the tokens of an issuer from now on", manage, api.Status(http.StatusNoContent), api.Errors(404)),
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"64"`
		}) (*struct{}, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			return nil, s.Distrust(ctx, by, in.ID)
		})
}

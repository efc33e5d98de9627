package access

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

// schemaOf refers to the schema of a type under a name.
func schemaOf[T any](r huma.Registry, name string) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, name)
}

type factorInfo struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind" enum:"totp,passkey"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
}

type factorsResponse struct {
	Body struct {
		Items            []factorInfo `json:"items"`
		RecoveryCodes    int          `json:"recovery_codes" doc:"How many are left"`
		Demanded         bool         `json:"demanded" doc:"A second factor is demanded of the person"`
		PasskeysPossible bool         `json:"passkeys_possible" doc:"Whether the address of this server allows passkeys"`
	} `nameHint:"Factors"`
}

type codesResponse struct {
	Body struct {
		RecoveryCodes []string `json:"recovery_codes,omitempty" doc:"Each works once in the place of another factor. They are shown this once."`
	} `nameHint:"RecoveryCodes"`
}

func codes(list []string, err error) (*codesResponse, error) {
	out := &codesResponse{}
	out.Body.RecoveryCodes = list
	return out, err
}

type oneID struct {
	ID string `path:"id" maxLength:"64"`
}

func (s *Service) registerFactors(a *api.API) {
	huma.Register(a, api.Op("list-factors", "GET /api/session/factors", "List one's own factors", api.Errors(403)),
		func(ctx context.Context, _ *struct{}) (*factorsResponse, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			f, err := s.Factors(ctx, p)
			if err != nil {
				return nil, err
			}
			out := &factorsResponse{}
			out.Body.Items = []factorInfo{}
			for _, x := range f.Items {
				out.Body.Items = append(out.Body.Items, factorInfo{ID: x.ID, Kind: x.Kind, Name: x.Name, CreatedAt: x.CreatedAt, LastUsedAt: optional(x.LastUsedAt)})
			}
			out.Body.RecoveryCodes, out.Body.Demanded, out.Body.PasskeysPossible = f.RecoveryCodes, f.Demanded, f.PasskeysPossible
			return out, nil
		})
	huma.Register(a, api.Op("start-factor", "POST /api/session/factors", "Set up a factor", api.StepUp(), api.MaxBody(4<<10), api.Status(http.StatusCreated), api.Errors(400, 403, 409),
		api.Describe("It counts once it is confirmed, within ten minutes.")),
		func(ctx context.Context, r *struct {
			Body NewFactorBody `nameHint:"NewFactor"`
		}) (*enrolmentResponse, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			return enrolment(s.StartFactor(ctx, p, r.Body.Kind, r.Body.Name))
		})
	huma.Register(a, api.Op("confirm-factor", "POST /api/session/factors/{id}/confirm", "Confirm a factor", api.StepUp(), api.MaxBody(64<<10), api.Errors(400, 403, 404),
		api.Describe("With a code of the app or with what the browser made of the options. With the first factor come recovery codes, which are shown this once.")),
		func(ctx context.Context, r *struct {
			ID   string     `path:"id" maxLength:"64"`
			Body ShownProof `nameHint:"FactorProof"`
		}) (*codesResponse, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			return codes(s.ConfirmFactor(ctx, p, r.ID, r.Body.proof()))
		})
	huma.Register(a, api.Op("remove-factor", "DELETE /api/session/factors/{id}", "Remove a factor", api.StepUp(), api.Status(http.StatusNoContent), api.Errors(403, 404, 409),
		api.Describe("The last one cannot go while a second factor is demanded. With the last one go the recovery codes.")),
		func(ctx context.Context, r *oneID) (*struct{}, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			return nil, s.RemoveFactor(ctx, p, r.ID)
		})
	huma.Register(a, api.Op("new-recovery-codes", "POST /api/session/recovery-codes", "Get new recovery codes", api.StepUp(), api.Errors(403, 409), api.Describe("The earlier ones stop working.")),
		func(ctx context.Context, _ *struct{}) (*codesResponse, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			return codes(s.NewRecoveryCodes(ctx, p))
		})
	s.registerFactorRules(a)
}

type demandBody struct {
	Body struct {
		SecondFactorOf []string `json:"second_factor_of" maxItems:"100" doc:"Roles of which a second factor is demanded, or * for everybody"`
	} `nameHint:"SignInPolicy"`
}

func (s *Service) registerFactorRules(a *api.API) {
	manage := api.Needs(actor.AccessManage)
	huma.Register(a, api.Op("reset-factors", "POST /api/users/{id}/factors/reset", "Take all factors from a user", manage, api.StepUp(), api.MaxBody(4<<10), api.Status(http.StatusNoContent), api.Errors(400, 404, 409),
		api.Describe("For somebody who has lost the device. Ends the user's sessions; the password alone signs in afterwards, or leads to setting up a new factor.")),
		func(ctx context.Context, r *struct {
			ID   string `path:"id" maxLength:"64"`
			Body struct {
				Reason string `json:"reason" minLength:"1" maxLength:"500"`
			} `nameHint:"FactorReset"`
		}) (*struct{}, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			return nil, s.ResetFactors(ctx, p, r.ID, r.Body.Reason)
		})
	huma.Register(a, api.Op("get-sign-in-policy", "GET /api/access/sign-in-policy", "Show of whom a second factor is demanded", manage),
		func(ctx context.Context, _ *struct{}) (*demandBody, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			roles, err := s.FactorDemand(ctx, p)
			out := &demandBody{}
			out.Body.SecondFactorOf = orNone(roles)
			return out, err
		})
	huma.Register(a, api.Op("put-sign-in-policy", "PUT /api/access/sign-in-policy", "Demand a second factor", manage, api.StepUp(), api.MaxBody(4<<10), api.Errors(400),
		api.Describe("Holds from the next sign-in on: somebody who has no factor is led to setting one up. Sessions go on.")),
		func(ctx context.Context, r *demandBody) (*demandBody, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			return r, s.SetFactorDemand(ctx, p, r.Body.SecondFactorOf)
		})
}

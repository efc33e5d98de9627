package access

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/access/mfa"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

// pendingInfo is a sign-in that waits for its second step.
type pendingInfo struct {
	Token     string    `json:"token" doc:"Goes with the second step; it is no session"`
	Ways      []string  `json:"ways" doc:"What the person can prove, best first: passkey, totp, recovery_code"`
	Enrol     bool      `json:"enrol,omitempty" doc:"The person has nothing yet and must set up a factor to get in"`
	ExpiresAt time.Time `json:"expires_at"`
}

func pendingInfoOf(p *Pending) *pendingInfo {
	return &pendingInfo{Token: p.Token, Ways: orNone(p.Ways), Enrol: p.Enrol, ExpiresAt: p.ExpiresAt}
}

// loginBody is a session or a sign-in that waits.
type loginBody struct {
	session *sessionInfo
	pending *pendingInfo
}

// MarshalJSON implements json.Marshaler.
func (b loginBody) MarshalJSON() ([]byte, error) {
	if b.pending != nil {
		return json.Marshal(b.pending)
	}
	return json.Marshal(b.session)
}

// Schema implements huma.SchemaProvider.
func (loginBody) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{schemaOf[sessionInfo](r, "Session"), schemaOf[pendingInfo](r, "PendingSignIn")}}
}

type loginResponse struct {
	Status    int
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      loginBody
}

// ShownProof is a [Proof] as the HTTP interface takes it. It is exported because the members of an embedded type count only then.
type ShownProof struct {
	Code    string          `json:"code,omitempty" maxLength:"64" writeOnly:"true" doc:"Of an authenticator app, or a recovery code"`
	Passkey json.RawMessage `json:"passkey,omitempty" doc:"What navigator.credentials.get (or create) gave, as PublicKeyCredential.toJSON writes it"`
}

func (b ShownProof) proof() Proof { return Proof(b) }

type passkeyOptions struct {
	Body struct {
		PublicKey json.RawMessage `json:"public_key" doc:"publicKey of navigator.credentials.get, as PublicKeyCredential.parseRequestOptionsFromJSON reads it"`
	} `nameHint:"PasskeyRequest"`
}

func asked(options json.RawMessage, err error) (*passkeyOptions, error) {
	out := &passkeyOptions{}
	out.Body.PublicKey = options
	return out, err
}

type enrolmentResponse struct{ Body enrolmentInfo }

type enrolmentInfo struct {
	ID   string `json:"id"`
	Kind string `json:"kind" enum:"totp,passkey"`
	TOTP *struct {
		Secret string   `json:"secret" doc:"In base 32, for who types it"`
		URL    string   `json:"url" doc:"otpauth:// address"`
		QR     []string `json:"qr" doc:"The address as a QR code: a string of 0 and 1 for every row"`
	} `json:"totp,omitempty"`
	PublicKey json.RawMessage `json:"public_key,omitempty" doc:"publicKey of navigator.credentials.create, as PublicKeyCredential.parseCreationOptionsFromJSON reads it"`
	ExpiresAt time.Time       `json:"expires_at"`
}

func enrolment(e *Enrolment, err error) (*enrolmentResponse, error) {
	if err != nil {
		return nil, err
	}
	out := &enrolmentResponse{enrolmentInfo{ID: e.ID, Kind: e.Kind, PublicKey: e.Passkey, ExpiresAt: e.ExpiresAt}}
	if t := e.TOTP; t != nil {
		out.Body.TOTP = (*struct {
			Secret string   `json:"secret" doc:"In base 32, for who types it"`
			URL    string   `json:"url" doc:"otpauth:// address"`
			QR     []string `json:"qr" doc:"The address as a QR code: a string of 0 and 1 for every row"`
		})((*mfa.Seed)(t))
	}
	return out, nil
}

// NewFactorBody says which factor to set up. It is exported because the members of an embedded type count only then.
type NewFactorBody struct {
	Kind string `json:"kind" enum:"totp,passkey"`
	Name string `json:"name" minLength:"1" maxLength:"60" doc:"Such as that of the device"`
}

func (s *Service) registerSecondStep(a *api.API) {
	public := func(id, pattern, summary, about string) huma.Operation {
		return api.Op(id, pattern, summary, api.Public(), api.MaxBody(64<<10), api.Errors(400, 401, 409, 429), api.Describe(about))
	}
	signedIn := func(v *Session, err error) (*sessionResponse, error) {
		if err != nil {
			return nil, err
		}
		return &sessionResponse{SetCookie: s.cookie(v.Token, v.ExpiresAt), Body: infoOf(v, v.Token)}, nil
	}
	huma.Register(a, public("second-factor", "POST /api/session/second-factor", "Sign in, second step", "Shows a code or a passkey's answer for a sign-in that waits. A code counts once."),
		func(ctx context.Context, r *struct {
			Cookie string `cookie:"probity_session" hidden:"true"`
			Body   struct {
				Token string `json:"token" maxLength:"64" writeOnly:"true"`
				ShownProof
			} `nameHint:"SecondFactor"`
		}) (*sessionResponse, error) {
			return signedIn(s.SecondStep(ctx, r.Body.Token, r.Body.proof(), r.Cookie))
		})
	huma.Register(a, public("ask-second-factor", "POST /api/session/second-factor/passkey", "Ask a passkey for the second step", "What a browser needs to have one of the person's passkeys answer."),
		func(ctx context.Context, r *struct {
			Body struct {
				Token string `json:"token" maxLength:"64" writeOnly:"true"`
			} `nameHint:"PendingToken"`
		}) (*passkeyOptions, error) {
			return asked(s.AskSecondStep(ctx, r.Body.Token))
		})
	huma.Register(a, public("ask-passkey", "POST /api/session/passkey/ask", "Ask whichever passkey there is", "What a browser needs to have any passkey of this site answer, without anybody saying first who they are."),
		func(context.Context, *struct{}) (*passkeyOptions, error) { return asked(s.AskPasskey()) })
	huma.Register(a, public("login-by-passkey", "POST /api/session/passkey", "Sign in with a passkey alone", "The device must have recognised the person, by a fingerprint or PIN. Sets the session's cookie."),
		func(ctx context.Context, r *struct {
			Cookie string `cookie:"probity_session" hidden:"true"`
			Body   struct {
				Passkey json.RawMessage `json:"passkey"`
			} `nameHint:"PasskeyLogin"`
		}) (*sessionResponse, error) {
			return signedIn(s.LoginByPasskey(ctx, r.Body.Passkey, r.Cookie))
		})
	huma.Register(a, public("start-enrolment", "POST /api/session/enrolment", "Set up a first factor to sign in", "For a sign-in that waits with `enrol`: a second factor is demanded, and the person has none."),
		func(ctx context.Context, r *struct {
			Body struct {
				Token string `json:"token" maxLength:"64" writeOnly:"true"`
				NewFactorBody
			} `nameHint:"NewEnrolment"`
		}) (*enrolmentResponse, error) {
			return enrolment(s.StartEnrolment(ctx, r.Body.Token, r.Body.Kind, r.Body.Name))
		})
	huma.Register(a, public("confirm-enrolment", "POST /api/session/enrolment/{id}/confirm", "Confirm the first factor and sign in", "Sets the session's cookie and returns the recovery codes, which are shown this once."),
		func(ctx context.Context, r *struct {
			Cookie string `cookie:"probity_session" hidden:"true"`
			ID     string `path:"id" maxLength:"64"`
			Body   struct {
				Token string `json:"token" maxLength:"64" writeOnly:"true"`
				ShownProof
			} `nameHint:"EnrolmentProof"`
		}) (*enrolledResponse, error) {
			v, codes, err := s.ConfirmEnrolment(ctx, r.Body.Token, r.ID, r.Body.proof(), r.Cookie)
			if err != nil {
				return nil, err
			}
			out := &enrolledResponse{SetCookie: s.cookie(v.Token, v.ExpiresAt)}
			out.Body.Session, out.Body.RecoveryCodes = infoOf(v, v.Token), codes
			return out, nil
		})
}

type enrolledResponse struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Session       sessionInfo `json:"session"`
		RecoveryCodes []string    `json:"recovery_codes,omitempty"`
	} `nameHint:"Enrolled"`
}

func (s *Service) registerStepUp(a *api.API) {
	huma.Register(a, api.Op("step-up", "POST /api/session/step-up", "Prove anew who one is", api.WhileRestricted(), api.MaxBody(64<<10), api.Status(http.StatusNoContent), api.Errors(400, 401, 403, 429),
		api.Describe("With a code or a passkey's answer; with the password only where the person has no second factor. It counts for this session and for some minutes. Wrong attempts are slowed down per session and address.")),
		func(ctx context.Context, r *struct {
			Body struct {
				Password string `json:"password,omitempty" maxLength:"1024" writeOnly:"true"`
				ShownProof
			} `nameHint:"StepUp"`
		}) (*struct{}, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			return nil, s.StepUp(ctx, p, r.Body.Password, r.Body.proof())
		})
	huma.Register(a, api.Op("ask-step-up", "POST /api/session/step-up/passkey", "Ask a passkey to step up", api.WhileRestricted(), api.Errors(403, 404, 409), api.Describe("What a browser needs to have one of the person's passkeys answer for this session.")),
		func(ctx context.Context, _ *struct{}) (*passkeyOptions, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			return asked(s.AskStepUp(ctx, p))
		})
}

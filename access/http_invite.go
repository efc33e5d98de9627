package access

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type invitationInfo struct {
	ID        string     `json:"id"`
	Email     string     `json:"email"`
	Name      string     `json:"name"`
	Roles     []string   `json:"roles" doc:"Given when the invitation is accepted; those that somebody else has to approve are asked for then"`
	State     string     `json:"state" enum:"open,accepted,withdrawn,expired"`
	Problem   string     `json:"problem,omitempty" doc:"Why the letter could not be delivered"`
	InvitedBy string     `json:"invited_by" doc:"User or API key; empty for the operator"`
	UserID    string     `json:"user_id,omitempty" doc:"The account that came of it"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	SentAt    *time.Time `json:"sent_at,omitempty" doc:"When the mail server took the letter"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Link      string     `json:"link,omitempty" doc:"Only in the answer to making or renewing it, and only where this server sends no e-mail: hand it over yourself, it is shown this once"`
}

func invitationInfoOf(i *Invitation) invitationInfo {
	return invitationInfo{ID: i.ID, Email: i.Email, Name: i.Name, Roles: orNone(i.Roles), State: i.State, Problem: i.Problem, InvitedBy: i.InvitedBy, UserID: i.UserID, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt,
		SentAt: optional(i.SentAt), EndedAt: optional(i.EndedAt), Link: i.Link}
}

type invitationResponse struct {
	Body invitationInfo `nameHint:"Invitation"`
}

type invitationListResponse struct {
	Body struct {
		Items []invitationInfo `json:"items"`
		Mails bool             `json:"mails" doc:"Whether this server sends invitations by e-mail (smtp-server and public-url are set); otherwise whoever invites hands the link over"`
	} `nameHint:"InvitationList"`
}

type newInvitationRequest struct {
	Body struct {
		Email string   `json:"email" minLength:"3" maxLength:"254"`
		Name  string   `json:"name" minLength:"1" maxLength:"100"`
		Roles []string `json:"roles" minItems:"1" maxItems:"20" doc:"Ids of roles of which the caller has to have all that they allow" example:"[\"auditor\"]"`
	} `nameHint:"NewInvitation"`
}

func oneInvitation(i *Invitation, err error) (*invitationResponse, error) {
	if err != nil {
		return nil, err
	}
	return &invitationResponse{invitationInfoOf(i)}, nil
}

func (s *Service) registerInvitations(a *api.API) {
	manage := api.Needs(actor.AccessManage)
	huma.Register(a, api.Op("list-invitations", "GET /api/invitations", "List invitations", manage, api.Describe("Newest first; those that have ended for thirty days more.")),
		func(ctx context.Context, _ *struct{}) (*invitationListResponse, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			list, err := s.Invitations(ctx, p)
			out := &invitationListResponse{}
			out.Body.Items, out.Body.Mails = []invitationInfo{}, s.mails()
			for _, i := range list {
				out.Body.Items = append(out.Body.Items, invitationInfoOf(i))
			}
			return out, err
		})
	huma.Register(a, api.Op("invite-user", "POST /api/invitations", "Invite somebody", manage, api.StepUp(), api.MaxBody(64<<10), api.Status(http.StatusCreated), api.Errors(400, 403, 409),
		api.Describe("The person gets an e-mail with a link, which works for `invitation-for` (72 hours) and once, and chooses a password or a passkey there. Where this server sends no e-mail the answer holds the `link`, this once, for the caller to hand over. "+
			"It leads to the published address (`public-url`), without which there are no invitations. It is of no use any more when whoever has invited may not give the roles any more.")),
		func(ctx context.Context, r *newInvitationRequest) (*invitationResponse, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			return oneInvitation(s.Invite(ctx, p, Invited{r.Body.Email, r.Body.Name, r.Body.Roles}))
		})
	huma.Register(a, api.Op("resend-invitation", "POST /api/invitations/{id}/resend", "Send an invitation again", manage, api.StepUp(), api.Status(http.StatusOK), api.Errors(403, 404, 409),
		api.Describe("With another link, for as long as a new invitation; the old link is dead. The caller takes the place of whoever has invited.")),
		func(ctx context.Context, r *oneID) (*invitationResponse, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			return oneInvitation(s.Reinvite(ctx, p, r.ID))
		})
	huma.Register(a, api.Op("withdraw-invitation", "DELETE /api/invitations/{id}", "Withdraw an invitation", manage, api.Status(http.StatusNoContent), api.Errors(404, 409), api.Describe("Its link is dead.")),
		func(ctx context.Context, r *oneID) (*struct{}, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			return nil, s.Withdraw(ctx, p, r.ID)
		})
}

type linkTokenBody struct {
	Token string `json:"token" maxLength:"64" writeOnly:"true" doc:"What stands behind # in the link"`
}

type welcomeResponse struct {
	Body struct {
		Email        string    `json:"email"`
		Name         string    `json:"name"`
		Organisation string    `json:"organisation"`
		ExpiresAt    time.Time `json:"expires_at"`
		Passkeys     bool      `json:"passkeys" doc:"Whether a passkey can be chosen in place of a password"`
	} `nameHint:"Welcome"`
}

// registerLinks adds what the links of letters lead to. All of it is POST: whatever a mail scanner or a preview fetches spends nothing. What the body carries decides, not who is signed in in that browser.
func (s *Service) registerLinks(a *api.API) {
	public := func(id, pattern, summary, about string, more ...api.Option) huma.Operation {
		return api.Op(id, pattern, summary, append(more, api.Anonymous(), api.MaxBody(16<<10), api.Describe(about))...)
	}
	huma.Register(a, public("look-at-invitation", "POST /api/session/invitation", "Look at an invitation", "Says whom it is for; it spends nothing.", api.Status(http.StatusOK), api.Errors(404, 429)),
		func(ctx context.Context, r *struct {
			Body linkTokenBody `nameHint:"LinkToken"`
		}) (*welcomeResponse, error) {
			w, err := s.LookAtInvitation(ctx, r.Body.Token)
			if err != nil {
				return nil, err
			}
			out := &welcomeResponse{}
			out.Body.Email, out.Body.Name, out.Body.Organisation, out.Body.ExpiresAt, out.Body.Passkeys = w.Email, w.Name, w.Organisation, w.ExpiresAt, w.Passkeys
			return out, nil
		})
	huma.Register(a, public("accept-invitation", "POST /api/session/invitation/accept", "Accept an invitation",
		"Makes the account and signs the person in, as `POST /api/session` does: 200 with a session, or 202 with a token for `POST /api/session/enrolment` where a second factor is demanded. Without a `password` the answer is always 202: the person sets up a passkey, and the link works until that is there.",
		api.Errors(400, 404, 409, 429)),
		func(ctx context.Context, r *struct {
			Cookie string `cookie:"probity_session" hidden:"true"`
			Body   struct {
				Token    string `json:"token" maxLength:"64" writeOnly:"true"`
				Password string `json:"password,omitempty" maxLength:"1024" writeOnly:"true" doc:"At least 12 characters, none that is guessed first; left out for a passkey"`
			} `nameHint:"InvitationAcceptance"`
		}) (*loginResponse, error) {
			return s.loggedIn(s.Accept(ctx, r.Body.Token, r.Body.Password, r.Cookie))
		})
	huma.Register(a, public("forgot-password", "POST /api/session/forgotten", "Ask for a link to set a new password",
		"The answer is the same, and takes as long, whether anybody has the address or not. The link goes to the address, works once and for 30 minutes. Accounts of providers and locked ones get none, nor does one that has three that work. 409 where this server sends no e-mail.",
		api.Status(http.StatusAccepted), api.Errors(409, 429)),
		func(ctx context.Context, r *struct {
			Body struct {
				Email string `json:"email" maxLength:"254"`
			} `nameHint:"ForgottenPassword"`
		}) (*struct{}, error) {
			return nil, s.Forgotten(ctx, r.Body.Email)
		})
	huma.Register(a, public("reset-password", "POST /api/session/reset", "Set a new password with the link of a letter",
		"Ends all sessions of the person and signs nobody in; second factors stay as they are. A letter tells the person of it.", api.Status(http.StatusNoContent), api.Errors(400, 404, 429)),
		func(ctx context.Context, r *struct {
			Body struct {
				Token    string `json:"token" maxLength:"64" writeOnly:"true"`
				Password string `json:"password" maxLength:"1024" writeOnly:"true" doc:"At least 12 characters, none that is guessed first"`
			} `nameHint:"PasswordReset"`
		}) (*struct{}, error) {
			return nil, s.Redeem(ctx, r.Body.Token, r.Body.Password)
		})
}

// loggedIn answers a login: 200 with a session, or 202 with what waits.
func (s *Service) loggedIn(v *Login, err error) (*loginResponse, error) {
	if err != nil {
		return nil, err
	}
	if v.Pending != nil {
		return &loginResponse{Status: http.StatusAccepted, Body: loginBody{pending: pendingInfoOf(v.Pending)}}, nil
	}
	in := infoOf(v.Session, v.Session.Token)
	return &loginResponse{Status: http.StatusOK, SetCookie: s.cookie(v.Session.Token, v.Session.ExpiresAt), Body: loginBody{session: &in}}, nil
}

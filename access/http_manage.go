package access

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

// APIKey is an API key as the HTTP interface shows it.
type APIKey struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Prefix     string     `json:"prefix" doc:"The public part of the key" example:"pk_7h2k9qxw"`
	Scopes     []string   `json:"scopes" doc:"Permissions of the key"`
	Sources    []string   `json:"sources" doc:"Event sources the key may write as, * for any run of characters; empty for any"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	OldUntil   *time.Time `json:"old_secret_until,omitempty" doc:"Until when the secret works that the key had before it was rotated"`
}

func apiKeyOf(k Key) APIKey {
	return APIKey{ID: k.ID, Name: k.Name, Prefix: k.Prefix, Scopes: k.Scopes, Sources: k.Sources, CreatedAt: k.CreatedAt,
		LastUsedAt: optional(k.LastUsedAt), ExpiresAt: optional(k.ExpiresAt), RevokedAt: optional(k.RevokedAt),
		OldUntil: optional(k.OldUntil)}
}

type keyListResponse struct {
	Body struct {
		Items []APIKey `json:"items"`
	} `nameHint:"APIKeyList"`
}

type newKeyRequest struct {
	Body struct {
		Name      string     `json:"name" minLength:"1" maxLength:"100"`
		Scopes    []string   `json:"scopes" minItems:"1" maxItems:"100" doc:"Permissions, of which the maker has to have each" example:"[\"ledger.append\"]"`
		Sources   []string   `json:"sources,omitempty" maxItems:"50"`
		ExpiresAt *time.Time `json:"expires_at,omitempty"`
	} `nameHint:"NewAPIKey"`
}

type newKeyResponse struct {
	Body struct {
		APIKey
		Secret string `json:"secret" doc:"The whole key. It is shown this once."`
	} `nameHint:"CreatedAPIKey"`
}

func (s *Service) registerKeys(a *api.API) {
	manage := api.Needs(actor.AccessManage)
	huma.Register(a, api.Op("list-keys", "GET /api/keys", "List API keys", manage),
		func(ctx context.Context, _ *struct{}) (*keyListResponse, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			keys, err := s.Keys(ctx, p)
			out := &keyListResponse{}
			for _, k := range keys {
				out.Body.Items = append(out.Body.Items, apiKeyOf(k))
			}
			return out, err
		})
	huma.Register(a, api.Op("create-key", "POST /api/keys", "Make an API key", manage, api.StepUp(), api.MaxBody(64<<10), api.Status(http.StatusCreated), api.Errors(400, 403)),
		func(ctx context.Context, r *newKeyRequest) (*newKeyResponse, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			n := NewKey{Name: r.Body.Name, Scopes: r.Body.Scopes, Sources: r.Body.Sources}
			if r.Body.ExpiresAt != nil {
				n.ExpiresAt = *r.Body.ExpiresAt
			}
			k, text, err := s.CreateKey(ctx, p, n)
			if err != nil {
				return nil, err
			}
			out := &newKeyResponse{}
			out.Body.APIKey, out.Body.Secret = apiKeyOf(k), text
			return out, nil
		})
	huma.Register(a, api.Op("rotate-key", "POST /api/keys/{id}/rotate", "Give an API key another secret", manage, api.StepUp(), api.MaxBody(16<<10), api.Errors(400, 403, 404, 409),
		api.Describe("The answer holds the new key. The old one works for `overlap_seconds` more, so that applications can be changed one after the other.")), s.rotateKey)
	huma.Register(a, api.Op("revoke-key", "DELETE /api/keys/{id}", "Revoke an API key", manage, api.Status(http.StatusNoContent), api.Errors(404)),
		func(ctx context.Context, r *struct {
			ID string `path:"id" maxLength:"64"`
		}) (*struct{}, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			return nil, s.RevokeKey(ctx, p, r.ID)
		})
}

type rotateKeyRequest struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Overlap *int64 `json:"overlap_seconds,omitempty" minimum:"0" maximum:"2592000" doc:"For how long the old secret works; a day when left out"`
	} `nameHint:"APIKeyRotation"`
}

func (s *Service) rotateKey(ctx context.Context, r *rotateKeyRequest) (*newKeyResponse, error) {
	p, err := actor.Require(ctx, actor.AccessManage)
	if err != nil {
		return nil, err
	}
	overlap := 24 * time.Hour
	if r.Body.Overlap != nil {
		overlap = time.Duration(*r.Body.Overlap) * time.Second
	}
	k, text, err := s.RotateKey(ctx, p, r.ID, overlap)
	if err != nil {
		return nil, err
	}
	out := &newKeyResponse{}
	out.Body.APIKey, out.Body.Secret = apiKeyOf(k), text
	return out, nil
}

type userAccount struct {
	ID          string     `json:"id"`
	Email       string     `json:"email"`
	Name        string     `json:"name"`
	Role        string     `json:"role" doc:"The weightiest of the roles, empty without any" example:"auditor"`
	Roles       []string   `json:"roles" doc:"In force in the whole tenant"`
	CreatedAt   time.Time  `json:"created_at"`
	LockedAt    *time.Time `json:"locked_at,omitempty"`
	LastLoginAt *time.Time `json:"last_login_at,omitempty"`
	Factors     int        `json:"factors,omitempty" doc:"How many factors the user has besides the password; in the list of users"`
}

func userAccountOf(u User) userAccount {
	return userAccount{ID: u.ID, Email: u.Email, Name: u.Name, Role: u.Role, Roles: orNone(u.Roles), CreatedAt: u.CreatedAt, LockedAt: optional(u.LockedAt), LastLoginAt: optional(u.LastLoginAt), Factors: u.Factors}
}

type userListResponse struct {
	Body struct {
		Items []userAccount `json:"items"`
	} `nameHint:"UserList"`
}

type userResponse struct {
	Body userAccount `nameHint:"User"`
}

type newUserRequest struct {
	Body struct {
		Email    string `json:"email" minLength:"3" maxLength:"254"`
		Name     string `json:"name" minLength:"1" maxLength:"100"`
		Role     string `json:"role" minLength:"1" maxLength:"64" doc:"A role's id; the maker has to have all that it allows" example:"auditor"`
		Password string `json:"password" maxLength:"1024" writeOnly:"true" doc:"At least 12 characters, not the e-mail address"`
	} `nameHint:"NewUser"`
}

type changeUserRequest struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Name   *string   `json:"name,omitempty" minLength:"1" maxLength:"100"`
		Role   *string   `json:"role,omitempty" minLength:"1" maxLength:"64" doc:"Replaces the weightiest role by this one"`
		Roles  *[]string `json:"roles,omitempty" maxItems:"50" doc:"Replaces all roles for the whole tenant; those that stay keep their end"`
		Locked *bool     `json:"locked,omitempty" doc:"Locking ends the user's sessions and stops the API keys that the user made, within a second on every server"`
		Reason string    `json:"reason,omitempty" maxLength:"500" doc:"Why; it is recorded"`
		Entry  int64     `json:"entry,omitempty" minimum:"1" doc:"Seq of the event of the log that gave cause; it is recorded"`
	} `nameHint:"UserChange"`
}

func (s *Service) registerUsers(a *api.API) {
	manage := api.Needs(actor.AccessManage)
	huma.Register(a, api.Op("list-users", "GET /api/users", "List users", manage),
		func(ctx context.Context, _ *struct{}) (*userListResponse, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			users, err := s.Users(ctx, p)
			out := &userListResponse{}
			for _, u := range users {
				out.Body.Items = append(out.Body.Items, userAccountOf(u))
			}
			return out, err
		})
	huma.Register(a, api.Op("create-user", "POST /api/users", "Create a user", manage, api.StepUp(), api.MaxBody(64<<10), api.Status(http.StatusCreated), api.Errors(400, 403, 409)),
		func(ctx context.Context, r *newUserRequest) (*userResponse, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			u, err := s.CreateUser(ctx, p, NewUser{Email: r.Body.Email, Name: r.Body.Name, Role: r.Body.Role, Password: r.Body.Password})
			if err != nil {
				return nil, err
			}
			return &userResponse{userAccountOf(u)}, nil
		})
	huma.Register(a, api.Op("change-user", "PATCH /api/users/{id}", "Rename, lock, unlock or give another role to a user", manage, api.StepUp(), api.MaxBody(64<<10), api.Errors(400, 403, 404, 409)),
		func(ctx context.Context, r *changeUserRequest) (*userResponse, error) {
			p, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			u, err := s.UpdateUser(ctx, p, r.ID, UserChange{Name: r.Body.Name, Role: r.Body.Role, Roles: r.Body.Roles, Locked: r.Body.Locked, Reason: strings.TrimSpace(r.Body.Reason), Entry: r.Body.Entry})
			if err != nil {
				return nil, err
			}
			return &userResponse{userAccountOf(u)}, nil
		})
}

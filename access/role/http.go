package role

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

// needs documents the permission of an operation that refuses by itself, because the refusal is an event.
func needs(permission string) api.Option {
	return func(op *huma.Operation, _ *api.Rule) {
		op.Extensions = map[string]any{"x-permission": permission}
		op.Errors = append(op.Errors, http.StatusForbidden)
	}
}

// Register adds the operations to the API.
func (s *Service) Register(a *api.API) {
	s.registerRoles(a)
	s.registerPermissions(a)
	s.registerAssignments(a)
	s.registerAnswers(a)
}

func as[I, O any](do func(context.Context, actor.Principal, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		p, err := actor.Require(ctx, "")
		if err != nil {
			return nil, err
		}
		return do(ctx, p, in)
	}
}

type nothing struct{}

type definition struct {
	Role
	Holders int `json:"holders" doc:"Assignments that have not ended"`
}

type rolesOutput struct {
	Body struct {
		Items []definition `json:"items"`
	} `nameHint:"RoleList"`
}

// Fields are the members of a role that somebody may choose.
type Fields struct {
	Name        string   `json:"name" minLength:"1" maxLength:"100"`
	Description string   `json:"description,omitempty" maxLength:"500"`
	Permissions []string `json:"permissions,omitempty" maxItems:"600" nullable:"false"`
	Sensitivity string   `json:"sensitivity,omitempty" enum:"normal,high,admin" doc:"Raises the sensitivity of the permissions"`
}

type newRoleInput struct {
	Body struct {
		Fields
		CopyOf string `json:"copyOf,omitempty" maxLength:"64" doc:"The role to copy: permissions and description that are left out, and how personal values are masked"`
	} `nameHint:"NewRole"`
}

type changeRoleInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Fields
	} `nameHint:"RoleChange"`
}

type oneID struct {
	ID string `path:"id" maxLength:"64"`
}

type roleOutput struct {
	Body Role `nameHint:"Role"`
}

func (b Fields) draft() Draft {
	return Draft{Name: b.Name, Description: b.Description, Permissions: b.Permissions, Sensitivity: Sensitivity(b.Sensitivity)}
}

func (s *Service) registerRoles(a *api.API) {
	huma.Register(a, api.Op("list-roles", "GET /api/access/roles", "List roles", needs(actor.AccessView)),
		as(func(ctx context.Context, p actor.Principal, _ *nothing) (*rolesOutput, error) {
			list, err := s.Roles(ctx, p)
			if err != nil {
				return nil, err
			}
			x, err := s.Of(ctx, p.TenantID)
			if err != nil {
				return nil, err
			}
			out := &rolesOutput{}
			for _, r := range list {
				out.Body.Items = append(out.Body.Items, definition{*r, len(x.holding[r.ID])})
			}
			return out, nil
		}))
	huma.Register(a, api.Op("create-role", "POST /api/access/roles", "Make a role", needs(actor.AccessManage), api.StepUp(), api.MaxBody(64<<10), api.Status(http.StatusCreated), api.Errors(400),
		api.Describe("From nothing or as a copy of another. Nobody makes a role that may do what he may not.")),
		as(func(ctx context.Context, p actor.Principal, in *newRoleInput) (*roleOutput, error) {
			d := in.Body.draft()
			d.CopyOf = in.Body.CopyOf
			r, err := s.CreateRole(ctx, p, d)
			if err != nil {
				return nil, err
			}
			return &roleOutput{*r}, nil
		}))
	huma.Register(a, api.Op("change-role", "PUT /api/access/roles/{id}", "Change a role", needs(actor.AccessManage), api.StepUp(), api.MaxBody(64<<10), api.Errors(400, 404, 409),
		api.Describe("Replaces the whole definition. The built-in roles owner, admin, auditor and writer cannot be changed; the others can, for this tenant. Who holds a role cannot add to it.")),
		as(func(ctx context.Context, p actor.Principal, in *changeRoleInput) (*roleOutput, error) {
			r, err := s.UpdateRole(ctx, p, in.ID, in.Body.draft())
			if err != nil {
				return nil, err
			}
			return &roleOutput{*r}, nil
		}))
	huma.Register(a, api.Op("delete-role", "DELETE /api/access/roles/{id}", "Delete a role that nobody holds", needs(actor.AccessManage), api.StepUp(), api.Status(http.StatusNoContent), api.Errors(404, 409)),
		as(func(ctx context.Context, p actor.Principal, in *oneID) (*nothing, error) {
			return nil, s.DeleteRole(ctx, p, in.ID)
		}))
}

type permissionsOutput struct {
	Body struct {
		Items []Permission `json:"items"`
	} `nameHint:"PermissionList"`
}

type permissionInput struct {
	Key  string `path:"key" maxLength:"121"`
	Body struct {
		Description string `json:"description" maxLength:"500"`
		Sensitivity string `json:"sensitivity,omitempty" enum:"normal,high,admin"`
	} `nameHint:"PermissionChange"`
}

type permissionOutput struct {
	Body Permission `nameHint:"Permission"`
}

func (s *Service) registerPermissions(a *api.API) {
	huma.Register(a, api.Op("list-permissions", "GET /api/access/permissions", "List permissions", needs(actor.AccessView)),
		as(func(ctx context.Context, p actor.Principal, _ *nothing) (*permissionsOutput, error) {
			list, err := s.Permissions(ctx, p)
			out := &permissionsOutput{}
			out.Body.Items = list
			return out, err
		}))
	huma.Register(a, api.Op("put-permission", "PUT /api/access/permissions/{key}", "Make or change a permission of one's own", needs(actor.AccessManage), api.StepUp(), api.MaxBody(16<<10), api.Errors(400),
		api.Describe("For what other systems ask about. Owners and admins have it at once; its domain is not one of the built-in ones.")),
		as(func(ctx context.Context, p actor.Principal, in *permissionInput) (*permissionOutput, error) {
			made, err := s.PutPermission(ctx, p, Permission{Key: in.Key, Description: in.Body.Description, Sensitivity: Sensitivity(in.Body.Sensitivity)})
			if err != nil {
				return nil, err
			}
			return &permissionOutput{made}, nil
		}))
	huma.Register(a, api.Op("delete-permission", "DELETE /api/access/permissions/{key}", "Delete a permission of one's own that no role holds", needs(actor.AccessManage), api.StepUp(), api.Status(http.StatusNoContent),
		api.Errors(404, 409)),
		as(func(ctx context.Context, p actor.Principal, in *struct {
			Key string `path:"key" maxLength:"121"`
		}) (*nothing, error) {
			return nil, s.DeletePermission(ctx, p, in.Key)
		}))
}

type assignInput struct {
	Body struct {
		UserID    string     `json:"userId" minLength:"1" maxLength:"64"`
		RoleID    string     `json:"roleId" minLength:"1" maxLength:"64"`
		ExpiresAt *time.Time `json:"expiresAt,omitempty"`
		Scope     *Scope     `json:"scope,omitempty"`
		Reason    string     `json:"reason,omitempty" maxLength:"1000"`
	} `nameHint:"RoleGrant"`
}

type assignmentOutput struct {
	Status int
	Body   struct {
		Assignment
		ApprovalID string `json:"approvalId,omitempty" doc:"The request that somebody else has to approve first, at /api/approvals; nothing is given yet"`
	} `nameHint:"RoleAssignment"`
}

type revokeInput struct {
	Body struct {
		UserID string `json:"userId" minLength:"1" maxLength:"64"`
		RoleID string `json:"roleId" minLength:"1" maxLength:"64"`
		Scope  *Scope `json:"scope,omitempty" doc:"Ends only what holds for this part of the tenant; left out, all"`
		Reason string `json:"reason,omitempty" maxLength:"1000"`
	} `nameHint:"RoleRevocation"`
}

type revokeOutput struct {
	Body struct {
		UserID  string       `json:"userId"`
		RoleID  string       `json:"roleId"`
		Revoked []Assignment `json:"revoked" doc:"What has ended; empty when the person did not have the role"`
	} `nameHint:"RoleRevoked"`
}

type assignmentsOutput struct {
	Body struct {
		Items []Assignment `json:"items"`
		Next  string       `json:"next,omitempty" doc:"Send it as after for the next page"`
	} `nameHint:"RoleAssignmentList"`
}

func (s *Service) registerAssignments(a *api.API) {
	huma.Register(a, api.Op("rbac-assign", "POST /api/operations/rbac/assign", "Give a role to a person", needs(actor.AccessManage), api.StepUp(), api.MaxBody(16<<10), api.Errors(400, 404, 409), api.Tag("access"),
		api.Describe("Sent again, it changes nothing and returns the same assignment; sent with another end, it moves the end. Nobody gives what he may not do himself, or anything to himself. "+
			"A role of high sensitivity waits for somebody else's approval, as soon as the tenant has had a second person with access.approve: the answer is 202 with approvalId.")),
		as(func(ctx context.Context, p actor.Principal, in *assignInput) (*assignmentOutput, error) {
			g := Grant{UserID: in.Body.UserID, RoleID: in.Body.RoleID, ExpiresAt: in.Body.ExpiresAt, Reason: in.Body.Reason}
			if in.Body.Scope != nil {
				g.Scope = *in.Body.Scope
			}
			out := &assignmentOutput{Status: http.StatusOK}
			made, err := s.Assign(ctx, p, g)
			if w := (*Waiting)(nil); errors.As(err, &w) && w.ApprovalID != "" {
				out.Status, out.Body.ApprovalID = http.StatusAccepted, w.ApprovalID
				out.Body.Assignment = Assignment{UserID: g.UserID, RoleID: g.RoleID, GrantedBy: p.ID(), ExpiresAt: g.ExpiresAt, Scope: g.Scope, Reason: g.Reason}
				return out, nil
			}
			if err != nil {
				return nil, err
			}
			out.Body.Assignment = *made
			return out, nil
		}))
	given := a.OpenAPI().Paths["/api/operations/rbac/assign"].Post.Responses
	given["202"] = &huma.Response{Description: "Somebody else has to approve it first; nothing is given yet", Content: given["200"].Content}
	huma.Register(a, api.Op("rbac-revoke", "POST /api/operations/rbac/revoke", "Take a role from a person", needs(actor.AccessManage), api.StepUp(), api.MaxBody(16<<10), api.Errors(400, 404, 409), api.Tag("access"),
		api.Describe("It holds at once on this server and within a second on others. Sent again, it changes nothing. The last owner or admin stays.")),
		as(func(ctx context.Context, p actor.Principal, in *revokeInput) (*revokeOutput, error) {
			ended, err := s.Revoke(ctx, p, Revocation{UserID: in.Body.UserID, RoleID: in.Body.RoleID, Scope: in.Body.Scope, Reason: in.Body.Reason})
			if err != nil {
				return nil, err
			}
			out := &revokeOutput{}
			out.Body.UserID, out.Body.RoleID, out.Body.Revoked = in.Body.UserID, in.Body.RoleID, []Assignment{}
			for _, e := range ended {
				out.Body.Revoked = append(out.Body.Revoked, *e)
			}
			return out, nil
		}))
	huma.Register(a, api.Op("list-assignments", "GET /api/access/assignments", "List who has which role", needs(actor.AccessView), api.Describe("By age. Everybody may list his own.")),
		as(func(ctx context.Context, p actor.Principal, in *struct {
			UserID string `query:"user_id" maxLength:"64"`
			RoleID string `query:"role_id" maxLength:"64"`
			Ended  bool   `query:"ended" doc:"Those that have ended too"`
			After  string `query:"after" maxLength:"64"`
			Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"200"`
		}) (*assignmentsOutput, error) {
			list, err := s.Assignments(ctx, p, List{UserID: in.UserID, RoleID: in.RoleID, Ended: in.Ended, After: in.After, Limit: in.Limit + 1})
			if err != nil {
				return nil, err
			}
			out := &assignmentsOutput{}
			if len(list) > in.Limit {
				list = list[:in.Limit]
				out.Body.Next = list[in.Limit-1].ID
			}
			out.Body.Items = list
			return out, nil
		}))
}

type whoOutput struct {
	Body struct {
		Permission string `json:"permission"`
		Items      []Who  `json:"items"`
	} `nameHint:"WhoCan"`
}

type whatOutput struct {
	Body What `nameHint:"WhatCan"`
}

func (s *Service) registerAnswers(a *api.API) {
	huma.Register(a, api.Op("who-can", "GET /api/access/who-can", "Who may do something, and why", needs(actor.AccessView), api.Errors(400)),
		as(func(ctx context.Context, p actor.Principal, in *struct {
			Permission   string `query:"permission" required:"true" maxLength:"121"`
			ResourceType string `query:"resource_type" maxLength:"200" doc:"Counts assignments for this type of resource, too"`
			DataSet      string `query:"dataset" maxLength:"200" doc:"Counts assignments for this data set, too"`
		}) (*whoOutput, error) {
			list, err := s.WhoCan(ctx, p, in.Permission, in.ResourceType, in.DataSet)
			out := &whoOutput{}
			out.Body.Permission, out.Body.Items = in.Permission, list
			return out, err
		}))
	huma.Register(a, api.Op("what-can", "GET /api/access/users/{id}/permissions", "What somebody may do, and why", needs(actor.AccessView), api.Errors(404), api.Describe("Everybody may ask about himself.")),
		as(func(ctx context.Context, p actor.Principal, in *oneID) (*whatOutput, error) {
			w, err := s.WhatCan(ctx, p, in.ID)
			if err != nil {
				return nil, err
			}
			return &whatOutput{*w}, nil
		}))
}

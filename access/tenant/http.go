package tenant

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type tenantInfo struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	CreatedAt time.Time  `json:"created_at"`
	Operates  bool       `json:"operates,omitempty" doc:"The tenant whose people manage the others"`
	State     State      `json:"state" enum:"active,suspended,leaving,deleted"`
	ChangedAt *time.Time `json:"changed_at,omitempty" doc:"When the state changed last"`
	Reason    string     `json:"reason,omitempty"`
	DeleteAt  *time.Time `json:"delete_at,omitempty" doc:"From when on it is deleted"`
	Problem   string     `json:"problem,omitempty" doc:"Why it is not deleted although it is due"`
	LogID     string     `json:"log_id"`
	Events    uint64     `json:"events" format:"int53"`
	Users     int        `json:"users" format:"int32"`
}

func infoOf(t *Tenant) tenantInfo {
	return tenantInfo{ID: t.ID, Name: t.Name, CreatedAt: t.CreatedAt, Operates: t.Operates, State: t.State, ChangedAt: optional(t.ChangedAt), Reason: t.Reason, DeleteAt: optional(t.DeleteAt), Problem: t.Problem,
		LogID: t.LogID, Events: t.Events, Users: t.Users}
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type listOutput struct {
	Body struct {
		Items []tenantInfo `json:"items"`
	} `nameHint:"TenantList"`
}

type oneOutput struct {
	Body tenantInfo `nameHint:"Tenant"`
}

type createInput struct {
	Body struct {
		Name  string `json:"name" minLength:"1" maxLength:"100"`
		Email string `json:"admin_email" minLength:"3" maxLength:"254" doc:"Of the first administrator"`
		Admin string `json:"admin_name" minLength:"1" maxLength:"100"`
	} `nameHint:"NewTenant"`
}

type createOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Tenant   tenantInfo `json:"tenant"`
		Password string     `json:"admin_password" doc:"Of the first administrator, shown this once"`
	} `nameHint:"FoundedTenant"`
}

type changeInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"The tenant's own log records it too"`
	} `nameHint:"TenantChange"`
}

type giveUpInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Confirm string `json:"confirm" maxLength:"100" doc:"The name of the tenant"`
		Reason  string `json:"reason" minLength:"1" maxLength:"500"`
		Days    int    `json:"grace_days,omitempty" minimum:"1" maximum:"365" format:"int32" doc:"How long it can be taken back; 30 when left out"`
	} `nameHint:"TenantGiveUp"`
}

type idInput struct {
	ID string `path:"id" maxLength:"64"`
}

const about = "Only for callers of the tenant that operates the installation, its first."

// Register adds the operations to an API.
func (s *Service) Register(a *api.API) {
	needs := api.Needs(actor.TenantsManage)
	huma.Register(a, api.Op("list-tenants", "GET /api/tenants", "List the tenants of the installation", needs, api.Errors(403), api.Describe(about)), s.list)
	huma.Register(a, api.Op("get-tenant", "GET /api/tenants/{id}", "Show a tenant", needs, api.Errors(403, 404), api.Describe(about)), func(ctx context.Context, in *idInput) (*oneOutput, error) {
		return answered(ctx, func(p actor.Principal) (Tenant, error) { return s.Tenant(ctx, p, in.ID) })
	})
	huma.Register(a, api.Op("create-tenant", "POST /api/tenants", "Make a tenant with its first administrator", needs, api.StepUp(), api.Status(http.StatusCreated), api.Errors(400, 403, 409), api.Describe(about)), s.create)
	change := func(id, path, summary, more string, do func(context.Context, actor.Principal, string, string) (Tenant, error)) {
		huma.Register(a, api.Op(id, "POST /api/tenants/{id}/"+path, summary, needs, api.StepUp(), api.Errors(400, 403, 404, 409), api.Describe(about+" "+more)), func(ctx context.Context, in *changeInput) (*oneOutput, error) {
			return answered(ctx, func(p actor.Principal) (Tenant, error) { return do(ctx, p, in.ID, in.Body.Reason) })
		})
	}
	change("suspend-tenant", "suspend", "Shut a tenant out", "Its sessions, keys and tokens are refused within a second on every server, with a problem of the type `…#problem-tenant_suspended`; its background work pauses; its log is kept, sealed and signed.", s.Suspend)
	change("resume-tenant", "resume", "Let a suspended tenant go on", "What waited goes on.", s.Resume)
	change("take-back-tenant", "take-back", "Keep a tenant that was given up", "It stays suspended.", s.TakeBack)
	huma.Register(a, api.Op("give-up-tenant", "DELETE /api/tenants/{id}", "Give a tenant up", needs, api.StepUp(), api.Errors(400, 403, 404, 409), api.Describe(about+" It is suspended at once, and deleted when its days are over: working copies, the keys of "+
		"its persons, accounts, keys, settings. Its evidence stays, without personal data, and can be verified. Refused while a legal hold keeps the evidence.")), func(ctx context.Context, in *giveUpInput) (*oneOutput, error) {
		days := in.Body.Days
		if days == 0 {
			days = DefaultGrace
		}
		return answered(ctx, func(p actor.Principal) (Tenant, error) {
			return s.GiveUp(ctx, p, in.ID, in.Body.Confirm, in.Body.Reason, days)
		})
	})
}

func answered(ctx context.Context, do func(actor.Principal) (Tenant, error)) (*oneOutput, error) {
	p, err := actor.Require(ctx, actor.TenantsManage)
	if err != nil {
		return nil, err
	}
	t, err := do(p)
	if err != nil {
		return nil, err
	}
	return &oneOutput{infoOf(&t)}, nil
}

func (s *Service) list(ctx context.Context, _ *struct{}) (*listOutput, error) {
	p, err := actor.Require(ctx, actor.TenantsManage)
	if err != nil {
		return nil, err
	}
	all, err := s.Tenants(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	out.Body.Items = make([]tenantInfo, len(all))
	for i := range all {
		out.Body.Items[i] = infoOf(&all[i])
	}
	return out, nil
}

func (s *Service) create(ctx context.Context, in *createInput) (*createOutput, error) {
	p, err := actor.Require(ctx, actor.TenantsManage)
	if err != nil {
		return nil, err
	}
	made, err := s.Create(ctx, p, New{Name: in.Body.Name, Email: in.Body.Email, Person: in.Body.Admin})
	if err != nil {
		return nil, err
	}
	out := &createOutput{CacheControl: "no-store"}
	out.Body.Tenant, out.Body.Password = infoOf(&made.Tenant), made.Password
	return out, nil
}

package scim

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

// config says what directories can use (RFC 7643, section 5).
func (s *Service) config() resource {
	no := resource{"supported": false}
	return resource{"schemas": []string{urnConfig}, "patch": resource{"supported": true}, "bulk": resource{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter": resource{"supported": true, "maxResults": maxCount}, "changePassword": no, "sort": no, "etag": resource{"supported": true},
		"authenticationSchemes": []any{resource{"type": "oauthbearertoken", "name": "API key", "description": "An API key with the permission " + actor.AccessProvision, "primary": true}},
		"meta":                  resource{"resourceType": "ServiceProviderConfig", "location": s.o.PublicURL + "/scim/v2/ServiceProviderConfig"}}
}

func (s *Service) types() []resource {
	one := func(name, urn string) resource {
		return resource{"schemas": []string{urnType}, "id": name, "name": name, "endpoint": "/" + name + "s", "schema": urn, "meta": resource{"resourceType": "ResourceType", "location": s.o.PublicURL + "/scim/v2/ResourceTypes/" + name}}
	}
	return []resource{one("User", urnUser), one("Group", urnGroup)}
}

// attribute describes one; sub are those of a complex one.
func attribute(name, kind string, many, required bool, unique string, sub ...any) resource {
	out := resource{"name": name, "type": kind, "multiValued": many, "required": required, "caseExact": name == "externalId" || name == "value", "mutability": "readWrite", "returned": "default", "uniqueness": unique}
	if sub != nil {
		out["subAttributes"] = sub
	}
	return out
}

func (s *Service) schemas() []resource {
	one := func(name, urn string, attributes ...any) resource {
		return resource{"schemas": []string{urnSchema}, "id": urn, "name": name, "attributes": attributes, "meta": resource{"resourceType": "Schema", "location": s.o.PublicURL + "/scim/v2/Schemas/" + urn}}
	}
	text := func(name string) resource { return attribute(name, "string", false, false, "none") }
	return []resource{
		one("User", urnUser, attribute("userName", "string", false, true, "server"), attribute("externalId", "string", false, false, "server"), text("displayName"), attribute("active", "boolean", false, false, "none"),
			attribute("name", "complex", false, false, "none", text("formatted"), text("familyName"), text("givenName")),
			attribute("emails", "complex", true, false, "none", text("value"), text("type"), attribute("primary", "boolean", false, false, "none"))),
		one("Group", urnGroup, attribute("displayName", "string", false, true, "server"), attribute("externalId", "string", false, false, "none"),
			attribute("members", "complex", true, false, "none", text("value"), text("display"))),
	}
}

func pick(all []resource, name, want string) (answer, error) {
	for _, r := range all {
		if strings.EqualFold(str(r[name]), want) {
			return answer{200, r, ""}, nil
		}
	}
	return answer{}, &fault{404, "", "There is nothing of this name."}
}

type settingsBody struct {
	Body Settings `nameHint:"DirectorySettings"`
}

func (s *Service) registerSettings(a huma.API) {
	manage := api.Needs(actor.AccessManage)
	huma.Register(a, api.Op("get-directory-settings", "GET /api/scim/settings", "Show which roles a directory gives", manage),
		func(ctx context.Context, _ *struct{}) (*settingsBody, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			x, err := s.Settings(ctx, by)
			return &settingsBody{x}, err
		})
	huma.Register(a, api.Op("set-directory-settings", "PUT /api/scim/settings", "Choose which roles a directory gives", manage, api.MaxBody(64<<10), api.Errors(400, 403),
		api.Describe("A directory comes to `/scim/v2` (SCIM 2.0) with an API key that has the permission `access.provision`.")),
		func(ctx context.Context, in *settingsBody) (*settingsBody, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			x, err := s.SetSettings(ctx, by, in.Body)
			return &settingsBody{x}, err
		})
}

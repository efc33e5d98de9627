package scim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// resource is a SCIM resource as JSON decodes it.
type resource = map[string]any

// The URNs of the standard.
const (
	urnUser   = "urn:ietf:params:scim:schemas:core:2.0:User"
	urnGroup  = "urn:ietf:params:scim:schemas:core:2.0:Group"
	urnList   = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	urnError  = "urn:ietf:params:scim:api:messages:2.0:Error"
	urnConfig = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	urnType   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	urnSchema = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// fault is an error in the form of the standard.
type fault struct {
	status int
	kind   string // a scimType, "" for none
	detail string
}

// Error returns the detail.
func (f *fault) Error() string { return f.detail }

func bad(kind, format string, args ...any) *fault {
	return &fault{http.StatusBadRequest, kind, fmt.Sprintf(format, args...)}
}

// attributes are the names that are kept, by their lower-case form: SCIM does not tell cases apart.
var attributes = map[string]string{
	"username": "userName", "externalid": "externalId", "displayname": "displayName", "name": "name", "givenname": "givenName", "familyname": "familyName", "formatted": "formatted", "emails": "emails",
	"active": "active", "value": "value", "type": "type", "primary": "primary", "members": "members", "display": "display",
}

// canonical gives the attributes of a decoded value the spelling of the standard and drops those that are not kept.
func canonical(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := resource{}
		for name, x := range v {
			if known, ok := attributes[strings.ToLower(name)]; ok {
				out[known] = canonical(x)
			}
		}
		return out
	case []any:
		for i := range v {
			v[i] = canonical(v[i])
		}
	}
	return v
}

// truth reads a boolean, also one that Entra ID writes as a string.
func truth(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		switch strings.ToLower(v) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return false, false
}

func str(v any) string {
	s, _ := v.(string)
	return strings.TrimSpace(s)
}

// list returns what a multi-valued attribute holds; one value alone is a list of one.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func sub(v any, name string) any {
	m, _ := v.(map[string]any)
	return m[name]
}

// clone copies a value as deeply as JSON goes.
func clone(r resource) resource {
	b, err := json.Marshal(r)
	if err != nil {
		panic("scim: a resource cannot be written: " + err.Error())
	}
	out := resource{}
	if err := json.Unmarshal(b, &out); err != nil {
		panic("scim: a resource cannot be read back: " + err.Error())
	}
	return out
}

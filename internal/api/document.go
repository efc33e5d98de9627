package api

import "strings"

// MaskedHeader with the value true asks for what the caller would see without the permission to read personal values as they are. It can only take away.
const MaskedHeader = "Probity-Masked"

// PurposeHeader says what the data is read for: the name of a purpose of the tenant's masking policy.
const PurposeHeader = "Probity-Purpose"

// responseHeaders are the headers of responses that mean something to callers, by name. Those that only protect browsers are left out.
var responseHeaders = map[string]map[string]any{
	"X-Request-Id":         header("string", "Id of the request, as in `instance` of a problem and in the server's log."),
	"RateLimit":            header("string", "How many requests the caller has left (`r`) and after how many seconds all are there again (`t`); draft-ietf-httpapi-ratelimit-headers."),
	"RateLimit-Policy":     header("string", "The caller's budget: requests (`q`) in seconds (`w`)."),
	"Retry-After":          header("integer", "After how many seconds to try again."),
	"WWW-Authenticate":     header("string", "`Bearer realm=\"probity\"`"),
	"Idempotency-Replayed": header("string", "`true` when this is the first answer to the same `Idempotency-Key` once more."),
	"Cache-Control":        header("string", "`no-store`, except for files that never change."),
}

func header(typ, text string) map[string]any {
	return map[string]any{"description": text, "schema": map[string]any{"type": typ}}
}

// describeHeaders adds to an OpenAPI document the headers that the chain in front of every operation reads and writes.
func describeHeaders(doc map[string]any) {
	components, ok := doc["components"].(map[string]any)
	if !ok {
		return
	}
	headers := map[string]any{}
	for name, h := range responseHeaders {
		headers[name] = h
	}
	components["headers"] = headers
	components["parameters"] = map[string]any{MaskedHeader: map[string]any{"name": MaskedHeader, "in": "header", "schema": map[string]any{"type": "string", "enum": []any{"true"}},
		"description": "Asks for what an auditor would see, personal values masked, even with the permission to see more. It can only take away."},
		PurposeHeader: map[string]any{"name": PurposeHeader, "in": "header", "schema": map[string]any{"type": "string", "maxLength": 40},
			"description": "What the data is read for: a purpose of the masking policy (`GET /api/settings/masking/purposes`), which may show less, gives pseudonyms of its own, and is recorded where values are shown as they are."}}
	if schemas, ok := components["schemas"].(map[string]any); ok {
		schemas[stepUpSchema] = stepUpProblem()
	}
	paths, _ := doc["paths"].(map[string]any)
	for _, item := range paths {
		operations, _ := item.(map[string]any)
		for _, o := range operations {
			if op, ok := o.(map[string]any); ok && op["responses"] != nil {
				describeOperation(op)
			}
		}
	}
}

func describeOperation(op map[string]any) {
	parameters, _ := op["parameters"].([]any)
	idempotent := false
	for _, p := range parameters {
		if m, ok := p.(map[string]any); ok && m["name"] == "Idempotency-Key" {
			idempotent = true
		}
	}
	if permission, _ := op["x-permission"].(string); strings.HasPrefix(permission, "ledger.") && permission != "ledger.append" || permission == "exports.create" {
		op["parameters"] = append(parameters, map[string]any{"$ref": "#/components/parameters/" + MaskedHeader}, map[string]any{"$ref": "#/components/parameters/" + PurposeHeader})
	}
	responses, _ := op["responses"].(map[string]any)
	if op["x-step-up"] == true {
		describeStepUp(responses)
	}
	for status, r := range responses {
		response, ok := r.(map[string]any)
		if !ok {
			continue
		}
		names := []string{"X-Request-Id", "RateLimit", "RateLimit-Policy", "Cache-Control"}
		switch status {
		case "401":
			names = append(names, "WWW-Authenticate")
		case "429", "503", "default":
			names = append(names, "Retry-After")
		}
		if idempotent {
			names = append(names, "Idempotency-Replayed")
		}
		list, _ := response["headers"].(map[string]any)
		if list == nil {
			list = map[string]any{}
		}
		for _, name := range names {
			if list[name] == nil {
				list[name] = map[string]any{"$ref": "#/components/headers/" + name}
			}
		}
		response["headers"] = list
	}
}

package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
)

const description = "The HTTP interface of Probity: record audit events, search them, export them, and prove them.\n\n" +
	"Send an API key as `Authorization: Bearer pk_…`. Errors are problem details (RFC 9457) with a stable `code`; `instance` is the request id, " +
	"which is also in the header `X-Request-Id`. Times are RFC 3339. `seq` numbers and sizes are plain JSON numbers below 2⁵³."

// serveDescription adds the OpenAPI document and its readable form. Both are public: they describe the product, not the tenant.
func (a *API) serveDescription() {
	document := sync.OnceValues(a.Document)
	page := sync.OnceValues(func() ([]byte, error) {
		doc, err := document()
		if err != nil {
			return nil, err
		}
		return renderReference(doc)
	})
	serve := func(contentType string, content func() ([]byte, error)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := content()
			if err != nil {
				WriteError(w, r, err)
				return
			}
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Cache-Control", "public, max-age=300")
			_, _ = w.Write(b) // the client may be gone
		})
	}
	public := Rule{Public: true}
	a.Handle("GET /api/openapi.json", public, serve("application/vnd.oai.openapi+json;version=3.1", document))
	a.Handle("GET /api/docs", public, serve("text/html; charset=utf-8", page))
}

// Document returns the OpenAPI 3.1 document of everything registered so far.
//
// Integers lose the format int64: generators would make big integers of them, while every number we send fits a double.
func (a *API) Document() ([]byte, error) {
	raw, err := json.Marshal(a.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("render the OpenAPI document: %w", err)
	}
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("render the OpenAPI document: %w", err)
	}
	plainIntegers(doc)
	if top, ok := doc.(map[string]any); ok {
		describeHeaders(top)
	}
	return json.MarshalIndent(doc, "", " ")
}

func plainIntegers(v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["format"] == "int64" && isInteger(v["type"]) {
			delete(v, "format")
		}
		for _, child := range v {
			plainIntegers(child)
		}
	case []any:
		for _, child := range v {
			plainIntegers(child)
		}
	}
}

func isInteger(t any) bool {
	if list, ok := t.([]any); ok {
		for _, x := range list {
			if x == "integer" {
				return true
			}
		}
	}
	return t == "integer"
}

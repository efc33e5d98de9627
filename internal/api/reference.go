package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"probity.dev/internal/errs"
)

//go:embed reference.html
var referenceHTML string

var referenceTemplate = template.Must(template.New("reference").Parse(referenceHTML))

// The reference is a plain page without a script: it is rendered here from the document, so it is readable offline, in a text browser and under our
// content security policy.
type (
	reference struct {
		Title, Version, Description string
		Groups                      []refGroup
		Schemas                     []refSchema
		Problems                    []refProblem
	}
	refGroup struct {
		Name       string
		Operations []refOperation
	}
	refOperation struct {
		ID, Method, Path, Summary, Description, Permission string
		Public                                             bool
		Parameters                                         []refField
		Bodies                                             []refContent
		Responses                                          []refResponse
	}
	refField struct {
		Name, In, Description string
		Type                  template.HTML
		Required              bool
	}
	refContent struct {
		MediaType string
		Type      template.HTML
	}
	refResponse struct {
		Status, Description string
		Content             []refContent
	}
	refSchema struct {
		Name, Description string
		Fields            []refField
		Type              template.HTML
	}
	refProblem struct {
		Code   errs.Code
		Title  string
		Status int
	}
)

func renderReference(document []byte) ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("render the API reference: %w", err)
	}
	info := object(doc["info"])
	ref := reference{Title: text(info["title"]), Version: text(info["version"]), Description: text(info["description"])}
	groups := map[string][]refOperation{}
	paths := object(doc["paths"])
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := object(paths[path])
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			op := object(item[method])
			if op == nil {
				continue
			}
			tag := "other"
			if tags, ok := op["tags"].([]any); ok && len(tags) > 0 {
				tag = text(tags[0])
			}
			groups[tag] = append(groups[tag], refOperationOf(method, path, op))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		ref.Groups = append(ref.Groups, refGroup{Name: name, Operations: groups[name]})
	}
	schemas := object(object(doc["components"])["schemas"])
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		s := object(schemas[name])
		ref.Schemas = append(ref.Schemas, refSchema{Name: name, Description: text(s["description"]), Fields: refFieldsOf(s), Type: typeOf(s)})
	}
	for _, code := range slices.Sorted(maps.Keys(titles)) {
		ref.Problems = append(ref.Problems, refProblem{Code: code, Title: titles[code], Status: errs.Status(code)})
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		ref.Problems = append(ref.Problems, refProblem{Code: errs.Code(kind), Title: kinds[kind].title, Status: errs.Status(kinds[kind].code)})
	}
	var b bytes.Buffer
	if err := referenceTemplate.Execute(&b, ref); err != nil {
		return nil, fmt.Errorf("render the API reference: %w", err)
	}
	return b.Bytes(), nil
}

func refOperationOf(method, path string, op map[string]any) refOperation {
	o := refOperation{ID: text(op["operationId"]), Method: strings.ToUpper(method), Path: path, Summary: text(op["summary"]),
		Description: text(op["description"]), Permission: text(op["x-permission"])}
	_, secured := op["security"]
	o.Public = !secured
	params, _ := op["parameters"].([]any)
	for _, p := range params {
		p := object(p)
		schema := object(p["schema"])
		description := text(p["description"])
		if description == "" {
			description = text(schema["description"])
		}
		required, _ := p["required"].(bool)
		o.Parameters = append(o.Parameters, refField{Name: text(p["name"]), In: text(p["in"]), Description: description, Type: typeOf(schema), Required: required})
	}
	o.Bodies = refContentOf(object(op["requestBody"]))
	responses := object(op["responses"])
	for _, status := range slices.Sorted(maps.Keys(responses)) {
		r := object(responses[status])
		o.Responses = append(o.Responses, refResponse{Status: status, Description: text(r["description"]), Content: refContentOf(r)})
	}
	return o
}

func refContentOf(v map[string]any) []refContent {
	var out []refContent
	content := object(v["content"])
	for _, mt := range slices.Sorted(maps.Keys(content)) {
		out = append(out, refContent{MediaType: mt, Type: typeOf(object(object(content[mt])["schema"]))})
	}
	return out
}

func refFieldsOf(s map[string]any) []refField {
	var out []refField
	required := map[string]bool{}
	if list, ok := s["required"].([]any); ok {
		for _, r := range list {
			required[text(r)] = true
		}
	}
	props := object(s["properties"])
	for _, name := range slices.Sorted(maps.Keys(props)) {
		p := object(props[name])
		out = append(out, refField{Name: name, Description: text(p["description"]), Type: typeOf(p), Required: required[name]})
	}
	return out
}

// typeOf writes a schema's type as short text, with links to named schemas.
func typeOf(s map[string]any) template.HTML {
	if s == nil {
		return "any"
	}
	if ref := text(s["$ref"]); ref != "" {
		name := ref[strings.LastIndexByte(ref, '/')+1:]
		esc := template.HTMLEscapeString(name)
		return template.HTML(`<a href="#schema-` + esc + `">` + esc + `</a>`) //nolint:gosec // escaped above
	}
	if enum, ok := s["enum"].([]any); ok {
		var words []string
		for _, e := range enum {
			words = append(words, fmt.Sprintf("%q", fmt.Sprint(e)))
		}
		return template.HTML(template.HTMLEscapeString(strings.Join(words, " | "))) //nolint:gosec // escaped
	}
	t := text(s["type"])
	if list, ok := s["type"].([]any); ok {
		var words []string
		for _, e := range list {
			words = append(words, text(e))
		}
		t = strings.Join(words, " | ")
	}
	switch {
	case strings.HasPrefix(t, "array"):
		return "list of " + typeOf(object(s["items"]))
	case t == "object" && object(s["additionalProperties"]) != nil:
		return "map of " + typeOf(object(s["additionalProperties"]))
	case t == "":
		return "any"
	}
	if f := text(s["format"]); f != "" {
		t += " (" + f + ")"
	}
	return template.HTML(template.HTMLEscapeString(t)) //nolint:gosec // escaped
}

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

func text(v any) string { s, _ := v.(string); return s }

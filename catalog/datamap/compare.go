package datamap

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Difference is one member of a map that differs between two versions.
type Difference struct {
	Path   string `json:"path" example:"/datasets/salon/collections/clients/fields/email/data_categories" doc:"Keys and names in place of positions, so that a change of order is none"`
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
}

// Compare tells the members that differ between two maps, by path. What is new or gone as a whole (a dataset, a collection, a
// field) is one difference. The order of datasets, collections, fields and activities makes none.
func Compare(before, after *Map) []Difference {
	var out []Difference
	differences("", keyed(before), keyed(after), &out)
	slices.SortFunc(out, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// keyed writes a map as an object in which lists of named things are objects by name.
func keyed(m *Map) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("datamap: a map that cannot be written: %v", err)) // it consists of strings, numbers and lists
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		panic(fmt.Sprintf("datamap: %v", err))
	}
	return byName(v).(map[string]any)
}

// byName replaces lists of objects with a key or a name by objects, recursively.
func byName(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			if list, ok := member.([]any); member != nil && (!ok || len(list) > 0) { // an empty list says what none says
				out[name] = byName(member)
			}
		}
		return out
	case []any:
		out := map[string]any{}
		for _, e := range v {
			o, ok := e.(map[string]any)
			if !ok {
				return v
			}
			name, ok := o["key"].(string)
			if !ok {
				name, ok = o["name"].(string)
			}
			if !ok {
				return v // references have no name: they are compared as a list
			}
			out[name] = byName(o)
		}
		return out
	}
	return v
}

func differences(path string, before, after any, out *[]Difference) {
	b, isB := before.(map[string]any)
	a, isA := after.(map[string]any)
	if !isB || !isA {
		if !reflect.DeepEqual(before, after) {
			*out = append(*out, Difference{path, before, after})
		}
		return
	}
	for name := range b {
		differences(path+"/"+escape(name), b[name], a[name], out)
	}
	for name := range a {
		if _, both := b[name]; !both {
			*out = append(*out, Difference{Path: path + "/" + escape(name), After: a[name]})
		}
	}
}

// escape writes a name as a segment of a JSON pointer (RFC 6901).
func escape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

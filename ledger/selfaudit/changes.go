package selfaudit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/ledger/event"
)

// Changes lists what differs between two states of a thing, by JSON pointer and in its order. What only one of them has was added or removed; nil is a thing that is not there. The values are of our own making, which always marshal.
func Changes(before, after map[string]any) []event.Change {
	all := map[string]any{}
	maps.Copy(all, before)
	maps.Copy(all, after)
	var out []event.Change
	for _, path := range slices.Sorted(maps.Keys(all)) {
		c := event.Change{Path: path, Op: "replace", Before: jsonText(before, path), After: jsonText(after, path)}
		switch {
		case bytes.Equal(c.Before, c.After):
			continue
		case c.Before == nil:
			c.Op = "add"
		case c.After == nil:
			c.Op = "remove"
		}
		out = append(out, c)
	}
	return out
}

// Change is the change of one value, before or after of which is nil where there is none. The values are of our own making, which always marshal.
func Change(path string, before, after any) event.Change {
	c := event.Change{Path: path, Op: "replace", Before: valueText(path, before), After: valueText(path, after)}
	switch {
	case before == nil:
		c.Op = "add"
	case after == nil:
		c.Op = "remove"
	}
	return c
}

func jsonText(m map[string]any, path string) jsontext.Value {
	v, there := m[path]
	if !there {
		return nil
	}
	return marshal(path, v)
}

func valueText(path string, v any) jsontext.Value {
	if v == nil {
		return nil
	}
	return marshal(path, v)
}

func marshal(path string, v any) jsontext.Value {
	b, err := json.Marshal(v)
	if err != nil {
		panic("selfaudit: the change of " + path + " cannot be written: " + err.Error())
	}
	return b
}

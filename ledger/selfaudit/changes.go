package selfaudit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/ledger/event"
)

// Changes lists what differs between two states of a thing, by JSON pointer and in its order. What only one of them has was added or removed. The values are of our own making, which always marshal.
func Changes(before, after map[string]any) []event.Change {
	all := maps.Clone(before)
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

func jsonText(m map[string]any, path string) jsontext.Value {
	v, there := m[path]
	if !there {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic("selfaudit: the change of " + path + " cannot be written: " + err.Error())
	}
	return b
}

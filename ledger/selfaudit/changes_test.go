package selfaudit

import (
	"testing"
)

func TestChanges(t *testing.T) {
	is := map[string]any{"/a": 1, "/b": "x"}
	for _, c := range []struct {
		before, after map[string]any
		want          string
	}{
		{nil, is, "add /a <nil> 1, add /b <nil> \"x\", "},
		{is, nil, "remove /a 1 <nil>, remove /b \"x\" <nil>, "},
		{is, is, ""},
		{is, map[string]any{"/a": 2, "/b": "x"}, "replace /a 1 2, "},
		{nil, nil, ""},
	} {
		got := ""
		for _, x := range Changes(c.before, c.after) {
			got += x.Op + " " + x.Path + " " + shown(x.Before) + " " + shown(x.After) + ", "
		}
		if got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.before, c.after, got, c.want)
		}
	}
	if c := Change("/state", nil, "pending"); c.Op != "add" || c.Before != nil || string(c.After) != `"pending"` {
		t.Errorf("%+v", c)
	}
}

func shown(v []byte) string {
	if v == nil {
		return "<nil>"
	}
	return string(v)
}

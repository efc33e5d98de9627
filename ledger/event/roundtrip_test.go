package event

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// canonical gives equal text for events that differ only in the order of object members.
func canonical(t interface{ Fatalf(string, ...any) }, b []byte) string {
	v := jsontext.Value(slices.Clone(b))
	if err := v.Canonicalize(jsontext.CanonicalizeRawFloats(false), jsontext.CanonicalizeRawInts(false)); err != nil {
		t.Fatalf("not valid JSON: %v\n%s", err, b)
	}
	return string(v)
}

func jsonValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		top := 6
		if depth == 0 {
			top = 4
		}
		switch rapid.IntRange(0, top).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "b")
		case 2:
			return rapid.Float64Range(-1e9, 1e9).Draw(t, "n")
		case 3, 4:
			return rapid.String().Draw(t, "s")
		case 5:
			return rapid.SliceOfN(jsonValue(depth-1), 0, 3).Draw(t, "a")
		default:
			return rapid.MapOfN(names(), jsonValue(depth-1), 0, 20).Draw(t, "o")
		}
	})
}

func names() *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringMatching(`[a-z][a-z_]{0,3}`), rapid.StringMatching(`[a-zA-Z0-9_.$@-]{1,6}`), rapid.String(), rapid.Just("ana@example.com"), rapid.Just("12345678901"))
}

func genEvent() *rapid.Generator[map[string]any] {
	text := rapid.String()
	ident := rapid.Custom(func(t *rapid.T) string { return strings.ReplaceAll(text.Draw(t, "id"), "\x00", "") })
	return rapid.Custom(func(t *rapid.T) map[string]any {
		maybe := func(m map[string]any, k string, g *rapid.Generator[string]) {
			if rapid.Bool().Draw(t, "has "+k) {
				m[k] = g.Draw(t, k)
			}
		}
		m := map[string]any{"source": "app", "action": "thing.update", "occurred_at": "2026-01-01T00:00:00Z", "id": "e1"}
		actor := map[string]any{"type": "user"}
		maybe(actor, "id", ident)
		maybe(actor, "name", text)
		maybe(actor, "email", ident)
		if rapid.Bool().Draw(t, "roles") {
			actor["roles"] = rapid.SliceOfN(ident, 1, 3).Draw(t, "roles")
		}
		m["actor"] = actor
		m["resource"] = map[string]any{"type": "thing", "id": ident.Draw(t, "rid")}
		if rapid.Bool().Draw(t, "subject") {
			m["subject"] = map[string]any{"type": "patient", "id": "p1", "name": text.Draw(t, "sname")}
		}
		n := rapid.SampledFrom([]int{0, 1, 2, 12, 30, 90, 200}).Draw(t, "changes")
		var changes []any
		for i := range n {
			c := map[string]any{"path": fmt.Sprintf("/f%d", i)}
			if rapid.Bool().Draw(t, "before") {
				c["before"] = jsonValue(1).Draw(t, "before")
			}
			if rapid.Bool().Draw(t, "after") {
				c["after"] = i
			}
			if rapid.Bool().Draw(t, "op") {
				c["op"] = rapid.SampledFrom([]string{"add", "remove", "replace"}).Draw(t, "op")
			}
			changes = append(changes, c)
		}
		if n > 0 {
			m["changes"] = changes
		}
		if rapid.Bool().Draw(t, "data") {
			m["data"] = rapid.MapOfN(names(), jsonValue(3), 0, 30).Draw(t, "data")
		}
		if rapid.Bool().Draw(t, "custom") {
			m["custom"] = rapid.MapOfN(names(), jsonValue(1), 0, 5).Draw(t, "custom")
		}
		if rapid.Bool().Draw(t, "unknown") {
			m["zzz"] = jsonValue(2).Draw(t, "unknown")
		}
		return m
	})
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, err := json.Marshal(genEvent().Draw(t, "event"))
		if err != nil {
			t.Fatal(err)
		}
		first, err := Parse(in)
		if err != nil {
			t.Fatalf("%v\n%s", err, in)
		}
		if err := first.Normalise(now); err != nil {
			t.Skip(err)
		}
		r := record(first)
		if len(r.Fields) > MaxFields {
			t.Fatalf("%d fields", len(r.Fields))
		}
		if !slices.IsSortedFunc(r.Fields, func(a, b Field) int { return strings.Compare(a.Path, b.Path) }) {
			t.Fatalf("not sorted:\n%s", fieldsText(r.Fields))
		}
		for i := 1; i < len(r.Fields); i++ {
			if r.Fields[i].Path == r.Fields[i-1].Path {
				t.Fatalf("path twice: %s", r.Fields[i].Path)
			}
		}
		wire := r.AppendEvent(nil)
		second, err := Parse(wire)
		if err != nil {
			t.Fatalf("%v\n%s", err, wire)
		}
		if err := second.Normalise(now); err != nil {
			t.Fatalf("%v\n%s", err, wire)
		}
		again := record(second).AppendEvent(nil)
		if a, b := canonical(t, wire), canonical(t, again); a != b {
			t.Fatalf("changed:\n%s\n%s", a, b)
		}
		if a, b := wanted(t, in), canonical(t, wire); a != b {
			t.Fatalf("in and out differ:\n%s\n%s", a, b)
		}
		view := r.AppendJSON(nil)
		if !jsontext.Value(view).IsValid() {
			t.Fatalf("view is not valid JSON:\n%s", view)
		}
	})
}

// wanted is the generated event with the defaults and unknown members where they belong.
func wanted(t *rapid.T, in []byte) string {
	var m map[string]any
	if err := json.Unmarshal(in, &m); err != nil {
		t.Fatal(err)
	}
	m["category"], m["activity"], m["severity"], m["outcome"] = "data", "update", "info", map[string]any{"status": "success"}
	m["occurred_at"] = "2026-01-01T00:00:00.000000Z"
	if v, ok := m["zzz"]; ok {
		data, _ := m["data"].(map[string]any)
		if data == nil {
			data = map[string]any{}
		}
		name := "zzz"
		for k := 2; ; k++ {
			if _, taken := data[name]; !taken {
				break
			}
			name = fmt.Sprintf("zzz_%d", k)
		}
		data[name] = v
		m["data"] = data
		delete(m, "zzz")
	}
	for _, k := range []string{"data", "custom"} {
		if d, ok := m[k].(map[string]any); ok && len(d) == 0 {
			delete(m, k)
		}
	}
	if cs, ok := m["changes"].([]any); ok {
		for _, c := range cs {
			if o := c.(map[string]any); o["op"] == "replace" {
				delete(o, "op")
			}
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return canonical(t, b)
}

func TestFlattenLadder(t *testing.T) {
	object := func(prefix string, n int, value string) string {
		var m []string
		for i := range n {
			m = append(m, fmt.Sprintf(`"%s%d":%s`, prefix, i, value))
		}
		return "{" + strings.Join(m, ",") + "}"
	}
	changes := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"path":"p","before":1,"after":2},`, n), ",") + "]"
	}
	for _, c := range []struct{ name, members, has, hasNot string }{
		{"deep", `"data":{"o":` + object("x", 40, "1") + `}`, "/data/o/x1", "/data/o"},
		{"data one level", `"data":{"o":` + object("x", 70, "1") + `}`, "/data/o", "/data/o/x1"},
		{"each change", `"changes":` + changes(25), "/changes/24", "/changes/24/path"},
		{"all changes", `"changes":` + changes(100), "/changes", "/changes/1"},
		{"data whole", `"data":` + object("x", 100, "1"), "/data", "/data/x1"},
		{"custom whole", `"custom":` + object("x", 100, "1"), "/custom", "/custom/x1"},
		{"personal name", `"data":{"o":{"ana@example.com":1},"p":2}`, "/data/o", "/data/o/ana@example.com"},
		{"number as name", `"data":{"4111111111111111":1,"p":2}`, "/data", "/data/p"},
		{"custom personal name", `"custom":{"a/b":1}`, "/custom", "/custom/a/b"},
		{"empty object", `"data":{"o":{}}`, "/data/o", "/data"},
	} {
		e := mustNormal(t, `{"source":"s","action":"a.read","id":"1",`+c.members+`}`)
		r := record(e)
		if _, ok := r.Field(c.has); !ok || len(r.Fields) > MaxFields {
			t.Errorf("%s: %s is missing among %d fields:\n%s", c.name, c.has, len(r.Fields), fieldsText(r.Fields))
		}
		if _, ok := r.Field(c.hasNot); ok {
			t.Errorf("%s: %s is there", c.name, c.hasNot)
		}
	}
}

func TestStates(t *testing.T) {
	r := record(mustNormal(t, sample))
	set := func(path string, s State, v string) {
		for i := range r.Fields {
			if r.Fields[i].Path == path {
				r.Fields[i].State, r.Fields[i].Value = s, nil
				if v != "" {
					r.Fields[i].Value = jsontext.Value(v)
				}
			}
		}
	}
	set("/actor/email", Masked, `"b•••@example.com"`)
	set("/actor/name", Erased, "")
	set("/changes/0/before", Withheld, "")
	var view struct {
		Actor       map[string]any    `json:"actor"`
		Sentence    string            `json:"sentence"`
		FieldsState map[string]string `json:"fields_state"`
		Changes     []map[string]any  `json:"changes"`
	}
	if err := json.Unmarshal(r.AppendJSON(nil), &view); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"/actor/email": "masked", "/actor/name": "erased", "/changes/0/before": "withheld"}
	if fmt.Sprint(view.FieldsState) != fmt.Sprint(want) || view.Actor["name"] != nil || view.Actor["email"] != "b•••@example.com" || view.Changes[0]["op"] != "replace" {
		t.Errorf("%+v", view)
	}
	if want := "User 'u-42' changed 'Haircut' price from [withheld] to $10"; view.Sentence != want {
		t.Errorf("got  %s\nwant %s", view.Sentence, want)
	}
	set("/actor/id", Masked, `"•••"`)
	set("/actor/email", Masked, `"•••"`)
	if want := "User [erased] changed 'Haircut' price from [withheld] to $10"; r.Sentence() != want {
		t.Errorf("got  %s\nwant %s", r.Sentence(), want)
	}
}

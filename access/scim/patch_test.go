package scim

import (
	"encoding/json"
	"reflect"
	"testing"
)

func decode(t *testing.T, text string) resource {
	t.Helper()
	var r resource
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPatch(t *testing.T) {
	const user = `{"userName":"a@x.example","active":true,"name":{"givenName":"A","familyName":"B"},"emails":[{"type":"work","value":"a@x.example","primary":true},{"type":"home","value":"h@x.example"}]}`
	const group = `{"displayName":"G","members":[{"value":"1"},{"value":"2"},{"value":"3"}]}`
	for name, c := range map[string]struct{ from, ops, want string }{
		"Entra: a boolean as a string":     {`{"active":true}`, `[{"op":"Replace","path":"active","value":"False"}]`, `{"active":"False"}`},
		"Okta: no path":                    {`{"active":true}`, `[{"op":"replace","value":{"active":false}}]`, `{"active":false}`},
		"Entra: paths as names":            {`{"name":{"givenName":"A"}}`, `[{"op":"Add","value":{"name.familyName":"B","displayName":"AB"}}]`, `{"name":{"givenName":"A","familyName":"B"},"displayName":"AB"}`},
		"Entra: a value by filter":         {`{"emails":[{"type":"work","value":"a"},{"type":"home","value":"h"}]}`, `[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"b"}]`, `{"emails":[{"type":"work","value":"b"},{"type":"home","value":"h"}]}`},
		"Entra: a value that is not there": {`{}`, `[{"op":"Add","path":"emails[type eq \"work\"].value","value":"b"}]`, `{"emails":[{"type":"work","value":"b"}]}`},
		"any case":                         {`{"displayName":"G"}`, `[{"op":"REPLACE","path":"DISPLAYNAME","value":"H"}]`, `{"displayName":"H"}`},
		"with its URN":                     {`{}`, `[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User:userName","value":"u"}]`, `{"userName":"u"}`},
		"an extension is ignored":          {`{}`, `[{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"u"},{"op":"add","path":"title","value":"x"}]`, `{}`},
		"members are added once":           {group, `[{"op":"Add","path":"members","value":[{"$ref":null,"value":"3"},{"$ref":null,"value":"4"}]}]`, `{"displayName":"G","members":[{"value":"1"},{"value":"2"},{"value":"3"},{"value":"4"}]}`},
		"Entra: members removed by value":  {group, `[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"2"}]}]`, `{"displayName":"G","members":[{"value":"1"},{"value":"3"}]}`},
		"Okta: removed by filter":          {group, `[{"op":"remove","path":"members[value eq \"1\"]"}]`, `{"displayName":"G","members":[{"value":"2"},{"value":"3"}]}`},
		"all members":                      {group, `[{"op":"remove","path":"members"}]`, `{"displayName":"G"}`},
		"members replaced":                 {group, `[{"op":"replace","path":"members","value":[{"value":"9"}]}]`, `{"displayName":"G","members":[{"value":"9"}]}`},
		"a family name":                    {user, `[{"op":"Replace","path":"name.familyName","value":"C"},{"op":"remove","path":"emails[type eq \"home\"]"}]`, `{"userName":"a@x.example","active":true,"name":{"givenName":"A","familyName":"C"},"emails":[{"type":"work","value":"a@x.example","primary":true}]}`},
	} {
		var ops []any
		if err := json.Unmarshal([]byte(c.ops), &ops); err != nil {
			t.Fatal(err)
		}
		from := decode(t, c.from)
		got, err := patch(from, resource{"Operations": ops})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := decode(t, c.want); !reflect.DeepEqual(clone(got), want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if !reflect.DeepEqual(from, decode(t, c.from)) {
			t.Errorf("%s: what was there is changed", name)
		}
	}
	for _, body := range []string{`{}`, `{"Operations":[]}`, `{"Operations":[1]}`, `{"Operations":[{"op":"move","path":"active","value":true}]}`, `{"Operations":[{"op":"remove"}]}`, `{"Operations":[{"op":"replace","value":"x"}]}`,
		`{"Operations":[{"op":"replace","path":"emails[type eq","value":"x"}]}`, `{"Operations":[{"op":"replace","path":"emails[type gt \"x\"].value","value":"x"}]}`} {
		if _, err := patch(resource{}, decode(t, body)); err == nil {
			t.Errorf("%s is accepted", body)
		}
	}
}

func TestFilter(t *testing.T) {
	r := decode(t, `{"userName":"A@x.example","externalId":"E-1","active":true,"emails":[{"type":"work","value":"w@x.example"}]}`)
	for text, want := range map[string]bool{
		`userName eq "a@X.example"`: true, `USERNAME EQ "a@x.example"`: true, `userName eq "b"`: false, `externalId eq "E-1"`: true, `externalId eq "e-1"`: false,
		`userName eq "a@x.example" and active eq true`: true, `active eq "False"`: false, `emails[type eq "work"].value eq "w@x.example"`: true, `emails.value eq "w@x.example"`: true,
		`emails[type eq "home"].value eq "w@x.example"`: false, `userName eq "x\" or userName eq \"A@x.example"`: false, `title eq "x"`: false,
	} {
		all, err := parseFilter(text)
		if err != nil || matches(r, all) != want {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	for _, text := range []string{``, `userName`, `userName eq`, `userName eq b`, `userName co "a"`, `userName eq "a" or active eq true`, `userName eq 5`, `userName eq "a" and`, `not (userName eq "a")`, `emails[type eq "x" eq "y"`} {
		if _, err := parseFilter(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

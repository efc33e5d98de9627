package export

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"probity.dev/internal/testdata"
	"probity.dev/ledger/event"
)

// ocsfSchema is the source form of the OCSF schema, compiled as far as checking our events needs.
type ocsfSchema struct {
	version    string
	dictionary map[string]map[string]any
	types      map[string]map[string]any
	events     map[string]ocsfType
	objects    map[string]ocsfType
	profiles   map[string]map[string]bool
}

type ocsfType struct {
	Name        string              `json:"name"`
	UID         int                 `json:"uid"`
	Category    string              `json:"category"`
	Extends     string              `json:"extends"`
	Attributes  map[string]any      `json:"attributes"`
	Constraints map[string][]string `json:"constraints"`
}

func loadOCSF(t *testing.T) *ocsfSchema {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata.Dir(t), "ocsf-schema", "ocsf-schema-src.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	s := &ocsfSchema{events: map[string]ocsfType{}, objects: map[string]ocsfType{}, profiles: map[string]map[string]bool{}}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return s
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		s.add(t, h.Name, b)
	}
}

func (s *ocsfSchema) add(t *testing.T, name string, b []byte) {
	name = strings.TrimPrefix(name, "./")
	decode := func(v any) {
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	switch top, _, _ := strings.Cut(name, "/"); {
	case !strings.HasSuffix(name, ".json"):
	case name == "version.json":
		var v struct{ Version string }
		decode(&v)
		s.version = v.Version
	case name == "dictionary.json":
		var d struct {
			Attributes map[string]map[string]any
			Types      struct{ Attributes map[string]map[string]any }
		}
		decode(&d)
		s.dictionary, s.types = d.Attributes, d.Types.Attributes
	case top == "events" || top == "objects":
		var x ocsfType
		decode(&x)
		if top == "events" {
			s.events[x.Name] = x
		} else {
			s.objects[x.Name] = x
		}
	case top == "profiles":
		var x ocsfType
		decode(&x)
		set := map[string]bool{}
		for a := range x.Attributes {
			set[a] = true
		}
		s.profiles[strings.TrimSuffix(path.Base(name), ".json")] = set
	}
}

// attributes merges those of a type and what it extends; profile maps attributes to the profile that brings them.
func (s *ocsfSchema) attributes(kind map[string]ocsfType, name string) (attrs map[string]map[string]any, atLeastOne []string, profile map[string]string) {
	attrs, profile = map[string]map[string]any{}, map[string]string{}
	var chain []ocsfType
	for n := name; n != "" && kind[n].Name != ""; n = kind[n].Extends {
		chain = append([]ocsfType{kind[n]}, chain...)
	}
	for _, x := range chain {
		includes, _ := x.Attributes["$include"].([]any)
		for _, inc := range includes {
			p := strings.TrimSuffix(path.Base(inc.(string)), ".json")
			for a := range s.profiles[p] {
				if attrs[a] == nil {
					attrs[a] = map[string]any{}
					profile[a] = p
				}
			}
		}
		for a, v := range x.Attributes {
			m, ok := v.(map[string]any)
			if !ok {
				continue
			}
			if attrs[a] == nil {
				attrs[a] = map[string]any{}
			}
			if p, ok := m["profile"]; ok && p == nil || profile[a] == "" {
				delete(profile, a)
			}
			for k, val := range m {
				if k == "enum" && attrs[a]["enum"] != nil {
					for e, c := range val.(map[string]any) {
						attrs[a]["enum"].(map[string]any)[e] = c
					}
					continue
				}
				if k == "enum" {
					copied := map[string]any{}
					for e, c := range val.(map[string]any) {
						copied[e] = c
					}
					val = copied
				}
				attrs[a][k] = val
			}
		}
		if list := x.Constraints["at_least_one"]; list != nil {
			atLeastOne = list
		}
	}
	return attrs, atLeastOne, profile
}

type ocsfChecker struct {
	s        *ocsfSchema
	problems []string
}

func (c *ocsfChecker) bad(at, format string, args ...any) {
	c.problems = append(c.problems, at+": "+fmt.Sprintf(format, args...))
}

func (c *ocsfChecker) object(at string, kind map[string]ocsfType, name string, v map[string]any, profiles map[string]bool) {
	attrs, atLeastOne, profile := c.s.attributes(kind, name)
	if name == "object" {
		return // free form
	}
	for a, def := range attrs {
		if _, there := v[a]; !there && def["requirement"] == "required" && profile[a] == "" {
			c.bad(at, "%s needs %s", name, a)
		}
	}
	if len(atLeastOne) > 0 {
		found := false
		for _, a := range atLeastOne {
			_, there := v[a]
			found = found || there
		}
		if !found {
			c.bad(at, "%s needs one of %v", name, atLeastOne)
		}
	}
	for a, value := range v {
		def, ok := attrs[a]
		if !ok {
			c.bad(at, "%s has no attribute %s", name, a)
			continue
		}
		if p := profile[a]; p != "" && !profiles[p] {
			c.bad(at, "%s belongs to the profile %s, which is not declared", a, p)
		}
		c.attribute(at+"."+a, a, def, value, profiles)
	}
}

func (c *ocsfChecker) attribute(at, name string, def map[string]any, v any, profiles map[string]bool) {
	dict := c.s.dictionary[name]
	if dict == nil {
		c.bad(at, "is not in the dictionary")
		return
	}
	typ, _ := dict["type"].(string)
	if own, ok := def["type"].(string); ok {
		typ = own
	}
	list := []any{v}
	if dict["is_array"] == true {
		var ok bool
		if list, ok = v.([]any); !ok {
			c.bad(at, "is not an array")
			return
		}
	}
	for i, v := range list {
		if len(list) > 1 {
			at = fmt.Sprintf("%s[%d]", at, i)
		}
		if _, ok := c.s.objects[typ]; ok {
			m, ok := v.(map[string]any)
			if !ok {
				c.bad(at, "is not an object")
				continue
			}
			c.object(at, c.s.objects, typ, m, profiles)
			continue
		}
		c.scalar(at, typ, v)
		c.enum(at, dict, def, v)
	}
}

func (c *ocsfChecker) scalar(at, typ string, v any) {
	def := c.s.types[typ]
	base := typ
	for d := def; d != nil && d["type"] != nil; d = c.s.types[base] {
		base = d["type"].(string)
	}
	ok := true
	switch base {
	case "string_t":
		var s string
		if s, ok = v.(string); ok {
			for d := def; d != nil; {
				if re, has := d["regex"].(string); has && !regexp.MustCompile(re).MatchString(s) {
					c.bad(at, "%q does not match %s", s, typ)
				}
				next, _ := d["type"].(string)
				d = c.s.types[next]
			}
		}
	case "integer_t", "long_t":
		n, isNumber := v.(json.Number)
		_, err := n.Int64()
		ok = isNumber && err == nil
	case "boolean_t":
		_, ok = v.(bool)
	case "json_t":
	default:
		c.bad(at, "has the unknown type %s", typ)
	}
	if !ok {
		c.bad(at, "%v is not a %s", v, typ)
	}
}

func (c *ocsfChecker) enum(at string, dict, def map[string]any, v any) {
	values, _ := def["enum"].(map[string]any)
	common, _ := dict["enum"].(map[string]any)
	n, isNumber := v.(json.Number)
	if values == nil && common == nil || !isNumber {
		return
	}
	if values[n.String()] == nil && common[n.String()] == nil {
		c.bad(at, "%s is not one of the schema's values", n)
	}
}

var ocsfNames = map[string]string{"6003": "api_activity", "3004": "entity_management", "3002": "authentication", "3001": "account_change"}
var ocsfCategories = map[string]int{"application": 6, "iam": 3}

// check reports how an event breaks the schema.
func (s *ocsfSchema) check(t *testing.T, line string) []string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	num := func(k string) int64 {
		n, _ := v[k].(json.Number)
		i, _ := n.Int64()
		return i
	}
	c := &ocsfChecker{s: s}
	name := ocsfNames[v["class_uid"].(json.Number).String()]
	class := s.events[name]
	category := class.Category
	for x := class; category == ""; x = s.events[x.Extends] {
		category = s.events[x.Extends].Category
	}
	if want := int64(ocsfCategories[category]*1000 + class.UID); num("class_uid") != want || num("category_uid") != want/1000 {
		c.bad(name, "class_uid %d, category_uid %d", num("class_uid"), num("category_uid"))
	}
	if num("type_uid") != num("class_uid")*100+num("activity_id") {
		c.bad(name, "type_uid %d", num("type_uid"))
	}
	profiles := map[string]bool{}
	declared, _ := v["metadata"].(map[string]any)["profiles"].([]any)
	for _, p := range declared {
		profiles[p.(string)] = true
	}
	// These identify the class; their enumerations are made by the schema's compiler.
	for _, k := range []string{"class_uid", "category_uid", "type_uid"} {
		delete(v, k)
	}
	v2 := map[string]any{"class_uid": json.Number("0"), "category_uid": json.Number("0"), "type_uid": json.Number("0")}
	for k, x := range v {
		v2[k] = x
	}
	c.object(name, s.events, name, v2, profiles)
	c.activity(name, v, num("activity_id"))
	return c.problems
}

// activity checks that an activity has the name that the schema gives it.
func (c *ocsfChecker) activity(name string, v map[string]any, id int64) {
	attrs, _, _ := c.s.attributes(c.s.events, name)
	values, _ := attrs["activity_id"]["enum"].(map[string]any)
	def, _ := values[fmt.Sprint(id)].(map[string]any)
	if caption, ok := def["caption"].(string); ok && id != 99 && v["activity_name"] != caption {
		c.bad(name, "activity %d is called %v, not %s", id, v["activity_name"], caption)
	}
}

// TestOCSFCheckerBites makes sure that the checker sees what it should.
func TestOCSFCheckerBites(t *testing.T) {
	s := loadOCSF(t)
	line := strings.SplitN(string(encode(t, "ocsf", Options{TenantID: "t-1"}, testMeta(), specimens(t))), "\n", 2)[0]
	for _, c := range [][3]string{
		{`"severity_id":1,`, ``, "needs severity_id"},
		{`"severity_id":1,`, `"severity_id":17,`, "not one of"},
		{`"activity_id":3,`, `"activity_id":55,`, "not one of"},
		{`"activity_name":"Update"`, `"activity_name":"Change"`, "is called"},
		{`"type_uid":600303`, `"type_uid":600301`, "type_uid"},
		{`"ip":"203.0.113.9"`, `"ip":"somewhere"`, "does not match ip_t"},
		{`"api":{"operation":"invoice.update",`, `"api":{`, "needs operation"},
		{`"src_endpoint":{"ip":"203.0.113.9","svc_name":"billing.api"}`, `"src_endpoint":{}`, "needs one of"},
		{`"profiles":["record_integrity"]`, `"profiles":[]`, "is not declared"},
		{`"status_id":1`, `"status_id":"1"`, "is not a integer_t"},
		{`"resources":[`, `"things":[`, "has no attribute things"},
	} {
		changed := strings.Replace(line, c[0], c[1], 1)
		if changed == line {
			t.Fatalf("%s is not in %s", c[0], line)
		}
		if found := strings.Join(s.check(t, changed), "; "); !strings.Contains(found, c[2]) {
			t.Errorf("%s: found %q", c[2], found)
		}
	}
}

// TestOCSFSchema checks every class and activity, with and without optional members, against the published schema.
func TestOCSFSchema(t *testing.T) {
	s := loadOCSF(t)
	if s.version != OCSFVersion {
		t.Errorf("events declare %s, the schema is %s", OCSFVersion, s.version)
	}
	list := append(specimens(t), crowd(t, 200, 2)...)
	for _, category := range event.Categories {
		for _, activity := range event.Activities {
			for _, action := range []string{"thing." + activity, "password.reset", "user.password.update", "mfa." + activity} {
				r := *specimens(t)[len(list)%5]
				r.Category, r.Activity, r.Action = category, activity, action
				list = append(list, &r)
			}
		}
	}
	for _, severity := range event.Severities {
		r := *specimens(t)[4]
		r.Severity, r.Outcome, r.Fields = severity, "unheard of", nil
		list = append(list, &r)
	}
	classes := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(string(encode(t, "ocsf", Options{TenantID: "t-1"}, testMeta(), list))), "\n") {
		if problems := s.check(t, line); len(problems) > 0 {
			t.Fatalf("%s\n%s", strings.Join(problems, "\n"), line)
		}
		classes[line[:strings.IndexByte(line, ',')]]++
	}
	if len(classes) != 4 {
		t.Errorf("classes: %v", classes)
	}
	t.Logf("%d events conform to OCSF %s: %v", len(list), s.version, classes)
}

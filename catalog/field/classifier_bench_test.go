package field

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"probity.dev/ledger/event"
	"probity.dev/test/bench/load"
)

// typical are the fields of an ordinary event.
var typical = []struct{ path, value string }{
	{"/actor/email", `"ana.horvat@example.com"`},
	{"/actor/id", `"u-48151"`},
	{"/actor/name", `"Ana Horvat"`},
	{"/actor/roles", `["reception","admin"]`},
	{"/changes/0/after", `"49.90"`},
	{"/changes/0/before", `"39.90"`},
	{"/changes/0/path", `"/price"`},
	{"/context/ip", `"203.0.113.77"`},
	{"/context/request_id", `"req-9f8e7d6c5b4a"`},
	{"/context/session_id", `"s-77f0"`},
	{"/context/user_agent", `"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"`},
	{"/correlation_id", `"550e8400-e29b-41d4-a716-446655440000"`},
	{"/data/branch", `"north"`},
	{"/data/currency", `"EUR"`},
	{"/id", `"01927f3a-6b8e-7cc3-98c4-dc0c0c07398f"`},
	{"/reason", `"the client asked for it by phone"`},
	{"/resource/id", `"svc-1042"`},
	{"/resource/name", `"Haircut"`},
	{"/severity", `"info"`},
}

func BenchmarkClassifyField(b *testing.B) {
	c := New(nil)
	actions := make([]string, 200)
	for i := range actions {
		actions[i] = fmt.Sprintf("thing%d.update", i)
	}
	values := make([][]byte, len(typical))
	for i, f := range typical {
		values[i] = []byte(f.value)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		n := i % len(typical)
		c.Classify(actions[i/len(typical)%len(actions)], typical[n].path, values[n])
		i++
	}
}

// BenchmarkClassifyEvent is everything that the ledger asks about an event, for events of which most actions and paths have been seen and most values have not.
func BenchmarkClassifyEvent(b *testing.B) {
	type asked struct {
		action, path string
		value        []byte
		change       bool
	}
	var all [][]asked
	g := load.New(load.Config{Seed: 1, Events: 4000})
	var batch load.Batch
	for n := range g.Batches() {
		g.Batch(n, &batch)
		for _, x := range batch.Events {
			e, err := event.Parse(x.JSON)
			if err == nil {
				err = e.Normalise(time.Now())
			}
			if err != nil {
				b.Fatal(err)
			}
			var list []asked
			for _, f := range e.Flatten(nil) {
				q := asked{action: e.Action, path: f.Path, value: f.Value}
				if strings.HasPrefix(f.Path, "/changes/") && (strings.HasSuffix(f.Path, "/before") || strings.HasSuffix(f.Path, "/after")) {
					q.path, q.change = e.Changes[f.Path[len("/changes/")]-'0'].Path, true
				}
				list = append(list, q)
			}
			all = append(all, list)
		}
	}
	c := New(nil)
	i := 0
	for b.Loop() {
		list := all[i%len(all)]
		for k := range list {
			if q := &list[k]; q.change {
				c.ClassifyChange(q.action, q.path, q.value)
			} else {
				c.Classify(q.action, q.path, q.value)
			}
		}
		c.Suspicious(list[0].action)
		i++
	}
}

func BenchmarkClassifyObject(b *testing.B) {
	c := New(nil)
	v := []byte(`{"instanceId":"i-0abc","instanceState":{"code":16,"name":"running"},"tags":[{"key":"Name","value":"web"}],"ebsOptimized":false}`)
	b.ReportAllocs()
	for b.Loop() {
		c.Classify("ec2.run", "/data/requestParameters", v)
	}
}

func BenchmarkClassifyMiss(b *testing.B) {
	c := New(nil)
	paths := make([]string, 1<<16)
	for i := range paths {
		paths[i] = fmt.Sprintf("/data/customerEmail%d", i)
	}
	i := 0
	for b.Loop() {
		c.Classify("thing.update", paths[i&(1<<16-1)], []byte(`"x"`))
		i++
	}
}

func BenchmarkSuspicious(b *testing.B) {
	c := New(nil)
	for b.Loop() {
		c.Suspicious("booking.api")
	}
}

func BenchmarkFind(b *testing.B) {
	s := "Dear Mrs. Kovač, please call me back on +385 91 234 5678 or write to ana@example.com. Card 4111 1111 1111 1111 was refused."
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		Find(s)
	}
}

func TestClassifyingKnownFieldsAllocatesNothing(t *testing.T) {
	c := New(nil)
	values := make([][]byte, len(typical))
	for i, f := range typical {
		values[i] = []byte(f.value)
		c.Classify("thing.update", f.path, values[i])
	}
	if n := testing.AllocsPerRun(100, func() {
		for i, f := range typical {
			c.Classify("thing.update", f.path, values[i])
		}
	}); n != 0 {
		t.Errorf("%v allocations for %d fields", n, len(typical))
	}
	for _, s := range []string{"booking.api", "invoice.update", "svc-550e8400-e29b-41d4-a716-446655440000"} {
		if n := testing.AllocsPerRun(10, func() { c.Suspicious(s); c.PersonType(s) }); n != 0 {
			t.Errorf("%v allocations for the clear string %s", n, s)
		}
	}
}

// FuzzClassify checks that no input breaks the classifier, that spans of Find are in order and within the text, and that a value
// with an e-mail address in it is never operational under a name that nobody vouched for.
func FuzzClassify(f *testing.F) {
	for _, s := range []string{`"ana@example.com"`, `{"a":[1,{"b":"c"}]}`, `"+1 (555) 123-4567 x12"`, `"DE89 3704 0044 0532 0130 00"`, `"::1"`, `12345678901`, `"12 High Street, Apt. 4\nLondon"`,
		`"Mr. X"`, `"-----BEGIN PRIVATE KEY-----"`, `"https://u:p@h/"`, `{"path":"x"`, "\"\x80\"", `"My name is "`} {
		f.Add("thing.update", "/data/x", s)
		f.Add("client.update", "/status", s)
	}
	c := New(nil)
	f.Fuzz(func(t *testing.T, action, path, value string) {
		c.Classify(action, path, []byte(value))
		c.ClassifyChange(action, path, []byte(value))
		c.PersonType(path)
		c.Suspicious(value)
		last := 0
		for _, s := range Find(value) {
			if s.Start < last || s.End <= s.Start || s.End > len(value) || s.Category == "" {
				t.Fatalf("span %+v in %q", s, value)
			}
			last = s.End
		}
		plain := `"` + action + ` ana@example.com"`
		if class := c.Classify("thing.update", "/data/status", []byte(plain)); class.Kind == event.Operational {
			t.Fatalf("%s is operational", plain)
		}
	})
}

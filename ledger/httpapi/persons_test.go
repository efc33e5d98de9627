package httpapi

import (
	"reflect"
	"testing"

	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
)

type noNames struct{}

// Mask implements event.Masker.
func (noNames) Mask(r *event.Record) {
	for i := range r.Fields {
		if r.Fields[i].Path == "/actor/name" {
			r.Fields[i].Value, r.Fields[i].State = nil, event.Withheld
		}
	}
}

func TestPersonsOfSeveralNamespacesAreOne(t *testing.T) {
	entry := func(handle int64, namespace, id, name, email string) person.Match {
		return person.Match{Handle: handle, Identity: person.Identity{Namespace: namespace, Type: "user", ID: id, Name: name, Email: email}}
	}
	found := []person.Match{
		entry(1, "shop", "u1", "Ana", "ana@example.com"), entry(2, "crm", "u2", "Ana", "ana@example.com"), entry(3, "crm", "u1", "Ana", "ana@example.com"),
		entry(4, "till", "u1", "Ana", ""), entry(5, "till", "u9", "Anatol", ""), entry(6, "blog", "u1", "Ana", "ana@example.com"),
	}
	got := groupPersons(found, 3, nil)
	if len(got) != 3 || !reflect.DeepEqual(got[0].Handles, []int64{1, 3, 6}) || got[0].Handle != 1 || !reflect.DeepEqual(got[1].Handles, []int64{2}) || !reflect.DeepEqual(got[2].Handles, []int64{4}) {
		t.Errorf("%+v", got)
	}
	// What the reader does not see does not make two persons one.
	if masked := groupPersons(found, 10, noNames{}); len(masked) != 4 || masked[0].Name != "" || masked[0].ID != "u1" {
		t.Errorf("%+v", masked)
	}
	if none := groupPersons(nil, 3, nil); none == nil || len(none) != 0 {
		t.Errorf("%+v", none)
	}
}

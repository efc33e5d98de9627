package ledger

import (
	"fmt"
	"testing"

	"probity.dev/ledger/event"
)

// namer answers every question with the question.
type namer struct{ event.Classifier }

func (namer) Classify(action, path string, _ []byte) event.Class {
	return event.Class{Category: "f " + action + " " + path}
}

func (namer) ClassifyChange(action, path string, _ []byte) event.Class {
	return event.Class{Category: "c " + action + " " + path}
}

// TestRulebookNeverMixesUp asks for more actions and paths than are remembered, twice.
func TestRulebookNeverMixesUp(t *testing.T) {
	b := newRulebook(namer{})
	for range 2 {
		for i := range maxRuleSets + 10 {
			action := fmt.Sprint("thing.", i)
			rules := b.read(action)
			for k := range maxRules + 20 {
				path, change := fmt.Sprint("/data/member", k*7%100), ""
				asked, want := path, "f "+action+" "+path
				if k%3 == 0 {
					path, change = fmt.Sprintf("/changes/%d/after", k%5), fmt.Sprint("/phone", k)
					asked, want = change, "c "+action+" "+change
				}
				r := rules.find(path, change)
				if got := r.rule.Class(action, asked, nil).Category; got != want || r.path != path || r.change != change {
					t.Fatalf("%s %s %s: the rule is for %s (%s)", action, path, change, got, r.path)
				}
			}
			if rules.set != nil && len(*rules.set.rules.Load()) > maxRules {
				t.Fatal("too many rules for one action")
			}
		}
	}
	if n := len(*b.actions.Load()); n != maxRuleSets {
		t.Errorf("%d actions are remembered", n)
	}
	for path, want := range map[string]area{"/actor/id": inActor, "/subject/id": inSubject, "/resource/name": inResource, "/context/ip": inContext, "/data/actor/id": elsewhere, "/actors/x": elsewhere, "/id": elsewhere} {
		if got := areaOf(path); got != want {
			t.Errorf("%s is in area %d, not %d", path, got, want)
		}
	}
}

package httpapi

import (
	"maps"
	"slices"
	"strings"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
)

// ActionReveal is the action of the events that say who was shown personal values as they are. Reading them, and the sums of reading, is not recorded in the same way: otherwise a reader who follows the log would never come to its end.
const ActionReveal = "ledger.view_unmasked"

// tally counts what a reader is shown as it is. A nil tally counts nothing.
type tally struct {
	events     int
	categories map[string]struct{}
}

// newTally returns a tally for readers who are shown values as they are, nil for others.
func newTally(p actor.Principal) *tally {
	if !p.Unmasked() || p.IsSystem() { // what the command line reads is recorded when it ends
		return nil
	}
	return &tally{categories: map[string]struct{}{}}
}

// add counts an event as it is shown.
func (t *tally) add(r *event.Record) {
	if t == nil || r.Source == "probity" && strings.HasPrefix(r.Action, "ledger.") {
		return
	}
	found := false
	for i := range r.Fields {
		f := &r.Fields[i]
		if f.State == event.Opened && f.Value != nil && f.Category != "" {
			found = true
			t.categories[f.Category] = struct{}{}
		}
	}
	if found {
		t.events++
	}
}

// list returns the categories in order.
func (t *tally) list() []string { return slices.Sorted(maps.Keys(t.categories)) }

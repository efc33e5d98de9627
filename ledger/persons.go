package ledger

import (
	"context"

	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
)

// prefetch finds the persons of all events at once, so that those who are stored and not cached take few statements and resolve finds everybody in memory.
func (l *Ledger) prefetch(ctx context.Context, t *tenant, b *person.Batch, events []*event.Event) error {
	ids := make([]person.Identity, 0, 2*len(events))
	for _, ev := range events {
		ids = l.identities(ev, ids)
	}
	return t.people.Prefetch(ctx, b, ids)
}

// identities appends the identities of actor, subject and resource, of those that the directory keeps.
func (l *Ledger) identities(ev *event.Event, ids []person.Identity) []person.Identity {
	if a := &ev.Actor; a.ID != "" || a.Email != "" {
		id := person.Identity{Namespace: ev.Source, Type: a.Type, ID: a.ID, Name: a.Name, Email: a.Email}
		if id.ID == "" {
			id.ID = a.Email
		}
		ids = append(ids, id)
	}
	if s := ev.Subject; s != nil && s.ID != "" {
		ids = append(ids, person.Identity{Namespace: ev.Source, Type: s.Type, ID: s.ID, Name: s.Name})
	}
	if r := &ev.Resource; r.ID != "" && l.opt.Classifier.PersonType(r.Type) {
		ids = append(ids, person.Identity{Namespace: ev.Source, Type: r.Type, ID: r.ID, Name: r.Name})
	}
	return ids
}

package httpapi

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
)

func (h *Handlers) registerPersons(a *api.API) {
	huma.Register(a, api.Op("find-persons", "GET /api/persons", "Find persons by part of a name, e-mail or id", api.Needs(actor.LedgerSearch),
		api.Describe("A person whom several applications call by the same type, id, name and e-mail address is one item with several handles; `actor=handle:1,2` searches for all of them. Only what the caller sees unmasked of names, addresses and ids is looked at.")), h.persons)
}

type personsInput struct {
	Q     string `query:"q" required:"true" minLength:"1" maxLength:"200" doc:"Part of a name, e-mail or id."`
	Limit int    `query:"limit" minimum:"1" maximum:"50" default:"10"`
}

type personsOutput struct {
	Body struct {
		Items []personView `json:"items"`
	}
}

// personView is a person as the type-ahead shows them.
type personView struct {
	Handle  int64   `json:"handle" doc:"the first of handles"`
	Handles []int64 `json:"handles" doc:"one for each namespace in which the person is known"`
	Type    string  `json:"type"`
	ID      string  `json:"id"`
	Name    string  `json:"name,omitempty"`
	Email   string  `json:"email,omitempty"`
	Kind    string  `json:"kind"`
}

// perPerson is how many directory entries are looked at for each item asked for: the same person may be known in that many namespaces.
const perPerson = 4

func (h *Handlers) persons(ctx context.Context, in *personsInput) (*personsOutput, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	mask := h.mask(p)
	found, err := h.Ledger.People(ctx, p.TenantID, in.Q, perPerson*in.Limit, mask)
	if err != nil {
		return nil, err
	}
	out := &personsOutput{}
	out.Body.Items = groupPersons(found, in.Limit, mask)
	return out, nil
}

// groupPersons makes one item of the entries that agree in everything but the namespace, which is part of the look-up only. The first limit persons are kept.
func groupPersons(found []person.Match, limit int, mask event.Masker) []personView {
	items := []personView{}
	at := map[person.Identity]int{}
	for _, m := range found {
		who := m.Identity
		who.Namespace = ""
		i, seen := at[who]
		switch {
		case seen:
			if shownHandle(mask, m.Handle) != 0 {
				items[i].Handles = append(items[i].Handles, m.Handle)
			}
		case len(items) < limit:
			at[who] = len(items)
			items = append(items, viewPerson(m, mask))
		}
	}
	return items
}

func viewPerson(m person.Match, mask event.Masker) personView {
	r := ledger.IdentityRecord(m.Handle, m.Identity)
	if mask != nil {
		mask.Mask(r)
	}
	handle := shownHandle(mask, m.Handle)
	return personView{Handle: handle, Handles: []int64{handle}, Type: m.Identity.Type, ID: r.Text("/actor/id"), Name: r.Text("/actor/name"), Email: r.Text("/actor/email"), Kind: "person"}
}

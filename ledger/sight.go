package ledger

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
)

// sight is what a reader sees of the values that a query may name. Whoever sees a value masked does not search by it: whether something is found would tell the value. The zero value sees nothing.
type sight struct {
	id, name, email, ip, other bool
	// handles says that the reader is shown handles.
	handles bool
}

// all is the sight of a reader without a mask.
var all = sight{id: true, name: true, email: true, ip: true, other: true, handles: true}

// sightOf asks a mask what it shows as it is. A mask that cannot tell shows nothing, as far as searching by it goes.
func sightOf(mask event.Masker, checked bool) sight {
	if mask == nil || checked {
		return all
	}
	f, ok := mask.(event.Foreseer)
	if !ok {
		return sight{}
	}
	s := sight{id: f.Keeps("/actor/id", "user.unique_id", true), name: f.Keeps("/actor/name", "user.name", true), email: f.Keeps("/actor/email", "user.contact.email", true),
		ip: f.Keeps("/context/ip", "user.device.ip_address", true), handles: true}
	s.other = s.id && s.name && s.email && s.ip && f.Keeps("/reason", CategoryUnknown, true)
	if h, ok := mask.(event.HandleHider); ok {
		s.handles = !h.HidesHandles()
	}
	return s
}

// errMasked refuses a condition, whether or not anything would match it.
func errMasked(pointer, what string) error {
	detail := "You see " + what + " masked, so you cannot search by it. Use the handle that you are shown, or ask to see values as they are."
	return &errs.Error{Code: errs.Forbidden, Kind: errs.MaskedFilter, Message: detail, Fields: []errs.FieldError{{Pointer: pointer, Code: errs.MaskedFilter, Detail: detail}}}
}

// Permit refuses the conditions of a query on values that a mask does not show as they are, as [Ledger.Search] does. Errors are Forbidden and of the kind [errs.MaskedFilter].
func (l *Ledger) Permit(q Query, mask event.Masker) error { return l.permit(q, sightOf(mask, q.Checked)) }

// permit refuses the conditions of a query on values that the reader sees masked, before anything is looked up.
func (l *Ledger) permit(q Query, sees sight) error {
	for _, x := range []struct {
		pointer string
		terms   []string
	}{{"/actor", q.Actor}, {"/subject", q.Subject}, {"/person", q.Person}} {
		for _, term := range x.terms {
			if err := sees.term(x.pointer, term); err != nil {
				return err
			}
		}
	}
	if len(q.IP) > 0 && !sees.ip {
		return errMasked("/ip", "network addresses")
	}
	for _, term := range q.Resource {
		typ, id, _ := strings.Cut(term, "/")
		if id != "" && l.opt.Classifier.PersonType(strings.ToLower(typ)) {
			if err := sees.term("/resource", id); err != nil {
				return err
			}
		}
	}
	if !sees.other {
		for pointer, list := range map[string][]string{"/id": q.EventID, "/correlation_id": q.CorrelationID} {
			if slices.ContainsFunc(list, l.opt.Classifier.Suspicious) {
				return errMasked(pointer, "ids that look like personal values")
			}
		}
	}
	return nil
}

// term refuses a term that names a person by something that the reader does not see.
func (s sight) term(pointer, term string) error {
	switch {
	case strings.HasPrefix(term, "handle:"):
		if !s.handles {
			return errMasked(pointer, "handles")
		}
	case !s.id && !s.name && !s.email:
		return errMasked(pointer, "who people are")
	}
	return nil
}

// knows reports whether a person is one whom the reader knows by a term: by an id, address or name that is shown.
func (s sight) knows(who *person.Identity, term string) bool {
	is := func(shown bool, value string) bool {
		return shown && value != "" && strings.EqualFold(strings.TrimSpace(value), strings.TrimSpace(term))
	}
	return is(s.id, who.ID) || is(s.email, who.Email) || is(s.name, who.Name)
}

// part reports whether a text occurs in what is shown of a person.
func (s sight) part(who *person.Identity, text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	in := func(shown bool, value string) bool { return shown && strings.Contains(strings.ToLower(value), text) }
	return in(s.id, who.ID) || in(s.email, who.Email) || in(s.name, who.Name)
}

// nobody is a handle that no person has: a term that finds nobody must match nothing.
const nobody = -1

func (l *Ledger) handles(ctx context.Context, t *tenant, terms []string, sees sight) ([]int64, error) {
	var out []int64
	for _, term := range terms {
		if list, ok := strings.CutPrefix(term, "handle:"); ok {
			for n := range strings.SplitSeq(list, ",") {
				h, err := strconv.ParseInt(n, 10, 64)
				if err != nil || h <= 0 {
					return nil, errs.Field("/actor", "invalid", "a handle is a positive number, as in handle:123, or several, as in handle:123,456")
				}
				out = append(out, h)
			}
			continue
		}
		found, err := l.named(ctx, t, term, sees)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	if len(terms) > 0 && len(out) == 0 {
		out = []int64{nobody}
	}
	return out, nil
}

// named returns the handles of those whom the reader knows by a term.
func (l *Ledger) named(ctx context.Context, t *tenant, term string, sees sight) (out []int64, err error) {
	if sees.id || sees.email {
		found, err := t.people.Find(ctx, term)
		if err != nil || sees.id && sees.email && len(found) > 0 {
			return found, err
		}
		for _, h := range found {
			if who, err := t.people.Describe(ctx, h); err == nil && sees.knows(&who, term) {
				out = append(out, h)
			}
		}
	}
	if len(out) > 0 || !sees.name {
		return out, nil
	}
	matches, err := t.people.Search(ctx, term, 50)
	for _, m := range matches {
		if strings.EqualFold(m.Identity.Name, strings.TrimSpace(term)) {
			out = append(out, m.Handle)
		}
	}
	return out, err
}

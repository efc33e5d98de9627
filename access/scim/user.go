package scim

import (
	"context"
	"database/sql"
	"net/mail"
	"slices"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// person is an account with what the directory says of it.
type person struct {
	account Account
	record  record
	groups  []any
}

// people returns the accounts of a tenant that the directory has not deleted, oldest first.
func (s *Service) people(ctx context.Context, by actor.Principal) ([]person, error) {
	accounts, err := s.o.Accounts.List(ctx, empowered(by))
	if err != nil {
		return nil, err
	}
	said, err := s.users(ctx, by.TenantID)
	if err != nil {
		return nil, err
	}
	groups, err := s.groups(ctx, by.TenantID)
	if err != nil {
		return nil, err
	}
	members, err := s.memberships(ctx, by.TenantID)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, g := range groups {
		names[g.id] = str(g.resource["displayName"])
	}
	of := map[string][]any{}
	for _, m := range members {
		of[m.account] = append(of[m.account], resource{"value": m.group, "display": names[m.group]})
	}
	out := make([]person, 0, len(accounts))
	for _, a := range accounts {
		r, ok := said[a.ID]
		if r.gone {
			continue
		}
		if !ok {
			r = record{id: a.ID}
		}
		out = append(out, person{a, r, of[a.ID]})
	}
	return out, nil
}

func (s *Service) person(ctx context.Context, by actor.Principal, id string) (person, error) {
	all, err := s.people(ctx, by)
	if err != nil {
		return person{}, err
	}
	for _, p := range all {
		if p.account.ID == id {
			return p, nil
		}
	}
	return person{}, errNoUser
}

// shown is a person as a SCIM resource. The account has the last word on what both know.
func (s *Service) shown(p person) resource {
	r := resource{}
	if p.record.resource != nil {
		r = clone(p.record.resource)
	}
	if str(r["userName"]) == "" {
		r["userName"] = p.account.Email
	}
	if list(r["emails"]) == nil {
		r["emails"] = []any{resource{"value": p.account.Email, "type": "work", "primary": true}}
	}
	if str(r["displayName"]) == "" {
		r["displayName"] = p.account.Name
	}
	changed := p.record.changed
	if changed.IsZero() {
		changed = p.account.CreatedAt
	}
	r["schemas"], r["id"], r["active"] = []string{urnUser}, p.account.ID, p.account.Active
	if p.groups != nil {
		r["groups"] = p.groups
	}
	r["meta"] = s.meta("User", "/Users/"+p.account.ID, p.account.CreatedAt, changed, p.record.version)
	return r
}

func (s *Service) meta(kind, where string, created, changed time.Time, version int64) resource {
	return resource{"resourceType": kind, "created": created.UTC().Format(time.RFC3339Nano), "lastModified": changed.UTC().Format(time.RFC3339Nano), "location": s.o.PublicURL + "/scim/v2" + where, "version": etag(version)}
}

// described returns the account that a resource describes.
func described(id string, r resource) (Account, error) {
	a := Account{ID: id, Active: true}
	if v, there := r["active"]; there {
		active, ok := truth(v)
		if !ok {
			return a, bad("invalidValue", "active is true or false.")
		}
		a.Active = active
	}
	name := str(r["userName"])
	if name == "" || len(name) > 254 {
		return a, bad("invalidValue", "userName is required, of up to 254 bytes.")
	}
	a.Email = address(r)
	if a.Email == "" {
		return a, bad("invalidValue", "An e-mail address is required, in emails or as userName.")
	}
	for _, n := range []string{str(r["displayName"]), str(sub(r["name"], "formatted")), strings.TrimSpace(str(sub(r["name"], "givenName")) + " " + str(sub(r["name"], "familyName"))), name} {
		if n != "" {
			a.Name = n
			break
		}
	}
	return a, nil
}

// address returns the primary address, or that of work, or the first, or the name of the user when it is one.
func address(r resource) string {
	all := list(r["emails"])
	for _, want := range []func(any) bool{
		func(v any) bool { b, _ := truth(sub(v, "primary")); return b },
		func(v any) bool { return strings.EqualFold(str(sub(v, "type")), "work") },
		func(any) bool { return true },
	} {
		if i := slices.IndexFunc(all, func(v any) bool { return want(v) && idOf(v) != "" }); i >= 0 {
			return idOf(all[i])
		}
	}
	if a, err := mail.ParseAddress(str(r["userName"])); err == nil && a.Address == str(r["userName"]) {
		return a.Address
	}
	return ""
}

// kept are the attributes of a request that are stored: what the account says by itself is not.
func kept(r resource) resource {
	out := clone(canonical(r).(map[string]any)) //nolint:forcetypeassert // an object stays one
	delete(out, "active")
	delete(out, "members")
	return out
}

// unique refuses a userName or externalId that another person of the directory has.
func unique(all []person, id string, r resource) error {
	for _, p := range all {
		if p.account.ID == id {
			continue
		}
		name := str(p.record.resource["userName"])
		if name == "" {
			name = p.account.Email
		}
		if strings.EqualFold(name, str(r["userName"])) || str(r["externalId"]) != "" && str(p.record.resource["externalId"]) == str(r["externalId"]) {
			return &fault{409, "uniqueness", "There is a user with this userName or externalId."}
		}
	}
	return nil
}

// CreateUser adds an account.
func (s *Service) createUser(ctx context.Context, by actor.Principal, body resource) (resource, error) {
	body = canonical(body).(map[string]any) //nolint:forcetypeassert // an object stays one
	a, err := described("", body)
	if err != nil {
		return nil, err
	}
	all, err := s.people(ctx, by)
	if err != nil {
		return nil, err
	}
	if err := unique(all, "", body); err != nil {
		return nil, err
	}
	x, err := s.settings(ctx, by.TenantID)
	if err != nil {
		return nil, err
	}
	id, err := s.o.Accounts.Provision(ctx, empowered(by), a.Email, a.Name, x.role(nil), "scim", func(ctx context.Context, tx *sql.Tx, userID string) error {
		return s.putUser(ctx, tx, by.TenantID, record{id: userID, resource: kept(body), changed: s.now()})
	})
	if errs.CodeOf(err) == errs.Conflict {
		return nil, &fault{409, "uniqueness", "There is a user with this e-mail address."}
	}
	if err != nil {
		return nil, err
	}
	if !a.Active {
		a.ID = id
		if err := s.o.Accounts.Change(ctx, empowered(by), a, nothing); err != nil {
			return nil, err
		}
	}
	p, err := s.person(ctx, by, id)
	return s.shown(p), err
}

func nothing(context.Context, *sql.Tx) error { return nil }

func (s *Service) now() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }

// changeUser replaces what the directory says of an account by what edit makes of it.
func (s *Service) changeUser(ctx context.Context, by actor.Principal, id, match string, edit func(now resource) (resource, error)) (resource, error) {
	p, err := s.person(ctx, by, id)
	if err != nil {
		return nil, err
	}
	if !matchesTag(match, p.record.version) {
		return nil, errPrecondition
	}
	next, err := edit(s.shown(p))
	if err != nil {
		return nil, err
	}
	a, err := described(id, next)
	if err != nil {
		return nil, err
	}
	all, err := s.people(ctx, by)
	if err == nil {
		err = unique(all, id, next)
	}
	if err != nil {
		return nil, err
	}
	r := p.record
	r.resource, r.changed = kept(next), s.now()
	if err := s.o.Accounts.Change(ctx, empowered(by), a, func(ctx context.Context, tx *sql.Tx) error { return s.putUser(ctx, tx, by.TenantID, r) }); err != nil {
		return nil, err
	}
	p, err = s.person(ctx, by, id)
	return s.shown(p), err
}

// deleteUser shuts an account out and hides it from the directory.
func (s *Service) deleteUser(ctx context.Context, by actor.Principal, id, match string) error {
	p, err := s.person(ctx, by, id)
	if err != nil {
		return err
	}
	if !matchesTag(match, p.record.version) {
		return errPrecondition
	}
	r := p.record
	r.gone, r.changed = true, s.now()
	if r.resource == nil {
		r.resource = resource{}
	}
	a := p.account
	a.Active = false
	return s.o.Accounts.Change(ctx, empowered(by), a, func(ctx context.Context, tx *sql.Tx) error { return s.putUser(ctx, tx, by.TenantID, r) })
}

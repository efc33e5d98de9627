package role

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"probity.dev/internal/actor"
)

// indexTTL is how long another server may go on counting what was revoked on this one.
const indexTTL = time.Second

// Index is what a tenant's people may do, at one version. It does not change; when something has ended is asked of each question.
type Index struct {
	// Version of the tenant's access that it shows.
	Version int64

	mark        mark
	permissions []Permission // the tenant's own
	how         map[string]Sensitivity
	roles       map[string]*Role
	people      map[string]*holder
	holding     map[string][]*grant // by role
	allowing    map[string][]*Role  // by permission
	locked      map[string]struct{}
	addresses   map[string]string // ids of accounts by the hash of their address
	accounts    map[string]struct{}
	sorted      []string // ids of roles: the built-in ones by weight, then the tenant's own by age
}

// grant is an assignment with its role.
type grant struct {
	a *Assignment
	r *Role
}

// holder is somebody with assignments.
type holder struct {
	grants []*grant
	rights atomic.Pointer[rights]
}

// Rights are what a person may do in the whole tenant.
type Rights struct {
	Roles       []string // by weight
	MaskAs      []string // the built-in roles whose masking applies
	Permissions []string
}

// rights hold from one time to another.
type rights struct {
	Rights
	from, until time.Time
}

func newIndex(m mark, own []Permission, roles []*Role, assignments []*assignmentRow, locked []string) *Index {
	x := &Index{Version: m.version, mark: m, permissions: own, how: map[string]Sensitivity{}, roles: builtInRoles(), people: map[string]*holder{}, holding: map[string][]*grant{},
		allowing: map[string][]*Role{}, locked: map[string]struct{}{}}
	for k, about := range catalogue {
		x.how[k] = about.how
	}
	for _, p := range own {
		x.how[p.Key] = p.Sensitivity
	}
	for _, r := range roles {
		if b, ok := x.roles[r.ID]; ok {
			r.BuiltIn, r.Edited, r.everything = true, true, b.everything
		}
		x.roles[r.ID] = r
	}
	x.sorted = x.order()
	for _, id := range x.sorted {
		r := x.roles[id]
		if r.everything {
			r.Permissions = x.everything()
		}
		r.complete(x.sensitivity)
		for _, p := range r.Permissions {
			x.allowing[p] = append(x.allowing[p], r)
		}
	}
	for _, a := range assignments {
		x.add(&a.Assignment)
	}
	for _, id := range locked {
		x.locked[id] = struct{}{}
	}
	return x
}

// know takes in the tenant's accounts.
func (x *Index) know(byAddress map[string]string) {
	x.addresses, x.accounts = byAddress, make(map[string]struct{}, len(byAddress))
	for _, id := range byAddress {
		x.accounts[id] = struct{}{}
	}
}

// Account reports whether there is a person with an id.
func (x *Index) Account(id string) bool { _, ok := x.accounts[id]; return ok }

// Accounts returns the ids of the tenant's people, in no order.
func (x *Index) Accounts() []string { return slices.Collect(maps.Keys(x.accounts)) }

// ByAddress returns the id of the person with an address, given by its hash, "" without one.
func (x *Index) ByAddress(hash []byte) string { return x.addresses[string(hash)] }

// Knows reports whether there is a permission with a key.
func (x *Index) Knows(permission string) bool { _, ok := x.how[permission]; return ok }

// Keys returns the keys of all permissions, in the order of the documentation.
func (x *Index) Keys() []string { return x.everything() }

func (x *Index) add(a *Assignment) {
	r := x.roles[a.RoleID]
	if r == nil {
		return // a role that is gone allows nothing
	}
	g := &grant{a, r}
	h := x.people[a.UserID]
	if h == nil {
		h = &holder{}
		x.people[a.UserID] = h
	}
	h.grants = append(h.grants, g)
	x.holding[a.RoleID] = append(x.holding[a.RoleID], g)
}

func (x *Index) order() []string {
	out := actor.Roles()
	var own []string
	for id, r := range x.roles {
		if !r.BuiltIn {
			own = append(own, id)
		}
	}
	slices.SortFunc(own, func(a, b string) int {
		if c := x.roles[a].CreatedAt.Compare(*x.roles[b].CreatedAt); c != 0 {
			return c
		}
		return compare(a, b)
	})
	return append(out, own...)
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (x *Index) everything() []string {
	out := actor.Permissions()
	for _, p := range x.permissions {
		out = append(out, p.Key)
	}
	return out
}

// sensitivity of a permission. One that nobody knows any more is as good as none.
func (x *Index) sensitivity(permission string) Sensitivity {
	if s, ok := x.how[permission]; ok {
		return s
	}
	return Normal
}

// Known reports whether there is a role with an id.
func (x *Index) Known(role string) bool { _, ok := x.roles[role]; return ok }

// Locked reports whether a person is shut out.
func (x *Index) Locked(user string) bool { _, ok := x.locked[user]; return ok }

// Rights returns what a person may do at a time everywhere in the tenant, locked or not. The lists are shared and must not be changed.
func (x *Index) Rights(user string, at time.Time) Rights {
	h := x.people[user]
	if h == nil {
		return Rights{}
	}
	if r := h.rights.Load(); r != nil && !at.Before(r.from) && at.Before(r.until) {
		return r.Rights
	}
	r := &rights{from: at, until: at.Add(time.Hour)}
	held := map[string]*Role{}
	for _, g := range h.grants {
		if g.a.Scope.Kind != WholeTenant || !g.a.InForce(at) {
			continue
		}
		held[g.r.ID] = g.r
		if g.a.ExpiresAt != nil && g.a.ExpiresAt.Before(r.until) {
			r.until = *g.a.ExpiresAt
		}
	}
	for _, id := range x.sorted {
		role := held[id]
		if role == nil {
			continue
		}
		r.Roles = append(r.Roles, id)
		r.MaskAs = appendNew(r.MaskAs, role.masksAs())
		for _, p := range role.Permissions {
			r.Permissions = appendNew(r.Permissions, p)
		}
	}
	h.rights.Store(r)
	return r.Rights
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// indexes keeps the index of each tenant.
type indexes struct {
	load func(ctx context.Context, tenant string, old *Index) (*Index, error)
	now  func() time.Time
	mu   sync.Mutex
	by   map[string]*kept
}

type kept struct {
	// changing has the changes of this server follow one another.
	changing sync.Mutex
	loading  sync.Mutex
	storing  sync.Mutex // guards changes of what follows
	state    atomic.Pointer[state]
	// forgotten counts how often the index was forgotten: one that was being read meanwhile may show what was there before.
	forgotten int64
}

func (k *kept) times() int64 {
	k.storing.Lock()
	defer k.storing.Unlock()
	return k.forgotten
}

type state struct {
	x  *Index
	at time.Time
}

func (c *indexes) of(tenant string) *kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.by[tenant]
	if k == nil {
		k = &kept{}
		c.by[tenant] = k
	}
	return k
}

// get returns a tenant's index, at most a second old.
func (c *indexes) get(ctx context.Context, tenant string) (*Index, error) {
	k := c.of(tenant)
	if s := k.state.Load(); s != nil && c.fresh(s) {
		return s.x, nil
	}
	k.loading.Lock()
	defer k.loading.Unlock()
	s := k.state.Load()
	if s != nil && c.fresh(s) {
		return s.x, nil
	}
	var old *Index
	if s != nil {
		old = s.x
	}
	asked, forgotten := c.now(), k.times() // before the query: a revocation that commits during it must not be outlived
	x, err := c.load(ctx, tenant, old)
	if err != nil {
		return nil, err
	}
	k.storing.Lock()
	defer k.storing.Unlock()
	if k.forgotten != forgotten {
		asked = time.Time{}
	}
	k.state.Store(&state{x, asked})
	return x, nil
}

func (c *indexes) fresh(s *state) bool {
	age := c.now().Sub(s.at)
	return age >= 0 && age < indexTTL
}

// forget has the next question look at the database.
func (c *indexes) forget(tenant string) {
	k := c.of(tenant)
	k.storing.Lock()
	defer k.storing.Unlock()
	k.forgotten++
	if s := k.state.Load(); s != nil {
		k.state.Store(&state{s.x, time.Time{}})
	}
}

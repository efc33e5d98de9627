package mapping

import (
	"slices"
	"strings"
)

// Kinds of differences.
const (
	Missing  = "missing"        // a role that somebody should have elsewhere
	Extra    = "extra"          // one that he should not have
	Unknown  = "unknown_person" // somebody elsewhere with a mapped role, of whom nothing is known here
	Absent   = "no_account"     // somebody here who should have a role, and is not elsewhere
	NoRole   = "no_role"        // a mapping to a role that is not elsewhere
	Multiple = "ambiguous"      // an address that several people elsewhere have
)

// Difference is one entry of a report.
type Difference struct {
	Kind     string `json:"kind" enum:"missing,extra,unknown_person,no_account,no_role,ambiguous"`
	UserID   string `json:"user_id,omitempty"`
	UserName string `json:"user_name,omitempty"`
	Email    string `json:"email,omitempty"`
	Outside  string `json:"outside_id,omitempty" doc:"The id of the person elsewhere"`
	Role     string `json:"outside_role,omitempty"`
	RoleName string `json:"outside_role_name,omitempty"`
	// Done says that the run ended the difference, Problem why it could not.
	Done    bool   `json:"done"`
	Problem string `json:"problem,omitempty"`
}

// changes reports whether applying would change something because of it.
func (d *Difference) changes() bool { return d.Kind == Missing || d.Kind == Extra }

// Rule maps a role here to one elsewhere.
type Rule struct {
	RoleID  string `json:"role_id" minLength:"1" maxLength:"64"`
	Outside string `json:"outside_role" minLength:"1" maxLength:"200" doc:"The id of the role elsewhere"`
}

// Holder is somebody here, with the roles that he has in the whole tenant now: none while he is locked.
type Holder struct {
	ID, Name, Email string
	Roles           []string
}

// compare returns what differs, sorted. Every address is in lower case.
func compare(rules []Rule, people []Holder, outside []Person, roles []Role) []Difference {
	names := map[string]string{}
	for _, r := range roles {
		names[r.ID] = r.Name
	}
	managed := map[string]bool{}
	var out []Difference
	for _, r := range rules {
		if managed[r.Outside] {
			continue
		}
		managed[r.Outside] = true
		if _, known := names[r.Outside]; !known {
			out = append(out, Difference{Kind: NoRole, Role: r.Outside})
			delete(managed, r.Outside)
		}
	}
	byEmail := map[string][]Person{}
	for _, p := range outside {
		byEmail[p.Email] = append(byEmail[p.Email], p)
	}
	known := map[string]bool{}
	for _, h := range people {
		email := strings.ToLower(h.Email)
		known[email] = true
		want := map[string]bool{}
		for _, r := range rules {
			if slices.Contains(h.Roles, r.RoleID) && managed[r.Outside] {
				want[r.Outside] = true
			}
		}
		base := Difference{UserID: h.ID, UserName: h.Name, Email: email}
		switch found := byEmail[email]; {
		case len(found) == 0:
			for role := range want {
				out = append(out, base.of(Absent, role, names))
			}
		case len(found) > 1:
			if len(want) > 0 || slices.ContainsFunc(found, func(p Person) bool { return slices.ContainsFunc(p.Roles, func(r string) bool { return managed[r] }) }) {
				out = append(out, base.of(Multiple, "", names))
			}
		default:
			base.Outside = found[0].ID
			for role := range managed {
				switch has := slices.Contains(found[0].Roles, role); {
				case want[role] && !has:
					out = append(out, base.of(Missing, role, names))
				case has && !want[role]:
					out = append(out, base.of(Extra, role, names))
				}
			}
		}
	}
	for _, p := range outside {
		if known[p.Email] && p.Email != "" {
			continue
		}
		for _, role := range p.Roles {
			if managed[role] {
				out = append(out, (&Difference{Email: p.Email, Outside: p.ID}).of(Unknown, role, names))
			}
		}
	}
	slices.SortFunc(out, func(a, b Difference) int {
		return strings.Compare(a.Email+"\x00"+a.Role+"\x00"+a.Kind, b.Email+"\x00"+b.Role+"\x00"+b.Kind)
	})
	return out
}

func (d *Difference) of(kind, role string, names map[string]string) Difference {
	out := *d
	out.Kind, out.Role, out.RoleName = kind, role, names[role]
	return out
}

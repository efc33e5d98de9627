package role

import (
	"slices"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// Limits of what a tenant may have.
const (
	MaxRoles       = 500     // own roles of a tenant
	MaxPermissions = 500     // own permissions of a tenant
	MaxAssignments = 200_000 // in force, of a tenant
	maxName        = 100     // characters
	maxDescription = 500     // characters
	maxReason      = 1000    // characters
)

// Role is a set of permissions under a name, built-in or a tenant's own (mission row K1, RoleDefinition).
type Role struct {
	ID          string      `json:"roleId"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Permissions []string    `json:"permissions"`
	Sensitivity Sensitivity `json:"sensitivity" enum:"normal,high,admin" doc:"The highest of its permissions, or higher where somebody has said so"`
	BuiltIn     bool        `json:"builtIn"`
	Edited      bool        `json:"edited" doc:"A built-in role that this tenant has changed"`
	CopiedFrom  string      `json:"copiedFrom,omitempty" doc:"The built-in role whose masking of personal values applies"`
	CreatedAt   *time.Time  `json:"createdAt,omitempty"`
	UpdatedAt   *time.Time  `json:"updatedAt,omitempty"`

	// raised is the sensitivity that somebody has asked for.
	raised Sensitivity
	// allows holds what Permissions lists.
	allows map[string]struct{}
	// everything marks the roles that hold every permission, those of the tenant's own included.
	everything bool
}

// Can reports whether the role holds a permission.
func (r *Role) Can(permission string) bool { _, ok := r.allows[permission]; return ok }

// Fixed reports whether the role is built in and cannot be edited either: others count on what it may do.
func (r *Role) Fixed() bool {
	return r.BuiltIn && slices.Contains([]string{actor.RoleOwner, actor.RoleAdmin, actor.RoleAuditor, actor.RoleWriter, actor.RoleElevated}, r.ID)
}

// masksAs is the built-in role whose masking applies to people with this one.
func (r *Role) masksAs() string {
	switch {
	case r.Can(actor.LedgerViewUnmasked) && !slices.Contains(actor.RolePermissions(r.ID), actor.LedgerViewUnmasked):
		return actor.RoleAdmin
	case r.BuiltIn:
		return r.ID
	case r.CopiedFrom != "":
		return r.CopiedFrom
	case r.Can(actor.LedgerSearch):
		return actor.RoleAuditor
	}
	return actor.RoleWriter
}

// complete fills in what follows from the permissions.
func (r *Role) complete(how func(string) Sensitivity) {
	r.allows = make(map[string]struct{}, len(r.Permissions))
	r.Sensitivity = Normal
	for _, p := range r.Permissions {
		r.allows[p] = struct{}{}
		if s := how(p); s.above(r.Sensitivity) {
			r.Sensitivity = s
		}
	}
	if r.raised.above(r.Sensitivity) {
		r.Sensitivity = r.raised
	}
}

// builtIn describes the built-in roles.
var builtIn = map[string][2]string{
	actor.RoleOwner:            {"Owner", "May do everything, and sees personal values."},
	actor.RoleAdmin:            {"Administrator", "May do everything, and sees personal values."},
	actor.RoleCompliance:       {"Compliance officer", "Reads everything, exports, works on privacy requests and decides requests for access."},
	actor.RoleSecurityAnalyst:  {"Security analyst", "Searches, verifies, sees who may do what, and manages notifications and incidents."},
	actor.RoleAuditor:          {"Auditor", "Searches, verifies and exports; personal values are masked."},
	actor.RoleFinance:          {"Finance", "Sees reports and usage, makes tax reports."},
	actor.RoleManager:          {"Manager", "Manages bookings and sees names, addresses and telephone numbers."},
	actor.RoleReception:        {"Reception", "Manages bookings; telephone numbers are masked."},
	actor.RoleCoach:            {"Coach", "Works with clients of one's own."},
	actor.RoleSupport:          {"Support", "Answers tickets."},
	actor.RoleRiskAnalyst:      {"Risk analyst", "Reviews and releases risky orders."},
	actor.RoleOnCallEngineer:   {"On-call engineer", "Handles incidents, sees jobs and deliveries."},
	actor.RoleProgrammeManager: {"Programme manager", "Plans programmes."},
	actor.RoleClinician:        {"Clinician", "Uses the scribe and reads transcripts."},
	actor.RoleCareNavigator:    {"Care navigator", "Coordinates care and bookings."},
	actor.RolePatient:          {"Patient", "Sees data of one's own in the portal."},
	actor.RoleViewer:           {"Non-clinical viewer", "Sees dashboards and bookings; personal data in texts is masked."},
	actor.RoleWriter:           {"Writer", "Records events only."},
	actor.RoleElevated:         {"Elevated viewer", "Sees personal values as they are, for a time that others have approved."},
}

// builtInRoles returns the built-in roles as they are by default.
func builtInRoles() map[string]*Role {
	out := map[string]*Role{}
	for _, id := range actor.Roles() {
		out[id] = &Role{ID: id, Name: builtIn[id][0], Description: builtIn[id][1], Permissions: actor.RolePermissions(id), BuiltIn: true,
			everything: id == actor.RoleOwner || id == actor.RoleAdmin}
	}
	return out
}

// Scope is the part of a tenant for which an assignment holds.
type Scope struct {
	Kind  string `json:"kind" enum:"tenant,dataset,resource_type" doc:"tenant: everywhere; dataset and resource_type: only where decisions about such a resource are asked for"`
	Value string `json:"value,omitempty" maxLength:"200" doc:"The name of the data set, or the type of resource"`
}

// The kinds of scopes. What this product itself lets somebody do follows from assignments for the whole tenant alone.
const (
	WholeTenant  = "tenant"
	DataSet      = "dataset"
	ResourceType = "resource_type"
)

// Covers reports whether the scope holds for a resource of a type, which may belong to a data set.
func (s Scope) Covers(resourceType, dataSet string) bool {
	switch s.Kind {
	case WholeTenant:
		return true
	case DataSet:
		return s.Value == dataSet
	case ResourceType:
		return s.Value == resourceType
	}
	return false
}

func (s *Scope) check() error {
	switch s.Kind {
	case "", WholeTenant:
		s.Kind = WholeTenant
		if s.Value != "" {
			return errs.Field("/scope/value", "not_allowed", "The whole tenant has no name.")
		}
		return nil
	case DataSet, ResourceType:
		var err error
		if s.Value, err = checkText("/scope/value", s.Value, 200); err != nil {
			return err
		}
		if s.Value == "" {
			return errs.Field("/scope/value", "required", "Name the data set or the type of resource.")
		}
		return nil
	}
	return errs.Field("/scope/kind", "not_allowed", "The scope is tenant, dataset or resource_type.")
}

// Assignment gives a role to a person (mission row K2, RoleAssignment).
type Assignment struct {
	ID        string     `json:"assignmentId"`
	UserID    string     `json:"userId"`
	UserName  string     `json:"userName,omitempty" mask:"user.name,access.manage"`
	RoleID    string     `json:"roleId"`
	RoleName  string     `json:"roleName,omitempty"`
	GrantedBy string     `json:"grantedBy" doc:"The user or API key that gave it, or system"`
	GrantedAt time.Time  `json:"grantedAt"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Scope     Scope      `json:"scope"`
	Reason    string     `json:"reason,omitempty" mask:"unknown,access.manage"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
	EndedBy   string     `json:"endedBy,omitempty"`
	Ended     string     `json:"ended,omitempty" enum:"revoked,expired" doc:"How it ended"`

	// grantedIn and endedIn are the versions of the tenant's access that began and ended it.
	grantedIn, endedIn int64
}

// InForce reports whether the assignment holds at a time.
func (a *Assignment) InForce(at time.Time) bool {
	return a.EndedAt == nil && (a.ExpiresAt == nil || at.Before(*a.ExpiresAt))
}

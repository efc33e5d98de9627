package role

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// Sensitivity says how much harm a permission or a role can do in wrong hands.
type Sensitivity string

// The sensitivities, in rising order.
const (
	Normal Sensitivity = "normal"
	High   Sensitivity = "high"  // sees what is withheld from others, or moves money or people
	Admin  Sensitivity = "admin" // changes what others may do
)

var sensitivities = []Sensitivity{Normal, High, Admin}

// above reports whether s is the higher one.
func (s Sensitivity) above(t Sensitivity) bool {
	return slices.Index(sensitivities, s) > slices.Index(sensitivities, t)
}

// Permission is something that a role may allow.
type Permission struct {
	Key         string      `json:"key" example:"risk.approve_orders"`
	Description string      `json:"description"`
	Sensitivity Sensitivity `json:"sensitivity" enum:"normal,high,admin"`
	BuiltIn     bool        `json:"builtIn" doc:"Not one of the tenant's own"`
}

type about struct {
	text string
	how  Sensitivity
}

// catalogue describes the built-in permissions.
var catalogue = map[string]about{
	actor.LedgerAppend:              {"Record events", Normal},
	actor.LedgerSearch:              {"Search and read events, personal values masked", Normal},
	actor.LedgerViewUnmasked:        {"Read personal values as they are", High},
	actor.LedgerVerify:              {"Read proofs and checkpoints, start a verification", Normal},
	actor.ExportsCreate:             {"Make and download exports of what one may read", Normal},
	actor.JobsView:                  {"See background jobs", Normal},
	actor.JobsManage:                {"Cancel, replay and delete background jobs", High},
	actor.SettingsManage:            {"Change settings, custom fields, keys and holds", Admin},
	actor.AccessManage:              {"Manage users, roles, assignments and API keys", Admin},
	actor.AccessView:                {"See roles, and who has which", Normal},
	actor.AccessApprove:             {"Decide requests of others for access", High},
	actor.AccessProvision:           {"Make, change and shut out accounts through SCIM", High},
	actor.AccessBreakGlass:          {"See personal values as they are at once, in an emergency that others review", High},
	actor.NotifyView:                {"See channels, deliveries and dead letters", Normal},
	actor.NotifyManage:              {"Set up, test and pause channels, replay dead letters", High},
	actor.DecisionsEvaluate:         {"Ask whether somebody may do something", Normal},
	actor.DecisionsView:             {"See and replay decisions that were given", Normal},
	actor.DecisionsManage:           {"Change the rules of decisions", Admin},
	actor.TenantsManage:             {"Make, suspend and give up the tenants of the installation; only in the tenant that operates it", Admin},
	actor.OperationsViewDashboard:   {"See the operations dashboard", Normal},
	actor.OperationsManageIncidents: {"Open, assign and close incidents", High},
	actor.OperationsApproveLaunch:   {"Approve items of the launch checklist", High},
	actor.SupportManageTickets:      {"Answer and close support tickets", Normal},
	actor.SupportViewCustomers:      {"See customers and their orders", Normal},
	actor.RiskViewQueue:             {"See the queue of risky orders", Normal},
	actor.RiskReviewOrders:          {"Review risky orders", Normal},
	actor.RiskApproveOrders:         {"Release or refuse risky orders", High},
	actor.RiskManageRules:           {"Change rules against fraud", High},
	actor.PrivacyManageRequests:     {"Work on requests of data subjects", High},
	actor.PrivacyApproveErasure:     {"Approve the erasure of a person's data", Admin},
	actor.ConsentView:               {"See consents and their history", Normal},
	actor.FinanceViewReports:        {"See financial reports", Normal},
	actor.FinanceExportTax:          {"Make tax reports", High},
	actor.UsageView:                 {"See usage and its limits", Normal},
	actor.BookingsView:              {"See bookings", Normal},
	actor.BookingsManage:            {"Make, change and cancel bookings", Normal},
	actor.CoachingManageClients:     {"Work with one's own clients", Normal},
	actor.ProgrammesManage:          {"Plan programmes and their members", Normal},
	actor.ClinicalUseScribe:         {"Use the scribe in consultations", High},
	actor.ClinicalViewTranscripts:   {"Read transcripts of consultations", High},
	actor.CareCoordinate:            {"Coordinate the care of patients", Normal},
	actor.PortalViewOwn:             {"See one's own data in the portal", Normal},
}

// BuiltInPermissions returns the permissions that every tenant has, in the order of the documentation.
func BuiltInPermissions() []Permission {
	var out []Permission
	for _, k := range actor.Permissions() {
		out = append(out, Permission{Key: k, Description: catalogue[k].text, Sensitivity: catalogue[k].how, BuiltIn: true})
	}
	return out
}

var keyForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}\.[a-z][a-z0-9_]{0,79}$`)

// checkPermission applies the rules for a permission of a tenant's own. Its domain is not a built-in one, so that it never stands for something that this product does.
func checkPermission(p *Permission) error {
	if !keyForm.MatchString(p.Key) {
		return errs.Field("/key", "wrong_format", "A permission is domain.verb, each of a-z, 0-9 and _.")
	}
	domain, _, _ := strings.Cut(p.Key, ".")
	for _, k := range actor.Permissions() {
		if strings.HasPrefix(k, domain+".") {
			return errs.Field("/key", "not_allowed", "The domain %s belongs to built-in permissions; choose another.", domain)
		}
	}
	var err error
	if p.Description, err = checkText("/description", p.Description, maxDescription); err != nil {
		return err
	}
	if p.Sensitivity == "" {
		p.Sensitivity = Normal
	}
	if !slices.Contains(sensitivities, p.Sensitivity) {
		return errs.Field("/sensitivity", "not_allowed", "The sensitivity is normal, high or admin.")
	}
	return nil
}

// checkText returns a text without spaces around it, if it is one line of at most limit characters.
func checkText(path, text string, limit int) (string, error) {
	text = strings.TrimSpace(text)
	if utf8.RuneCountInString(text) > limit || !utf8.ValidString(text) || strings.IndexFunc(text, unicode.IsControl) >= 0 {
		return "", errs.Field(path, "wrong_format", "Write at most %d characters, in one line.", limit)
	}
	return text, nil
}

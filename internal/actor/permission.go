package actor

// The permissions of the product itself, checked by its own operations. They are part of the HTTP contract: an API key's scopes are taken from the same words.
const (
	LedgerAppend       = "ledger.append"        // send audit events
	LedgerSearch       = "ledger.search"        // read events, personal fields masked
	LedgerViewUnmasked = "ledger.view_unmasked" // read personal fields as they are
	LedgerVerify       = "ledger.verify"        // read tiles, proofs and checkpoints, start a verification
	ExportsCreate      = "exports.create"       // make and download exports
	JobsView           = "jobs.view"            // see background jobs
	JobsManage         = "jobs.manage"          // cancel, replay and delete background jobs
	SettingsManage     = "settings.manage"      // change the tenant's settings and custom fields
	AccessManage       = "access.manage"        // manage users, roles and API keys
	AccessView         = "access.view"          // see roles, and who has which
	AccessApprove      = "access.approve"       // decide what others have asked for
	AccessProvision    = "access.provision"     // make, change and shut out accounts through SCIM
	AccessBreakGlass   = "access.break_glass"   // see values as they are at once, in an emergency that others review
	NotifyView         = "notify.view"          // see channels, deliveries and dead letters
	NotifyManage       = "notify.manage"        // set up, test and pause channels, replay dead letters
	DecisionsEvaluate  = "decisions.evaluate"   // ask whether somebody may do something
	DecisionsView      = "decisions.view"       // see and replay decisions that were given
	DecisionsManage    = "decisions.manage"     // change the rules of decisions
	TenantsManage      = "tenants.manage"       // make, suspend and give up tenants; it counts in the tenant that operates the installation
)

// The permissions that other systems ask about, and that roles carry for them. No operation of this product checks them.
const (
	OperationsViewDashboard   = "operations.view_dashboard"
	OperationsManageIncidents = "operations.manage_incidents"
	OperationsApproveLaunch   = "operations.approve_launch"
	SupportManageTickets      = "support.manage_tickets"
	SupportViewCustomers      = "support.view_customers"
	RiskViewQueue             = "risk.view_queue"
	RiskReviewOrders          = "risk.review_orders"
	RiskApproveOrders         = "risk.approve_orders"
	RiskManageRules           = "risk.manage_rules"
	PrivacyManageRequests     = "privacy.manage_requests"
	PrivacyApproveErasure     = "privacy.approve_erasure"
	ConsentView               = "consent.view"
	FinanceViewReports        = "finance.view_reports"
	FinanceExportTax          = "finance.export_tax"
	UsageView                 = "usage.view"
	BookingsView              = "bookings.view"
	BookingsManage            = "bookings.manage"
	CoachingManageClients     = "coaching.manage_clients"
	ProgrammesManage          = "programmes.manage"
	ClinicalUseScribe         = "clinical.use_scribe"
	ClinicalViewTranscripts   = "clinical.view_transcripts"
	CareCoordinate            = "care.coordinate"
	PortalViewOwn             = "portal.view_own"
)

// Permissions returns every built-in permission, in the order of the documentation: those of the product first.
func Permissions() []string {
	return []string{LedgerAppend, LedgerSearch, LedgerViewUnmasked, LedgerVerify, ExportsCreate, JobsView, JobsManage, SettingsManage, AccessManage, AccessView, AccessApprove, AccessBreakGlass, AccessProvision, NotifyView, NotifyManage,
		DecisionsEvaluate, DecisionsView, DecisionsManage, TenantsManage,
		OperationsViewDashboard, OperationsManageIncidents, OperationsApproveLaunch, SupportManageTickets, SupportViewCustomers, RiskViewQueue, RiskReviewOrders, RiskApproveOrders, RiskManageRules,
		PrivacyManageRequests, PrivacyApproveErasure, ConsentView, FinanceViewReports, FinanceExportTax, UsageView, BookingsView, BookingsManage, CoachingManageClients, ProgrammesManage,
		ClinicalUseScribe, ClinicalViewTranscripts, CareCoordinate, PortalViewOwn}
}

// The built-in roles. Each tenant may edit most of them and make its own; what each may do by default says [RolePermissions].
const (
	RoleOwner            = "owner"              // everything; every tenant has an owner or an admin
	RoleAdmin            = "admin"              // everything
	RoleCompliance       = "compliance_officer" // reads, verifies, exports, decides
	RoleSecurityAnalyst  = "security_analyst"
	RoleAuditor          = "auditor" // reads masked, verifies, exports
	RoleFinance          = "finance"
	RoleManager          = "manager"
	RoleReception        = "reception"
	RoleCoach            = "coach"
	RoleSupport          = "support"
	RoleRiskAnalyst      = "risk_analyst"
	RoleOnCallEngineer   = "on_call_engineer"
	RoleProgrammeManager = "programme_manager"
	RoleClinician        = "scribe_user"
	RoleCareNavigator    = "care_navigator"
	RolePatient          = "patient"
	RoleViewer           = "non_clinical_viewer"
	RoleWriter           = "writer"          // appends only
	RoleElevated         = "elevated_viewer" // sees values as they are, for a time
)

// Roles returns the names of the built-in roles, in the order of the documentation, which is also that of their weight: the first of a person's roles is the primary one.
func Roles() []string {
	return []string{RoleOwner, RoleAdmin, RoleCompliance, RoleSecurityAnalyst, RoleAuditor, RoleFinance, RoleManager, RoleReception, RoleCoach, RoleSupport, RoleRiskAnalyst, RoleOnCallEngineer,
		RoleProgrammeManager, RoleClinician, RoleCareNavigator, RolePatient, RoleViewer, RoleWriter, RoleElevated}
}

// rolePermissions is what the built-in roles may do, but for owner and admin, who may do everything.
var rolePermissions = map[string][]string{
	RoleCompliance: {LedgerSearch, LedgerViewUnmasked, LedgerVerify, ExportsCreate, AccessView, AccessApprove, NotifyView, DecisionsView, OperationsViewDashboard, PrivacyManageRequests,
		PrivacyApproveErasure, ConsentView, RiskViewQueue},
	RoleSecurityAnalyst:  {LedgerSearch, LedgerVerify, ExportsCreate, AccessView, NotifyView, NotifyManage, DecisionsView, OperationsViewDashboard, OperationsManageIncidents},
	RoleAuditor:          {LedgerSearch, LedgerVerify, ExportsCreate, NotifyView},
	RoleFinance:          {LedgerSearch, ExportsCreate, OperationsViewDashboard, FinanceViewReports, FinanceExportTax, UsageView},
	RoleManager:          {LedgerSearch, ExportsCreate, OperationsViewDashboard, SupportViewCustomers, BookingsView, BookingsManage, UsageView},
	RoleReception:        {LedgerSearch, BookingsView, BookingsManage, SupportViewCustomers},
	RoleCoach:            {BookingsView, CoachingManageClients},
	RoleSupport:          {LedgerSearch, SupportManageTickets, SupportViewCustomers, BookingsView},
	RoleRiskAnalyst:      {LedgerSearch, RiskViewQueue, RiskReviewOrders, RiskApproveOrders, OperationsViewDashboard},
	RoleOnCallEngineer:   {LedgerSearch, LedgerVerify, JobsView, NotifyView, OperationsViewDashboard, OperationsManageIncidents},
	RoleProgrammeManager: {OperationsViewDashboard, ProgrammesManage, UsageView},
	RoleClinician:        {ClinicalUseScribe, ClinicalViewTranscripts, BookingsView},
	RoleCareNavigator:    {CareCoordinate, BookingsView, BookingsManage, ConsentView},
	RolePatient:          {PortalViewOwn},
	RoleViewer:           {OperationsViewDashboard, BookingsView},
	RoleWriter:           {LedgerAppend},
	RoleElevated:         {LedgerSearch, LedgerViewUnmasked},
}

// RolePermissions returns what a built-in role may do by default; nil for an unknown role. What a person may do now is in [Principal].
func RolePermissions(role string) []string {
	if role == RoleOwner || role == RoleAdmin {
		return Permissions()
	}
	return append([]string(nil), rolePermissions[role]...)
}

package field

import "probity.dev/ledger/event"

// Data categories, keys of the Fideslang 3 taxonomy. Categories are hierarchical: a rule about "user.contact" is about
// "user.contact.email" too.
const (
	User           = "user"
	Username       = "user.account.username"
	Credentials    = "user.authorization.credentials" // passwords, tokens, keys: nobody is ever shown one
	Behaviour      = "user.behavior"
	Purchases      = "user.behavior.purchase_history"
	Searches       = "user.behavior.search_history"
	Biometric      = "user.biometric"
	Contact        = "user.contact"
	Address        = "user.contact.address"
	City           = "user.contact.address.city"
	Country        = "user.contact.address.country"
	PostalCode     = "user.contact.address.postal_code"
	AddressState   = "user.contact.address.state"
	Street         = "user.contact.address.street"
	Email          = "user.contact.email"
	Phone          = "user.contact.phone_number"
	Fax            = "user.contact.fax_number"
	ContactURL     = "user.contact.url"
	PrivateContent = "user.content.private"
	SelfImage      = "user.content.self_image"
	Criminal       = "user.criminal_history"
	Demographic    = "user.demographic"
	AgeRange       = "user.demographic.age_range"
	BirthDate      = "user.demographic.date_of_birth"
	Gender         = "user.demographic.gender"
	Language       = "user.demographic.language"
	MaritalStatus  = "user.demographic.marital_status"
	Politics       = "user.demographic.political_opinion"
	Ethnicity      = "user.demographic.race_ethnicity"
	Religion       = "user.demographic.religious_belief"
	Orientation    = "user.demographic.sexual_orientation"
	Device         = "user.device"
	Cookie         = "user.device.cookie"
	DeviceID       = "user.device.device_id"
	IPAddress      = "user.device.ip_address"
	Financial      = "user.financial"
	BankAccount    = "user.financial.bank_account"
	CreditCard     = "user.financial.credit_card"
	GovernmentID   = "user.government_id"
	DrivingLicence = "user.government_id.drivers_license_number"
	NationalID     = "user.government_id.national_identification_number"
	Passport       = "user.government_id.passport_number"
	Vehicle        = "user.government_id.vehicle_registration"
	Health         = "user.health_and_medical"
	HealthInsurer  = "user.health_and_medical.insurance_beneficiary_id"
	HealthRecord   = "user.health_and_medical.record_id"
	Genetic        = "user.health_and_medical.genetic"
	JobTitle       = "user.job_title"
	Approximate    = "user.location.imprecise"
	Precise        = "user.location.precise"
	Name           = "user.name"
	FirstName      = "user.name.first"
	LastName       = "user.name.last"
	Social         = "user.social"
	UniqueID       = "user.unique_id"
	Pseudonym      = "user.unique_id.pseudonymous"
	Workplace      = "user.workplace"
)

var (
	operational = event.Class{Kind: event.Operational}
	unknown     = event.Class{Kind: event.Unknown}
)

func personal(category string) event.Class {
	return event.Class{Category: category, Kind: event.Personal}
}

// Within reports whether category is parent or lies below it.
func Within(category, parent string) bool {
	return len(category) >= len(parent) && category[:len(parent)] == parent &&
		(len(category) == len(parent) || category[len(parent)] == '.')
}

package field

import "strings"

// maxPhrase is the longest phrase of the dictionary in words.
const maxPhrase = 4

// sensitiveNames win over any other word of a name: "diagnosis_code" is not a code but a diagnosis.
var sensitiveNames = map[string]string{
	Credentials: `password passwd pwd passphrase passcode secret client_secret shared_secret api_key apikey api_token access_token refresh_token
		id_token auth_token session_token csrf_token bearer_token token jwt bearer private_key privatekey encryption_key signing_key
		secret_key secret_access_key access_key ssh_key master_key authorization authorization_header auth_header credential otp otp_code
		totp totp_secret one_time_password mfa_code verification_code recovery_code backup_code pin pin_code pincode cvv cvc cvv2 card_security_code
		security_code security_answer secret_answer passwort kennwort contrasena mot_de_passe wachtwoord haslo`,
	Health: `diagnosis diagnoses diagnose symptom medication medicine prescription allergy allergies blood_type blood_group blood_pressure heart_rate
		icd icd_code icd9 icd10 treatment treatment_plan clinical clinical_note medical medical_history medical_condition health health_condition
		health_status patient_note lab lab_result lab_order lab_value vaccine vaccination immunization immunisation disability pregnancy
		pregnant bmi glucose insulin dosage dose hiv therapy therapist_note encounter_note chief_complaint vitals vital_sign body_weight
		body_temperature body_height mental_health surgery procedure_note injury disease illness medical_device snomed loinc soap_note ehr emr
		transcript_note smoker smoking_status alcohol_use substance_use`,
	HealthInsurer: `insurance_id insurance_number insurance_member_id policyholder member_number beneficiary_id health_insurance
		medicare medicare_number medicaid`,
	HealthRecord: `mrn medical_record medical_record_number patient_number chart_number nhs_number health_record`,
	Genetic:      `genetic genome genotype dna`,
	Biometric:    `biometric fingerprint face_id faceprint retina retinal iris_scan voiceprint voice_print face_embedding`,
	Criminal:     `criminal criminal_record conviction arrest offence offense`,
	BirthDate: `dob birth_date birthdate date_of_birth dateofbirth birthday birth_day birth_year year_of_birth born born_on geburtsdatum
		date_de_naissance fecha_de_nacimiento data_urodzenia birth_place place_of_birth`,
	AgeRange:      `age age_range age_group`,
	Gender:        `gender sex gender_identity pronoun`,
	MaritalStatus: `marital_status marital married spouse civil_status`,
	Politics:      `political political_opinion political_party union_membership trade_union`,
	Ethnicity:     `race ethnicity ethnic_origin nationality citizenship caste`,
	Religion:      `religion religious religious_belief faith`,
	Orientation:   `sexual_orientation sexuality orientation_sexual`,
	NationalID: `ssn social_security social_security_number social_security_no national_id national_id_number national_insurance national_insurance_number
		nino tax_id tax_identification_number taxid tin itin fiscal_code codice_fiscale steuer_id steuernummer aadhaar aadhar aadhaar_number
		pan_number pan_card bsn burgerservicenummer dni nie pesel nir curp cpf cpf_number rut nric personnummer personal_number
		identity_number identity_card id_card id_card_number id_number government_id sin_number social_insurance_number voter_id ein_number`,
	Passport:       `passport passport_number passport_no passportnumber`,
	DrivingLicence: `driver_license driver_licence drivers_license drivers_licence driving_license driving_licence license_number driver_license_number`,
	Vehicle:        `license_plate licence_plate number_plate plate_number vin vehicle_registration`,
	CreditCard: `credit_card creditcard card card_number cardnumber card_no pan card_pan card_last4 last4 last_four card_last_four
		card_holder cardholder cardholder_name name_on_card card_expiry card_exp debit_card card_fingerprint card_bin`,
	BankAccount: `iban bic swift bank_account bank_account_number account_number accountnumber routing_number sort_code bank_details bankverbindung
		kontonummer account_no ach sepa_mandate bank_name`,
	Financial: `salary wage income net_worth credit_score credit_limit credit_rating compensation payslip bonus_amount`,
}

// personalNames are personal unless a later word of the name says otherwise: "email_verified" is a fact about an address.
var personalNames = map[string]string{
	Name: `full_name fullname display_name displayname legal_name person_name contact_name emergency_contact next_of_kin maiden_name middle_name
		middle_initial nickname alias_name real_name realname beneficiary_name recipient_name sender_name nome nombre nome_completo
		signature signed_name author salutation honorific initials gecos`,
	FirstName: `first_name firstname given_name givenname forename fname vorname prenom voornaam imie nombre_de_pila nome_proprio`,
	LastName:  `last_name lastname family_name familyname surname lname nachname nom_de_famille achternaam nazwisko apellido apellidos sobrenome cognome`,
	Username:  `username user_name login login_name loginname screen_name handle twitter_handle account_name user_principal_name upn samaccountname logon principal`,
	Email:     `email e_mail mail email_address emailaddress mail_address courriel correo correo_electronico recipient_email cc bcc reply_to mailto to_address from_address`,
	Phone: `phone phone_number phonenumber phone_no telephone tel mobile mobile_number mobile_phone cell cell_phone cellphone msisdn whatsapp sms
		sms_number telefon telefono telefone telefoon handynummer caller caller_id callee contact_number home_phone work_phone`,
	Fax: `fax fax_number`,
	Address: `address home_address billing_address shipping_address delivery_address mailing_address postal_address addr anschrift adresse direccion endereco
		indirizzo adres residence domicile`,
	Street: `street street_address street_name streetname address_line address_line1 address_line2 line1 line2 strasse straße rue calle via straat
		ulica house_number apartment apt suite po_box`,
	City:         `city town locality suburb village stadt ville ciudad cidade plaats miasto municipality`,
	PostalCode:   `zip zip_code zipcode postal_code postalcode postcode post_code plz code_postal codigo_postal cap_code`,
	Country:      `country country_code country_name country_iso pays land_code`,
	AddressState: `state_province address_state province county`,
	IPAddress: `ip ip_address ipaddress ip_addr ipaddr ipv4 ipv6 source_ip client_ip remote_ip remote_addr remote_address source_ip_address
		sourceip x_forwarded_for forwarded_for forwarded peer_ip host_ip user_ip last_login_ip`,
	Device:   `user_agent useragent browser browser_version device device_name device_model device_fingerprint os_version operating_system ua screen_resolution`,
	DeviceID: `device_id deviceid imei imsi udid idfa gaid advertising_id mac mac_address macaddress hardware_id serial_number android_id installation_id`,
	Cookie:   `cookie cookie_id set_cookie`,
	Behaviour: `session session_id sessionid session_key sid visit_id browsing_history click_path referrer referer login_history
		page_views watch_history`,
	Searches: `search_query search_history search_term`,
	Precise: `geo geolocation geo_location gps coordinates coordinate latitude longitude lat lng lon long geo_point geohash location position_gps
		plus_code what3words`,
	UniqueID: `uid user_uid subject_id person_id principal_id external_user_id customer_number customer_no client_number employee_number staff_number
		student_number student_id loyalty_number membership_number uid_number`,
	JobTitle:       `job_title jobtitle occupation profession job_position`,
	Workplace:      `employer workplace company_name organization_name organisation_name office_location manager`,
	Social:         `facebook twitter instagram linkedin social_profile social_media`,
	ContactURL:     `personal_website homepage profile_url linkedin_url`,
	SelfImage:      `avatar photo profile_picture profile_photo selfie picture_url avatar_url gravatar gravatar_id`,
	Contact:        `contact contact_details contact_info emergency_contact_info`,
	PrivateContent: `private_message direct_message voicemail recording_text transcript chat_transcript`,
	Purchases:      `purchase_history order_history`,
	User:           `created_by_user performed_by gpa guardian parent_guardian dependent household relatives person people`,
}

// operationalNames are those of numbers, codes and short tokens about things.
const operationalNames = `status state statuses state_code plan tier level currency currency_code sku gtin ean version versions revision region zone method type types kind code
	codes status_code error_code exit_code response_code reason_code country_count price prices cost costs fee fees amount amounts quantity qty total
	subtotal total_amount tax tax_rate tax_amount vat vat_rate rate rates discount percent percentage ratio count counts counter size sizes duration
	elapsed latency interval frequency priority mode format locale timezone time_zone tz enabled disabled active inactive visible hidden archived
	published deleted locked verified confirmed completed approved rejected expired required optional readonly read_only default public
	position order_index sort sort_order rank page limit offset unit units width length depth color colour category categories subcategory activity
	operation op verb action channel environment env stage protocol port scheme http_method http_status attempt attempts retry retries batch
	sequence seq index bytes checksum digest etag fiscal_year year month week quarter day hour date dates time timestamp at on created updated modified expires
	expiry expiration expires_at scheduled start starts end ends due due_date ttl valid valid_from valid_to permission permissions role roles scope scopes
	feature features flag flags capability capabilities policy retention_months retention_days min max minimum maximum average mean median sum threshold weight_unit
	stock inventory availability capacity seats os os_name balance_type payment_method_type billing_cycle billing_period subscription_status subscription_plan
	outcome result_code success failed failure failures severity importance transaction_type event_type event_name event_version event_category
	resource_type object_type actor_type request_type content_type mime_type mimetype media_type encoding charset engine driver runtime platform
	max_age min_age token_count tokens_used total_tokens max_tokens prompt_tokens completion_tokens token_type pagination page_size page_number
	mfa mfa_enabled mfa_used two_factor two_factor_enabled sso read_at sent_at card_type card_brand card_network pin_enabled dry_run rows row_count
	items item_count num_items lines line_count compression algorithm key_size key_type cipher cipher_suite tls_version ssl aws_region event_source
	iso_code language_code phone_type email_type address_type email_template phone_verified email_verified notification_type contact_type account_type
	user_count user_type user_role user_status customer_type customer_tier member_count device_type device_count password_length password_policy
	session_count session_duration session_timeout login_count login_method login_type auth_method auth_type authentication_method
	identity_type credential_type mac_algorithm age_seconds cache_age`

// userTextNames hold what people write.
const userTextNames = `note notes comment comments message messages body description remark remarks feedback review text content summary reason justification memo
	free_text question answer`

// versionWords only say which version of a value a name means.
var versionWords = set(`before after old new previous prev current raw original updated_value value the my is has are was`)

// genericWords before "name" or "id" do not say whose it is.
var genericWords = set(`display unique internal external parent public global natural primary short long common`)

var nameWords = set(`name names label title_name`)

var idWords = set(`id ids uuid guid uuids guids ref reference number no num identifier identifiers nr`)

// aboutSecrets are the words that follow a credential's name in facts about it.
var aboutSecrets = set(`count type changed at expires expiry expired expiration status enabled required length rotated rotation policy age created updated ttl lifetime
	version last used reset limit limits usage algorithm strength days set issued method source name`)

// personWords are the types of actors, subjects and resources that stand for a person.
var personWords = set(`user person people patient client customer employee coach coachee student pupil teacher member clinician doctor physician nurse therapist contact
	lead applicant candidate guest human individual participant attendee subscriber recipient sender author owner assignee approver reviewer
	requester requestor reporter operator admin administrator manager staff worker contractor freelancer vendor_contact buyer seller shopper donor
	volunteer resident tenant_user iam_user iamuser end_user enduser caregiver carer guardian parent child beneficiary holder policyholder
	cardholder driver passenger rider courier caller visitor consumer payer payee cosigner signer signatory witness stylist therapist trainer trainee
	learner actor subject instructor navigator scribe_user principal_user profile identity persona borrower debtor claimant insured dependent spouse
	root_user login_user account_holder auditor collaborator sponsor creator editor maintainer committer pusher benutzer utilisateur usuario`)

// namedThings are things whose names a business chooses: nobody is called "Gold membership". Documents are not among them, since
// their titles may name anybody.
var namedThings = set(`product service plan price role feature flag permission scope category coupon campaign course region currency subscription package variant
	sku catalog channel queue metric stage environment env application app api endpoint model version event action check checklist program programme activity
	exercise survey store shop warehouse tax vat rate unit integration webhook workflow setting`)

// thingWords are further things whose identifiers name nobody, though their names may.
var thingWords = set(`report template policy rule dataset schema item collection topic pipeline build release deployment cluster container index function
	dashboard alert monitor alarm module component menu field filter config configuration step runbook questionnaire notice experiment segment sla checkpoint key
	api_key stream form tag job task instance image volume snapshot bucket table column database db lambda trigger page section view certificate cert log
	process incident invoice order payment refund charge transaction transfer quote shipment booking appointment reservation ticket case encounter
	lesson consent export import batch file document resource object record request response correlation trace span notification delivery attempt connector source
	tenant organization organisation org company workspace project account team group department repository repo commit artifact test list board epic
	sprint milestone gateway terminal room seat slot schedule shift calendar period ledger journal entry line budget center contract license bundle hold
	matter retention hash row node host vpc subnet route stack layer statement disposition manifest charge usage message thread conversation playlist`)

var dictionary = buildDictionary()

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

func buildDictionary() map[string]saying {
	d := make(map[string]saying)
	for w := range personWords {
		d[w] = saying{decision: always(User)}
	}
	for _, w := range strings.Fields(userTextNames) {
		d[w] = saying{decision: decision{manner: asUserText}}
	}
	for _, w := range strings.Fields(operationalNames) {
		d[w] = saying{decision: decision{manner: asToken}}
	}
	for category, names := range personalNames {
		for _, w := range strings.Fields(names) {
			d[w] = saying{decision: always(category), covering: coveringCategory(category)}
		}
	}
	for category, names := range sensitiveNames {
		for _, w := range strings.Fields(names) {
			d[w] = saying{decision: always(category), sensitive: true, covering: true}
		}
	}
	for _, w := range []string{"product", "service", "feature_name", "plan_name", "role_name"} {
		d[w] = saying{decision: decision{manner: asText}}
	}
	return d
}

// coveringCategory reports whether a composite of this category gives it to every member that says nothing better.
func coveringCategory(category string) bool {
	return Within(category, Contact) || Within(category, "user.location") || Within(category, Device) || Within(category, Name)
}

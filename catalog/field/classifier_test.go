package field

import (
	"fmt"
	"strings"
	"testing"

	"probity.dev/ledger/event"
)

const op, unk = "operational", "unknown"

// told renders a class as its category, "operational" or "unknown".
func told(c event.Class) string {
	switch {
	case c.Kind == event.Operational:
		return op
	case c.Kind == event.Unknown:
		return unk
	}
	return c.Category
}

func TestEnvelope(t *testing.T) {
	c := New(nil)
	for _, x := range []struct{ path, value, want string }{
		{"/id", `"01J8Z6N3"`, op},
		{"/id", `"order-ana@example.com"`, Email},
		{"/severity", `"info"`, op},
		{"/correlation_id", `"req-550e8400-e29b-41d4-a716-446655440000"`, op},
		{"/correlation_id", `"for Ana"`, unk},
		{"/context/request_id", `"9f8e7d6c5b4a"`, op},
		{"/context/traceparent", `"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"`, op},
		{"/resource/id", `"42"`, op},
		{"/resource/id", `"4111111111111111"`, CreditCard},
		{"/resource/id", `"20261014001234"`, op},
		{"/resource/id", `"ana@example.com"`, Email},
		{"/resource/id", `"078-05-1120"`, NationalID},
		{"/resource/id", `"Ana Horvat"`, unk},
		{"/resource/type", `"invoice"`, op},
		{"/resource/name", `"Letter to Ana"`, unk},
		{"/actor/id", `"u-1"`, UniqueID},
		{"/actor/name", `"Ana Horvat"`, Name},
		{"/actor/email", `"ana@example.com"`, Email},
		{"/actor/type", `"user"`, op},
		{"/actor/roles", `["admin","reception"]`, op},
		{"/actor/roles", `["admin","ana@example.com"]`, Email},
		{"/actor/on_behalf_of/0/name", `"Bob"`, Name},
		{"/actor/on_behalf_of", `[{"type":"user","id":"u-2"}]`, UniqueID},
		{"/subject/id", `"p-1"`, UniqueID},
		{"/subject/type", `"patient"`, op},
		{"/context/ip", `"203.0.113.7"`, IPAddress},
		{"/context/forwarded_for", `["203.0.113.7"]`, IPAddress},
		{"/context/user_agent", `"curl/8"`, Device},
		{"/context/session_id", `"s-1"`, Behaviour},
		{"/context/geo", `{"country":"HR"}`, Approximate},
		{"/outcome/reason", `"invalid_password"`, op},
		{"/outcome/reason", `"AccessDenied"`, op},
		{"/outcome/reason", `"Ana is on holiday"`, unk},
		{"/reason", `"asked for by phone"`, unk},
		{"/changes/3/path", `"/items/0/price"`, op},
		{"/changes/3/op", `"replace"`, op},
		{"/changes/3/before", `"hello there"`, unk},
		{"/changes/3/after", `12.5`, op},
		{"/changes/3/after", `"ana@example.com"`, Email},
	} {
		if got := told(c.Classify("invoice.update", x.path, []byte(x.value))); got != x.want {
			t.Errorf("%s %s is %s, want %s", x.path, x.value, got, x.want)
		}
	}
	if got := told(c.Classify("service.update", "/resource/name", []byte(`"Haircut"`))); got != op {
		t.Errorf("the name of a service is %s", got)
	}
	if got := told(c.Classify("client.update", "/resource/name", []byte(`"Ana"`))); got != Name {
		t.Errorf("the name of a client is %s", got)
	}
}

func TestNames(t *testing.T) {
	c := New(nil)
	for _, x := range []struct{ names, value, want string }{
		{"first_name firstName customer_first_name given-name vorname", `"Ana"`, FirstName},
		{"surname lastName last_name_before", `"Horvat"`, LastName},
		{"full_name customer_name patientName approver_name displayName owner.name", `"Ana"`, Name},
		{"username login userName", `"ana"`, Username},
		{"email customer_email e_mail EmailAddress recipientEmail cc", `"x"`, Email},
		{"phone mobile phoneNumber home_phone tel msisdn", `"x"`, Phone},
		{"street address_line_1 streetAddress line1", `"x"`, Street},
		{"address billing_address shippingAddress", `"x"`, Address},
		{"zip postal_code postcode ZipCode", `"10000"`, PostalCode},
		{"dob date_of_birth birthDate dateOfBirth", `"1984-05-31"`, BirthDate},
		{"ssn national_id tax_id taxId social_security_number aadhaar nationalInsuranceNumber", `"x"`, NationalID},
		{"passport passport_number passportNo", `"x"`, Passport},
		{"iban bank_account accountNumber routing_number", `"x"`, BankAccount},
		{"card card_number cardNumber credit_card", `"x"`, CreditCard},
		{"ip client_ip sourceIPAddress remote_addr", `"x"`, IPAddress},
		{"user_agent userAgent device browser", `"x"`, Device},
		{"device_id imei mac_address", `"x"`, DeviceID},
		{"geo latitude lng location coordinates", `1.25`, Precise},
		{"session_id sessionId", `"x"`, Behaviour},
		{"password newPassword client_secret api_key apiKey access_token otp pin cvv authorization private_key", `"x"`, Credentials},
		{"diagnosis diagnosis_code icd10 blood_type medications hiv_status is_pregnant patient.allergies", `"x"`, Health},
		{"mrn medical_record_number", `"x"`, HealthRecord},
		{"gender religion_code", `"x"`, ""},
		{"user_id customerId patient_id created_by approvedBy studentNumber", `"x"`, UniqueID},
		{"customer patient assignee", `"Ana"`, User},
		{"status state plan currency sku version region method type code priority", `"gold"`, op},
		{"price amount quantity total_amount tax_rate", `"49.90"`, op},
		{"email_verified phoneVerified password_changed_at token_count mfaEnabled", `true`, op},
		{"email_status card_brand account_type password_policy", `"valid"`, op},
		{"created_at updatedAt expires start_date", `"2026-03-01T10:00:00Z"`, op},
		{"invoice_id orderId plan_id", `"A-17"`, op},
		{"product_name plan_name service.name role.name productName", `"Gold membership"`, op},
		{"invoice_status order_code", `"ana@example.com"`, Email},
		{"status plan", `"moved by ana@example.com today"`, unk},
		{"code", `"+1 555 123 4567"`, Phone},
		{"notes comment description message body", `"likes tea"`, unk},
		{"nonsense frobnicator", `"blue"`, unk},
		{"widget_id something_ref", `"ana.horvat"`, unk},
		{"widget_id something_ref", `"wd_8f3k2a91"`, op},
		{"trace_id order_id status something_ref", `"AKIAIOSFODNN7EXAMPLE"`, UniqueID},
		{"max_age cache_age", `3600`, op},
	} {
		for _, n := range strings.Fields(x.names) {
			path := "/data/" + strings.ReplaceAll(n, ".", "/")
			class := c.Classify("thing.update", path, []byte(x.value))
			if x.want == "" {
				if class.Kind != event.Personal {
					t.Errorf("%s %s is %s, want personal", n, x.value, told(class))
				}
			} else if told(class) != x.want {
				t.Errorf("%s %s is %s, want %s", n, x.value, told(class), x.want)
			}
		}
	}
}

func TestValues(t *testing.T) {
	c := New(nil)
	for _, x := range []struct{ want, values string }{
		{op, `1|0|-3.5|1e9|12345678|1760443200|1760443200123|true|false|null|""|"2026-10-14"|"2026-10-14T10:00:00+02:00"|"2026-10-14 10:00:00"|"550e8400-e29b-41d4-a716-446655440000"|"1.2.3"|"v2.10.4-rc.1"|"d41d8cd98f00b204e9800998ecf8427e"|"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"|[]|{}|[1,2,3]`},
		{Email, `"ana@example.com"|"a.b+c@mail.example.co.uk"|"ana@pošta.hr"|["ana@example.com","bob@example.com"]`},
		{Phone, `"+14155552671"|"+385 91 234 5678"|"(415) 555-2671"|"415-555-2671"|"020 7946 0958"`},
		{CreditCard, `"4111 1111 1111 1111"|"4111111111111111"|"3782 822463 10005"|"5500-0000-0000-0004"|4111111111111111`},
		{BankAccount, `"DE89370400440532013000"|"GB82 WEST 1234 5698 7654 32"|"NO9386011117947"`},
		{IPAddress, `"203.0.113.7"|"2001:db8::1"|"fe80::1%eth0"|"::ffff:192.0.2.1"`},
		{NationalID, `"078-05-1120"|"2341 2341 2346"|"ABCPE1234F"|"AB 12 34 56 C"|"12345678Z"|"X1234567L"|"44051401359"|"86095742719"|"255081416802538"|"111222333"`},
		{DeviceID, `"00:1b:44:11:3a:b7"|"00-1B-44-11-3A-B7"`},
		{Precise, `"45.8150, 15.9819"|"-33.8688,151.2093"`},
		{Credentials, `"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"|"ghp_16C7e42F292c6912E7710c838347Ae178B4a"|"Bearer abcdefgh1234567890"`},
		{unk, `"Ana"|"hello"|"active"|"12345"|"123456789012"|"Ana Horvat"|"call 415-555-2671"|"12 High Street"|"10:34:22"|["Ana"]|{"x":"Ana"}|{"ana@example.com":true}|"a\u0040b.com"|9999999999`},
	} {
		for _, v := range strings.Split(x.values, "|") {
			if got := told(c.Classify("thing.update", "/data/frobnicator", []byte(v))); got != x.want {
				t.Errorf("%s is %s, want %s", v, got, x.want)
			}
		}
	}
}

func TestComposites(t *testing.T) {
	c := New(nil)
	for _, x := range []struct{ name, value, want string }{
		{"frobnicator", `{"status":"ok","count":3,"at":"2026-01-01T00:00:00Z"}`, op},
		{"frobnicator", `{"status":"ok","email":"ana@example.com"}`, Email},
		{"frobnicator", `{"email":"a@b.co","phone":"1"}`, User},
		{"frobnicator", `{"email":"a@b.co","note":"hi"}`, unk},
		{"frobnicator", `{"a":{"b":[{"user_email":"x"}]}}`, Email},
		{"address", `{"street":"Ilica 1","type":"home"}`, Address},
		{"customer", `{"status":"gold"}`, User},
		{"customer", `{"login":{"password":"hunter2"}}`, Credentials},
		{"frobnicator", `{"status":{"password":"x"}}`, Credentials},
		{"frobnicator", `{"status":`, unk},
		{"subject.mrn", `9`, HealthRecord},
		{"address.type", `"home"`, Address},
		{"frobnicator", `{"status":"` + strings.Repeat("a", maxScan) + `"}`, unk},
	} {
		if got := told(c.Classify("thing.update", "/data/"+x.name, []byte(x.value))); got != x.want {
			t.Errorf("%s %.60s is %s, want %s", x.name, x.value, got, x.want)
		}
	}
	for _, x := range []struct{ path, value, want string }{
		{"/changes", `[{"path":"/price","before":1,"after":2}]`, unk},
		{"/changes/2", `{"path":"/diagnosis","after":true}`, unk},
		{"/changes/2", `{"path":"/password","after":"x"}`, Credentials},
		{"/data", `{"status":"ok","price":5}`, op},
		{"/data", `{"status":"ok","email":"x"}`, Email},
		{"/custom", `{"branch":"x"}`, unk},
	} {
		class := c.Classify("thing.update", x.path, []byte(x.value))
		if got := told(class); got != x.want && class.Category != x.want {
			t.Errorf("%s %s is %s, want %s", x.path, x.value, got, x.want)
		}
	}
	both := c.Classify("thing.update", "/data/frobnicator", []byte(`{"password":"x","note":"for Ana"}`))
	if both.Category != Credentials || both.Kind != event.Unknown {
		t.Errorf("a secret beside unknown text is %+v", both)
	}
}

func TestChanges(t *testing.T) {
	c := New(nil)
	for _, x := range []struct{ action, path, value, want string }{
		{"product.update", "/price", `50`, op},
		{"product.update", "/price", `"50.00 EUR"`, op},
		{"product.update", "/name", `"Haircut"`, op},
		{"client.update", "/name", `"Ana"`, Name},
		{"client.update", "/phone", `"x"`, Phone},
		{"client.update", "phones.0", `"x"`, Phone},
		{"client.update", "billing.address.city", `"Zagreb"`, City},
		{"client.update", "/addresses/0/type", `"home"`, Address},
		{"client.update", "/status", `"active"`, op},
		{"client.update", "/id", `"c-1"`, UniqueID},
		{"booking.update", "/notes", `"bring the dog"`, unk},
		{"booking.update", "/whatever", `"bring the dog"`, unk},
		{"user.update", "/password", `"x"`, Credentials},
		{"user.update", "", `"x"`, unk},
	} {
		if got := told(c.ClassifyChange(x.action, x.path, []byte(x.value))); got != x.want {
			t.Errorf("%s %s %s is %s, want %s", x.action, x.path, x.value, got, x.want)
		}
	}
}

func TestCatalogue(t *testing.T) {
	cat, err := Parse([]byte(`
rules:
  - {action: "invoice.*", path: /data/notes, kind: operational}
  - {action: "*", path: "/data/custom_*", category: user.health_and_medical}
  - {path: "/data/deep/**/leaf", kind: checked}
  - {path: /changes/nickname, category: user.name}
  - {path: /data/price, kind: unknown}
  - {action: "door.*", path: /context/device, kind: operational}
`))
	if err != nil {
		t.Fatal(err)
	}
	c := New(cat)
	for _, x := range []struct{ action, path, value, want string }{
		{"invoice.update", "/data/notes", `"anything at all"`, op},
		{"booking.update", "/data/notes", `"anything at all"`, unk},
		{"booking.update", "/data/custom_a", `1`, Health},
		{"booking.update", "/data/deep/a/b/leaf", `"Blue car"`, op},
		{"booking.update", "/data/deep/a/b/leaf", `"of ana@example.com"`, unk},
		{"booking.update", "/data/price", `1`, unk},
		{"door.open", "/context/device", `"front door"`, op},
		{"user.login", "/context/device", `"front door"`, Device},
		{"ssh.login", "/data/pid", `4711`, op}, // a built-in rule, after the operator's
	} {
		if got := told(c.Classify(x.action, x.path, []byte(x.value))); got != x.want {
			t.Errorf("%s %s %s is %s, want %s", x.action, x.path, x.value, got, x.want)
		}
	}
	if got := told(c.ClassifyChange("a.b", "/nickname", []byte(`"x"`))); got != Name {
		t.Errorf("the rule for a change gave %s", got)
	}
	for _, bad := range []string{
		"rules: [{path: data/x, kind: operational}]",
		"rules: [{path: /x}]",
		"rules: [{path: /x, kind: operational, category: user.name}]",
		"rules: [{path: /x, category: Colour}]",
		"rules: [{path: /x, category: user..name}]",
		"rules: [{path: /x, kind: secret}]",
		"rules: [{path: /x, kind: operational, colour: red}]",
		"rules: [{path: /**/a/**/b/**, kind: operational}]",
		"rules: {",
	} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
}

func TestPersonType(t *testing.T) {
	c := New(nil)
	for _, s := range strings.Fields("user person patient client customer employee coach student member clinician contact lead applicant guest tenant_user iam_user users patients IAMUser portal:patient end-user") {
		if !c.PersonType(s) {
			t.Errorf("%s is a person", s)
		}
	}
	for _, s := range strings.Fields("invoice service_account api_key system agent anonymous user_group role bucket product appointment user_pool") {
		if c.PersonType(s) {
			t.Errorf("%s is no person", s)
		}
	}
	if c.PersonType("") {
		t.Error("nothing is no person")
	}
}

func TestSuspicious(t *testing.T) {
	c := New(nil)
	for _, s := range []string{"user.update.ana@example.com", "card:4111111111111111", "call/+14155552671", "call.415-555-2671", "id:123456789", "ssn-078-05-1120",
		"from.203.0.113.7", "iban:de89370400440532013000", "x/12345678z", "pan.abcpe1234f", "host/2001:db8::1"} {
		if !c.Suspicious(s) {
			t.Errorf("%s is suspicious", s)
		}
	}
	for _, s := range []string{"invoice.update", "booking.api", "user", "aws:s3/put-object", "v1.2.3", "service-550e8400-e29b-41d4-a716-446655440000", "2026-10-14", "ec2-10",
		"build.20261014", "app-7d4b9c6f5d", "node-550e8400-e29b-41d4-a716-123456789012", "svc.d41d8cd98f00b204e9800998ecf8427e"} {
		if c.Suspicious(s) {
			t.Errorf("%s is not suspicious", s)
		}
	}
}

func TestCacheGivesTheSameAnswers(t *testing.T) {
	c := New(nil)
	for i := range 3 * cacheSlots {
		action, path := fmt.Sprintf("thing%d.update", i%977), fmt.Sprintf("/data/field%d", i)
		if i%3 == 0 {
			path = fmt.Sprintf("/data/email%d", i)
		}
		want := unk
		if i%3 == 0 {
			want = Email
		}
		if got := told(c.Classify(action, path, []byte(`"blue"`))); got != want {
			t.Fatalf("%s is %s, want %s", path, got, want)
		}
	}
}

// TestRulesSayTheSame compares what a rule makes of a value with what the classifier does when it is asked for name and value together.
func TestRulesSayTheSame(t *testing.T) {
	c := New(nil)
	values := []string{`"ana@example.com"`, `"EUR"`, `"u-48151"`, `{"email":"ana@example.com"}`, `["admin"]`, `4111111111111111`, `true`, `"DE89 3704 0044 0532 0130 00"`, `"hello there"`, `""`, `null`}
	for _, action := range []string{"client.update", "thing.create"} {
		for _, path := range []string{"/actor/id", "/actor/roles", "/data/email", "/data/channel", "/data/x/y", "/changes", "/changes/7", "/changes/12/path", "/changes/3/before", "/context/ip", "/reason",
			"/resource/name", "/custom/branch", "/outcome/reason", "/subject/name", "/severity", "/id"} {
			rule, change := c.Rule(action, path), c.ChangeRule(action, path)
			for _, v := range values {
				if got, want := rule.Class(action, path, []byte(v)), c.Classify(action, path, []byte(v)); got != want {
					t.Errorf("%s %s %s is %+v by its rule, %+v otherwise", action, path, v, got, want)
				}
				if got, want := change.Class(action, path, []byte(v)), c.ClassifyChange(action, path, []byte(v)); got != want {
					t.Errorf("%s change of %s to %s is %+v by its rule, %+v otherwise", action, path, v, got, want)
				}
			}
		}
	}
}

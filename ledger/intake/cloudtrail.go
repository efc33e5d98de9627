package intake

import (
	"strings"

	"probity.dev/ledger/event"
)

// cloudTrail reads an AWS CloudTrail record, or an entry of LookupEvents that holds one as text. The action is the service and the
// event's name, lower-cased ("s3.deletebucket"). Every member of the record is kept under data, except those that the event says in
// the same words: eventID, eventTime, requestID, sharedEventID, userAgent, and sourceIPAddress when it is an address.
func (s *state) cloudTrail(raw []byte) []*Item {
	list, err := event.ParseObject(raw)
	if err != nil {
		return []*Item{{Err: err}}
	}
	o := object(list)
	if inner := o.text("CloudTrailEvent"); inner != "" && o.get("eventName") == nil {
		if list, err = event.ParseObject([]byte(inner)); err != nil {
			return []*Item{{Err: err}}
		}
		o = list
	}
	return s.cloudTrailOf(o)
}

func (s *state) cloudTrailOf(o object) []*Item {
	for _, name := range [...]string{"eventID", "eventName", "eventSource", "eventTime"} {
		if o.text(name) == "" {
			return reject("/"+name, "required", "A CloudTrail record needs a text here.")
		}
	}
	t, ok := event.ParseTime(o.text("eventTime"))
	if !ok {
		return reject("/eventTime", "time", "This must be a time such as 2026-01-31T09:30:00Z (RFC 3339).")
	}
	name := o.text("eventName")
	service := strings.TrimSuffix(o.text("eventSource"), ".amazonaws.com")
	e := &event.Event{ID: o.text("eventID"), Source: s.source("aws.cloudtrail"), Action: clear(service + "." + name), OccurredAt: t}
	e.Activity = awsActivity(o, name)
	e.Category = awsCategory(o, service, e.Activity)
	e.Actor = awsActor(o.object("userIdentity"))
	e.Outcome = awsOutcome(o, name)
	e.Resource = awsResource(o, service)
	e.Severity = awsSeverity(o, e)
	e.Context.UserAgent = o.text("userAgent")
	e.Context.RequestID = o.text("requestID")
	e.CorrelationID = o.text("sharedEventID")
	kept := []string{"eventID", "eventTime"}
	for _, name := range [...]string{"userAgent", "requestID", "sharedEventID"} {
		if o.text(name) != "" { // null and "" stay in data
			kept = append(kept, name)
		}
	}
	if ip := o.text("sourceIPAddress"); isIP(ip) {
		e.Context.IP = ip
		kept = append(kept, "sourceIPAddress")
	}
	e.Data = o.without(kept...)
	return one(e)
}

func awsActivity(o object, name string) string {
	switch {
	case name == "ConsoleLogin" || name == "CheckMfa" || name == "CredentialVerification" || name == "UserAuthentication":
		return "login"
	case strings.HasPrefix(name, "AssumeRole") || name == "GetFederationToken" || name == "GetSessionToken":
		return "login"
	}
	activity := event.ActivityOf(name)
	if activity == "other" && o.scalar("readOnly") == "true" {
		return "read"
	}
	return activity
}

var awsCategories = map[string]string{
	"signin": "auth", "sts": "auth", "signin.aws": "auth", "cognito-idp": "auth", "iam": "access", "sso": "access", "organizations": "access", "ram": "access",
	"cloudtrail": "security", "guardduty": "security", "securityhub": "security", "config": "security", "macie2": "security", "inspector2": "security",
	"detective": "security", "kms": "security", "secretsmanager": "security", "access-analyzer": "security", "s3": "data", "dynamodb": "data", "rds": "data",
	"sqs": "data", "sns": "data", "athena": "data", "glue": "data",
}

func awsCategory(o object, service, activity string) string {
	if activity == "login" {
		return "auth"
	}
	if o.text("eventCategory") == "Data" {
		return "data"
	}
	if c, ok := awsCategories[service]; ok {
		return c
	}
	if o.text("eventType") == "AwsServiceEvent" {
		return "system"
	}
	return "config"
}

// awsOutcome judges a record by its error, and a console sign-in by what it answered.
func awsOutcome(o object, name string) event.Outcome {
	code, message := o.text("errorCode"), o.text("errorMessage")
	if name == "ConsoleLogin" {
		switch o.object("responseElements").text("ConsoleLogin") {
		case "Failure":
			return event.Outcome{Status: "failure", Reason: message}
		case "Success":
			return event.Outcome{Status: "success"}
		}
	}
	if code == "" {
		if message != "" {
			return event.Outcome{Status: "failure", Reason: message}
		}
		return event.Outcome{Status: "success"}
	}
	reason := code
	if message != "" {
		reason += ": " + message
	}
	if awsDenied(code) {
		return event.Outcome{Status: "denied", Reason: reason}
	}
	return event.Outcome{Status: "failure", Reason: reason}
}

func awsDenied(code string) bool {
	if i := strings.LastIndexByte(code, '.'); i >= 0 {
		code = code[i+1:]
	}
	for _, p := range [...]string{"AccessDenied", "Unauthorized", "Forbidden", "NotAuthorized", "AuthFailure", "OptInRequired"} {
		if strings.HasPrefix(code, p) {
			return true
		}
	}
	return false
}

// awsSeverity marks what an auditor looks for first: the root user acting, and refusals.
func awsSeverity(o object, e *event.Event) string {
	root := o.object("userIdentity").text("type") == "Root" && o.object("userIdentity").get("invokedBy") == nil
	switch {
	case root && e.Activity != "read":
		return "medium"
	case e.Outcome.Status == "denied", e.Activity == "login" && e.Outcome.Status == "failure":
		return "low"
	case root:
		return "notice"
	}
	return "info"
}

package intake

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/ledger/event"
)

// awsActor maps userIdentity. An assumed role is the session that acted, on behalf of the role.
func awsActor(u object) event.Actor {
	arn, principal, name := u.text("arn"), u.text("principalId"), u.text("userName")
	id := first(arn, principal, name)
	issuer := u.object("sessionContext").object("sessionIssuer")
	switch u.text("type") {
	case "IAMUser":
		return event.Actor{Type: "user", ID: id, Name: first(name, lastPart(arn))}
	case "Root":
		return event.Actor{Type: "user", ID: first(arn, principal, u.text("accountId")), Name: "root", Roles: []string{"root"}}
	case "AssumedRole", "Role":
		return awsSession(arn, id, issuer)
	case "FederatedUser":
		return event.Actor{Type: "user", ID: id, Name: first(name, lastPart(arn)), OnBehalfOf: awsIssuer(issuer)}
	case "WebIdentityUser", "SAMLUser":
		a := event.Actor{Type: "user", ID: first(principal, arn, name), Name: name, Email: mail(name)}
		if p := first(u.text("identityProvider"), u.path("sessionContext", "webIdFederationData", "federatedProvider")); p != "" {
			a.OnBehalfOf = []event.Ref{{Type: "identity_provider", ID: p}}
		}
		return a
	case "IdentityCenterUser":
		b := u.object("onBehalfOf")
		a := event.Actor{Type: "user", ID: first(b.text("userId"), id, u.text("accountId")), Name: name}
		if store := b.text("identityStoreArn"); store != "" {
			a.OnBehalfOf = []event.Ref{{Type: "identity_store", ID: store}}
		}
		return a
	case "Directory":
		return event.Actor{Type: "user", ID: id, Name: name}
	case "AWSAccount":
		if principal == "ANONYMOUS_PRINCIPAL" || u.text("accountId") == "ANONYMOUS_PRINCIPAL" {
			return event.Actor{Type: "anonymous"}
		}
		return event.Actor{Type: "service_account", ID: first(arn, principal, u.text("accountId")), Name: u.text("accountId")}
	case "AWSService":
		return event.Actor{Type: "system", ID: first(u.text("invokedBy"), id), Name: u.text("invokedBy")}
	}
	if by := u.text("invokedBy"); by != "" && id == "" {
		return event.Actor{Type: "system", ID: by, Name: by}
	}
	if id = first(id, u.text("accountId")); id == "" {
		return event.Actor{Type: "anonymous"}
	}
	return event.Actor{Type: "service_account", ID: id, Name: name}
}

// awsSession maps an assumed role. A session that is named by an e-mail address, as single sign-on does, is a person's.
func awsSession(arn, id string, issuer object) event.Actor {
	session := lastPart(arn)
	if session == "" {
		if i := strings.IndexByte(id, ':'); i >= 0 {
			session = id[i+1:]
		}
	}
	a := event.Actor{Type: "service_account", ID: id, Name: session, OnBehalfOf: awsIssuer(issuer)}
	if m := mail(session); m != "" {
		a.Type, a.Email = "user", m
	}
	if role := issuer.text("userName"); role != "" {
		a.Roles = []string{role}
		if a.Type != "user" {
			a.Name = role + "/" + session
		}
	}
	return a
}

func awsIssuer(issuer object) []event.Ref {
	if issuer == nil {
		return nil
	}
	typ := "role"
	if issuer.text("type") == "IAMUser" {
		typ = "user"
	}
	ref := event.Ref{Type: typ, ID: first(issuer.text("arn"), issuer.text("principalId")), Name: issuer.text("userName")}
	if ref.ID == "" && ref.Name == "" {
		return nil
	}
	return []event.Ref{ref}
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// lastPart is what follows the last slash of an ARN.
func lastPart(arn string) string {
	if i := strings.LastIndexByte(arn, '/'); i >= 0 {
		return arn[i+1:]
	}
	return ""
}

func mail(s string) string {
	if i := strings.IndexByte(s, '@'); i > 0 && i < len(s)-1 {
		return s
	}
	return ""
}

// awsParameters are the request parameters that name what a call is about, in the order in which they are tried.
var awsParameters = []struct{ name, typ string }{
	{"bucketName", "s3.bucket"}, {"secretId", "secretsmanager.secret"}, {"functionName", "lambda.function"}, {"trailName", "cloudtrail.trail"},
	{"tableName", "dynamodb.table"}, {"dBInstanceIdentifier", "rds.db_instance"}, {"dBSnapshotIdentifier", "rds.db_snapshot"}, {"instanceId", "ec2.instance"},
	{"snapshotId", "ec2.snapshot"}, {"imageId", "ec2.image"}, {"volumeId", "ec2.volume"}, {"groupId", "ec2.security_group"}, {"vpcId", "ec2.vpc"},
	{"subnetId", "ec2.subnet"}, {"keyId", "kms.key"}, {"userName", "iam.user"}, {"roleName", "iam.role"}, {"groupName", "iam.group"},
	{"policyArn", "iam.policy"}, {"roleArn", "iam.role"}, {"instanceProfileName", "iam.instance_profile"}, {"accessKeyId", "iam.access_key"},
	{"logGroupName", "logs.log_group"}, {"topicArn", "sns.topic"}, {"queueUrl", "sqs.queue"}, {"clusterName", "cluster"}, {"stackName", "cloudformation.stack"},
	{"resolverQueryLogConfigId", "route53resolver.query_log_config"}, {"modelId", "bedrock.model"}, {"name", ""},
}

// awsResource takes the first resource that the record names, else what its parameters name.
func awsResource(o object, service string) event.Resource {
	for _, v := range event.Elements(o.get("resources")) {
		r := object(event.Members(v))
		if id := first(r.text("ARN"), r.text("ARNPrefix"), r.text("accountId")); id != "" {
			typ := first(r.text("type"), r.text("resourceType"))
			return event.Resource{Type: first(awsType(typ), clear(service)+".resource"), ID: id, Name: lastPart(id)}
		}
	}
	p := object(event.Members(o.get("requestParameters")))
	if p == nil {
		return event.Resource{}
	}
	if bucket, key := p.text("bucketName"), p.text("key"); bucket != "" && key != "" {
		return event.Resource{Type: "s3.object", ID: bucket + "/" + key}
	}
	for _, known := range awsParameters {
		if id := p.text(known.name); id != "" {
			return event.Resource{Type: first(known.typ, clear(service)+".resource"), ID: id}
		}
	}
	if id := awsFirstItem(p.get("instancesSet")); id != "" {
		return event.Resource{Type: "ec2.instance", ID: id}
	}
	return event.Resource{}
}

// awsType makes "iam.role" of "AWS::IAM::Role".
func awsType(s string) string {
	return clear(strings.ReplaceAll(strings.TrimPrefix(s, "AWS::"), "::", "."))
}

func awsFirstItem(set jsontext.Value) string {
	for _, v := range event.Elements(object(event.Members(set)).get("items")) {
		if id := object(event.Members(v)).text("instanceId"); id != "" {
			return id
		}
	}
	return ""
}

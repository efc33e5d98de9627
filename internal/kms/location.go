package kms

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"probity.dev/internal/errs"
)

// The kinds of services.
const (
	KindFile  = "file"
	KindVault = "vault"
	KindAWS   = "awskms"
)

// Location says which master key is used and how it is reached. It holds no secret: secrets are in files that it names, or in [Secrets].
type Location struct {
	Kind string
	// Path is the file of the master key, for KindFile.
	Path string
	// Address is Vault's, https://host:port; Mount and Key are the secrets engine and the key in it.
	Address, Mount, Key string
	// ARN is that of a key or an alias of AWS KMS, Region the region in it; Endpoint overrides the address of the service.
	ARN, Region, Endpoint string
	// CA is a PEM file with the authorities that may vouch for the service, besides or instead of those of the system; empty for those of the system.
	CA string
	// Namespace is one of Vault Enterprise or OpenBao.
	Namespace string
	// Auth is the path at which a method of signing in to Vault is mounted, such as approle.
	Auth string
	// RoleID or KubernetesRole say as whom to sign in to Vault; with neither, a token is used.
	RoleID, KubernetesRole string
	// TokenFile and SecretIDFile are read again when Vault refuses what was in them before; JWTFile is the service account's token of a Kubernetes pod.
	TokenFile, SecretIDFile, JWTFile string
}

// defaultJWT is where Kubernetes puts a pod's service account token.
const defaultJWT = "/var/run/secrets/kubernetes.io/serviceaccount/token"

var arnPattern = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:(key/[A-Za-z0-9-]+|alias/[A-Za-z0-9/_-]+)$`)

// Parse reads a location: file:PATH, vault://HOST[:PORT]/MOUNT/KEY?options or awskms:ARN?endpoint=URL. The message of an error repeats no option's value.
func Parse(text string) (Location, error) {
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case KindFile:
		if rest = strings.TrimPrefix(rest, "//"); rest == "" {
			return Location{}, errs.New(errs.Invalid, "write file:PATH with the path of the master key")
		}
		return Location{Kind: KindFile, Path: path.Clean(rest)}, nil
	case KindVault:
		return parseVault(text)
	case KindAWS:
		return parseAWS(rest)
	}
	return Location{}, errs.New(errs.Invalid, "the location of a master key is file:PATH, vault://HOST/transit/KEY or awskms:ARN")
}

func parseVault(text string) (Location, error) {
	bad := func(why string) (Location, error) {
		return Location{}, errs.New(errs.Invalid, "%s; a key in Vault is written vault://HOST[:PORT]/MOUNT/KEY, such as vault://vault.example.com:8200/transit/probity", why)
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Fragment != "" {
		return bad("this is no address")
	}
	if u.User != nil {
		return bad("the address must hold no credentials")
	}
	full := strings.Trim(u.Path, "/")
	at := strings.LastIndexByte(full, '/')
	if at < 1 || path.Clean(full) != full {
		return bad("the address lacks the mount of the transit engine or the name of the key")
	}
	l := Location{Kind: KindVault, Address: "https://" + u.Host, Mount: full[:at], Key: full[at+1:], JWTFile: defaultJWT}
	if u.Port() == "" {
		l.Address += ":8200"
	}
	tls := "on"
	if err := options(u, map[string]*string{"tls": &tls, "ca": &l.CA, "namespace": &l.Namespace, "auth": &l.Auth, "role-id": &l.RoleID, "secret-id-file": &l.SecretIDFile, "token-file": &l.TokenFile,
		"kubernetes-role": &l.KubernetesRole, "jwt-file": &l.JWTFile}); err != nil {
		return bad(err.Error())
	}
	switch tls {
	case "on":
	case "off":
		l.Address = "http" + strings.TrimPrefix(l.Address, "https")
	default:
		return bad("the option tls is on or off")
	}
	if l.RoleID != "" && l.KubernetesRole != "" {
		return bad("role-id and kubernetes-role exclude each other")
	}
	if l.Auth == "" {
		l.Auth = "approle"
		if l.KubernetesRole != "" {
			l.Auth = "kubernetes"
		}
	}
	l.Auth = strings.Trim(l.Auth, "/")
	return l, nil
}

func parseAWS(rest string) (Location, error) {
	arn, query, _ := strings.Cut(rest, "?")
	m := arnPattern.FindStringSubmatch(arn)
	if m == nil {
		return Location{}, errs.New(errs.Invalid, "a key of AWS KMS is written awskms:ARN with the ARN of a key or an alias, such as awskms:arn:aws:kms:eu-central-1:111122223333:alias/probity")
	}
	l := Location{Kind: KindAWS, ARN: arn, Region: m[1]}
	if err := options(&url.URL{RawQuery: query}, map[string]*string{"endpoint": &l.Endpoint, "ca": &l.CA}); err != nil {
		return Location{}, errs.New(errs.Invalid, "%s", err)
	}
	if u, err := url.Parse(l.Endpoint); err != nil || l.Endpoint != "" && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil) {
		return Location{}, errs.New(errs.Invalid, "the endpoint must be an address with http:// or https:// and without credentials")
	}
	return l, nil
}

// options reads the options of a location into their places.
func options(u *url.URL, places map[string]*string) error {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fmt.Errorf("the options cannot be read")
	}
	names := make([]string, 0, len(places))
	for name := range places {
		names = append(names, name)
	}
	slices.Sort(names)
	for name, values := range q {
		place := places[name]
		if place == nil {
			return fmt.Errorf("there is no such option; there are %s", strings.Join(names, ", "))
		}
		if len(values) != 1 || values[0] == "" {
			return fmt.Errorf("the option %s must have one value", name)
		}
		*place = values[0]
	}
	return nil
}

// Name identifies the master key, as [probity.dev/internal/crypt.KMS.Name] has it.
func (l Location) Name() string {
	switch l.Kind {
	case KindVault:
		_, host, _ := strings.Cut(l.Address, "://")
		name := "vault://" + host + "/" + l.Mount + "/" + l.Key
		if l.Namespace != "" {
			name += "?namespace=" + url.QueryEscape(l.Namespace)
		}
		return name
	case KindAWS:
		return KindAWS + ":" + l.ARN
	}
	return KindFile
}

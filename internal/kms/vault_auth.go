package kms

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"probity.dev/internal/errs"
)

// vaultAuth has a token for Vault at any time: one that was given, or one that signing in as a role yields. A token that expires is renewed when a third of its time is left, and replaced
// when that fails.
type vaultAuth struct {
	v *vault
	s Secrets

	mu      sync.Mutex
	present string
	// renewAt is when to renew or replace the token; zero for one that does not expire, or of which that is not known.
	renewAt   time.Time
	renewable bool
}

func newVaultAuth(v *vault, s Secrets) (*vaultAuth, error) {
	a := &vaultAuth{v: v, s: s}
	if v.l.RoleID == "" && v.l.KubernetesRole == "" && v.l.TokenFile == "" && s.Token == "" {
		return nil, errs.New(errs.Invalid, "Vault needs a credential: a token (kms-token, or the option token-file), a role (the option role-id with kms-secret-id or the option secret-id-file) or, in Kubernetes, the option kubernetes-role")
	}
	return a, nil
}

// signsIn reports whether tokens come from signing in.
func (a *vaultAuth) signsIn() bool { return a.v.l.RoleID != "" || a.v.l.KubernetesRole != "" }

// token returns the token to use now.
func (a *vaultAuth) token(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.present == "" {
		return a.obtain(ctx)
	}
	if a.renewAt.IsZero() || time.Now().Before(a.renewAt) {
		return a.present, nil
	}
	if a.renewable {
		var out vaultLease
		if err := a.v.send(ctx, http.MethodPost, "auth/token/renew-self", a.present, struct{}{}, &out); err == nil && out.Auth.Token != "" {
			a.take(out)
			return a.present, nil
		}
	}
	if !a.signsIn() && a.v.l.TokenFile == "" {
		a.renewAt = time.Now().Add(time.Minute) // there is no other; Vault will say when it has expired
		return a.present, nil
	}
	return a.obtain(ctx)
}

// replace returns another token than the one that Vault has just refused, or the same when there is none.
func (a *vaultAuth) replace(ctx context.Context, refused string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.present != refused {
		return a.present, nil // somebody else has replaced it
	}
	if !a.signsIn() && a.v.l.TokenFile == "" {
		return refused, nil
	}
	return a.obtain(ctx)
}

// vaultLease is the part of Vault's answers that grants a token.
type vaultLease struct {
	Auth struct {
		Token     string `json:"client_token"`
		Lease     int64  `json:"lease_duration"` // seconds
		Renewable bool   `json:"renewable"`
	} `json:"auth"`
}

func (a *vaultAuth) take(l vaultLease) {
	a.present, a.renewable, a.renewAt = l.Auth.Token, l.Auth.Renewable, time.Time{}
	if l.Auth.Lease > 0 {
		a.renewAt = time.Now().Add(time.Duration(l.Auth.Lease) * time.Second * 2 / 3)
	}
}

// obtain signs in or reads the token. The caller holds a.mu.
func (a *vaultAuth) obtain(ctx context.Context) (string, error) {
	if !a.signsIn() {
		return a.given(ctx)
	}
	l := &a.v.l
	in := map[string]string{}
	if l.RoleID != "" {
		secret, err := secretText(l.SecretIDFile, a.s.SecretID)
		if err != nil {
			return "", err
		}
		in["role_id"] = l.RoleID
		if secret != "" {
			in["secret_id"] = secret
		}
	} else {
		jwt, err := secretText(l.JWTFile, "")
		if err != nil {
			return "", err
		}
		in["role"], in["jwt"] = l.KubernetesRole, jwt
	}
	var out vaultLease
	if err := a.v.send(ctx, http.MethodPost, "auth/"+l.Auth+"/login", "", in, &out); err != nil {
		if c := errs.CodeOf(err); c == errs.Unavailable {
			return "", err
		}
		return "", errs.Wrap(errs.Forbidden, err, "Vault does not let this server sign in at auth/%s: check the role, its secret id (it may have expired or been used up) and that the method is mounted there", l.Auth)
	}
	if out.Auth.Token == "" {
		return "", errs.New(errs.Unavailable, "%s does not answer as Vault does", l.Address)
	}
	a.take(out)
	return a.present, nil
}

// given returns the token that the operator gave, and asks Vault how long it lasts.
func (a *vaultAuth) given(ctx context.Context) (string, error) {
	text, err := secretText(a.v.l.TokenFile, a.s.Token)
	if err != nil {
		return "", err
	}
	if text == "" {
		return "", errs.New(errs.Invalid, "the token for Vault is empty")
	}
	a.present, a.renewAt, a.renewable = text, time.Time{}, false
	var out struct {
		Data struct {
			TTL       int64 `json:"ttl"` // seconds; 0 for a token that does not expire
			Renewable bool  `json:"renewable"`
		} `json:"data"`
	}
	if err := a.v.send(ctx, http.MethodGet, "auth/token/lookup-self", text, nil, &out); err != nil {
		if errs.CodeOf(err) == errs.Unavailable {
			a.present = ""
			return "", err
		}
		return text, nil // its policy may not let it look at itself
	}
	a.renewable = out.Data.Renewable
	if out.Data.TTL > 0 {
		a.renewAt = time.Now().Add(time.Duration(out.Data.TTL) * time.Second * 2 / 3)
	}
	return text, nil
}

// maxSecret bounds a file with a secret, in bytes.
const maxSecret = 64 << 10

// secretText reads a secret from a file, when one is named.
func secretText(file, given string) (string, error) {
	if file == "" {
		return strings.TrimSpace(given), nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", errs.New(errs.Invalid, "the credential for Vault: %v", err)
	}
	if len(b) > maxSecret {
		return "", errs.New(errs.Invalid, "the credential for Vault: %s is too long", file)
	}
	return strings.TrimSpace(string(b)), nil
}

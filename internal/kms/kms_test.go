package kms_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/kms"
	"probity.dev/internal/kms/kmstest"
)

func open(t *testing.T, location string, s kms.Secrets) crypt.KMS {
	t.Helper()
	l, err := kms.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	k, err := kms.Open(t.Context(), l, s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// noSecret fails when an error holds a canary.
func noSecret(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error()+errs.Message(err), "canary") {
		t.Errorf("an error shows a secret: %v", err)
	}
}

// TestServicesWrap holds every service to the contract of crypt.KMS.
func TestServicesWrap(t *testing.T) {
	vault, amazon := kmstest.StartVault(t, false), kmstest.StartAWS(t)
	file := filepath.Join(t.TempDir(), "master.key")
	if _, err := crypt.CreateFileKMS(file); err != nil {
		t.Fatal(err)
	}
	services := map[string]crypt.KMS{"file": open(t, "file:"+file, kms.Secrets{}), "vault": open(t, vault.Location(), kms.Secrets{Token: kmstest.VaultToken}), "aws": open(t, amazon.Location(), kms.Secrets{})}
	for name, k := range services {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			first, err := kms.Check(ctx, k)
			if err != nil {
				t.Fatal(err)
			}
			secret := bytes.Repeat([]byte("a keyset "), 1000) // longer than what AWS encrypts itself
			old, err := k.Wrap(ctx, secret, []byte("tenant|a"))
			if err != nil {
				t.Fatal(err)
			}
			if k.Version(old) != first || bytes.Contains(old, []byte("a keyset")) {
				t.Errorf("version %q, not %q", k.Version(old), first)
			}
			if _, err := k.Unwrap(ctx, old, []byte("tenant|b")); errs.CodeOf(err) != errs.Invalid {
				t.Errorf("another tenant's keyset opens: %v", err)
			}
			if _, err := k.Unwrap(ctx, append(old[:len(old)-1:len(old)-1], old[len(old)-1]^1), []byte("tenant|a")); errs.CodeOf(err) != errs.Invalid {
				t.Errorf("a changed keyset opens: %v", err)
			}
			if err := k.Rotate(ctx); err != nil {
				t.Fatal(err)
			}
			second, err := kms.Check(ctx, k)
			if err != nil || second == first || second == "" {
				t.Errorf("version %q after %q: %v", second, first, err)
			}
			if b, err := k.Unwrap(ctx, old, []byte("tenant|a")); err != nil || !bytes.Equal(b, secret) {
				t.Errorf("what an older version wrapped does not open: %v", err)
			}
			for other, o := range services {
				if other == name {
					continue
				}
				if o.Version(old) != "" {
					t.Errorf("%s takes it for its own", other)
				}
				if _, err := o.Unwrap(ctx, old, []byte("tenant|a")); errs.CodeOf(err) != errs.Invalid {
					t.Errorf("%s: %v", other, err)
				}
			}
		})
	}
	for _, c := range amazon.Contexts() {
		if len(c) > 1 {
			t.Errorf("encryption context %v", c)
		}
	}
}

// TestVaultSaysWhatIsWrong looks at every way in which Vault may refuse at the start.
func TestVaultSaysWhatIsWrong(t *testing.T) {
	v := kmstest.StartVault(t, false)
	token := kms.Secrets{Token: kmstest.VaultToken}
	for name, c := range map[string]struct {
		location string
		secrets  kms.Secrets
		set      func()
		code     errs.Code
		words    string
	}{
		"sealed":         {v.Location(), token, func() { v.Seal(true) }, errs.Unavailable, "sealed"},
		"wrong token":    {v.Location(), kms.Secrets{Token: "hvs.canary-wrong"}, nil, errs.Forbidden, "token has expired"},
		"no policy":      {v.Location(), token, func() { v.Deny("transit/") }, errs.Forbidden, "must allow update on transit/encrypt/probity"},
		"no key":         {strings.Replace(v.Location(), "/probity?", "/typo?", 1), token, nil, errs.Invalid, "vault write -f transit/keys/typo"},
		"no mount":       {strings.Replace(v.Location(), "/transit/", "/elsewhere/", 1), token, nil, errs.Invalid, "vault secrets enable -path=elsewhere transit"},
		"wrong type":     {strings.Replace(v.Location(), "/probity?", "/signer?", 1), token, func() { v.AddKey("signer", "ed25519") }, errs.Invalid, "aes256-gcm96"},
		"down":           {"vault://127.0.0.1:1/transit/probity?tls=off", token, nil, errs.Unavailable, "does not answer"},
		"broken":         {v.Location(), token, func() { v.Answer(http.StatusInternalServerError) }, errs.Unavailable, "status 500"},
		"redirect":       {v.Location(), token, func() { v.Answer(http.StatusTemporaryRedirect) }, errs.Invalid, "not followed"},
		"wrong secret":   {v.Location("role-id=" + kmstest.VaultRole), kms.Secrets{SecretID: "canary-wrong"}, nil, errs.Forbidden, "sign in"},
		"token and file": {v.Location("token-file=/does/not/exist"), token, nil, errs.Invalid, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.set != nil {
				c.set()
			}
			defer func() { v.Seal(false); v.Deny(); v.Answer(0) }()
			_, err := kms.Check(t.Context(), open(t, c.location, c.secrets))
			if errs.CodeOf(err) != c.code || !strings.Contains(errs.Message(err), c.words) {
				t.Errorf("%s: %v", errs.CodeOf(err), err)
			}
			noSecret(t, err)
		})
	}
	if keys := v.Keys(); len(keys) != 2 {
		t.Errorf("a check has made a key: %v", keys)
	}
	l, err := kms.Parse(v.Location())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kms.Open(t.Context(), l, kms.Secrets{}); errs.CodeOf(err) != errs.Invalid || !strings.Contains(err.Error(), "needs a credential") {
		t.Errorf("without a credential: %v", err)
	}
}

// TestVaultNeedsLittle checks that to encrypt and decrypt is all that a policy must allow.
func TestVaultNeedsLittle(t *testing.T) {
	v := kmstest.StartVault(t, false)
	v.Deny("transit/keys", "lookup-self", "renew-self")
	k := open(t, v.Location(), kms.Secrets{Token: kmstest.VaultToken})
	if _, err := kms.Check(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	if err := k.Rotate(t.Context()); errs.CodeOf(err) != errs.Forbidden || !strings.Contains(errs.Message(err), "/rotate") {
		t.Errorf("rotating without the permission: %v", err)
	}
}

// TestVaultSignIn checks tokens that expire, are renewed, replaced and read again.
func TestVaultSignIn(t *testing.T) {
	v := kmstest.StartVault(t, false)
	jwt := filepath.Join(t.TempDir(), "jwt")
	token := filepath.Join(t.TempDir(), "token")
	secret := filepath.Join(t.TempDir(), "secret")
	for path, text := range map[string]string{jwt: kmstest.VaultJWT, token: kmstest.VaultToken, secret: kmstest.VaultSecretID} {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(k crypt.KMS) {
		t.Helper()
		if _, err := kms.Check(t.Context(), k); err != nil {
			t.Error(err)
		}
	}
	role := open(t, v.Location("role-id="+kmstest.VaultRole, "secret-id-file="+secret), kms.Secrets{})
	check(role)
	check(role)
	if n := v.Calls("auth/approle/login"); n != 1 {
		t.Errorf("signed in %d times", n)
	}
	v.Expire("all")
	v.Admit(kmstest.VaultToken)
	check(role)
	if n := v.Calls("auth/approle/login"); n != 2 {
		t.Errorf("signed in %d times after the token expired", n)
	}
	check(open(t, v.Location("kubernetes-role="+kmstest.VaultRole, "jwt-file="+jwt), kms.Secrets{}))
	// A lease of 3 s is renewed after 2.
	v.Lease(3 * time.Second)
	short := open(t, v.Location("role-id="+kmstest.VaultRole), kms.Secrets{SecretID: kmstest.VaultSecretID})
	check(short)
	before := v.Calls("auth/approle/login")
	time.Sleep(2200 * time.Millisecond)
	check(short)
	if v.Calls("auth/token/renew-self") == 0 || v.Calls("auth/approle/login") != before {
		t.Error("the token was not renewed")
	}
	// An agent replaces the token in its file.
	agent := open(t, v.Location("token-file="+token), kms.Secrets{})
	check(agent)
	v.Expire(kmstest.VaultToken)
	v.Admit("hvs.canary-second")
	if err := os.WriteFile(token, []byte("hvs.canary-second"), 0o600); err != nil {
		t.Fatal(err)
	}
	check(agent)
}

// TestVaultCertificate checks that a certificate must be vouched for, and that the option ca does so.
func TestVaultCertificate(t *testing.T) {
	v := kmstest.StartVault(t, true)
	token := kms.Secrets{Token: kmstest.VaultToken}
	if _, err := kms.Check(t.Context(), open(t, v.Location(), token)); errs.CodeOf(err) != errs.Unavailable || !strings.Contains(errs.Message(err), "certificate") {
		t.Errorf("%v", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := kms.Check(t.Context(), open(t, v.Location("ca="+ca), token)); err != nil {
		t.Error(err)
	}
}

// TestAWSSaysWhatIsWrong looks at what AWS KMS may refuse.
func TestAWSSaysWhatIsWrong(t *testing.T) {
	a := kmstest.StartAWS(t)
	for exception, want := range map[string]struct {
		code  errs.Code
		words string
	}{
		"NotFoundException": {errs.Invalid, "has no key"}, "DisabledException": {errs.Unavailable, "enable it"}, "AccessDeniedException": {errs.Forbidden, "kms:GenerateDataKey"},
		"KMSInternalException": {errs.Unavailable, "fails"}, "ValidationException": {errs.Invalid, "symmetric"},
	} {
		a.Fail(exception)
		_, err := kms.Check(t.Context(), open(t, a.Location(), kms.Secrets{}))
		if errs.CodeOf(err) != want.code || !strings.Contains(errs.Message(err), want.words) {
			t.Errorf("%s: %s %v", exception, errs.CodeOf(err), err)
		}
		noSecret(t, err)
	}
	a.Fail("")
	a.Deny("RotateKeyOnDemand")
	if err := open(t, a.Location(), kms.Secrets{}).Rotate(t.Context()); errs.CodeOf(err) != errs.Forbidden || !strings.Contains(errs.Message(err), "kms:RotateKeyOnDemand") || strings.Contains(errs.Message(err), "assumed-role") {
		t.Errorf("%v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
	if _, err := kms.Check(t.Context(), open(t, a.Location(), kms.Secrets{})); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("wrong credentials: %v", err)
	}
}

// TestGuardTriesAgainAndRemembers checks that a service that comes back is noticed, and that one that refuses is not asked three times.
func TestGuardTriesAgainAndRemembers(t *testing.T) {
	v := kmstest.StartVault(t, false)
	counts := map[string]int{}
	g := kms.NewGuard(open(t, v.Location(), kms.Secrets{Token: kmstest.VaultToken}), func(op string, failed bool, _ time.Duration) {
		if failed {
			op += " failed"
		}
		counts[op]++
	})
	if version, err := g.Check(t.Context()); err != nil || version != "v1" || g.Current() != "v1" {
		t.Fatalf("%q %v", version, err)
	}
	v.Seal(true)
	if _, err := g.Wrap(t.Context(), []byte("x"), nil); errs.CodeOf(err) != errs.Unavailable || counts["wrap failed"] != 3 {
		t.Errorf("%v after %v", err, counts)
	}
	if problem, since := g.Problem(); !strings.Contains(problem, "sealed") || since.IsZero() {
		t.Errorf("%q", problem)
	}
	v.Seal(false)
	v.Deny("encrypt")
	if _, err := g.Wrap(t.Context(), []byte("x"), nil); errs.CodeOf(err) != errs.Forbidden || counts["wrap failed"] != 4 {
		t.Errorf("%v after %v", err, counts)
	}
	v.Deny()
	if _, err := g.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if problem, _ := g.Problem(); problem != "" {
		t.Errorf("%q", problem)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Wrap(ctx, []byte("x"), nil); err == nil {
		t.Error("a request whose context had ended went through")
	}
	if problem, _ := g.Problem(); problem != "" {
		t.Errorf("that a caller has gone says nothing about the service: %q", problem)
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"file:/etc/probity/master.key":                     "file",
		"vault://vault.example.com/transit/probity":        "vault://vault.example.com:8200/transit/probity",
		"vault://10.0.0.1:443/team/a/transit/k?tls=off":    "vault://10.0.0.1:443/team/a/transit/k",
		"vault://v:1/transit/k?namespace=a/b&role-id=r":    "vault://v:1/transit/k?namespace=a%2Fb",
		"awskms:" + kmstest.ARN:                            "awskms:" + kmstest.ARN,
		"awskms:arn:aws-us-gov:kms:x:123456789012:alias/p": "awskms:arn:aws-us-gov:kms:x:123456789012:alias/p",
	} {
		if l, err := kms.Parse(text); err != nil || l.Name() != want {
			t.Errorf("%s: %s, %v", text, l.Name(), err)
		}
	}
	for _, text := range []string{"", "/etc/master.key", "file:", "vault://", "vault://host", "vault://host/transit", "vault://u:canary@host/transit/k", "vault://host/transit/k?token=canary", "vault://host/transit/k?tls=maybe",
		"vault://host/transit/../k", "vault://host/transit/k?role-id=a&kubernetes-role=b", "vault://host/transit/k?ca=", "awskms:alias/p", "awskms:arn:aws:s3:::canary", "awskms:" + kmstest.ARN + "?endpoint=canary",
		"awskms:" + kmstest.ARN + "?secret=canary"} {
		if l, err := kms.Parse(text); errs.CodeOf(err) != errs.Invalid || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %+v %v", text, l, err)
		}
	}
}

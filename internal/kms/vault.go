package kms

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"probity.dev/internal/errs"
)

// vault is a key of the transit secrets engine of Vault or OpenBao. What it wraps reads "vault:v3:base64", with the version of the key.
type vault struct {
	l      Location
	client *http.Client
	auth   *vaultAuth
}

// maxAnswer bounds an answer of Vault, in bytes.
const maxAnswer = 1 << 20

func openVault(l Location, s Secrets) (*vault, error) {
	client, err := httpClient(l.CA)
	if err != nil {
		return nil, err
	}
	v := &vault{l: l, client: client}
	v.auth, err = newVaultAuth(v, s)
	return v, err
}

// Name implements crypt.KMS.
func (v *vault) Name() string { return v.l.Name() }

// Version implements crypt.KMS: v1, v2…
func (v *vault) Version(wrapped []byte) string {
	rest, ok := bytes.CutPrefix(wrapped, []byte("vault:"))
	version, _, found := bytes.Cut(rest, []byte(":"))
	if !ok || !found || len(version) < 2 || version[0] != 'v' {
		return ""
	}
	if _, err := strconv.ParseUint(string(version[1:]), 10, 32); err != nil {
		return ""
	}
	return string(version)
}

// Wrap implements crypt.KMS.
func (v *vault) Wrap(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	var out struct {
		Data struct {
			Ciphertext string `json:"ciphertext"`
		} `json:"data"`
	}
	err := v.do(ctx, http.MethodPost, "encrypt/"+v.l.Key, map[string][]byte{"plaintext": plaintext, "associated_data": aad}, &out)
	if err != nil {
		return nil, err
	}
	if v.Version([]byte(out.Data.Ciphertext)) == "" {
		return nil, errs.New(errs.Unavailable, "%s does not answer as Vault does", v.l.Address)
	}
	return []byte(out.Data.Ciphertext), nil
}

// Unwrap implements crypt.KMS.
func (v *vault) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	if v.Version(wrapped) == "" {
		return nil, errs.New(errs.Invalid, "this was not wrapped by Vault")
	}
	var out struct {
		Data struct {
			Plaintext []byte `json:"plaintext"`
		} `json:"data"`
	}
	in := struct {
		Ciphertext string `json:"ciphertext"`
		AAD        []byte `json:"associated_data"`
	}{string(wrapped), aad}
	err := v.do(ctx, http.MethodPost, "decrypt/"+v.l.Key, in, &out)
	return out.Data.Plaintext, err
}

// Rotate implements crypt.KMS.
func (v *vault) Rotate(ctx context.Context) error {
	return v.do(ctx, http.MethodPost, "keys/"+v.l.Key+"/rotate", struct{}{}, nil)
}

// check looks at the key where the policy lets it: encrypting with a key that is not there would make one, where the policy allows that.
func (v *vault) check(ctx context.Context) error {
	var out struct {
		Data struct {
			Type     string `json:"type"`
			Derived  bool   `json:"derived"`
			Encrypts bool   `json:"supports_encryption"`
			Decrypts bool   `json:"supports_decryption"`
		} `json:"data"`
	}
	err := v.do(ctx, http.MethodGet, "keys/"+v.l.Key, nil, &out)
	switch {
	case errs.CodeOf(err) == errs.Forbidden:
		return nil // to wrap and unwrap is all that is needed
	case errs.CodeOf(err) == errs.NotFound:
		return errs.New(errs.Invalid, "Vault has no key %s in %s, or nothing is mounted there: vault secrets enable -path=%s transit; vault write -f %s/keys/%s type=aes256-gcm96", v.l.Key, v.l.Mount, v.l.Mount, v.l.Mount, v.l.Key)
	case err != nil:
		return err
	}
	d := &out.Data
	if !d.Encrypts || !d.Decrypts || d.Derived || !strings.Contains(d.Type, "gcm") && !strings.Contains(d.Type, "chacha20") {
		return errs.New(errs.Invalid, "Vault's key %s is not fit (type %s): it must encrypt with additional data, so its type must be aes256-gcm96 or chacha20-poly1305, not derived", v.l.Key, clean(d.Type))
	}
	return nil
}

// do sends a request about the engine with the present token, and once more with a new one when Vault refuses it.
func (v *vault) do(ctx context.Context, method, path string, in, out any) error {
	token, err := v.auth.token(ctx)
	if err != nil {
		return err
	}
	err = v.send(ctx, method, v.l.Mount+"/"+path, token, in, out)
	if errs.CodeOf(err) != errs.Forbidden {
		return err
	}
	again, e := v.auth.replace(ctx, token)
	if e != nil {
		return e
	}
	if again == token {
		return err
	}
	return v.send(ctx, method, v.l.Mount+"/"+path, again, in, out)
}

// send sends one request and reads its answer into out.
func (v *vault) send(ctx context.Context, method, path, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		defer clear(b)
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, v.l.Address+"/v1/"+path, body)
	if err != nil {
		return errs.New(errs.Invalid, "this is no address of Vault")
	}
	r.Header.Set("X-Vault-Request", "true")
	if v.l.Namespace != "" {
		r.Header.Set("X-Vault-Namespace", v.l.Namespace)
	}
	if token != "" {
		r.Header.Set("X-Vault-Token", token)
	}
	res, err := v.client.Do(r)
	if err != nil {
		return v.unreachable(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return v.unreachable(err)
	}
	defer clear(b)
	if res.StatusCode/100 != 2 {
		return v.refused(res.StatusCode, path, b)
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	if json.Unmarshal(b, out) != nil { // its error might quote the answer
		return errs.New(errs.Unavailable, "%s does not answer as Vault does", v.l.Address)
	}
	return nil
}

func (v *vault) unreachable(err error) error {
	text := "does not answer"
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		text = "has a certificate that is not trusted; name its authority with the option ca of the location"
	}
	return &errs.Error{Code: errs.Unavailable, Message: "Vault at " + v.l.Address + " " + text, Cause: err, RetryAfter: 10 * time.Second}
}

// refused words an answer that is no success. Vault's own words go into the message, cleaned and cut: they name paths and permissions.
func (v *vault) refused(status int, path string, body []byte) error {
	var answer struct {
		Errors []string `json:"errors"`
	}
	_ = json.Unmarshal(body, &answer) // without words the status has to do
	words := clean(strings.Join(answer.Errors, "; "))
	switch {
	case status == http.StatusServiceUnavailable && strings.Contains(words, "sealed"):
		return &errs.Error{Code: errs.Unavailable, Message: "Vault at " + v.l.Address + " is sealed: unseal it (vault operator unseal)", RetryAfter: 10 * time.Second}
	case status == http.StatusForbidden:
		return errs.New(errs.Forbidden, "Vault refuses %s (%s): the token has expired, or its policy lacks it; it must allow update on %s/encrypt/%s and %s/decrypt/%s, and %s/keys/%s/rotate to rotate from here",
			path, words, v.l.Mount, v.l.Key, v.l.Mount, v.l.Key, v.l.Mount, v.l.Key)
	case status == http.StatusNotFound:
		return errs.New(errs.NotFound, "Vault knows nothing of %s (%s)", path, words)
	case strings.Contains(words, "encryption key not found"):
		return errs.New(errs.Invalid, "Vault has no key %s in %s: vault write -f %s/keys/%s type=aes256-gcm96", v.l.Key, v.l.Mount, v.l.Mount, v.l.Key)
	case status == http.StatusBadRequest && strings.Contains(path, "/decrypt/"):
		return errs.New(errs.Invalid, "Vault's key %s does not open this: it was wrapped by another key, or changed, or its version is below min_decryption_version (%s)", v.l.Name(), words)
	case status/100 == 3:
		return errs.New(errs.Invalid, "Vault at %s sends elsewhere, which is not followed: give the address of the active node or of a load balancer", v.l.Address)
	case status == http.StatusBadRequest:
		return errs.New(errs.Invalid, "Vault refuses %s: %s", path, words)
	}
	return &errs.Error{Code: errs.Unavailable, Message: "Vault at " + v.l.Address + " answers with status " + strconv.Itoa(status), Cause: errors.New(words), RetryAfter: 10 * time.Second}
}

// clean keeps what can be printed of a text of somebody else's.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}

package kmstest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Credentials that the stand-in for Vault knows.
const (
	VaultToken    = "hvs.canary-token-4e1b" //nolint:gosec // opens nothing
	VaultRole     = "role-1f"
	VaultSecretID = "canary-secret-id-77c0"
	VaultJWT      = "canary.jwt.90aa"
)

// Vault is a stand-in for Vault with a transit engine at transit/, AppRole at auth/approle and Kubernetes at auth/kubernetes.
type Vault struct {
	*httptest.Server

	mu   sync.Mutex
	keys map[string]*vaultKey
	// tokens says when each ends; zero for never.
	tokens map[string]time.Time
	sealed bool
	denied []string
	lease  time.Duration
	status int
	calls  map[string]int
	logins int
}

type vaultKey struct {
	typ      string
	versions [][32]byte
	least    int // min_decryption_version
}

// StartVault starts a stand-in with the key transit/probity, which ends with the test. With tls, it serves HTTPS with a certificate that [Vault.Certificate] vouches for.
func StartVault(t testing.TB, tls bool) *Vault {
	v := &Vault{keys: map[string]*vaultKey{}, tokens: map[string]time.Time{VaultToken: {}}, calls: map[string]int{}}
	v.AddKey("probity", "aes256-gcm96")
	v.Server = httptest.NewUnstartedServer(http.HandlerFunc(v.serve))
	if tls {
		v.StartTLS()
	} else {
		v.Start()
	}
	t.Cleanup(v.Close)
	return v
}

// Location is the location of the key transit/probity with further options.
func (v *Vault) Location(options ...string) string {
	_, host, _ := strings.Cut(v.URL, "://")
	if strings.HasPrefix(v.URL, "http:") {
		options = append(options, "tls=off")
	}
	return "vault://" + host + "/transit/probity?" + strings.Join(options, "&")
}

// AddKey makes a key.
func (v *Vault) AddKey(name, typ string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := &vaultKey{typ: typ, least: 1}
	k.rotate()
	v.keys[name] = k
}

// Seal seals or unseals, Deny refuses paths that contain one of the texts, Answer has every request answered with a status (0 for none).
func (v *Vault) Seal(on bool) { v.set(func() { v.sealed = on }) }

// Deny refuses requests whose path contains one of the texts.
func (v *Vault) Deny(paths ...string) { v.set(func() { v.denied = paths }) }

// Answer has every request answered with a status; 0 ends that.
func (v *Vault) Answer(status int) { v.set(func() { v.status = status }) }

// Lease has tokens that come from signing in or renewing last for d.
func (v *Vault) Lease(d time.Duration) { v.set(func() { v.lease = d }) }

// Expire ends a token, or every token when there is none of that name.
func (v *Vault) Expire(token string) {
	v.set(func() {
		if _, ok := v.tokens[token]; ok {
			delete(v.tokens, token)
			return
		}
		clear(v.tokens)
	})
}

// Admit lets a token in.
func (v *Vault) Admit(token string) { v.set(func() { v.tokens[token] = time.Time{} }) }

// RotateElsewhere gives a key another version, as another client of Vault would.
func (v *Vault) RotateElsewhere(name string) { v.set(func() { v.keys[name].rotate() }) }

// Forget refuses to decrypt with versions below least.
func (v *Vault) Forget(name string, least int) { v.set(func() { v.keys[name].least = least }) }

// Calls is how often a path was asked, without the /v1/.
func (v *Vault) Calls(path string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls[path]
}

// Keys lists the names of the keys.
func (v *Vault) Keys() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	for name := range v.keys {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (v *Vault) set(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
}

func (k *vaultKey) rotate() {
	var b [32]byte
	rand.Read(b[:])
	k.versions = append(k.versions, b)
}

func fail(w http.ResponseWriter, status int, words ...string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": append([]string{}, words...)})
}

func answer(w http.ResponseWriter, members map[string]any) {
	members["request_id"] = "00000000-0000-0000-0000-000000000000"
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(members)
}

func (v *Vault) serve(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	v.calls[path]++
	body, _ := io.ReadAll(r.Body)
	var in map[string]string
	switch {
	case v.status != 0:
		fail(w, v.status, "internal error")
		return
	case v.sealed:
		fail(w, http.StatusServiceUnavailable, "Vault is sealed")
		return
	case len(body) > 0 && json.Unmarshal(body, &in) != nil:
		fail(w, http.StatusBadRequest, "failed to parse JSON input")
		return
	case strings.HasSuffix(path, "/login"):
		v.login(w, path, in)
		return
	}
	token := r.Header.Get("X-Vault-Token")
	until, known := v.tokens[token]
	if !known || !until.IsZero() && time.Now().After(until) {
		fail(w, http.StatusForbidden, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
		return
	}
	for _, d := range v.denied {
		if strings.Contains(path, d) {
			fail(w, http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
			return
		}
	}
	switch path {
	case "auth/token/lookup-self":
		data := map[string]any{"renewable": !until.IsZero(), "ttl": 0}
		if !until.IsZero() {
			data["ttl"] = int(time.Until(until).Seconds() + 0.5)
		}
		answer(w, map[string]any{"data": data})
	case "auth/token/renew-self":
		v.grant(w, token)
	default:
		v.transit(w, r.Method, path, in)
	}
}

func (v *Vault) login(w http.ResponseWriter, path string, in map[string]string) {
	v.logins++
	switch {
	case path == "auth/approle/login" && in["role_id"] == VaultRole && in["secret_id"] == VaultSecretID, path == "auth/kubernetes/login" && in["role"] == VaultRole && in["jwt"] == VaultJWT:
		v.grant(w, "hvs.canary-login-"+strconv.Itoa(v.logins))
	case path == "auth/approle/login":
		fail(w, http.StatusBadRequest, "invalid role or secret ID")
	default:
		fail(w, http.StatusForbidden, "permission denied")
	}
}

func (v *Vault) grant(w http.ResponseWriter, token string) {
	lease := v.lease
	if lease == 0 {
		lease = time.Hour
	}
	v.tokens[token] = time.Now().Add(lease)
	answer(w, map[string]any{"auth": map[string]any{"client_token": token, "lease_duration": int(lease.Seconds()), "renewable": true}})
}

func (v *Vault) transit(w http.ResponseWriter, method, path string, in map[string]string) {
	rest, ok := strings.CutPrefix(path, "transit/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) < 2 {
		fail(w, http.StatusNotFound, fmt.Sprintf("no handler for route %q. route entry not found.", path))
		return
	}
	k := v.keys[parts[1]]
	switch {
	case parts[0] == "keys" && method == http.MethodGet:
		if k == nil {
			fail(w, http.StatusNotFound)
			return
		}
		symmetric := !strings.HasPrefix(k.typ, "ed25519")
		answer(w, map[string]any{"data": map[string]any{"type": k.typ, "derived": false, "latest_version": len(k.versions), "min_decryption_version": k.least, "supports_encryption": symmetric, "supports_decryption": symmetric}})
	case k == nil && parts[0] == "encrypt":
		// As Vault does where the policy allows create: the key is made.
		k = &vaultKey{typ: "aes256-gcm96", least: 1}
		k.rotate()
		v.keys[parts[1]] = k
		v.encrypt(w, k, in)
	case k == nil:
		fail(w, http.StatusBadRequest, "encryption key not found")
	case parts[0] == "encrypt":
		v.encrypt(w, k, in)
	case parts[0] == "decrypt":
		v.decrypt(w, k, in)
	case parts[0] == "keys" && len(parts) == 3 && parts[2] == "rotate":
		k.rotate()
		answer(w, map[string]any{"data": map[string]any{"latest_version": len(k.versions)}})
	default:
		fail(w, http.StatusNotFound, "unsupported path")
	}
}

func sealer(key [32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	c, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return c
}

func (v *Vault) encrypt(w http.ResponseWriter, k *vaultKey, in map[string]string) {
	plain, err := base64.StdEncoding.DecodeString(in["plaintext"])
	aad, err2 := base64.StdEncoding.DecodeString(in["associated_data"])
	if err != nil || err2 != nil {
		fail(w, http.StatusBadRequest, "failed to base64-decode plaintext")
		return
	}
	n := len(k.versions)
	iv := make([]byte, 12)
	rand.Read(iv)
	text := base64.StdEncoding.EncodeToString(sealer(k.versions[n-1]).Seal(iv, iv, plain, aad))
	answer(w, map[string]any{"data": map[string]any{"ciphertext": fmt.Sprintf("vault:v%d:%s", n, text), "key_version": n}})
}

func (v *Vault) decrypt(w http.ResponseWriter, k *vaultKey, in map[string]string) {
	parts := strings.SplitN(in["ciphertext"], ":", 3)
	aad, err := base64.StdEncoding.DecodeString(in["associated_data"])
	if len(parts) != 3 || parts[0] != "vault" || err != nil {
		fail(w, http.StatusBadRequest, "invalid ciphertext: no prefix")
		return
	}
	n, err := strconv.Atoi(strings.TrimPrefix(parts[1], "v"))
	b, err2 := base64.StdEncoding.DecodeString(parts[2])
	switch {
	case err != nil || err2 != nil || n < 1 || n > len(k.versions) || len(b) < 28:
		fail(w, http.StatusBadRequest, "invalid ciphertext: version is too new")
		return
	case n < k.least:
		fail(w, http.StatusBadRequest, "ciphertext or signature version is disallowed by policy (too old)")
		return
	}
	plain, err := sealer(k.versions[n-1]).Open(nil, b[:12], b[12:], aad)
	if err != nil {
		fail(w, http.StatusBadRequest, "cipher: message authentication failed")
		return
	}
	answer(w, map[string]any{"data": map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plain)}})
}

// Material returns the key material of a key in hex and in base64, for looking whether it has got anywhere.
func (v *Vault) Material(name string) (out []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, k := range v.keys[name].versions {
		out = append(out, hex.EncodeToString(k[:]), base64.StdEncoding.EncodeToString(k[:]))
	}
	return out
}

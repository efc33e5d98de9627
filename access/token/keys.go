package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
)

const (
	freshFor     = 15 * time.Minute // how long a JWKS is used without looking again
	refetchAfter = 30 * time.Second // between two fetches of one issuer, whatever is asked for
	lastGoodFor  = 24 * time.Hour   // how long a JWKS is used when its server does not answer
	fetchTimeout = 5 * time.Second
	maxJWKS      = 100 // keys
	minRSA       = 2048
	maxRSA       = 8192 // bits; checking a signature costs time
)

// Outbound makes requests to addresses that tenants choose; *outbound.Client is one.
type Outbound interface {
	Do(ctx context.Context, r outbound.Request) (*outbound.Response, error)
}

// publicKey is a key of a JWKS, with the one algorithm that it may be used with.
type publicKey struct {
	alg string
	key any
}

// keySets are the JWKS of issuers, by address.
type keySets struct {
	http Outbound
	log  *slog.Logger
	now  func() time.Time

	mu   sync.Mutex
	sets map[string]*keySet
}

// maxKeySets bounds what is kept; beyond it, everything is fetched anew.
const maxKeySets = 1000

type keySet struct {
	url string

	mu       sync.Mutex
	keys     map[string]publicKey // by kid; of the last fetch that succeeded
	good     time.Time
	tried    time.Time
	fetching chan struct{} // closed at the end of the fetch under way; nil without one
}

func (k *keySets) of(url string) *keySet {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sets[url]
	if s == nil {
		if k.sets == nil || len(k.sets) >= maxKeySets {
			k.sets = map[string]*keySet{}
		}
		s = &keySet{url: url}
		k.sets[url] = s
	}
	return s
}

// find returns the key of a kid. What is stale is used while it is fetched again; only an unknown kid waits for a fetch. The error is a [refusal].
func (k *keySets) find(ctx context.Context, url, kid string) (publicKey, error) {
	s := k.of(url)
	key, known, usable, wait := k.look(ctx, s, kid)
	if known {
		return key, nil
	}
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return publicKey{}, refusedNoKeys
		}
		if key, known, usable, _ = k.look(ctx, s, kid); known {
			return key, nil
		}
	}
	if !usable {
		return publicKey{}, refusedNoKeys
	}
	return publicKey{}, refusedKey
}

// look reads what is kept and starts a fetch where one is due.
func (k *keySets) look(ctx context.Context, s *keySet, kid string) (key publicKey, known, usable bool, wait <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := k.now()
	usable = s.keys != nil && now.Sub(s.good) < lastGoodFor
	if usable {
		key, known = s.keys[kid]
	}
	if (!known || now.Sub(s.good) >= freshFor) && s.fetching == nil && now.Sub(s.tried) >= refetchAfter {
		s.tried, s.fetching = now, make(chan struct{})
		// Whoever asked may go away; the others who wait want the answer all the same.
		go k.fetch(context.WithoutCancel(ctx), s)
	}
	return key, known, usable, s.fetching
}

func (k *keySets) fetch(ctx context.Context, s *keySet) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	keys, err := fetchJWKS(ctx, k.http, s.url)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.keys, s.good = keys, k.now()
	} else {
		k.log.LogAttrs(ctx, slog.LevelWarn, "the keys of an issuer of tokens cannot be fetched; the last ones are kept", slog.Bool("kept", s.keys != nil), slog.Any("error", err))
	}
	close(s.fetching)
	s.fetching = nil
}

// fetchJWKS fetches a JWKS and returns its keys that may sign tokens. The error says nothing of the address or of what it answered.
func fetchJWKS(ctx context.Context, client Outbound, url string) (map[string]publicKey, error) {
	r, err := client.Do(ctx, outbound.Request{Method: http.MethodGet, URL: url, Header: http.Header{"Accept": {"application/jwk-set+json, application/json"}}})
	switch {
	case err != nil:
		return nil, err
	case r.Status != http.StatusOK:
		return nil, errs.New(errs.Unavailable, "the address answers with status %d; redirects are not followed", r.Status)
	case len(r.Body) >= outbound.MaxResponse:
		return nil, errs.New(errs.TooLarge, "the answer is larger than %d bytes", outbound.MaxResponse-1)
	}
	set, err := jwk.Parse(r.Body, jwk.WithIgnoreParseError(true))
	if err != nil {
		return nil, errs.New(errs.Invalid, "the answer is no set of keys in JSON (RFC 7517)")
	}
	keys := map[string]publicKey{}
	for i := range min(set.Len(), maxJWKS) {
		if one, ok := set.Key(i); ok {
			if kid, key, ok := usable(one); ok {
				if _, twice := keys[kid]; twice {
					return nil, errs.New(errs.Invalid, "two keys of the set have the same kid")
				}
				keys[kid] = key
			}
		}
	}
	if len(keys) == 0 {
		return nil, errs.New(errs.Invalid, "the set holds no key with a kid for RS256, ES256 or EdDSA")
	}
	return keys, nil
}

// usable returns a public key of a kind that tokens are signed with. Secret, private, encrypting, short and unnamed keys are left out.
func usable(k jwk.Key) (kid string, out publicKey, ok bool) {
	kid, _ = k.KeyID()
	if use, has := k.KeyUsage(); kid == "" || len(kid) > maxKid || has && use != "" && use != "sig" {
		return kid, out, false
	}
	var raw any
	if jwk.Export(k, &raw) != nil {
		return kid, out, false
	}
	switch key := raw.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
			return kid, out, false
		}
		out = publicKey{"RS256", key}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return kid, out, false
		}
		out = publicKey{"ES256", key}
	case ed25519.PublicKey:
		out = publicKey{"EdDSA", key}
	default:
		return kid, out, false
	}
	if alg, has := k.Algorithm(); has && alg.String() != "" && alg.String() != out.alg {
		return kid, out, false
	}
	return kid, out, true
}

var algorithms = map[string]jwa.SignatureAlgorithm{"RS256": jwa.RS256(), "ES256": jwa.ES256(), "EdDSA": jwa.EdDSA()}

// signed checks the signature with a key found by kid. The algorithm is the key's: what the token says has to agree, and decides nothing.
func (t *webToken) signed(key publicKey) error {
	if t.alg != key.alg {
		return refusedAlgorithm
	}
	if _, err := jws.Verify([]byte(t.text), jws.WithKey(algorithms[key.alg], key.key), jws.WithCompact()); err != nil {
		return refusedSignature
	}
	return nil
}

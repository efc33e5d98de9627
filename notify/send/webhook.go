package send

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/outbound"
)

// Prefixes of keys as Standard Webhooks writes them.
const (
	prefixSecret = "whsec_"
	prefixPublic = "whpk_"
	secretSize   = 32 // bytes; the specification asks for 24 to 64
)

// Key is what a webhook is signed with: one secret for HMAC-SHA256 (v1) and one Ed25519 key (v1a), which is derived from its seed.
type Key struct {
	Secret []byte `json:"secret"`
	Seed   []byte `json:"seed"`
	// Until is when the key ceases to sign, in microseconds since 1970; 0 while it is the current one.
	Until int64 `json:"until,omitempty"`
}

// NewKey makes a key.
func NewKey() Key {
	k := Key{Secret: make([]byte, secretSize), Seed: make([]byte, ed25519.SeedSize)}
	rand.Read(k.Secret) //nolint:errcheck // never fails: it ends the program instead
	rand.Read(k.Seed)   //nolint:errcheck // likewise
	return k
}

// SecretText is the secret as receivers configure it: whsec_ and Base64.
func (k Key) SecretText() string { return prefixSecret + base64.StdEncoding.EncodeToString(k.Secret) }

// PublicText is the public key as receivers configure it: whpk_ and Base64. It is no secret.
func (k Key) PublicText() string {
	public := ed25519.NewKeyFromSeed(k.Seed).Public().(ed25519.PublicKey) //nolint:forcetypeassert // documented
	return prefixPublic + base64.StdEncoding.EncodeToString(public)
}

// Sign makes the headers of Standard Webhooks 1.0.0 for a body: one v1 and one v1a signature by each key that still signs.
func Sign(keys []Key, id string, at time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	signed := append([]byte(id+"."+stamp+"."), body...)
	var list []string
	for _, k := range keys {
		if k.Until != 0 && k.Until <= at.UnixMicro() {
			continue
		}
		m := hmac.New(sha256.New, k.Secret)
		m.Write(signed)
		list = append(list, "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)),
			"v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(ed25519.NewKeyFromSeed(k.Seed), signed)))
	}
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", stamp)
	h.Set("webhook-signature", strings.Join(list, " "))
	return h
}

// WebhookBody is what a signed webhook carries.
type WebhookBody struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

func (s *Sender) sendWebhook(ctx context.Context, set *Settings, m *Message) Outcome {
	return s.SendSigned(ctx, set.URL, set.Keys, m.ID, encode(WebhookBody{Type: m.Type, Timestamp: m.At.UTC(), Data: m.Data}))
}

// SendSigned makes one attempt to hand a body to a webhook. Any 2xx is success, 410 asks for no more, and everything else may be tried again, as Standard Webhooks says.
func (s *Sender) SendSigned(ctx context.Context, url string, keys []Key, id string, body []byte) Outcome {
	return s.post(ctx, url, Sign(keys, id, s.now(), body), body, func(r *outbound.Response) Outcome { return byStatus(Outcome{Code: r.Status}) })
}

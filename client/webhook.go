package client

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/errs"
)

// WebhookTolerance is how far the time of a webhook may lie from the receiver's clock.
const WebhookTolerance = 5 * time.Minute

// VerifyWebhook checks that a webhook comes from the server and was not changed or held back: headers are those of the request, body its body as received, byte for
// byte. keys are what the channel showed: a secret (whsec_…) or a public key (whpk_…), or several of them while keys are being replaced; one that fits is enough. The
// signatures are those of Standard Webhooks 1.0.0 (https://www.standardwebhooks.com).
//
// It returns the id of the message. The same id may come more than once; a receiver that has dealt with it already answers 200 and does nothing. The error is
// Unauthorized, whatever is wrong.
func VerifyWebhook(headers http.Header, body []byte, keys ...string) (id string, err error) {
	return verifyWebhook(headers, body, time.Now(), keys)
}

func verifyWebhook(headers http.Header, body []byte, now time.Time, keys []string) (string, error) {
	refused := func(why string) (string, error) {
		return "", errs.New(errs.Unauthorized, "The webhook is not genuine: %s.", why)
	}
	id, stamp := headers.Get("webhook-id"), headers.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || err != nil {
		return refused("the headers webhook-id and webhook-timestamp are missing or wrong")
	}
	if d := now.Unix() - seconds; d > int64(WebhookTolerance/time.Second) || d < -int64(WebhookTolerance/time.Second) {
		return refused("its time is too far from the present")
	}
	signed := append([]byte(id+"."+stamp+"."), body...)
	for part := range strings.FieldsSeq(headers.Get("webhook-signature")) {
		version, text, _ := strings.Cut(part, ",")
		signature, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			continue
		}
		for _, k := range keys {
			if signedBy(k, version, signed, signature) {
				return id, nil
			}
		}
	}
	return refused("no signature fits the key")
}

// signedBy reports whether a signature is one by this key. A key that is not well formed fits nothing.
func signedBy(key, version string, signed, signature []byte) bool {
	if text, ok := strings.CutPrefix(key, "whpk_"); ok {
		public, err := base64.StdEncoding.DecodeString(text)
		return version == "v1a" && err == nil && len(public) == ed25519.PublicKeySize && ed25519.Verify(public, signed, signature)
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whsec_"))
	if version != "v1" || err != nil || len(secret) < 24 {
		return false
	}
	m := hmac.New(sha256.New, secret)
	m.Write(signed)
	return hmac.Equal(m.Sum(nil), signature)
}

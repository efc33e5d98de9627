package client

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The vector is the one of the specification's own libraries.
const (
	vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime   = 1614265330
	vectorBody   = `{"test": 2432232314}`
	vectorSign   = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func vectorHeaders() http.Header {
	return http.Header{"Webhook-Id": {vectorID}, "Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": {vectorSign}}
}

func TestWebhookVector(t *testing.T) {
	at := time.Unix(vectorTime, 0)
	if id, err := verifyWebhook(vectorHeaders(), []byte(vectorBody), at, []string{vectorSecret}); err != nil || id != vectorID {
		t.Fatalf("%q %v", id, err)
	}
	// Among others, in any order, and with another key beside it.
	h := vectorHeaders()
	h.Set("webhook-signature", "v1a,AAAA v2,x v1,AAAA "+vectorSign)
	if _, err := verifyWebhook(h, []byte(vectorBody), at.Add(WebhookTolerance), []string{"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", vectorSecret}); err != nil {
		t.Error(err)
	}
}

func TestWebhookForgeries(t *testing.T) {
	at := time.Unix(vectorTime, 0)
	refused := func(what string, h http.Header, body string, now time.Time, keys ...string) {
		t.Helper()
		_, err := verifyWebhook(h, []byte(body), now, keys)
		if err == nil {
			t.Errorf("%s was accepted", what)
		} else if strings.Contains(err.Error(), vectorSign) || strings.Contains(err.Error(), vectorSecret) {
			t.Errorf("%s: the error tells a secret", what)
		}
	}
	changed := func(name, value string) http.Header {
		h := vectorHeaders()
		h.Set(name, value)
		if value == "" {
			h.Del(name)
		}
		return h
	}
	refused("another body", vectorHeaders(), vectorBody+" ", at, vectorSecret)
	refused("another id", changed("webhook-id", "msg_x"), vectorBody, at, vectorSecret)
	refused("another time", changed("webhook-timestamp", "1614265331"), vectorBody, at, vectorSecret)
	refused("no id", changed("webhook-id", ""), vectorBody, at, vectorSecret)
	refused("no time", changed("webhook-timestamp", ""), vectorBody, at, vectorSecret)
	refused("no signature", changed("webhook-signature", ""), vectorBody, at, vectorSecret)
	refused("a cut signature", changed("webhook-signature", vectorSign[:20]), vectorBody, at, vectorSecret)
	refused("a signature of another version", changed("webhook-signature", "v1a"+vectorSign[2:]), vectorBody, at, vectorSecret)
	refused("an old one", vectorHeaders(), vectorBody, at.Add(WebhookTolerance+time.Second), vectorSecret)
	refused("one of the future", vectorHeaders(), vectorBody, at.Add(-WebhookTolerance-time.Second), vectorSecret)
	refused("one without a key", vectorHeaders(), vectorBody, at)
	refused("one with an empty key", vectorHeaders(), vectorBody, at, "")
	refused("one with a bad key", vectorHeaders(), vectorBody, at, "whsec_%%%", "whpk_AAAA", "whpk_"+vectorSecret[6:])
	refused("one with another key", vectorHeaders(), vectorBody, at, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
}

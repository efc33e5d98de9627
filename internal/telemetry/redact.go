package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Withheld replaces a value that must not be logged.
const Withheld = "[withheld]"

// Redact returns a handler that withholds or scrubs values before they reach next: values of keys that name secrets or personal data are withheld;
// every other text, the message and errors included, is scrubbed by [Scrub]; values of types that nobody vouched for are replaced by their type.
func Redact(next slog.Handler) slog.Handler { return redactor{next} }

type redactor struct{ next slog.Handler }

func (h redactor) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h redactor) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, Scrub(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(redact(a))
		return true
	})
	return h.next.Handle(ctx, out)
}

func (h redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = redact(a)
	}
	return redactor{h.next.WithAttrs(clean)}
}

func (h redactor) WithGroup(name string) slog.Handler { return redactor{h.next.WithGroup(name)} }

func redact(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	if sensitiveKey(a.Key) && a.Value.Kind() != slog.KindBool {
		return slog.String(a.Key, Withheld)
	}
	switch a.Value.Kind() {
	case slog.KindString:
		return slog.String(a.Key, Scrub(a.Value.String()))
	case slog.KindGroup:
		members := a.Value.Group()
		clean := make([]slog.Attr, len(members))
		for i, m := range members {
			clean[i] = redact(m)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(clean...)}
	case slog.KindAny:
		return slog.String(a.Key, known(a.Value.Any()))
	default:
		return a
	}
}

// known renders values whose text is under our control. A struct might hold anything, so only its type is shown.
func known(v any) string {
	switch v := v.(type) {
	case nil:
		return "<nil>"
	case error:
		return Scrub(v.Error())
	case []string:
		return Scrub(strings.Join(v, ", "))
	case time.Month, []int, []int64, []uint64, slog.Level:
		return fmt.Sprint(v)
	case fmt.Stringer:
		return Scrub(v.String())
	default:
		return fmt.Sprintf("[%T]", v)
	}
}

// sensitive words: a key is sensitive when it equals one of these, or ends in one after a separator or a change of case.
var sensitive = []string{
	"password", "passwd", "passphrase", "secret", "token", "authorization", "cookie", "apikey", "credential", "credentials", "privatekey", "csrf", "otp", "pin",
	"email", "mail", "phone", "ip", "remoteaddr", "clientip", "forwarded", "forwardedfor", "useragent", "address", "username", "fullname", "firstname", "lastname", "displayname",
	"ssn", "iban", "card", "pan", "birthdate", "dob", "body", "payload", "query", "rawquery", "url", "uri", "value", "before", "after",
}

// sensitiveNames are keys that are sensitive only as a whole: "name" is a person's, "table_name" is not.
var sensitiveNames = map[string]bool{"name": true, "user": true, "subject": true, "person": true, "patient": true, "actorname": true, "subjectname": true, "resourcename": true}

// judged remembers the keys seen so far. Keys are written in the source, so there are few; should somebody log made-up ones, remembering stops.
var (
	judged      sync.Map
	judgedCount atomic.Int64
)

func sensitiveKey(key string) bool {
	if v, ok := judged.Load(key); ok {
		return v.(bool)
	}
	verdict := judge(key)
	if judgedCount.Add(1) <= 1000 {
		judged.Store(key, verdict)
	}
	return verdict
}

var separators = strings.NewReplacer("_", "", "-", "", ".", "", " ", "")

func judge(key string) bool {
	flat := strings.ToLower(separators.Replace(key))
	if sensitiveNames[flat] {
		return true
	}
	for _, w := range sensitive {
		if flat == w {
			return true
		}
		if strings.HasSuffix(flat, w) && boundary(key, len(w)) {
			return true
		}
	}
	return false
}

// boundary reports whether a new word starts n letters before the end of key, so that "client_ip" and "clientIP" count and "chip" does not.
func boundary(key string, n int) bool {
	letters := 0
	for i := len(key) - 1; i >= 0; i-- {
		c := key[i]
		if c == '_' || c == '-' || c == '.' || c == ' ' {
			continue
		}
		letters++
		if letters == n {
			if i == 0 {
				return true
			}
			p := key[i-1]
			return p == '_' || p == '-' || p == '.' || p == ' ' || (c >= 'A' && c <= 'Z' && (p < 'A' || p > 'Z'))
		}
	}
	return false
}

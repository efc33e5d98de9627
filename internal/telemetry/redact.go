package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
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

func sensitiveKey(key string) bool {
	flat := strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(key))
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

var (
	emailPattern  = regexp.MustCompile(`[\pL\pN._%+'-]+(?:@|%40)[\pL\pN.-]+\.\pL{2,}`)
	keyPattern    = regexp.MustCompile(`\bpk_[A-Za-z0-9_-]{4,}`)
	schemePattern = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=_.~-]{6,}`)
	jwtPattern    = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`)
	pairPattern   = regexp.MustCompile(`(?i)\b(password|passwd|secret|token|api[_-]?key|authorization|cookie|probity_session)(["']?\s*[=:]\s*["']?)[^\s"'&;,]+`)
	userinfo      = regexp.MustCompile(`(://)[^/@\s]+@`)
	cardPattern   = regexp.MustCompile(`\b\d(?:[ -]?\d){12,18}\b`)
	ibanPattern   = regexp.MustCompile(`\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b`)
	ip4Pattern    = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	ip6Pattern    = regexp.MustCompile(`(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\d+\.\d+\.\d+\.\d+)?`)
)

// Scrub replaces, within a text, what looks like an e-mail address, a credential, a card or bank account number or a network address (loopback excepted).
func Scrub(s string) string {
	at := strings.IndexByte(s, '@') >= 0
	if at && strings.Contains(s, "://") {
		s = userinfo.ReplaceAllString(s, "${1}"+Withheld+"@")
	}
	if at || strings.Contains(s, "%40") {
		s = emailPattern.ReplaceAllString(s, "[email]")
	}
	if strings.Contains(s, "pk_") {
		s = keyPattern.ReplaceAllString(s, "[key]")
	}
	if strings.Contains(s, "eyJ") {
		s = jwtPattern.ReplaceAllString(s, "[token]")
	}
	if strings.ContainsAny(s, " =:") && len(s) > 8 {
		s = schemePattern.ReplaceAllString(s, "$1 "+Withheld)
		s = pairPattern.ReplaceAllString(s, "$1$2"+Withheld)
	}
	digits, dots, colons := count(s)
	if digits >= 13 {
		s = cardPattern.ReplaceAllStringFunc(s, scrubCard)
	}
	if digits >= 8 && len(s) >= 15 {
		s = ibanPattern.ReplaceAllStringFunc(s, scrubIBAN)
	}
	if dots >= 3 && digits >= 4 {
		s = ip4Pattern.ReplaceAllStringFunc(s, scrubIP)
	}
	if colons >= 2 {
		s = ip6Pattern.ReplaceAllStringFunc(s, scrubIP)
	}
	return s
}

func count(s string) (digits, dots, colons int) {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			dots++
		case c == ':':
			colons++
		}
	}
	return digits, dots, colons
}

// scrubCard hides digit runs that pass the Luhn check; sequence numbers and sizes rarely do.
func scrubCard(s string) string {
	sum, n := 0, 0
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] < '0' || s[i] > '9' {
			continue
		}
		d := int(s[i] - '0')
		if n%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		n++
	}
	if sum%10 == 0 {
		return "[card]"
	}
	return s
}

// scrubIBAN hides texts that pass ISO 13616's modulo 97.
func scrubIBAN(s string) string {
	t := strings.ReplaceAll(s, " ", "")
	if len(t) < 15 || len(t) > 34 {
		return s
	}
	mod := 0
	for _, c := range t[4:] + t[:4] {
		switch {
		case c >= '0' && c <= '9':
			mod = (mod*10 + int(c-'0')) % 97
		default:
			mod = (mod*100 + int(c-'A') + 10) % 97
		}
	}
	if mod == 1 {
		return "[iban]"
	}
	return s
}

func scrubIP(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil || a.IsLoopback() || a.IsUnspecified() {
		return s
	}
	return "[ip]"
}

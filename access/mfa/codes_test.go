package mfa_test

import (
	"strings"
	"testing"
	"time"

	"probity.dev/access/mfa"
)

// TestCodesOfTheStandard uses the vectors of RFC 6238, appendix B, of which the last six digits are shown here.
func TestCodesOfTheStandard(t *testing.T) {
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // 12345678901234567890 in base 32
	for at, code := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		now := time.Unix(at, 0)
		step, ok := mfa.CheckCode(secret, code, now, 0)
		if !ok || step != at/30 {
			t.Errorf("%d: %d %v", at, step, ok)
		}
		for _, off := range []time.Duration{-30 * time.Second, 30 * time.Second} {
			if _, ok := mfa.CheckCode(secret, code, now.Add(off), 0); !ok {
				t.Errorf("%d: not accepted one step away", at)
			}
		}
		for _, off := range []time.Duration{-time.Minute, time.Minute} {
			if _, ok := mfa.CheckCode(secret, code, now.Add(off), 0); ok && at > 120 {
				t.Errorf("%d: accepted two steps away", at)
			}
		}
		if _, ok := mfa.CheckCode(secret, code, now, step); ok {
			t.Errorf("%d: accepted twice", at)
		}
	}
}

func TestSpelling(t *testing.T) {
	for typed, want := range map[string]string{"123456": "123456", " 123 456 ": "123456", "12345": "", "1234567": "", "12345a": "", "": "", "١٢٣٤٥٦": "", "-12345": ""} {
		if got, ok := mfa.IsCode(typed); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v", typed, got, ok)
		}
	}
	seen := map[string]bool{}
	for range 100 {
		for _, c := range mfa.NewRecoveryCodes() {
			plain, ok := mfa.IsRecoveryCode(" " + strings.ToUpper(c) + " ")
			if !ok || len(c) != 19 || strings.ReplaceAll(c, "-", "") != plain || seen[c] {
				t.Fatal(c, plain)
			}
			seen[c] = true
		}
	}
	for _, bad := range []string{"", "123456", "aaaa-bbbb-cccc-ddd", "aaaa-bbbb-cccc-ddd!", "aaaa-bbbb-cccc-dddl-"} {
		if _, ok := mfa.IsRecoveryCode(bad); ok {
			t.Errorf("%q is no recovery code", bad)
		}
	}
}

func TestSeed(t *testing.T) {
	s, err := mfa.NewSeed("Probity (test)", "ana@acme.example")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Secret) != 32 || !strings.HasPrefix(s.URL, "otpauth://totp/") || !strings.Contains(s.URL, s.Secret) || len(s.QR) < 21 || len(s.QR) != len(s.QR[0]) || !strings.HasPrefix(s.QR[0], "11111110") {
		t.Fatalf("%d rows, %s", len(s.QR), s.URL[:20])
	}
}

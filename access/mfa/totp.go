package mfa

import (
	"crypto/subtle"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"probity.dev/internal/errs"
)

// The codes are those that every authenticator app can make: SHA-1, six digits, a new one every 30 seconds (RFC 6238). One step of drift either way is forgiven.
const (
	stepSeconds = 30
	drift       = 1
)

// Seed is a new key for an authenticator app.
type Seed struct {
	// Secret is the key in base 32, as people type it.
	Secret string
	// URL is the otpauth:// address that apps read.
	URL string
	// QR is the URL as a QR code, a string of 0 (light) and 1 (dark) for every row of modules, without the quiet zone.
	QR []string
}

// NewSeed makes a key of 160 random bits. issuer and account are what the app shows.
func NewSeed(issuer, account string) (*Seed, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: account, SecretSize: 20, Period: stepSeconds, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a key for an authenticator app cannot be made")
	}
	code, err := qr.Encode(key.URL(), qr.M, qr.Auto)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a QR code cannot be made")
	}
	size := code.Bounds().Dx()
	rows := make([]string, size)
	for y := range size {
		var row strings.Builder
		for x := range size {
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				row.WriteByte('1')
			} else {
				row.WriteByte('0')
			}
		}
		rows[y] = row.String()
	}
	return &Seed{Secret: key.Secret(), URL: key.URL(), QR: rows}, nil
}

// IsCode reports whether what somebody typed looks like a code of an authenticator app, and returns it without the spaces that people type.
func IsCode(typed string) (string, bool) {
	code := strings.ReplaceAll(strings.TrimSpace(typed), " ", "")
	if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
		return "", false
	}
	return code, true
}

// CheckCode returns the time step whose code it is, if that is a step about now which is later than after: the last one that was accepted. Whoever accepts the code must store the step before anybody else can.
func CheckCode(secret, code string, now time.Time, after int64) (step int64, ok bool) {
	present := now.Unix() / stepSeconds
	for at := present - drift; at <= present+drift; at++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(at), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && at > after {
			step, ok = at, true // all steps are compared, whichever it is
		}
	}
	return step, ok
}

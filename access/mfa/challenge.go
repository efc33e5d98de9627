package mfa

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"probity.dev/internal/errs"
)

const (
	nonceBytes     = 16
	challengeBytes = nonceBytes + 8 + 16
	// challengeLife is how long a person has to answer.
	challengeLife = 5 * time.Minute
)

// challenge is nonce, the time at which it ends, and a MAC over both and the subject: what it was asked for.
func (p *Passkeys) challenge(subject string) []byte {
	c := make([]byte, nonceBytes, challengeBytes)
	rand.Read(c) // never fails (crypto/rand)
	c = binary.BigEndian.AppendUint64(c, uint64(p.now().Add(challengeLife).Unix()))
	return append(c, p.mac(subject, c)...)
}

func (p *Passkeys) mac(subject string, head []byte) []byte {
	m := hmac.New(sha256.New, p.key)
	m.Write(head)
	m.Write([]byte(subject))
	return m.Sum(nil)[:16]
}

// asked checks that we asked this challenge for the subject, lately.
func (p *Passkeys) asked(subject string, c []byte) (*Answered, error) {
	if len(c) != challengeBytes || !hmac.Equal(c[nonceBytes+8:], p.mac(subject, c[:nonceBytes+8])) {
		return nil, errs.New(errs.Unauthorized, "The passkey answered something else than it was asked.")
	}
	ends := time.Unix(int64(binary.BigEndian.Uint64(c[nonceBytes:])), 0)
	if !p.now().Before(ends) {
		return nil, errs.New(errs.Unauthorized, "The passkey took too long; try again.")
	}
	hash := sha256.Sum256(c)
	return &Answered{Challenge: hash[:], Ends: ends}, nil
}

package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"probity.dev/internal/errs"
)

// Limits of a password. The upper one bounds the work of normalising it; hashing time does not depend on its length.
const (
	MinPassword = 12  // characters
	MaxPassword = 256 // characters
)

// The argon2id parameters of new hashes (OWASP's first choice: 19 MiB, two passes, one lane).
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// maxHashWait is how long a login may wait for its turn; a longer queue is turned away rather than grown.
const maxHashWait = 5 * time.Second

// hasher runs argon2id, a bounded number at a time: each run takes 19 MiB and a core for tens of milliseconds, so without a bound a crowd at
// the door would take the machine.
type hasher struct {
	slots chan struct{}
	dummy string
}

func newHasher() *hasher {
	h := &hasher{slots: make(chan struct{}, max(2, runtime.NumCPU()))}
	h.dummy = encodePHC(make([]byte, argonSalt), make([]byte, argonKey))
	return h
}

func (h *hasher) acquire(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, maxHashWait)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, &errs.Error{Code: errs.Unavailable, Message: "Too many people are signing in at once.", RetryAfter: time.Second, Cause: ctx.Err()}
	}
}

// hash returns the PHC string of a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	release, err := h.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails (crypto/rand)
	return encodePHC(salt, argon2.IDKey(normalised(password), salt, argonTime, argonMemory, argonLanes, argonKey)), nil
}

// verify compares a password with a PHC string. An empty string stands for an account that does not exist: the same work is done and the answer is no.
func (h *hasher) verify(ctx context.Context, phc, password string) (bool, error) {
	real := phc != ""
	if !real {
		phc = h.dummy
	}
	p, err := decodePHC(phc)
	if err != nil {
		return false, err
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	got := argon2.IDKey(normalised(password), p.salt, p.time, p.memory, p.lanes, uint32(len(p.key)))
	return subtle.ConstantTimeCompare(got, p.key) == 1 && real, nil
}

// normalised makes one spelling of what a keyboard may send in two (RFC 8265 OpaqueString uses NFC).
func normalised(password string) []byte { return norm.NFC.Bytes([]byte(password)) }

func encodePHC(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes, b64.EncodeToString(salt), b64.EncodeToString(key))
}

type phcString struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

// decodePHC reads $argon2id$v=19$m=…,t=…,p=…$salt$key, within bounds that keep a planted hash from exhausting the machine.
func decodePHC(s string) (phcString, error) {
	bad := errs.New(errs.Internal, "a stored password hash is damaged")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phcString{}, bad
	}
	var p phcString
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); err != nil || n != 3 {
		return phcString{}, bad
	}
	if p.memory < 8 || p.memory > 256<<10 || p.time < 1 || p.time > 16 || p.lanes < 1 || p.lanes > 16 {
		return phcString{}, bad
	}
	var err1, err2 error
	p.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	p.key, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(p.salt) < 8 || len(p.key) < 16 || len(p.key) > 128 {
		return phcString{}, bad
	}
	return p, nil
}

// outdated reports whether a hash was made with other parameters than new ones are.
func outdated(phc string) bool {
	p, err := decodePHC(phc)
	return err == nil && (p.memory != argonMemory || p.time != argonTime || p.lanes != argonLanes || len(p.key) != argonKey)
}

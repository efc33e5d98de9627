package access

import (
	"context"
	"net/netip"
	"time"

	"probity.dev/access/mfa"
)

// Guesses are slowed down per account and per address. Both counters live in the database, so a restart or a second node forgives nothing. An attempt is counted
// before its password is looked at: parallel guesses cannot outrun the counter.
const (
	freePerAccount = 3  // attempts before the first wait
	freePerAddress = 20 // many people may share one address
	maxWait        = 15 * time.Minute
	forgetAfter    = time.Hour // without attempts
)

// waitAfter is how long the next attempt has to wait: 1 s once the free attempts are used up, doubling with each further one up to maxWait.
func waitAfter(failures, free int64) time.Duration {
	n := failures - free
	if n < 0 {
		return 0
	}
	if n > 10 {
		return maxWait
	}
	return min(time.Second<<n, maxWait)
}

// throttled is one counter that an attempt is charged to.
type throttled struct {
	subject []byte
	free    int64
	address bool // counts an address, which many share
}

// throttlesOf returns the counters of an attempt. Subjects are keyed hashes: the table says nothing about who tried or from where. The account's exists whether or
// not the account does, so that being slowed down tells nothing either.
func (s *Service) throttlesOf(email string, ip netip.Addr) []throttled {
	list := []throttled{{subject: s.index("throttle|account|" + normalEmail(email)), free: freePerAccount}}
	if ip.IsValid() {
		list = append(list, s.throttleOfAddress(ip))
	}
	return list
}

func (s *Service) throttleOfAddress(ip netip.Addr) throttled {
	if ip.Is6() {
		p, _ := ip.Prefix(64)
		ip = p.Addr()
	}
	return throttled{subject: s.index("throttle|address|" + ip.String()), free: freePerAddress, address: true}
}

// freeCodes are the attempts at a code before the first wait, of one person over all sign-ins.
const freeCodes = 10

// factorThrottles returns the counters of a proof. Only what can be guessed, the six digits of an authenticator app, counts for the person, so that nobody who guesses keeps a passkey or a recovery code from working. who is
// account|ID, or the session that somebody proves in: guesses at the sign-in page slow nobody down who is in.
func (s *Service) factorThrottles(ctx context.Context, who string, proof Proof) []throttled {
	var list []throttled
	if _, guessable := mfa.IsCode(proof.Code); guessable && who != "" {
		list = append(list, throttled{subject: s.index("throttle|code|" + who), free: freeCodes})
	}
	if ip := ClientOf(ctx).IP; ip.IsValid() {
		list = append(list, s.throttleOfAddress(ip))
	}
	return list
}

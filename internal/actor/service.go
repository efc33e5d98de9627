package actor

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// servicePrefix begins the KeyID of callers that a trusted issuer vouches for; the ids of API keys are UUIDs.
const servicePrefix = "svc_"

// ServiceKeyID is the KeyID of a caller whom a token of an issuer names. The subject, which may be an address of a person, is not readable in it.
func ServiceKeyID(issuerID, subject string) string {
	h := sha256.Sum256([]byte(issuerID + "|" + subject))
	return servicePrefix + issuerID + "_" + hex.EncodeToString(h[:8])
}

// IsService reports whether the caller came with a token of a trusted issuer.
func (p Principal) IsService() bool { return strings.HasPrefix(p.KeyID, servicePrefix) }

// ServiceIssuer is the id of the issuer that vouches for the caller, "" for others.
func (p Principal) ServiceIssuer() string {
	rest, ok := strings.CutPrefix(p.KeyID, servicePrefix)
	if !ok {
		return ""
	}
	issuer, _, _ := strings.Cut(rest, "_")
	return issuer
}

package mfa

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"probity.dev/internal/errs"
)

// Passkeys asks passkeys and judges their answers. It is safe for concurrent use.
type Passkeys struct {
	w   *webauthn.WebAuthn
	key []byte
	now func() time.Time
}

// NewPasskeys returns the passkeys of the site at publicURL: the only origin whose answers count, whatever a request says of where it came from. It is nil when there can be none: passkeys
// belong to a name, over https or on localhost. key signs challenges; name is shown by browsers.
func NewPasskeys(publicURL, name string, key []byte, now func() time.Time) (*Passkeys, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Hostname() != "localhost" {
		return nil, nil
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return nil, nil
	}
	w, err := webauthn.New(&webauthn.Config{RPID: strings.ToLower(u.Hostname()), RPDisplayName: name, RPOrigins: []string{u.Scheme + "://" + u.Host},
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore}) // none is asked for, none is looked at
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "passkeys cannot be used under the public address")
	}
	return &Passkeys{w: w, key: key, now: now}, nil
}

// Person is whose passkeys they are.
type Person struct {
	// ID is the user handle: an opaque id of 1 to 64 bytes.
	ID          string
	Name, Email string
	Passkeys    []*Passkey
}

// Passkey is a public key and what is known of its authenticator.
type Passkey struct{ c webauthn.Credential }

// ParsePasskey reads what [Passkey.Bytes] has written.
func ParsePasskey(b []byte) (*Passkey, error) {
	var p Passkey
	if err := json.Unmarshal(b, &p.c); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a stored passkey is damaged")
	}
	return &p, nil
}

// Bytes is the passkey as it is stored. It holds no secret.
func (k *Passkey) Bytes() ([]byte, error) { return json.Marshal(&k.c) }

// Hash is the SHA-256 of the id under which the passkey answers.
func (k *Passkey) Hash() []byte { return hashOf(k.c.ID) }

// Count is how often it says it has been used; 0 forever for many.
func (k *Passkey) Count() int64 { return int64(k.c.Authenticator.SignCount) }

// WithCount returns the passkey as of a later count than its bytes tell.
func (k *Passkey) WithCount(n int64) *Passkey {
	next := *k
	next.c.Authenticator.SignCount = uint32(n)
	return &next
}

func hashOf(id []byte) []byte {
	h := sha256.Sum256(id)
	return h[:]
}

// person implements webauthn.User.
type person struct{ p Person }

func (u person) WebAuthnID() []byte          { return []byte(u.p.ID) }
func (u person) WebAuthnName() string        { return u.p.Email }
func (u person) WebAuthnDisplayName() string { return u.p.Name }
func (u person) WebAuthnCredentials() []webauthn.Credential {
	out := make([]webauthn.Credential, len(u.p.Passkeys))
	for i, k := range u.p.Passkeys {
		out[i] = k.c
	}
	return out
}

// Answered is the challenge that an accepted answer was given to.
type Answered struct {
	// Challenge is its hash, by which an answer that comes twice is known.
	Challenge []byte
	// Ends is when the challenge is too old anyway.
	Ends time.Time
}

// AskNew returns what a browser needs (publicKey of navigator.credentials.create) to make a passkey for a person who has none of p.Passkeys there yet.
func (k *Passkeys) AskNew(p Person, subject string) (json.RawMessage, error) {
	u := person{p}
	exclude := webauthn.Credentials(u.WebAuthnCredentials()).CredentialDescriptors()
	creation, _, err := k.w.BeginRegistration(u, webauthn.WithExclusions(exclude), webauthn.WithConveyancePreference(protocol.PreferNoAttestation),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred}))
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a passkey cannot be asked for")
	}
	creation.Response.Challenge = k.challenge(subject)
	return json.Marshal(creation.Response)
}

// New judges what navigator.credentials.create gave.
func (k *Passkeys) New(p Person, subject string, answer []byte) (*Passkey, *Answered, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, nil, refused(err)
	}
	raw, asked, err := k.askedBy(subject, parsed.Response.CollectedClientData.Challenge)
	if err != nil {
		return nil, nil, err
	}
	c, err := k.w.CreateCredential(person{p}, webauthn.SessionData{Challenge: raw, RelyingPartyID: k.w.Config.RPID, UserID: []byte(p.ID), UserVerification: protocol.VerificationPreferred,
		CredParams: webauthn.CredentialParametersDefault()}, parsed)
	if err != nil {
		return nil, nil, refused(err)
	}
	c.Attestation = webauthn.CredentialAttestation{} // nothing is made of it, and it may tell devices apart
	return &Passkey{*c}, asked, nil
}

// Ask returns what a browser needs (publicKey of navigator.credentials.get) to have one of some passkeys answer; without any, whichever the browser has for this site. alone says that nothing else
// proves who the person is, so that the device must know them, by a fingerprint or PIN.
func (k *Passkeys) Ask(subject string, of []*Passkey, alone bool) (json.RawMessage, error) {
	options := []webauthn.LoginOption{webauthn.WithUserVerification(verification(alone))}
	if len(of) > 0 {
		options = append(options, webauthn.WithAllowedCredentials(webauthn.Credentials(person{Person{Passkeys: of}}.WebAuthnCredentials()).CredentialDescriptors()))
	}
	assertion, _, err := k.w.BeginDiscoverableLogin(options...)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a passkey cannot be asked")
	}
	assertion.Response.Challenge = k.challenge(subject)
	return json.Marshal(assertion.Response)
}

func verification(alone bool) protocol.UserVerificationRequirement {
	if alone {
		return protocol.VerificationRequired
	}
	return protocol.VerificationPreferred
}

// Which returns the hash of the id of the passkey that claims to have answered.
func Which(answer []byte) ([]byte, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, refused(err)
	}
	return hashOf(parsed.RawID), nil
}

// Check judges what navigator.credentials.get gave and returns the passkey that answered, as of its new count. An answer whose count has not grown is refused: the passkey may have been copied.
func (k *Passkeys) Check(p Person, subject string, alone bool, answer []byte) (*Passkey, *Answered, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, nil, refused(err)
	}
	raw, asked, err := k.askedBy(subject, parsed.Response.CollectedClientData.Challenge)
	if err != nil {
		return nil, nil, err
	}
	if alone && !bytes.Equal(parsed.Response.UserHandle, []byte(p.ID)) {
		return nil, nil, errs.New(errs.Unauthorized, "The passkey does not say whose it is.")
	}
	c, err := k.w.ValidateLogin(person{p}, webauthn.SessionData{Challenge: raw, RelyingPartyID: k.w.Config.RPID, UserID: []byte(p.ID), UserVerification: verification(alone)}, parsed)
	if err != nil {
		return nil, nil, refused(err)
	}
	if c.Authenticator.CloneWarning {
		return nil, nil, errs.New(errs.Unauthorized, "The passkey counts backwards; it may have been copied. Remove it, and set up another.")
	}
	return &Passkey{*c}, asked, nil
}

// askedBy finds the challenge in what the browser has signed.
func (k *Passkeys) askedBy(subject, challenge string) (string, *Answered, error) {
	c, err := base64.RawURLEncoding.DecodeString(challenge)
	if err != nil {
		return "", nil, refused(err)
	}
	a, err := k.asked(subject, c)
	return challenge, a, err
}

// refused hides what a library says, which may quote the answer.
func refused(err error) error {
	return errs.Wrap(errs.Unauthorized, err, "The passkey was not accepted.")
}

// Package mfa is what a person can prove to have besides a password (mission rows F1, G2): one-time codes of an authenticator app (RFC 6238), passkeys (WebAuthn level 3) and recovery codes.
//
// It knows the protocols and keeps nothing: what is stored, and that each code and each answer counts once, is package access's business. A passkey answers a challenge that
// [Passkeys] has signed, so that asking costs no storage; the challenge is bound to what it was asked for, and whoever accepts the answer remembers its hash until it is too old.
package mfa

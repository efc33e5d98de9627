// Package token lets callers in who bring a JSON Web Token instead of an API key (mission row F2): services and people that an issuer of the tenant's choice vouches for, and people of the console, who exchange
// their session for a short-lived token of our own.
//
// A token is refused unless everything about it is right: RS256, ES256 or EdDSA, a kid that names a key of the issuer's JWKS, issuer and audience that one tenant has entered, a time at which it is valid, no
// header that brings a key along, no member twice. What a caller may do is what scopes or roles of the token are mapped to, within what the tenant has allowed the issuer; nothing else.
//
// A JWKS is fetched through guarded connections (probity.dev/internal/outbound), kept, fetched again when an unknown kid turns up (not more often than every [refetchAfter]), and goes on being used for a
// day when its server is down. Tokens of our own are signed with Ed25519 under keys of the tenant that are sealed, replaced every [rotateAfter], and published at [JWKSPath]; they hold the id of the session
// and are worth nothing once that session has ended.
package token

// Package oidc signs people in at OpenID providers of their tenant's choice: authorization code with PKCE, nonce, and a state that works once, in the browser in which the sign-in began, at the provider that it was
// begun for.
//
// An account is found by the provider's issuer and sub. Only when there is none, and the provider says that it has verified the e-mail address, and the tenant trusts it for the address's domain, is an account
// found by the address, and linked from then on; an address alone never leads to an account. Providers are reached through guarded connections. Every sign-in, link and refusal is an event.
package oidc

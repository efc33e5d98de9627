// Package access decides who calls: local accounts of people, console sessions, API keys of applications, and the slowing down of
// guesses (mission rows A3, A4, C2, F4, F5). It answers [probity.dev/internal/api.Authenticator] with an
// [probity.dev/internal/actor.Principal]; what a principal may do is in its permissions, which follow from the
// roles that access/role keeps, and operations check them.
//
// Every decision here (a login or its failure, a logout, a changed password, a user or key created, changed, locked, revoked) is an event of the ledger,
// recorded in the same transaction as its effect through [Recorder].
//
// What is stored about secrets cannot be turned back into them: passwords as argon2id, session tokens and API keys as SHA-256 of 256 random bits.
// E-mail addresses and names are sealed under the tenant's keyset and found by a keyed hash. How a reader's fields are masked is
// access/masking's business; tokens, providers, flags and subscriptions are packages of their own below.
package access

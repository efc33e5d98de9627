// Package person is a tenant's directory of persons: it gives each a random handle, keeps the secret that every commitment and
// ciphertext about them depends on, and finds people by identifier, e-mail or part of a name.
//
// An identifier is (namespace, type, id); an e-mail is an alias, never a key; a person is a set of handles. Identifiers are looked up by
// HMAC under a key of the tenant, values are stored encrypted under the person's own secret, so destroying the secret leaves nothing
// readable. The directory makes no events and decides nothing about erasure; package ledger does.
package person

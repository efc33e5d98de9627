// Package person is a tenant's directory of persons: it gives each a handle that says nothing, keeps the secret that every commitment and
// ciphertext about them depends on, and finds people by identifier, e-mail or part of a name.
//
// An identifier is (namespace, type, id); an e-mail is an alias, never a key; a person is a set of handles. Identifiers are looked up by
// AES-CMAC under a key of the tenant, values are stored encrypted under the person's own secret, so destroying the secret leaves nothing
// readable. The directory makes no events and decides nothing about erasure; package ledger does.
//
// # How persons are stored
//
// Persons are numbered in the order in which they come, and a page of consecutive ones is one row of the table person. So new persons are always
// written at the end, whatever is stored already; rows in the order of handles or hashes would each dirty a database page of their own. A handle is the
// encrypted number, so it leads to the page without an index. The values of a person that repeat from event to event, a profile, are numbered
// likewise: 1 stands for the first one, which is kept with the person, and larger numbers for places in the table person_profile.
//
// Which number an identifier has is known from an index in memory of some 20 bytes a person and 8 an e-mail address, read at the start from the table
// person_identifier, which is written at its end only as well. It holds keyed hashes, cut short; the person's own record decides.
//
// Whoever needs many persons, for an export or a verification, begins a [Reading], which reads each page once.
//
// A batch is stored in the transaction of its events, so a person is durable when the first event about them is.
package person

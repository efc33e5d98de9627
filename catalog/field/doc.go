// Package field knows what the fields of an event hold: it gives each a data category (a Fideslang key such as
// "user.contact.email") and says whether it is operational, personal or unknown (mission rows A13, C1, C4).
//
// Three sources are asked in this order: a [Catalogue] of rules that an operator writes per action and path, the name of the
// field, and the value itself (formats with checksums). Whatever none of them vouches for is unknown, which means that it is
// encrypted: a new field of a producer never ends up in clear by default.
//
// [Find] locates personal data inside free text. It is a different trade: the checksummed formats are reliable, names and
// addresses in prose are not, and the test of this package prints how good it is on public data.
//
// The package stores nothing, masks nothing (package access/masking does) and does not decide who owns a value (package
// ledger does).
package field

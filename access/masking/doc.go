// Package masking decides what a reader sees of an event's fields (mission rows A15, B2, C1, C4). It owns the masking policy, which
// says for every role and data category how a value is shown, and the masks themselves.
//
// An [Engine] is made once from a policy and a tenant's key; [Engine.For] gives the [event.Masker] of one reader, [Engine.Export] that
// of an export with anonymisation. Masking happens on the way out only: what is stored is complete, and a masked value is the
// operator's claim, not provable, while an unmasked or withheld field can be checked against the log.
//
// Three rules hold for every role: credentials are never shown; a value that cannot be masked as its category asks is hidden as a
// whole; and the result of masking a JSON value is a JSON value. The package does not classify data (package catalog/field does; a
// detector for free text is plugged in with [WithFinder]) and does not decide who has which role.
package masking

// Package event is the event model: the wire form that producers send, the rules an event must meet, and the record
// that readers get back (mission rows A1, A13, K3).
//
// An [Event] is what came in. [Flatten] turns it into the fields that the ledger commits to, each a JSON pointer and the
// verbatim JSON bytes of its value. A [Record] is what comes out: clear attributes, and fields that may be masked, withheld
// or erased. The package does not decide who owns a field, encrypts nothing and stores nothing; package ledger does.
package event

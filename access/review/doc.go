// Package review has people look from time to time at what others have been given: a review takes down every assignment, API key and group from outside at its start, and a reviewer confirms or revokes each, with a reason.
//
// What is revoked ends in the transaction that notes the decision; what a group elsewhere gives is ended here and named, because it comes back until it is ended there. Nobody reviews what he has himself, and an API key reviews nothing.
// Reviews follow one another by the calendar. A closed one is evidence: its decisions are kept as they were, their SHA-256 is part of the event of closing, and the log proves that event like every other.
//
// The package does not know where grants come from or how they end: [Grants] does. All events of a review bear its id as their correlation id.
package review

// Package approval makes sensitive actions wait for the consent of others (mission row F2): grants of roles of high sensitivity, elevated viewing for one investigation, the review of a break-glass, and
// whatever else an action of the product registers as a [Kind].
//
// A request is pending until enough people have approved it, one has denied it, whoever asked has taken it back, or its time is over. Those who decide see the change exactly as it will be made: it is
// stored with the request, sealed, and nothing else is applied. What was approved is applied by the server in a transaction of its own, once, and tried again after a crash. Every step is an event.
//
// Nobody approves for himself: not with an API key, not in the name of a key he made, not under a changed name or address, and not by a right that he gave to somebody else for the purpose. [Standing] says
// how that is known. A break-glass takes effect at once, for hours at most, with an alarm; the review afterwards is a request too.
//
// The package does not know roles or users: [People] tells who may decide, and kinds bring what they do.
package approval

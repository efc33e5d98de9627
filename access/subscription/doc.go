// Package subscription keeps who has paid (a tenant as a whole, or one of its users) and answers the question whether a clinician may use the scribe (mission row F3): a token of a trusted issuer or of a session,
// valid now, with the role scribe_user, and a subscription that is active or on trial.
//
// Every change of a subscription is an event with before and after, and so is every refused attempt, a flood of them as one event that counts them. A user is found by a keyed hash of the id that tokens
// carry; the id itself is sealed.
package subscription

// Package notify tells people and programs outside what happened (mission rows H6, A10): it keeps each tenant's channels, turns what other domains have to say into
// notifications, and delivers those over the channels that want them.
//
// A notification names its cause (an export, a log, a delivery) and holds a few parameters that cannot be personal; its words come from the templates of its kind. Each pair of
// a notification and a channel is one delivery: queued, tried until it succeeds or is given up, then a dead letter that can be looked at, replayed or discarded. Every
// attempt is kept. The wire formats are those of package notify/send.
//
// Queued in the transaction of the domain that has something to say ([Service.Notify]), a delivery survives whatever happens to the process, and is tried at least once: a receiver
// tells a repetition by the id, which never changes. Every change to a channel and every decision about a dead letter is an event of the tenant's ledger;
// deliveries themselves are not.
//
// What a channel was set up with, its name included, is sealed under the tenant's keyset and does not come back through the API.
package notify

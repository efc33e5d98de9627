// Package alert watches a tenant's log for what somebody wants to be told of (mission row A9): rules with a filter and, if wanted, a threshold; the alerts that they raised; and who has
// taken note of them.
//
// A rule is a follower of the log with a stored position. It takes events in their order and counts those that its filter selects by the time at which they were recorded, which
// never goes back: the same log always gives the same alerts, however often the server was stopped in between. What it has counted is kept in memory only, and read from the log
// again after a restart. An alert, the notification that tells of it, the event in the ledger and the rule's new position are stored in one transaction, so that each crossing of the
// threshold is told exactly once.
//
// An alert ends when its condition has not held for the rule's cool-down; a crossing before that belongs to it. Alerts hold handles and numbers of events, never values: who it
// was is looked up in the log, as the reader may see it. How events are found is the business of the [Source].
package alert

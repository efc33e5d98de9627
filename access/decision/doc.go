// Package decision answers other systems that ask whether somebody may do something (mission row F6): the Authorization API 1.0 of OpenID AuthZEN, from the roles that
// [probity.dev/access/role] keeps and rules that a tenant writes.
//
// A rule says which actions on which types of resources need which permission, and on which condition, in the Common Expression Language (https://cel.dev), with subject, action, resource and context as
// the request has them. Rules that deny win over rules that allow; where no rule is about an action, the action itself is taken for a permission. What nobody allows is denied, and so is what a condition
// cannot judge, because an attribute is missing.
//
// Every answer has an evaluation_id. The event of that id holds the question, its hash, the version of roles and rules, and the reasons, so that the decision can be made again later from what was in force
// then. The answer does not wait for the event, which joins one of the next commits; what finds the queue full, or is in it when the server is killed, is missing. A full queue is counted in an event; what a kill loses shows as a gap, since
// the events of a process number its answers to a tenant (members process and number of their data, and the producer in the leaf): all that is missing but the answers after the last event.
package decision

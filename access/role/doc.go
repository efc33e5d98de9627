// Package role keeps what people may do (mission rows F1, F5, K1, K2): permissions, roles as editable sets of them, and assignments of roles to people, which may end by themselves and may hold for a
// part of the tenant only. It answers what a person may do now, who may do something, and why.
//
// A tenant has the built-in roles of [probity.dev/internal/actor] and its own. Nobody gives, edits or takes away more than he holds himself, nobody adds to a role or to the assignments that he holds
// himself, and every tenant keeps somebody who may do everything. Each change, each end of an assignment and each refusal is an event of the ledger, in the transaction of its effect.
//
// Assignments are read into memory, an index for each tenant, which is looked after every second and forgotten at once when they are changed on this server: what another server has revoked is
// revoked here a second later at most. When an assignment ends is compared with the clock for each question.
package role

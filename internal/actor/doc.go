// Package actor carries the authenticated caller of a request through a [context.Context], and asks what the caller may do
// (mission rows A3, F1).
//
// It owns the names of permissions and of the built-in roles and nothing else: who somebody is gets decided by package access, what the roles of
// a tenant hold by access/role, and what a reader sees of a masked field by access/masking.
package actor

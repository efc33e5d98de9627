// Package flag switches features of other programs on and off for a tenant: by role, for a share of the users, with a default, a kill switch, an owner and an end (mission row J4). Every change is an event
// with before and after.
//
// Whether a user is in the share follows from a hash of the tenant, the flag and the user: it is the same on every server and stays the same while the share grows.
package flag

// Package scope runs statements that are confined to one tenant, for the sub-packages of access: the tenant is the last argument of each, and each statement names tenant_id.
//
// Last, because placeholders must be numbered in order of first appearance and an UPDATE names its new values first.
package scope

// Package tenant is the tenants of an installation: who may make them, suspend them, let them go on, and give them up.
//
// The first tenant of an installation operates it. Its people with [actor.TenantsManage] manage the others; nobody else does, whatever permissions their own tenant gives them. It can be neither suspended nor given up.
//
// Suspended: the sessions, keys and tokens of the tenant are refused on every server within a second, its background work pauses, and its evidence goes on being sealed, signed and kept. Given up: suspended at once, and after a
// time to think better of it everything that can be deleted is, by steps that may be repeated. The evidence is not: it holds no personal data, and what locks it outlives the tenant. A legal hold keeps a tenant from being deleted.
package tenant

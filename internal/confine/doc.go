// Package confine says in a context which tenant's rows statements may touch. The database enforces it where it can: PostgreSQL by row-level security, see sqldb. It is the wall behind the one that each statement builds by naming the
// tenant: where a statement forgets it, a confined one finds nothing of others.
//
// A request is confined to its caller's tenant once it is known. Work that is nobody's request is not confined; within a request only what says [Lifted] and why is not.
package confine

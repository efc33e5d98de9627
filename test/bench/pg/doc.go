// Package pg is the benchmarks' peer: an audit table in a private PostgreSQL server, as teams usually make one.
//
// The server is one of internal/sqldb/pgserver, tuned for writing and as durable as the ledger (synchronous_commit on, full_page_writes on), and stops it again. The table has the
// columns that people filter by beside the whole event as jsonb, a unique id, and an index on tenant and time, and on tenant, actor,
// action and resource each with the time. Choices that are open are made in PostgreSQL's favour: a bigint tenant,
// COPY in the binary protocol straight from prepared bytes, a unix socket, ANALYZE before queries, prepared statements.
package pg

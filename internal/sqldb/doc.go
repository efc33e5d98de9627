// Package sqldb opens the SQL database, migrates it and runs transactions.
//
// Every statement in the product is written once, in the subset that SQLite and PostgreSQL both accept: $n placeholders numbered
// in order of first appearance, ids and times made in Go (times are microseconds since 1970 UTC), no FOR UPDATE. Migrations are
// written twice, under the same number and name.
package sqldb

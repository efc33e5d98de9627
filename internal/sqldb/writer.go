package sqldb

import "database/sql"

// Writer returns the pool with the one connection that writes, for a library that keeps tables of its own in the database and begins transactions itself. Whoever
// holds a transaction of it keeps everybody else from writing.
func (db *DB) Writer() *sql.DB { return db.write }

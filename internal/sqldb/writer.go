package sqldb

import "database/sql"

// Writer returns SQLite's pool with the one connection that writes, for a library that keeps tables of its own in the database and begins transactions itself. Whoever
// holds a transaction of it keeps everybody else from writing. On PostgreSQL see [DB.OpenPgx].
func (db *DB) Writer() *sql.DB { return db.write }

-- +goose Up
-- What one server at a time does. holder names a process; token grows whenever the name changes hands; until_at is by the clock of the database.
CREATE TABLE lease (
  name TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  token INTEGER NOT NULL,
  until_at INTEGER NOT NULL
);
-- What must be the same on all servers of a database.
CREATE TABLE installation (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

-- +goose Down
DROP TABLE installation;
DROP TABLE lease;

-- +goose Up
-- What a minute of service was like, added up over the servers that work on the database. Minutes since 1970 UTC.
CREATE TABLE availability_minute (
  minute INTEGER NOT NULL PRIMARY KEY,
  checks INTEGER NOT NULL,
  failed_checks INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  failed_requests INTEGER NOT NULL
);

-- +goose Down
DROP TABLE availability_minute;

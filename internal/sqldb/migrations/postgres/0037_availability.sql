-- +goose Up
-- What a minute of service was like, added up over the servers that work on the database. Minutes since 1970 UTC.
CREATE TABLE availability_minute (
  minute BIGINT NOT NULL PRIMARY KEY,
  checks BIGINT NOT NULL,
  failed_checks BIGINT NOT NULL,
  requests BIGINT NOT NULL,
  failed_requests BIGINT NOT NULL
);

-- +goose Down
DROP TABLE availability_minute;

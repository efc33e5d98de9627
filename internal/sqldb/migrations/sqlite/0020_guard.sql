-- +goose Up
-- One row: the schema's version, and the oldest schema whose programs may go on working on it.
CREATE TABLE schema_window (
  id BIGINT NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL,
  compatible BIGINT NOT NULL,
  changed_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE schema_window;

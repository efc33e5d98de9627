-- +goose Up
-- Which master key wraps the keysets, and since when. There is one row, with number 1.
CREATE TABLE master_key (
  no INTEGER NOT NULL PRIMARY KEY,
  kms TEXT NOT NULL,
  version TEXT NOT NULL,
  since INTEGER NOT NULL
);
-- When the key was made that seals; 0 for the time of the tenant itself.
ALTER TABLE tenant ADD COLUMN keyset_at INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE tenant DROP COLUMN keyset_at;
DROP TABLE master_key;

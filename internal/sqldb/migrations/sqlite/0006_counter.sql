-- +goose Up
-- Numbers that processes take in runs, each run once.
CREATE TABLE counter (
  name TEXT NOT NULL PRIMARY KEY,
  next INTEGER NOT NULL
);

-- +goose Down
DROP TABLE counter;

-- +goose Up
-- Legal holds on sealed evidence in an object store. end_seq is 0 for a hold without an end. body is sealed: who, why. work counts what has happened that the store does not reflect yet.
CREATE TABLE evidence_hold (
  log_id TEXT NOT NULL REFERENCES log(log_id),
  id TEXT NOT NULL,
  first_seq INTEGER NOT NULL,
  end_seq INTEGER NOT NULL,
  body BLOB NOT NULL,
  placed_at INTEGER NOT NULL,
  released_at INTEGER,
  work INTEGER NOT NULL,
  PRIMARY KEY (log_id, id)
);

-- +goose Down
DROP TABLE evidence_hold;

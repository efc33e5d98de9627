-- +goose Up
-- Epochs that a lossy restore has ended; the present one is in log. opening is the sealed event that opens the epoch after it, until that is recorded.
CREATE TABLE log_epoch (
  log_id TEXT NOT NULL REFERENCES log(log_id),
  epoch INTEGER NOT NULL,
  base INTEGER NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  recorded_at INTEGER NOT NULL,
  published INTEGER NOT NULL,
  checkpoint TEXT NOT NULL,
  lost_checkpoint TEXT NOT NULL,
  closed_at INTEGER NOT NULL,
  opening BLOB,
  PRIMARY KEY (log_id, epoch)
);

-- +goose Down
DROP TABLE log_epoch;

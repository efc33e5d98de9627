-- +goose Up
-- Epochs that a lossy restore has ended; the present one is in log. opening is the sealed event that opens the epoch after it, until that is recorded.
CREATE TABLE log_epoch (
  log_id TEXT NOT NULL REFERENCES log(log_id),
  epoch BIGINT NOT NULL,
  base BIGINT NOT NULL,
  size BIGINT NOT NULL,
  root BYTEA NOT NULL,
  recorded_at BIGINT NOT NULL,
  published BIGINT NOT NULL,
  checkpoint TEXT NOT NULL,
  lost_checkpoint TEXT NOT NULL,
  closed_at BIGINT NOT NULL,
  opening BYTEA,
  PRIMARY KEY (log_id, epoch)
);

-- +goose Down
DROP TABLE log_epoch;

-- +goose Up
-- Exports are jobs: job_id is 0 for one that has none yet. resume, sealed, says where the next attempt goes on; parts is how many files are complete.
ALTER TABLE export DROP COLUMN owner;
ALTER TABLE export DROP COLUMN lease_until;
ALTER TABLE export DROP COLUMN attempt;
ALTER TABLE export ADD COLUMN job_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE export ADD COLUMN parts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE export ADD COLUMN resume BYTEA;
UPDATE export SET status = 'queued' WHERE status = 'running';
UPDATE export SET parts = 1 WHERE status = 'done';

-- +goose Down
ALTER TABLE export ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE export ADD COLUMN lease_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE export ADD COLUMN attempt BIGINT NOT NULL DEFAULT 0;
ALTER TABLE export DROP COLUMN job_id;
ALTER TABLE export DROP COLUMN parts;
ALTER TABLE export DROP COLUMN resume;

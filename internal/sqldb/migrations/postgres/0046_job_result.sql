-- +goose Up
-- What a job that is done has found, in words.
ALTER TABLE job ADD COLUMN result TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE job DROP COLUMN result;

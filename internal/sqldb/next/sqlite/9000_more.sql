-- +goose Up
-- What a release may do to the busiest tables: a column with a default, an index, a backfill.
ALTER TABLE log ADD COLUMN next_note TEXT NOT NULL DEFAULT '';
ALTER TABLE hot_working ADD COLUMN next_note BIGINT;
CREATE INDEX setting_by_time ON setting (updated_at);
CREATE TABLE next_thing (id BIGINT NOT NULL PRIMARY KEY, note TEXT NOT NULL);
INSERT INTO next_thing (id, note) SELECT first_seq, log_id FROM hot_working WHERE true ON CONFLICT DO NOTHING;

-- +goose Down
DROP TABLE next_thing;
DROP INDEX setting_by_time;
ALTER TABLE hot_working DROP COLUMN next_note;
ALTER TABLE log DROP COLUMN next_note;

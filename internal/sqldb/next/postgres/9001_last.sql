-- +goose Up
ALTER TABLE next_thing ADD COLUMN more BIGINT;

-- +goose Down
ALTER TABLE next_thing DROP COLUMN more;

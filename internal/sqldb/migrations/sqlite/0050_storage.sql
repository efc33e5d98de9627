-- +goose Up
-- PostgreSQL alone has settings of storage; the versions of the two schemas stay the same.
SELECT 1;

-- +goose Down
SELECT 1;

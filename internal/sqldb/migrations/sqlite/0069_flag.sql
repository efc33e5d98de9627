-- +goose Up
-- Switches for features. definition is sealed.
CREATE TABLE feature_flag (
  tenant_id TEXT NOT NULL,
  name TEXT NOT NULL,
  definition BLOB NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
-- The secret that an API key had before it was replaced works until old_until.
ALTER TABLE api_key ADD COLUMN old_hash BLOB;
ALTER TABLE api_key ADD COLUMN old_until INTEGER;

-- +goose Down
ALTER TABLE api_key DROP COLUMN old_until;
ALTER TABLE api_key DROP COLUMN old_hash;
DROP TABLE feature_flag;

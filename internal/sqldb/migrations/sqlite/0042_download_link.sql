-- +goose Up
-- Addresses with which whoever has them can take a file. secret, sealed, is the key of the link's signature; revoked_at and last_used_at are 0 for never.
CREATE TABLE download_link (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  target_type TEXT NOT NULL,
  target_id TEXT NOT NULL,
  secret BLOB NOT NULL,
  created_by TEXT NOT NULL,
  recipient TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER NOT NULL,
  revoked_by TEXT NOT NULL,
  downloads INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL
);
CREATE INDEX download_link_by_target ON download_link (tenant_id, target_type, target_id, created_at);
CREATE INDEX download_link_by_expiry ON download_link (expires_at);

-- +goose Down
DROP TABLE download_link;

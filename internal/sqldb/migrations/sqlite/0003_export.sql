-- +goose Up
CREATE TABLE export (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  kind TEXT NOT NULL,
  format TEXT NOT NULL,
  status TEXT NOT NULL,
  params BLOB NOT NULL,
  owner TEXT NOT NULL,
  lease_until INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  rows_done INTEGER NOT NULL,
  rows_total INTEGER,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  error TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  expires_at INTEGER,
  file TEXT NOT NULL
);
CREATE INDEX export_by_tenant ON export (tenant_id, created_at);
CREATE INDEX export_by_status ON export (status, created_at);

-- +goose Down
DROP TABLE export;

-- +goose Up
CREATE TABLE export (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  kind TEXT NOT NULL,
  format TEXT NOT NULL,
  status TEXT NOT NULL,
  params BYTEA NOT NULL,
  owner TEXT NOT NULL,
  lease_until BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  rows_done BIGINT NOT NULL,
  rows_total BIGINT,
  bytes BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  error TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  finished_at BIGINT,
  expires_at BIGINT,
  file TEXT NOT NULL
);
CREATE INDEX export_by_tenant ON export (tenant_id, created_at);
CREATE INDEX export_by_status ON export (status, created_at);

-- +goose Down
DROP TABLE export;

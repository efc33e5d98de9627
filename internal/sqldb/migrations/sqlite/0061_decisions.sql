-- +goose Up
-- The rules by which decisions are made for other systems, sealed: each row holds from its version of access_version until the next one.
CREATE TABLE access_policy (
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  version INTEGER NOT NULL,
  document BLOB NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, version)
);

-- +goose Down
DROP TABLE access_policy;

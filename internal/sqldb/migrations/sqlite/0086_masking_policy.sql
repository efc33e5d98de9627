-- +goose Up
-- What a tenant's roles see of personal values, where the tenant has decided it: every version that there was, the newest is in force. The policy names roles and categories, no person.
CREATE TABLE masking_policy (
  tenant_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  policy TEXT NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, version)
);

-- +goose Down
DROP TABLE masking_policy;

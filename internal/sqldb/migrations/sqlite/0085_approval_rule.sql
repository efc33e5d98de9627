-- +goose Up
-- How many people must approve a kind of request in a tenant, where that is not what the program says.
CREATE TABLE approval_rule (
  tenant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  needed INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, kind)
);
-- When those who may decide were reminded of a request; 0 until then.
ALTER TABLE approval ADD COLUMN reminded_at INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE approval DROP COLUMN reminded_at;
DROP TABLE approval_rule;

-- +goose Up
CREATE TABLE alert_rule (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  body BLOB NOT NULL,
  more_than INTEGER NOT NULL,
  window_us INTEGER NOT NULL,
  group_by TEXT NOT NULL,
  quiet_us INTEGER NOT NULL,
  severity TEXT NOT NULL,
  channels TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  muted_until INTEGER NOT NULL,
  stopped TEXT NOT NULL,
  version INTEGER NOT NULL,
  next_seq INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  owner TEXT NOT NULL,
  lease_until INTEGER NOT NULL,
  last_fired_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX alert_rule_by_tenant ON alert_rule (tenant_id, created_at);
CREATE TABLE alert (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  rule_id TEXT NOT NULL,
  body BLOB NOT NULL,
  severity TEXT NOT NULL,
  group_by TEXT NOT NULL,
  group_key TEXT NOT NULL,
  first_seq INTEGER NOT NULL,
  fired_at INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  holds_until INTEGER NOT NULL,
  events INTEGER NOT NULL,
  samples TEXT NOT NULL,
  told INTEGER NOT NULL,
  acknowledged_at INTEGER NOT NULL,
  acknowledged_by TEXT NOT NULL,
  resolved_at INTEGER NOT NULL,
  resolved_because TEXT NOT NULL
);
CREATE UNIQUE INDEX alert_once ON alert (rule_id, group_key, first_seq);
CREATE INDEX alert_by_tenant ON alert (tenant_id, fired_at, id);
CREATE INDEX alert_by_rule ON alert (tenant_id, rule_id, fired_at);
CREATE INDEX alert_by_end ON alert (resolved_at);

-- +goose Down
DROP TABLE alert;
DROP TABLE alert_rule;

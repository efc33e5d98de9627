-- +goose Up
CREATE TABLE alert_rule (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  body BYTEA NOT NULL,
  more_than BIGINT NOT NULL,
  window_us BIGINT NOT NULL,
  group_by TEXT NOT NULL,
  quiet_us BIGINT NOT NULL,
  severity TEXT NOT NULL,
  channels TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  muted_until BIGINT NOT NULL,
  stopped TEXT NOT NULL,
  version BIGINT NOT NULL,
  next_seq BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  owner TEXT NOT NULL,
  lease_until BIGINT NOT NULL,
  last_fired_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX alert_rule_by_tenant ON alert_rule (tenant_id, created_at);
CREATE TABLE alert (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  rule_id TEXT NOT NULL,
  body BYTEA NOT NULL,
  severity TEXT NOT NULL,
  group_by TEXT NOT NULL,
  group_key TEXT NOT NULL,
  first_seq BIGINT NOT NULL,
  fired_at BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  holds_until BIGINT NOT NULL,
  events BIGINT NOT NULL,
  samples TEXT NOT NULL,
  told BIGINT NOT NULL,
  acknowledged_at BIGINT NOT NULL,
  acknowledged_by TEXT NOT NULL,
  resolved_at BIGINT NOT NULL,
  resolved_because TEXT NOT NULL
);
CREATE UNIQUE INDEX alert_once ON alert (rule_id, group_key, first_seq);
CREATE INDEX alert_by_tenant ON alert (tenant_id, fired_at, id);
CREATE INDEX alert_by_rule ON alert (tenant_id, rule_id, fired_at);
CREATE INDEX alert_by_end ON alert (resolved_at);

-- +goose Down
DROP TABLE alert;
DROP TABLE alert_rule;

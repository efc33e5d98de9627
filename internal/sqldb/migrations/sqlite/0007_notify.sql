-- +goose Up
CREATE TABLE notify_channel (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  topics TEXT NOT NULL,
  settings BLOB NOT NULL,
  paused TEXT NOT NULL,
  muted_until INTEGER NOT NULL,
  hold_until INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  failing_since INTEGER NOT NULL,
  last_ok_at INTEGER NOT NULL,
  last_problem TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX notify_channel_by_tenant ON notify_channel (tenant_id, created_at);
CREATE TABLE notify_notification (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  once TEXT NOT NULL,
  topic TEXT NOT NULL,
  cause_type TEXT NOT NULL,
  cause_id TEXT NOT NULL,
  params TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX notify_notification_once ON notify_notification (tenant_id, once);
CREATE INDEX notify_notification_by_topic ON notify_notification (tenant_id, topic, created_at);
CREATE INDEX notify_notification_by_time ON notify_notification (created_at);
CREATE TABLE notify_delivery (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  channel_id TEXT NOT NULL,
  notification_id TEXT NOT NULL,
  status TEXT NOT NULL,
  due_at INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  code INTEGER NOT NULL,
  problem TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  finished_at INTEGER
);
CREATE INDEX notify_delivery_by_due ON notify_delivery (status, due_at);
CREATE INDEX notify_delivery_by_tenant ON notify_delivery (tenant_id, created_at);
CREATE INDEX notify_delivery_by_channel ON notify_delivery (channel_id, status);
CREATE TABLE notify_attempt (
  delivery_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  took INTEGER NOT NULL,
  code INTEGER NOT NULL,
  problem TEXT NOT NULL,
  PRIMARY KEY (delivery_id, number)
);
CREATE TABLE notify_stream (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  format TEXT NOT NULL,
  unmasked INTEGER NOT NULL,
  settings BLOB NOT NULL,
  next_seq INTEGER NOT NULL,
  paused TEXT NOT NULL,
  lease_until INTEGER NOT NULL,
  hold_until INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  failing_since INTEGER NOT NULL,
  last_ok_at INTEGER NOT NULL,
  last_problem TEXT NOT NULL,
  sent INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX notify_stream_by_tenant ON notify_stream (tenant_id, created_at);

-- +goose Down
DROP TABLE notify_stream;
DROP TABLE notify_attempt;
DROP TABLE notify_delivery;
DROP TABLE notify_notification;
DROP TABLE notify_channel;

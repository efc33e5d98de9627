-- +goose Up
CREATE TABLE tenant (
  id TEXT NOT NULL PRIMARY KEY,
  no INTEGER NOT NULL UNIQUE,
  name TEXT NOT NULL,
  keyset BLOB NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE TABLE log (
  log_id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL UNIQUE REFERENCES tenant(id),
  instance TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  base INTEGER NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  recorded_at INTEGER NOT NULL,
  sealed INTEGER NOT NULL,
  published INTEGER NOT NULL,
  checkpoint TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE TABLE log_key (
  log_id TEXT NOT NULL REFERENCES log(log_id),
  vkey TEXT NOT NULL,
  skey BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  retired_at INTEGER,
  PRIMARY KEY (log_id, vkey)
);
CREATE TABLE hot_evidence (
  log_id TEXT NOT NULL,
  first_seq INTEGER NOT NULL,
  count INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (log_id, first_seq)
);
CREATE TABLE hot_working (
  log_id TEXT NOT NULL,
  first_seq INTEGER NOT NULL,
  count INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (log_id, first_seq)
);
CREATE TABLE dedupe (
  log_id TEXT NOT NULL,
  first_seq INTEGER NOT NULL,
  count INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (log_id, first_seq)
);
CREATE TABLE tile (
  log_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  level INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (log_id, epoch, level, idx)
);
CREATE TABLE segment (
  log_id TEXT NOT NULL,
  first_seq INTEGER NOT NULL,
  count INTEGER NOT NULL,
  evidence_path TEXT NOT NULL,
  evidence_sha256 BLOB NOT NULL,
  evidence_bytes INTEGER NOT NULL,
  working_path TEXT NOT NULL,
  working_first INTEGER NOT NULL,
  working_count INTEGER NOT NULL,
  working_sha256 BLOB NOT NULL,
  working_bytes INTEGER NOT NULL,
  root BLOB NOT NULL,
  min_recorded INTEGER NOT NULL,
  max_recorded INTEGER NOT NULL,
  min_occurred INTEGER NOT NULL,
  max_occurred INTEGER NOT NULL,
  sealed_at INTEGER NOT NULL,
  PRIMARY KEY (log_id, first_seq)
);
CREATE TABLE tenant_secret (
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  kind TEXT NOT NULL,
  period INTEGER NOT NULL,
  class INTEGER NOT NULL,
  secret BLOB,
  created_at INTEGER NOT NULL,
  destroyed_at INTEGER,
  PRIMARY KEY (tenant_id, kind, period, class)
);
-- The directory of persons. Persons and profiles are numbered in order of arrival and stored in pages of consecutive ones, so that new ones are written at the end;
-- identifiers lead to the numbers. ledger/person says what is in a body.
CREATE TABLE person (
  tenant_no INTEGER NOT NULL,
  page INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (tenant_no, page)
);
CREATE TABLE person_identifier (
  tenant_no INTEGER NOT NULL,
  no INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (tenant_no, no)
);
CREATE TABLE person_profile (
  tenant_no INTEGER NOT NULL,
  page INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (tenant_no, page)
);
CREATE TABLE idempotency (
  tenant_id TEXT NOT NULL,
  key_hash BLOB NOT NULL,
  fingerprint BLOB NOT NULL,
  status INTEGER NOT NULL,
  body BLOB,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, key_hash)
);
CREATE TABLE setting (
  tenant_id TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
CREATE TABLE saved_view (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  body BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE TABLE verification (
  log_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  ok INTEGER NOT NULL,
  size INTEGER NOT NULL,
  report TEXT NOT NULL,
  PRIMARY KEY (log_id, at)
);

-- +goose Down
DROP TABLE verification;
DROP TABLE saved_view;
DROP TABLE setting;
DROP TABLE idempotency;
DROP TABLE person_profile;
DROP TABLE person_identifier;
DROP TABLE person;
DROP TABLE tenant_secret;
DROP TABLE segment;
DROP TABLE tile;
DROP TABLE dedupe;
DROP TABLE hot_working;
DROP TABLE hot_evidence;
DROP TABLE log_key;
DROP TABLE log;
DROP TABLE tenant;

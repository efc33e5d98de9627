-- +goose Up
CREATE TABLE tenant (
  id TEXT NOT NULL PRIMARY KEY,
  no BIGINT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  keyset BYTEA NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE TABLE log (
  log_id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL UNIQUE REFERENCES tenant(id),
  instance TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  base BIGINT NOT NULL,
  size BIGINT NOT NULL,
  root BYTEA NOT NULL,
  recorded_at BIGINT NOT NULL,
  sealed BIGINT NOT NULL,
  published BIGINT NOT NULL,
  checkpoint TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE TABLE log_key (
  log_id TEXT NOT NULL REFERENCES log(log_id),
  vkey TEXT NOT NULL,
  skey BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  retired_at BIGINT,
  PRIMARY KEY (log_id, vkey)
);
CREATE TABLE hot_evidence (
  log_id TEXT NOT NULL,
  first_seq BIGINT NOT NULL,
  count BIGINT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (log_id, first_seq)
);
CREATE TABLE hot_working (
  log_id TEXT NOT NULL,
  first_seq BIGINT NOT NULL,
  count BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (log_id, first_seq)
);
CREATE TABLE dedupe (
  log_id TEXT NOT NULL,
  first_seq BIGINT NOT NULL,
  count BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (log_id, first_seq)
);
CREATE TABLE tile (
  log_id TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  level BIGINT NOT NULL,
  idx BIGINT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (log_id, epoch, level, idx)
);
CREATE TABLE segment (
  log_id TEXT NOT NULL,
  first_seq BIGINT NOT NULL,
  count BIGINT NOT NULL,
  evidence_path TEXT NOT NULL,
  evidence_sha256 BYTEA NOT NULL,
  evidence_bytes BIGINT NOT NULL,
  working_path TEXT NOT NULL,
  working_first BIGINT NOT NULL,
  working_count BIGINT NOT NULL,
  working_sha256 BYTEA NOT NULL,
  working_bytes BIGINT NOT NULL,
  root BYTEA NOT NULL,
  min_recorded BIGINT NOT NULL,
  max_recorded BIGINT NOT NULL,
  min_occurred BIGINT NOT NULL,
  max_occurred BIGINT NOT NULL,
  sealed_at BIGINT NOT NULL,
  PRIMARY KEY (log_id, first_seq)
);
CREATE TABLE tenant_secret (
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  kind TEXT NOT NULL,
  period BIGINT NOT NULL,
  class BIGINT NOT NULL,
  secret BYTEA,
  created_at BIGINT NOT NULL,
  destroyed_at BIGINT,
  PRIMARY KEY (tenant_id, kind, period, class)
);
-- The directory of persons. Persons and profiles are numbered in order of arrival and stored in pages of consecutive ones, so that new ones are written at the end;
-- identifiers lead to the numbers. ledger/person says what is in a body.
CREATE TABLE person (
  tenant_no BIGINT NOT NULL,
  page BIGINT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (tenant_no, page)
);
CREATE TABLE person_identifier (
  tenant_no BIGINT NOT NULL,
  no BIGINT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (tenant_no, no)
);
CREATE TABLE person_profile (
  tenant_no BIGINT NOT NULL,
  page BIGINT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (tenant_no, page)
);
CREATE TABLE idempotency (
  tenant_id TEXT NOT NULL,
  key_hash BYTEA NOT NULL,
  fingerprint BYTEA NOT NULL,
  status BIGINT NOT NULL,
  body BYTEA,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, key_hash)
);
CREATE TABLE setting (
  tenant_id TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
CREATE TABLE saved_view (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  body BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE TABLE verification (
  log_id TEXT NOT NULL,
  at BIGINT NOT NULL,
  ok BIGINT NOT NULL,
  size BIGINT NOT NULL,
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

-- +goose Up
-- What a directory says of an account. resource (sealed) holds the attributes; user_name and external_id are keyed hashes, external_id empty without one. gone_at is not 0 once the directory has deleted it.
CREATE TABLE scim_user (
  tenant_id TEXT NOT NULL,
  account_id TEXT NOT NULL,
  user_name TEXT NOT NULL,
  external_id TEXT NOT NULL,
  resource BYTEA NOT NULL,
  version BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  gone_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, account_id)
);
CREATE INDEX scim_user_by_name ON scim_user (tenant_id, user_name);
CREATE INDEX scim_user_by_external ON scim_user (tenant_id, external_id);
CREATE TABLE scim_group (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  resource BYTEA NOT NULL,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, name)
);
CREATE TABLE scim_member (
  tenant_id TEXT NOT NULL,
  group_id TEXT NOT NULL,
  account_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, group_id, account_id)
);
CREATE INDEX scim_member_by_account ON scim_member (tenant_id, account_id);
-- Which roles groups give; definition is JSON.
CREATE TABLE scim_setting (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  definition TEXT NOT NULL
);

-- +goose Down
DROP TABLE scim_setting;
DROP TABLE scim_member;
DROP TABLE scim_group;
DROP TABLE scim_user;

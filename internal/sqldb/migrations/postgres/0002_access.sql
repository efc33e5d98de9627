-- +goose Up
CREATE TABLE access_secret (
  name TEXT NOT NULL PRIMARY KEY,
  wrapped BYTEA NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE TABLE account (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  email_index BYTEA NOT NULL,
  email BYTEA NOT NULL,
  name BYTEA NOT NULL,
  role TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  locked_at BIGINT,
  last_login_at BIGINT,
  UNIQUE (tenant_id, email_index)
);
CREATE INDEX account_by_email ON account (email_index);
CREATE TABLE session (
  token_hash BYTEA NOT NULL PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  account_id TEXT NOT NULL REFERENCES account(id),
  created_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX session_by_account ON session (tenant_id, account_id);
CREATE INDEX session_by_expiry ON session (expires_at);
CREATE TABLE api_key (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  prefix TEXT NOT NULL UNIQUE,
  secret_hash BYTEA NOT NULL,
  name BYTEA NOT NULL,
  scopes TEXT NOT NULL,
  sources TEXT NOT NULL,
  created_by TEXT,
  created_at BIGINT NOT NULL,
  expires_at BIGINT,
  revoked_at BIGINT,
  last_used_at BIGINT
);
CREATE INDEX api_key_by_tenant ON api_key (tenant_id, created_at);
CREATE TABLE login_throttle (
  subject BYTEA NOT NULL PRIMARY KEY,
  failures BIGINT NOT NULL,
  blocked_until BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE login_throttle;
DROP TABLE api_key;
DROP TABLE session;
DROP TABLE account;
DROP TABLE access_secret;

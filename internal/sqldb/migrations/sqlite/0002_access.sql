-- +goose Up
CREATE TABLE access_secret (
  name TEXT NOT NULL PRIMARY KEY,
  wrapped BLOB NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE TABLE account (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  email_index BLOB NOT NULL,
  email BLOB NOT NULL,
  name BLOB NOT NULL,
  role TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  locked_at INTEGER,
  last_login_at INTEGER,
  UNIQUE (tenant_id, email_index)
);
CREATE INDEX account_by_email ON account (email_index);
CREATE TABLE session (
  token_hash BLOB NOT NULL PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  account_id TEXT NOT NULL REFERENCES account(id),
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
);
CREATE INDEX session_by_account ON session (tenant_id, account_id);
CREATE INDEX session_by_expiry ON session (expires_at);
CREATE TABLE api_key (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  prefix TEXT NOT NULL UNIQUE,
  secret_hash BLOB NOT NULL,
  name BLOB NOT NULL,
  scopes TEXT NOT NULL,
  sources TEXT NOT NULL,
  created_by TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  last_used_at INTEGER
);
CREATE INDEX api_key_by_tenant ON api_key (tenant_id, created_at);
CREATE TABLE login_throttle (
  subject BLOB NOT NULL PRIMARY KEY,
  failures INTEGER NOT NULL,
  blocked_until INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);

-- +goose Down
DROP TABLE login_throttle;
DROP TABLE api_key;
DROP TABLE session;
DROP TABLE account;
DROP TABLE access_secret;

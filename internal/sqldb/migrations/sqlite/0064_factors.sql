-- +goose Up
-- When the person of a session last proved who they are (NULL: not in this session), since when the session may hardly do anything, and from where it was begun, sealed.
ALTER TABLE session ADD COLUMN stepped_up_at INTEGER;
ALTER TABLE session ADD COLUMN restricted_at INTEGER;
ALTER TABLE session ADD COLUMN address BLOB;
ALTER TABLE session ADD COLUMN agent BLOB;
-- What a person proves to have besides the password. An enrolment that is not confirmed yet has no confirmed_at. secret, sealed, is the key of the codes or the public key of a passkey;
-- credential finds a passkey by the hash of its id; moved is the last time step of a code or the last sign count of a passkey.
CREATE TABLE factor (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  account_id TEXT NOT NULL REFERENCES account(id),
  kind TEXT NOT NULL,
  name BLOB NOT NULL,
  secret BLOB NOT NULL,
  credential BLOB UNIQUE,
  moved INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  confirmed_at INTEGER,
  last_used_at INTEGER
);
CREATE INDEX factor_by_account ON factor (tenant_id, account_id);
CREATE TABLE recovery_code (
  account_id TEXT NOT NULL REFERENCES account(id),
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  hash BLOB NOT NULL,
  used_at INTEGER,
  PRIMARY KEY (account_id, hash)
);
-- Sign-ins that wait for their second step. password_hash is that of the password which was right.
CREATE TABLE pending_login (
  token_hash BLOB NOT NULL PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  account_id TEXT NOT NULL REFERENCES account(id),
  password_hash TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
);
CREATE INDEX pending_login_by_account ON pending_login (tenant_id, account_id);
-- Challenges that a passkey has answered, until they would be too old anyway.
CREATE TABLE answered_challenge (
  hash BLOB NOT NULL PRIMARY KEY,
  expires_at INTEGER NOT NULL
);
-- Of whom a tenant demands a second factor: roles is * for everybody, or names separated by commas. No row demands it of nobody.
CREATE TABLE factor_demand (
  tenant_id TEXT NOT NULL PRIMARY KEY REFERENCES tenant(id),
  roles TEXT NOT NULL
);

-- +goose Down
DROP TABLE factor_demand;
DROP TABLE answered_challenge;
DROP TABLE pending_login;
DROP TABLE recovery_code;
DROP TABLE factor;
ALTER TABLE session DROP COLUMN agent;
ALTER TABLE session DROP COLUMN address;
ALTER TABLE session DROP COLUMN restricted_at;
ALTER TABLE session DROP COLUMN stepped_up_at;

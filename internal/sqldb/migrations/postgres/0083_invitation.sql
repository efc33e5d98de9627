-- +goose Up
-- Who has been asked to come. body, sealed, holds the address, the name and the roles; email_index finds an address as that of an account does. token_hash is the hash of the link's token, NULL before a link was made.
-- account_id is '' until there is an account. ended_at is 0 while an invitation is open, sent_at until a letter has gone out; problem says why none could.
CREATE TABLE invitation (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  email_index BYTEA NOT NULL,
  body BYTEA NOT NULL,
  token_hash BYTEA UNIQUE,
  by_user TEXT NOT NULL,
  by_key TEXT NOT NULL,
  account_id TEXT NOT NULL,
  state TEXT NOT NULL,
  problem TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  sent_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL
);
CREATE INDEX invitation_by_tenant ON invitation (tenant_id, created_at);
CREATE INDEX invitation_by_address ON invitation (tenant_id, email_index);
CREATE INDEX invitation_by_account ON invitation (tenant_id, account_id);
CREATE INDEX invitation_open ON invitation (expires_at) WHERE state = 'open';
-- Somebody has said that a password is forgotten, of an address that may be nobody's. It is looked into later, so that the answer takes as long for one as for the other. origin, sealed, is where the request came from.
CREATE TABLE password_request (
  id TEXT NOT NULL PRIMARY KEY,
  email_index BYTEA NOT NULL,
  origin BYTEA NOT NULL,
  created_at BIGINT NOT NULL
);
-- Links with which a password can be set anew. token_hash is NULL before the letter is written; ended_at is 0 until the link is used, or another one is.
CREATE TABLE password_reset (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  account_id TEXT NOT NULL REFERENCES account(id),
  token_hash BYTEA UNIQUE,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL
);
CREATE INDEX password_reset_by_account ON password_reset (tenant_id, account_id);
CREATE INDEX password_reset_by_expiry ON password_reset (expires_at);

-- +goose Down
DROP TABLE password_reset;
DROP TABLE password_request;
DROP TABLE invitation;

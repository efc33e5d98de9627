-- +goose Up
-- Where people of a tenant may sign in. secret is sealed; definition is JSON.
CREATE TABLE oidc_provider (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  definition TEXT NOT NULL,
  secret BYTEA NOT NULL,
  paused BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX oidc_provider_by_tenant ON oidc_provider (tenant_id, created_at);
-- Which account a person of an issuer has; subject is a keyed hash of issuer and sub.
CREATE TABLE oidc_identity (
  tenant_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  account_id TEXT NOT NULL,
  linked_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, subject)
);
-- Sign-ins that have left for a provider and not come back. state and browser are hashes; secret (sealed) holds the nonce and the code verifier.
CREATE TABLE oidc_login (
  state TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  browser TEXT NOT NULL,
  secret BYTEA NOT NULL,
  next TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX oidc_login_by_expiry ON oidc_login (expires_at);

-- +goose Down
DROP TABLE oidc_login;
DROP TABLE oidc_identity;
DROP TABLE oidc_provider;

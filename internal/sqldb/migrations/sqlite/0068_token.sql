-- +goose Up
-- Whose tokens a tenant takes. issuer and audience lead to the tenant, so no two tenants have the same; definition (JSON) says where the keys are and what the callers may do.
CREATE TABLE token_issuer (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  issuer TEXT NOT NULL,
  audience TEXT NOT NULL,
  definition TEXT NOT NULL,
  paused INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (issuer, audience)
);
CREATE INDEX token_issuer_by_tenant ON token_issuer (tenant_id, created_at);
-- Keys that sign the tokens for which sessions are exchanged. secret is sealed; retired_at is 0 for the one that signs, afterwards its tokens are refused from there on.
CREATE TABLE token_key (
  kid TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  secret BLOB NOT NULL,
  public BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  retired_at INTEGER NOT NULL
);
CREATE INDEX token_key_by_tenant ON token_key (tenant_id, created_at);
-- Who has paid. subject is a keyed hash of a person's id, empty for the tenant as a whole; label is the id itself, sealed. Times are microseconds since 1970, 0 for none.
CREATE TABLE subscription (
  tenant_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  label BLOB NOT NULL,
  status TEXT NOT NULL,
  starts_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, subject)
);

-- +goose Down
DROP TABLE subscription;
DROP TABLE token_key;
DROP TABLE token_issuer;

-- +goose Up
-- Sessions that began at an OpenID provider, to end them there and from there. subject is that of oidc_identity; sid is a keyed hash of the provider's name of its session, '' without one; token, sealed, is the ID token.
CREATE TABLE oidc_session (
  session_id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  sid TEXT NOT NULL,
  token BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX oidc_session_by_subject ON oidc_session (tenant_id, provider_id, subject);
CREATE INDEX oidc_session_by_expiry ON oidc_session (expires_at);
-- Logout tokens that were taken, by the hash of provider and jti, until they would be too old anyway.
CREATE TABLE oidc_logout (
  token TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE oidc_logout;
DROP TABLE oidc_session;

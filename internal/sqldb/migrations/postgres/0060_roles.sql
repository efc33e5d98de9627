-- +goose Up
-- version counts the changes of what people of a tenant may do: roles, permissions, assignments, rules of decisions.
CREATE TABLE access_version (
  tenant_id TEXT NOT NULL PRIMARY KEY REFERENCES tenant(id),
  version BIGINT NOT NULL
);
-- The tenant's own permissions, with the versions of access_version that made and removed them.
CREATE TABLE access_permission (
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  key TEXT NOT NULL,
  made_in BIGINT NOT NULL,
  gone_in BIGINT,
  description TEXT NOT NULL,
  sensitivity TEXT NOT NULL,
  PRIMARY KEY (tenant_id, key, made_in)
);
CREATE UNIQUE INDEX access_permission_once ON access_permission (tenant_id, key) WHERE gone_in IS NULL;
-- Each state of the tenant's own roles, and of built-in ones that it has edited: a row holds from its version until the next one of its role. deleted ends it.
CREATE TABLE access_role (
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  id TEXT NOT NULL,
  version BIGINT NOT NULL,
  latest BIGINT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  permissions TEXT NOT NULL,
  sensitivity TEXT NOT NULL,
  copied_from TEXT NOT NULL,
  deleted BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, id, version)
);
CREATE INDEX access_role_latest ON access_role (tenant_id) WHERE latest = 1;
-- granted_in and ended_in are versions of access_version. reason is sealed.
CREATE TABLE role_assignment (
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  id TEXT NOT NULL,
  account_id TEXT NOT NULL REFERENCES account(id),
  role_id TEXT NOT NULL,
  scope_kind TEXT NOT NULL,
  scope_value TEXT NOT NULL,
  granted_by TEXT NOT NULL,
  granted_at BIGINT NOT NULL,
  granted_in BIGINT NOT NULL,
  expires_at BIGINT,
  reason BYTEA,
  ended_at BIGINT,
  ended_in BIGINT,
  ended_by TEXT,
  ended TEXT,
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX role_assignment_once ON role_assignment (tenant_id, account_id, role_id, scope_kind, scope_value) WHERE ended_at IS NULL;
CREATE INDEX role_assignment_by_account ON role_assignment (tenant_id, account_id);
CREATE INDEX role_assignment_by_expiry ON role_assignment (expires_at) WHERE ended_at IS NULL AND expires_at IS NOT NULL;
-- account.role stays for servers of earlier versions. role_seen is what of it the assignments reflect: where the two differ, such a server has changed it.
ALTER TABLE account ADD COLUMN role_seen TEXT NOT NULL DEFAULT '';
CREATE INDEX account_role_changed ON account (tenant_id) WHERE role_seen <> role;
CREATE INDEX account_locked ON account (tenant_id, locked_at) WHERE locked_at IS NOT NULL;
INSERT INTO access_version (tenant_id, version) SELECT id, 1 FROM tenant;
INSERT INTO role_assignment (tenant_id, id, account_id, role_id, scope_kind, scope_value, granted_by, granted_at, granted_in)
  SELECT tenant_id, id, id, role, 'tenant', '', 'system', created_at, 1 FROM account;
UPDATE account SET role_seen = role;

-- +goose Down
DROP INDEX account_locked;
DROP INDEX account_role_changed;
ALTER TABLE account DROP COLUMN role_seen;
DROP TABLE role_assignment;
DROP TABLE access_role;
DROP TABLE access_permission;
DROP TABLE access_version;

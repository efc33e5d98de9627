-- +goose Up
-- What waits for the consent of others. body is sealed: what would be done, and why. behind is the person who stands behind a request, also behind one by an API key.
-- ended_at is 0 while a request is pending, applied_at is 0 until what was approved is done.
CREATE TABLE approval (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  requester TEXT NOT NULL,
  behind TEXT NOT NULL,
  body BYTEA NOT NULL,
  needed BIGINT NOT NULL,
  state TEXT NOT NULL,
  problem TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  applied_at BIGINT NOT NULL
);
CREATE INDEX approval_by_tenant ON approval (tenant_id, state, id);
CREATE INDEX approval_pending ON approval (expires_at) WHERE state = 'pending';
CREATE INDEX approval_unapplied ON approval (ended_at) WHERE state = 'approved' AND applied_at = 0;
-- One line for each who decided; comment is sealed.
CREATE TABLE approval_decision (
  approval_id TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  approve BIGINT NOT NULL,
  comment BYTEA NOT NULL,
  decided_at BIGINT NOT NULL,
  PRIMARY KEY (approval_id, user_id)
);
-- Tenants that have had a second person who may decide: from then on what is grave waits for one.
CREATE TABLE approval_tenant (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  armed_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE approval_tenant;
DROP TABLE approval_decision;
DROP TABLE approval;

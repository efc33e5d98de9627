-- +goose Up
-- Systems elsewhere whose roles follow from roles here. definition and secret are sealed; next_at is when the next run by the clock begins, 0 for never.
CREATE TABLE access_system (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  definition BYTEA NOT NULL,
  secret BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  next_at BIGINT NOT NULL
);
CREATE INDEX access_system_by_tenant ON access_system (tenant_id, created_at);
CREATE INDEX access_system_next ON access_system (next_at) WHERE next_at > 0;
-- What was found, and what was done about it. report is sealed.
CREATE TABLE access_system_run (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  system_id TEXT NOT NULL,
  apply BIGINT NOT NULL,
  state TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  problem TEXT NOT NULL,
  report BYTEA
);
CREATE INDEX access_system_run_by_system ON access_system_run (tenant_id, system_id, id);

-- +goose Down
DROP TABLE access_system_run;
DROP TABLE access_system;

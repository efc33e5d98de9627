-- +goose Up
-- Systems elsewhere whose roles follow from roles here. definition and secret are sealed; next_at is when the next run by the clock begins, 0 for never.
CREATE TABLE access_system (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  definition BLOB NOT NULL,
  secret BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  next_at INTEGER NOT NULL
);
CREATE INDEX access_system_by_tenant ON access_system (tenant_id, created_at);
CREATE INDEX access_system_next ON access_system (next_at) WHERE next_at > 0;
-- What was found, and what was done about it. report is sealed.
CREATE TABLE access_system_run (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  system_id TEXT NOT NULL,
  apply INTEGER NOT NULL,
  state TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  problem TEXT NOT NULL,
  report BLOB
);
CREATE INDEX access_system_run_by_system ON access_system_run (tenant_id, system_id, id);

-- +goose Down
DROP TABLE access_system_run;
DROP TABLE access_system;

-- +goose Up
-- Exports at set times. definition is sealed; next_at is 0 while there is no next time, last_at 0 before the first run.
CREATE TABLE schedule (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  owner TEXT NOT NULL,
  definition BLOB NOT NULL,
  paused TEXT NOT NULL,
  next_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX schedule_by_tenant ON schedule (tenant_id, created_at);
CREATE INDEX schedule_by_time ON schedule (next_at) WHERE next_at > 0;
-- The times a schedule was due. The id is that of the export too; prior_at is when the run before was due.
CREATE TABLE schedule_run (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  schedule_id TEXT NOT NULL,
  due_at INTEGER NOT NULL,
  prior_at INTEGER NOT NULL,
  cause TEXT NOT NULL,
  status TEXT NOT NULL,
  problem TEXT NOT NULL
);
CREATE INDEX schedule_run_by_schedule ON schedule_run (tenant_id, schedule_id, id);
CREATE INDEX schedule_run_by_time ON schedule_run (due_at);

-- +goose Down
DROP TABLE schedule_run;
DROP TABLE schedule;

-- +goose Up
-- How tenants stand that were ever suspended or given up; one without a row is at work. reason is sealed. delete_at is 0 unless it leaves: then what can be deleted of it is, not before that time. problem says why that
-- has not happened although it is due. told is 0 until the tenant's own log has the change.
CREATE TABLE tenant_standing (
  tenant_id TEXT NOT NULL PRIMARY KEY REFERENCES tenant(id),
  state TEXT NOT NULL,
  reason BLOB NOT NULL,
  changed_at INTEGER NOT NULL,
  changed_by TEXT NOT NULL,
  delete_at INTEGER NOT NULL,
  problem TEXT NOT NULL,
  told INTEGER NOT NULL
);
-- Which other accounts the password that began a session opened too, so that the person may go on there without it. holder is the id of the session, or of a sign-in that waits.
CREATE TABLE session_reach (
  holder TEXT NOT NULL,
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  account_id TEXT NOT NULL REFERENCES account(id),
  password_hash TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (holder, tenant_id)
);
CREATE INDEX session_reach_by_account ON session_reach (tenant_id, account_id);
CREATE INDEX session_reach_by_expiry ON session_reach (expires_at);

-- +goose Down
DROP TABLE session_reach;
DROP TABLE tenant_standing;

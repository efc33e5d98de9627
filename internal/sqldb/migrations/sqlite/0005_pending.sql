-- +goose Up
-- Events of the product itself whose effect had to come before their record, sealed; they are recorded as soon as the log takes events.
CREATE TABLE pending_event (
  tenant_id TEXT NOT NULL REFERENCES tenant(id),
  id TEXT NOT NULL,
  body BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
);

-- +goose Down
DROP TABLE pending_event;

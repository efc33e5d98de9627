-- +goose Up
-- Reviews of who may do what. definition is sealed; next_at is when the one after it begins, 0 for never; overdue_at is 0 until somebody was told. changes counts decisions, so that what is closed is what was looked at.
-- evidence is sealed: the decisions as they were when the review was closed, and digest their SHA-256, which the event of closing holds too.
CREATE TABLE access_review (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  follows TEXT NOT NULL,
  definition BYTEA NOT NULL,
  state TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  remind_at BIGINT NOT NULL,
  overdue_at BIGINT NOT NULL,
  closed_at BIGINT NOT NULL,
  closed_by TEXT NOT NULL,
  changes BIGINT NOT NULL,
  evidence BYTEA,
  digest TEXT NOT NULL
);
CREATE INDEX access_review_by_tenant ON access_review (tenant_id, id);
CREATE INDEX access_review_next ON access_review (next_at) WHERE next_at > 0;
CREATE INDEX access_review_open ON access_review (due_at) WHERE state = 'open';
CREATE UNIQUE INDEX access_review_follows ON access_review (tenant_id, follows) WHERE follows <> '';
-- One line for each thing that somebody has been given. snapshot and reason are sealed; reviewers are ids, each between commas.
CREATE TABLE access_review_item (
  tenant_id TEXT NOT NULL,
  review_id TEXT NOT NULL,
  id TEXT NOT NULL,
  subject TEXT NOT NULL,
  reviewers TEXT NOT NULL,
  snapshot BYTEA NOT NULL,
  state TEXT NOT NULL,
  decided_by TEXT NOT NULL,
  decided_at BIGINT NOT NULL,
  reason BYTEA,
  event_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, review_id, id)
);
CREATE INDEX access_review_item_open ON access_review_item (tenant_id, review_id, state, id);
-- Who answers for a role, and reviews who has it.
CREATE TABLE access_role_owner (
  tenant_id TEXT NOT NULL,
  role_id TEXT NOT NULL,
  account_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, role_id)
);

-- +goose Down
DROP TABLE access_role_owner;
DROP TABLE access_review_item;
DROP TABLE access_review;

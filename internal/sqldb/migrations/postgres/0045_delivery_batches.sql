-- +goose Up
-- Workers ask which channel has waited for longest: one look for each channel and status, however much waits.
DROP INDEX notify_delivery_by_channel;
CREATE INDEX notify_delivery_by_channel ON notify_delivery (channel_id, status, due_at);

-- +goose Down
DROP INDEX notify_delivery_by_channel;
CREATE INDEX notify_delivery_by_channel ON notify_delivery (channel_id, status);

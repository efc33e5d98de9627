// Package telemetry sets up what the operator sees of a running server: log lines, Prometheus metrics and OpenTelemetry traces
// (mission rows C3, H5).
//
// Nothing personal and no secret may leave through it. Log lines pass a handler that withholds values by key and scrubs the rest by pattern; metrics
// and spans carry route templates, statuses and opaque identifiers only. The audit trail itself is not telemetry and does not pass through here.
package telemetry

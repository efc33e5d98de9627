package httpapi

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
)

// TestAuditLogEntryHasTheContractsShape reads an event as AuditLogEntry {id, actorId, action, resourceType, resourceId, metadata, timestamp} (mission row K3).
func TestAuditLogEntryHasTheContractsShape(t *testing.T) {
	sqldbtest.Each(t, testAuditLogEntryHasTheContractsShape)
}

func testAuditLogEntryHasTheContractsShape(t *testing.T) {
	b := ledgertest.New(t)
	b.Append(t, `{"id":"e-1","source":"shop","action":"order.refund","occurred_at":"2026-03-01T10:00:00Z","actor":{"id":"u1","name":"Ana"},"resource":{"type":"order","id":"o-7"},
		"changes":[{"path":"/state","before":"paid","after":"refunded"}],"data":{"amount":12}}`)
	var got []byte
	if _, err := b.Search(context.Background(), ledgertest.Tenant, ledger.Query{}, ledger.Page{Limit: 1}, nil, func(r *event.Record) error {
		got = appendEntry(nil, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var entry map[string]any
	if err := json.Unmarshal(got, &entry); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if keys := slices.Sorted(maps.Keys(entry)); !slices.Equal(keys, []string{"action", "actorId", "id", "metadata", "resourceId", "resourceType", "timestamp"}) {
		t.Errorf("members %v", keys)
	}
	for k, want := range map[string]string{"id": "e-1", "actorId": "u1", "action": "order.refund", "resourceType": "order", "resourceId": "o-7", "timestamp": "2026-03-01T10:00:00Z"} {
		if entry[k] != want {
			t.Errorf("%s = %v, want %s", k, entry[k], want)
		}
	}
	meta, _ := entry["metadata"].(map[string]any)
	for _, k := range []string{"changes", "data", "outcome", "recordedAt", "sentence", "seq"} {
		if meta[k] == nil {
			t.Errorf("metadata lacks %s: %s", k, got)
		}
	}
}

package httpapi

import (
	"context"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/ledger/event"
)

// registerEntries adds the events in the shape AuditLogEntry {id, actorId, action, resourceType, resourceId, metadata, timestamp} (mission row K3), for
// applications that were written against it.
func (h *Handlers) registerEntries(a *api.API) {
	huma.Register(a, api.Op("audit-log-entries", "GET /api/audit-log", "Events as audit log entries", api.Needs(actor.LedgerSearch), api.LooseQuery(), api.Streaming(), api.Tag("events"),
		api.Describe("The same search as GET /api/events, each event as AuditLogEntry: id, actorId, action, resourceType, resourceId, metadata, timestamp. What does not fit is in metadata.")), h.entries)
}

func (h *Handlers) entries(ctx context.Context, in *searchInput) (*huma.StreamResponse, error) {
	return h.searchAs(ctx, in, appendEntry)
}

// entryMetadata are the members of an event's view that have no place of their own in an entry.
var entryMetadata = map[string]bool{"seq": true, "source": true, "outcome": true, "changes": true, "context": true, "data": true, "custom": true, "reason": true, "sentence": true, "subject": true, "fields_state": true}

func appendEntry(b []byte, r *event.Record) []byte {
	text := func(name, s string) {
		b = append(append(append(b, '"'), name...), `":`...)
		b, _ = jsontext.AppendQuote(b, s) // text read back is valid UTF-8
		b = append(b, ',')
	}
	b = append(b, '{')
	text("id", r.ID)
	text("actorId", r.Text("/actor/id"))
	text("action", r.Action)
	text("resourceType", r.ResourceType)
	text("resourceId", r.Text("/resource/id"))
	b = append(b, `"timestamp":"`...)
	b = r.OccurredAt.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","metadata":{"recordedAt":`...)
	b = strconv.AppendQuote(b, r.RecordedAt.Format(time.RFC3339Nano))
	for _, m := range event.Members(r.AppendJSON(nil)) {
		if entryMetadata[m.Name] {
			b = append(append(append(b, `,"`...), m.Name...), `":`...)
			b = append(b, m.Value...)
		}
	}
	return append(b, '}', '}')
}

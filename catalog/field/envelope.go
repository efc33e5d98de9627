package field

var (
	operationalAlways = decision{manner: fixed, class: operational}
	token             = decision{manner: asToken}
	identifier        = decision{manner: asID}
)

func always(category string) decision {
	return decision{manner: fixed, class: personal(category)}
}

// envelopeFields are the fields that every event has. A number in a path is written as 0.
var envelopeFields = map[string]decision{
	"id": identifier, "source": token, "action": token, "category": token, "activity": token, "severity": token,
	"occurred_at": operationalAlways, "recorded_at": operationalAlways, "correlation_id": identifier, "reason": {manner: asUserText},
	"outcome/status": token, "outcome/reason": {manner: asCode},
	"producer/id": identifier, "producer/boot": identifier, "producer/seq": operationalAlways,
	"actor/type": token, "actor/roles": token, "actor/roles/0": token,
	"actor/id": always(UniqueID), "actor/name": always(Name), "actor/email": always(Email),
	"actor/on_behalf_of": always(UniqueID), "actor/on_behalf_of/0": always(UniqueID),
	"actor/on_behalf_of/0/type": token, "actor/on_behalf_of/0/id": always(UniqueID), "actor/on_behalf_of/0/name": always(Name),
	"subject/type": token, "subject/id": always(UniqueID), "subject/name": always(Name), "subject/email": always(Email),
	"resource/type": token, "resource/id": identifier,
	"context/ip": always(IPAddress), "context/forwarded_for": always(IPAddress), "context/forwarded_for/0": always(IPAddress),
	"context/user_agent": always(Device), "context/device": always(Device), "context/geo": always(Approximate),
	"context/session_id": always(Behaviour), "context/request_id": identifier, "context/traceparent": identifier,
	"changes": {manner: fixed}, "changes/0": {manner: fixed}, // as one value: their own paths are inside
	"changes/0/path": token, "changes/0/op": token, "changes/0/before": {}, "changes/0/after": {},
	"personal": operationalAlways,
}

// envelope decides about the fields that every event has. The name of a resource is that of a person or of a thing according to
// what the action is about; otherwise it may be anything, for example the title of a letter.
func envelope(segments []string, object string) (decision, bool) {
	n := 0
	for _, s := range segments {
		n += len(s) + 1
	}
	if n > 48 {
		return decision{}, false
	}
	b := make([]byte, 0, 48)
	for i, s := range segments {
		if i > 0 {
			b = append(b, '/')
		}
		if allDigits(s) {
			s = "0"
		}
		b = append(b, s...)
	}
	if string(b) == "resource/name" {
		return nameOf(nearest(nil, object), ""), true
	}
	d, ok := envelopeFields[string(b)]
	return d, ok
}

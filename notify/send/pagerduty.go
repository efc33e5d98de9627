package send

import (
	"context"
	"encoding/json"
	"regexp"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
)

// Limits of the Events API v2, in characters.
const (
	pagerDutySummary = 1024
	pagerDutyKey     = 255
)

var routingKey = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

func checkPagerDuty(set *Settings) error {
	if !routingKey.MatchString(set.RoutingKey) {
		return errs.Field("/settings/routing_key", "invalid", "The integration key of PagerDuty's Events API v2 has 32 letters and digits.")
	}
	if set.Region != "" && set.Region != "us" && set.Region != "eu" {
		return errs.Field("/settings/region", "unknown", "The service region is us or eu.")
	}
	return nil
}

// sendPagerDuty enqueues an event with the Events API v2 (https://developer.pagerduty.com/docs/events-api-v2/overview/).
func (s *Sender) sendPagerDuty(ctx context.Context, set *Settings, m *Message) Outcome {
	endpoint := s.Endpoints.PagerDutyUS
	if endpoint == "" {
		endpoint = "https://events.pagerduty.com/v2/enqueue"
	}
	if set.Region == "eu" {
		if endpoint = s.Endpoints.PagerDutyEU; endpoint == "" {
			endpoint = "https://events.eu.pagerduty.com/v2/enqueue"
		}
	}
	action := m.Action
	if action == "" {
		action = Trigger
	}
	body := object{"routing_key": set.RoutingKey, "event_action": action, "dedup_key": cut(m.group(), pagerDutyKey)}
	if action == Trigger {
		details := object{"text": m.Text, "id": m.ID}
		for _, f := range m.Facts {
			details[f.Name] = f.Value
		}
		body["client"] = "Probity"
		body["payload"] = object{"summary": cut(m.Title, pagerDutySummary), "source": m.Sender, "severity": m.Severity, "timestamp": m.At.UTC().Format(time.RFC3339), "class": m.Type, "custom_details": details}
		if m.Link != "" {
			body["client_url"] = m.Link
			body["links"] = []any{object{"href": m.Link, "text": "Open in Probity"}}
		}
	}
	return s.post(ctx, endpoint, nil, encode(body), func(r *outbound.Response) Outcome {
		o := refused(Outcome{Code: r.Status})
		var answer struct {
			Status string `json:"status"`
		}
		if o.OK && (json.Unmarshal(r.Body, &answer) != nil || answer.Status != "success") {
			return Outcome{Problem: "PagerDuty's answer is not understood"}
		}
		return o
	})
}

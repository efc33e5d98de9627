package send

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
)

// Limits of the services, in characters.
const (
	slackText    = 2900 // a section holds 3,000
	discordTitle = 256
	discordText  = 4000 // a description holds 4,096
	teamsText    = 8000 // a message holds 28 KB
	maxFacts     = 10   // Slack's limit of fields in a section; Discord's is 25
)

var marks = map[string]string{Info: "ℹ️", Warning: "⚠️", Error: "❗", Critical: "🚨"}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("send: a message cannot be written: " + err.Error())
	}
	return b
}

// cut shortens text to at most n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func (m *Message) facts() []Fact { return m.Facts[:min(len(m.Facts), maxFacts)] }

// mrkdwn escapes what Slack gives a meaning (https://docs.slack.dev/messaging/formatting-message-text#escaping).
var mrkdwn = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

type object = map[string]any

func slackBody(m *Message, channel string) []byte {
	title := marks[m.Severity] + " *" + mrkdwn.Replace(m.Title) + "*"
	blocks := []any{object{"type": "section", "text": object{"type": "mrkdwn", "text": cut(title+"\n"+mrkdwn.Replace(m.Text), slackText)}}}
	if facts := m.facts(); len(facts) > 0 {
		fields := make([]any, len(facts))
		for i, f := range facts {
			fields[i] = object{"type": "mrkdwn", "text": cut("*"+mrkdwn.Replace(f.Name)+"*\n"+mrkdwn.Replace(f.Value), 2000)}
		}
		blocks = append(blocks, object{"type": "section", "fields": fields})
	}
	if m.Link != "" {
		blocks = append(blocks, object{"type": "actions", "elements": []any{object{"type": "button", "url": m.Link, "text": object{"type": "plain_text", "text": "Open in Probity"}}}})
	}
	blocks = append(blocks, object{"type": "context", "elements": []any{object{"type": "plain_text", "text": cut(m.Sender+" · "+m.ID, 2000)}}})
	body := object{"text": cut(m.Title, slackText), "blocks": blocks, "unfurl_links": false}
	if channel != "" {
		body["channel"] = channel
	}
	return encode(body)
}

var (
	slackChannel = regexp.MustCompile(`^(#[\p{Ll}\p{Nd}_-]{1,80}|[CGD][A-Z0-9]{5,20})$`)
	slackToken   = regexp.MustCompile(`^xox[a-z]-[A-Za-z0-9-]{10,250}$`)
)

func (s *Sender) checkSlack(set *Settings) error {
	if set.Token == "" && set.Channel == "" {
		return s.checkURL(set.URL)
	}
	if set.URL != "" {
		return errs.Field("/settings/url", "ambiguous", "Slack needs either the address of an incoming webhook or a bot's token with a channel, not both.")
	}
	if !slackToken.MatchString(set.Token) {
		return errs.Field("/settings/token", "invalid", "The token of a Slack bot begins with xoxb-.")
	}
	if !slackChannel.MatchString(set.Channel) {
		return errs.Field("/settings/channel", "invalid", "The channel is an id such as C024BE91L or a name such as #alerts.")
	}
	return nil
}

// slackTransient are the errors of chat.postMessage that may be over at the next attempt; all others are about the token, the channel or the message.
var slackTransient = map[string]bool{"ratelimited": true, "rate_limited": true, "internal_error": true, "fatal_error": true, "service_unavailable": true, "request_timeout": true, "team_added_to_org": true,
	"message_limit_exceeded": true, "accesslimited": true}

// slackGone are the errors that say that the token or the channel is gone for good.
var slackGone = map[string]bool{"account_inactive": true, "token_revoked": true, "invalid_auth": true, "is_archived": true, "channel_not_found": true, "token_expired": true, "org_login_required": true}

var errorWord = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

func (s *Sender) sendSlack(ctx context.Context, set *Settings, m *Message) Outcome {
	if set.Token == "" {
		return s.post(ctx, set.URL, nil, slackBody(m, ""), func(r *outbound.Response) Outcome {
			o := refused(Outcome{Code: r.Status})
			// A webhook that was removed answers 404 no_service; one whose channel is archived 410.
			switch word := strings.TrimSpace(string(r.Body)); {
			case !o.OK && (word == "no_service" || word == "no_active_hooks" || word == "channel_is_archived" || word == "invalid_token" || word == "no_team" || word == "team_disabled"):
				o.Gone, o.Permanent, o.Problem = true, true, "Slack says "+word
			case !o.OK && errorWord.MatchString(word):
				o.Problem = "Slack says " + word
			}
			return o
		})
	}
	endpoint := s.Endpoints.Slack
	if endpoint == "" {
		endpoint = "https://slack.com/api/chat.postMessage"
	}
	return s.post(ctx, endpoint, http.Header{"Authorization": {"Bearer " + set.Token}}, slackBody(m, set.Channel), func(r *outbound.Response) Outcome {
		o := byStatus(Outcome{Code: r.Status})
		if !o.OK {
			return o
		}
		var answer struct {
			OK    bool   `json:"ok"`
			Error string `json:"error"`
		}
		if json.Unmarshal(r.Body, &answer) != nil {
			return Outcome{Problem: "Slack's answer is not understood"}
		}
		if !answer.OK {
			o = Outcome{Problem: "Slack refused the message", Permanent: !slackTransient[answer.Error], Gone: slackGone[answer.Error]}
			if errorWord.MatchString(answer.Error) {
				o.Problem = "Slack says " + answer.Error
			}
		}
		return o
	})
}

var discordColours = map[string]int{Info: 0x2f7d6b, Warning: 0xd9a441, Error: 0xc2573a, Critical: 0xa1122a}

func (s *Sender) sendDiscord(ctx context.Context, set *Settings, m *Message) Outcome {
	fields := []any{}
	for _, f := range m.facts() {
		fields = append(fields, object{"name": cut(f.Name, 256), "value": cut(f.Value, 1024), "inline": true})
	}
	embed := object{"title": cut(m.Title, discordTitle), "description": cut(m.Text, discordText), "color": discordColours[m.Severity], "timestamp": m.At.UTC().Format(time.RFC3339),
		"fields": fields, "footer": object{"text": cut(m.Sender, 2000)}}
	if m.Link != "" {
		embed["url"] = m.Link
	}
	// No mention in the text may ring anybody's bell.
	body := encode(object{"embeds": []any{embed}, "allowed_mentions": object{"parse": []any{}}})
	return s.post(ctx, set.URL, nil, body, func(r *outbound.Response) Outcome {
		o := refused(Outcome{Code: r.Status})
		var answer struct {
			Code       int     `json:"code"`
			RetryAfter float64 `json:"retry_after"`
		}
		if o.OK || json.Unmarshal(r.Body, &answer) != nil {
			return o
		}
		if answer.RetryAfter > 0 && answer.RetryAfter < 1e6 {
			o.RetryAfter = time.Duration(math.Ceil(answer.RetryAfter*1000)) * time.Millisecond
		}
		if r.Status == http.StatusNotFound && answer.Code == 10015 {
			o.Gone, o.Problem = true, "Discord knows no such webhook any more"
		}
		return o
	})
}

func (s *Sender) sendTeams(ctx context.Context, set *Settings, m *Message) Outcome {
	colour := map[string]string{Info: "Default", Warning: "Warning", Error: "Attention", Critical: "Attention"}[m.Severity]
	content := []any{
		object{"type": "TextBlock", "text": cut(m.Title, 500), "weight": "Bolder", "size": "Medium", "wrap": true, "color": colour},
		object{"type": "TextBlock", "text": cut(m.Text, teamsText), "wrap": true},
	}
	if facts := m.facts(); len(facts) > 0 {
		set := make([]any, len(facts))
		for i, f := range facts {
			set[i] = object{"title": f.Name, "value": f.Value}
		}
		content = append(content, object{"type": "FactSet", "facts": set})
	}
	content = append(content, object{"type": "TextBlock", "text": cut(m.Sender, 500), "isSubtle": true, "size": "Small", "wrap": true})
	card := object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": content}
	if m.Link != "" {
		card["actions"] = []any{object{"type": "Action.OpenUrl", "title": "Open in Probity", "url": m.Link}}
	}
	body := encode(object{"type": "message", "attachments": []any{object{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card}}})
	return s.post(ctx, set.URL, nil, body, func(r *outbound.Response) Outcome { return refused(Outcome{Code: r.Status}) })
}

// hostOf returns the host of an address and nothing else of it.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

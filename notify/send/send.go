package send

import (
	"context"
	"net/http"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
)

// The kinds of channel.
const (
	Email     = "email"
	Slack     = "slack"
	Discord   = "discord"
	PagerDuty = "pagerduty"
	Teams     = "teams"
	Webhook   = "webhook"
)

// Kinds returns the kinds of channel in the order of the documentation.
func Kinds() []string { return []string{Email, Slack, Discord, PagerDuty, Teams, Webhook} }

// The severities of a message, from least to most.
const (
	Info     = "info"
	Warning  = "warning"
	Error    = "error"
	Critical = "critical"
)

// What a message does to the alert that its group stands for.
const (
	Trigger     = "trigger"
	Acknowledge = "acknowledge"
	Resolve     = "resolve"
)

// Fact is one line of a table below a message.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Message is what is to be said. It MUST NOT hold personal values.
type Message struct {
	// ID is the same at every attempt, so that a receiver can tell a repetition.
	ID string
	// Type is what the message is about, such as export.ready.
	Type     string
	Severity string
	// Action is Trigger when empty.
	Action string
	// Group names what the message is about; an alert is raised, acknowledged and resolved under it. The ID when empty.
	Group string
	// Title is one line, Text a paragraph or several, both plain.
	Title string
	Text  string
	Facts []Fact
	// Link leads to the console; "" when the server does not know its own address.
	Link string
	// LinkLabel is what an e-mail calls the link; "Open in Probity" when empty.
	LinkLabel string
	// Sender names the installation and the organisation.
	Sender string
	At     time.Time
	// Data is what machines get instead of the text; it marshals to JSON.
	Data any
}

func (m *Message) group() string {
	if m.Group != "" {
		return m.Group
	}
	return m.ID
}

// Settings are what a channel was set up with. They are secret; which of them a kind needs, [Sender.Check] says.
type Settings struct {
	// URL is where webhooks and chat services take messages.
	URL string `json:"url,omitempty"`
	// Token and Channel are those of Slack's chat.postMessage, instead of a URL.
	Token   string `json:"token,omitempty"`
	Channel string `json:"channel,omitempty"`
	// RoutingKey is PagerDuty's integration key; Region "eu" its service region, "us" when empty.
	RoutingKey string `json:"routing_key,omitempty"`
	Region     string `json:"region,omitempty"`
	// Recipients are addresses of e-mail.
	Recipients []string `json:"recipients,omitempty"`
	// Keys sign webhooks, the newest first.
	Keys []Key `json:"keys,omitempty"`
}

// Outcome is how an attempt ended.
type Outcome struct {
	// OK says that the receiver took the message.
	OK bool
	// Code is the status of HTTP or SMTP that came back; 0 when nothing did.
	Code int
	// Problem says what was wrong in words that everybody who sees the channel may read; "" when OK.
	Problem string
	// Permanent says that the same message will not be taken later either.
	Permanent bool
	// Gone says that the receiver wants no more messages at all.
	Gone bool
	// RetryAfter is how long the receiver wants to be left alone; zero when it did not say.
	RetryAfter time.Duration
}

// Endpoints are where services that are not addressed by a URL of their own take requests.
type Endpoints struct {
	Slack, PagerDutyUS, PagerDutyEU string
}

// Sender sends messages. It is safe for concurrent use.
type Sender struct {
	HTTP *outbound.Client
	// Mail is the operator's mail server; nil when there is none.
	Mail *Mail
	// Endpoints replaces the services' own in tests; those that are empty stay.
	Endpoints Endpoints
	// Now replaces the clock in tests.
	Now func() time.Time
}

func (s *Sender) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Send makes one attempt.
func (s *Sender) Send(ctx context.Context, kind string, set *Settings, m *Message) Outcome {
	switch kind {
	case Email:
		return s.sendMail(ctx, set, m)
	case Slack:
		return s.sendSlack(ctx, set, m)
	case Discord:
		return s.sendDiscord(ctx, set, m)
	case PagerDuty:
		return s.sendPagerDuty(ctx, set, m)
	case Teams:
		return s.sendTeams(ctx, set, m)
	case Webhook:
		return s.sendWebhook(ctx, set, m)
	}
	return Outcome{Problem: "this build does not know channels of this kind", Permanent: true}
}

// Check says whether settings are complete and their addresses allowed. Errors are Invalid and name the field.
func (s *Sender) Check(kind string, set *Settings) error {
	switch kind {
	case Email:
		return s.checkMail(set)
	case Slack:
		return s.checkSlack(set)
	case PagerDuty:
		return checkPagerDuty(set)
	case Discord, Teams, Webhook:
		return s.checkURL(set.URL)
	}
	return errs.Field("/kind", "unknown", "The kind of channel is unknown.")
}

func (s *Sender) checkURL(raw string) error {
	if raw == "" {
		return errs.Field("/settings/url", "required", "An address (URL) is needed.")
	}
	if _, err := s.HTTP.CheckURL(raw); err != nil {
		return errs.Field("/settings/url", "not_allowed", "The address cannot be used: %s.", err.Error())
	}
	return nil
}

// Target says where a channel leads in words that are no secret: the host of an address, a channel's name, how many recipients there are.
func Target(kind string, set *Settings) string {
	switch {
	case kind == Email:
		return mailTarget(set.Recipients)
	case kind == Slack && set.Channel != "":
		return "channel " + set.Channel
	case kind == PagerDuty && set.Region == "eu":
		return "events.eu.pagerduty.com"
	case kind == PagerDuty:
		return "events.pagerduty.com"
	}
	return hostOf(set.URL)
}

// post sends JSON and hands an answer of whatever status to read; nil reads any 2xx as success.
func (s *Sender) post(ctx context.Context, url string, header http.Header, body []byte, read func(*outbound.Response) Outcome) Outcome {
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/json; charset=utf-8")
	res, err := s.HTTP.Do(ctx, outbound.Request{URL: url, Header: header, Body: body})
	if err != nil {
		e := outbound.AsError(err)
		return Outcome{Problem: e.Error(), Permanent: e.Permanent()}
	}
	o := Outcome{Code: res.Status, RetryAfter: res.RetryAfter(s.now())}
	if read != nil {
		o = read(res)
		o.Code = res.Status
		o.RetryAfter = max(o.RetryAfter, res.RetryAfter(s.now()))
		return o
	}
	return byStatus(o)
}

// byStatus fills in what a status alone says.
func byStatus(o Outcome) Outcome {
	switch {
	case o.Code >= 200 && o.Code < 300:
		o.OK = true
	case o.Code == http.StatusGone:
		o.Problem, o.Permanent, o.Gone = "the receiver wants no more messages (410)", true, true
	case o.Code == http.StatusTooManyRequests:
		o.Problem = "the receiver takes no more messages for now (429)"
	case o.Code >= 300 && o.Code < 400:
		o.Problem = "the receiver answered with a redirect, which is not followed; enter the address that it leads to"
	case o.Code >= 500:
		o.Problem = "the receiver failed"
	default:
		o.Problem = "the receiver refused the message"
	}
	return o
}

// refused is byStatus for services that say in their documentation that a status of 400 to 499, other than 408 and 429, will be the same next time.
func refused(o Outcome) Outcome {
	o = byStatus(o)
	if o.Code >= 400 && o.Code < 500 && o.Code != http.StatusRequestTimeout && o.Code != http.StatusTooManyRequests {
		o.Permanent = true
	}
	return o
}

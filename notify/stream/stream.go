package stream

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/notify/send"
)

// The kinds of receiver.
const (
	Webhook = "webhook"
	Splunk  = "splunk"
	Syslog  = "syslog"
)

// The formats of events.
const (
	Native = "native" // as the API writes them
	OCSF   = "ocsf"
)

// Limits and times.
const (
	batchEvents = 500
	batchBytes  = 1 << 20 // of encoded events; one event may be larger
	maxStreams  = 20      // of a tenant
	maxName     = 100     // characters
	maxPatterns = 50
	leaseTime   = time.Minute
	pollEvery   = 500 * time.Millisecond
	firstHold   = 2 * time.Second
	longestHold = 5 * time.Minute
	pauseAfter  = 3 * 24 * time.Hour // of failures
	atOnce      = 4                  // streams
)

// Filter selects events; empty members do not. Patterns are globs with *.
type Filter struct {
	Actions  []string `json:"actions,omitempty" maxItems:"50"`
	Sources  []string `json:"sources,omitempty" maxItems:"50"`
	Outcomes []string `json:"outcomes,omitempty" maxItems:"3" enum:"success,failure,denied"`
}

var pattern = regexp.MustCompile(`^[a-z0-9_.:/*-]{1,128}$`)

func (f *Filter) check() error {
	for name, list := range map[string][]string{"actions": f.Actions, "sources": f.Sources, "outcomes": f.Outcomes} {
		if len(list) > maxPatterns {
			return errs.Field("/filter/"+name, "count", "There are more than %d patterns.", maxPatterns)
		}
		for _, p := range list {
			if !pattern.MatchString(p) {
				return errs.Field("/filter/"+name, "invalid", "A pattern has a-z, 0-9, _.:/- and * for any run of characters.")
			}
		}
	}
	return nil
}

// Line is one encoded event.
type Line struct {
	Seq        uint64
	RecordedAt time.Time
	JSON       []byte // without a line end
}

// Source is where events come from.
type Source interface {
	// Head returns the seq after the newest event.
	Head(ctx context.Context, tenantID string) (uint64, error)
	// Read returns at most limit events from seq from that the filter selects, oldest first, as somebody sees them who may search, and see values as they are if unmasked;
	// and where to go on: the seq after the last event that was considered.
	Read(ctx context.Context, tenantID string, from uint64, f Filter, unmasked bool, format string, limit int) (lines []Line, next uint64, err error)
}

// Settings are where a stream leads. URL is that of a webhook or collector, Token the collector's; Host and Port are of a syslog server.
type Settings struct {
	URL   string     `json:"url,omitempty"`
	Token string     `json:"token,omitempty"`
	Host  string     `json:"host,omitempty"`
	Port  int        `json:"port,omitempty"`
	Keys  []send.Key `json:"keys,omitempty"`
}

// sealed is what a stream keeps encrypted.
type sealed struct {
	Name     string   `json:"name"`
	Filter   Filter   `json:"filter"`
	Settings Settings `json:"settings"`
}

// Sender hands batches over; [send.Sender] is one.
type Sender interface {
	Check(kind string, set *send.Settings) error
	CheckSplunk(url, token string) error
	CheckSyslog(host string, port int) error
	SendSigned(ctx context.Context, url string, keys []send.Key, id string, body []byte) send.Outcome
	SendSplunk(ctx context.Context, url, token string, body []byte) send.Outcome
	SendSyslog(ctx context.Context, host string, port int, frames []byte) send.Outcome
}

func check(s Sender, kind string, set *Settings) error {
	switch kind {
	case Webhook:
		return s.Check(send.Webhook, &send.Settings{URL: set.URL})
	case Splunk:
		return s.CheckSplunk(set.URL, set.Token)
	case Syslog:
		if set.Port == 0 {
			set.Port = 6514 // RFC 5425
		}
		return s.CheckSyslog(set.Host, set.Port)
	}
	return errs.Field("/kind", "unknown", "The kind of stream is unknown.")
}

func target(kind string, set *Settings) string {
	if kind == Syslog {
		return set.Host + ":" + strconv.Itoa(set.Port)
	}
	return send.Target(send.Webhook, &send.Settings{URL: set.URL})
}

// trim cuts a batch to its size in bytes; one event always stays. It returns where to go on.
func trim(lines []Line, next uint64) ([]Line, uint64) {
	size := 0
	for i, l := range lines {
		if size += len(l.JSON); size > batchBytes && i > 0 {
			return lines[:i], lines[i].Seq
		}
	}
	return lines, next
}

// batchID is the same whenever the same events are sent.
func batchID(streamID string, lines []Line) string {
	return streamID + "-" + strconv.FormatUint(lines[0].Seq, 10) + "-" + strconv.FormatUint(lines[len(lines)-1].Seq, 10)
}

// deliver makes one attempt to hand a batch over.
func deliver(ctx context.Context, s Sender, r *row, set *Settings, instance string, lines []Line) send.Outcome {
	switch r.kind {
	case Webhook:
		var b strings.Builder
		b.WriteString(`{"type":"events","timestamp":"` + lines[len(lines)-1].RecordedAt.UTC().Format(time.RFC3339Nano) + `","data":{"format":"` + r.format + `","tenant_id":` + quote(r.tenant) + `,"events":[`)
		for i, l := range lines {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(l.JSON)
		}
		b.WriteString("]}}")
		return s.SendSigned(ctx, set.URL, set.Keys, batchID(r.id, lines), []byte(b.String()))
	case Splunk:
		var b strings.Builder
		for _, l := range lines {
			b.WriteString(`{"time":` + strconv.FormatFloat(float64(l.RecordedAt.UnixMicro())/1e6, 'f', 6, 64) + `,"host":` + quote(instance) + `,"source":"probity","sourcetype":"probity:` + r.format +
				`","fields":{"probity_seq":"` + strconv.FormatUint(l.Seq, 10) + `"},"event":`)
			b.Write(l.JSON)
			b.WriteByte('}')
		}
		return s.SendSplunk(ctx, set.URL, set.Token, []byte(b.String()))
	}
	var frames []byte
	for _, l := range lines {
		frames = send.SyslogFrame(frames, l.RecordedAt, instance, l.JSON)
	}
	return s.SendSyslog(ctx, set.Host, set.Port, frames)
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // a string always marshals
	}
	return string(b)
}

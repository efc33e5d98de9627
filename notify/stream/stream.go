package stream

import (
	"context"
	"encoding/json"
	"fmt"
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
	S3      = "s3"
	NATS    = "nats"
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
	pauseAfter  = 4 * 24 * time.Hour // of failures: an outage over a long weekend ends by itself
	atOnce      = 4                  // streams
	// An object is written when so many events wait, or so long after the one before, so that objects are neither tiny nor late.
	objectEvents = 10_000
	objectBytes  = 8 << 20
	objectEvery  = time.Minute
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

// Settings are where a stream leads. URL is that of a webhook, collector or NATS server, Token the collector's or the NATS server's; Host and Port are of a syslog server.
type Settings struct {
	URL   string     `json:"url,omitempty"`
	Token string     `json:"token,omitempty"`
	Host  string     `json:"host,omitempty"`
	Port  int        `json:"port,omitempty"`
	Keys  []send.Key `json:"keys,omitempty"`
	// Of an object store, see [send.Bucket].
	Endpoint  string `json:"endpoint,omitempty"`
	Region    string `json:"region,omitempty"`
	Bucket    string `json:"bucket,omitempty"`
	Prefix    string `json:"prefix,omitempty"`
	AccessKey string `json:"access_key,omitempty"`
	SecretKey string `json:"secret_key,omitempty"`
	// Of a NATS server, see [send.NATS].
	Subject  string `json:"subject,omitempty"`
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
}

func (s *Settings) bucket() send.Bucket {
	return send.Bucket{Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: s.Prefix, AccessKey: s.AccessKey, SecretKey: s.SecretKey}
}

func (s *Settings) nats() send.NATS {
	return send.NATS{URL: s.URL, Subject: s.Subject, Username: s.Username, Password: s.Password, Token: s.Token}
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
	CheckBucket(b send.Bucket) error
	PutObject(ctx context.Context, b send.Bucket, name, contentType string, body []byte) send.Outcome
	CheckNATS(n send.NATS) error
	SendNATS(ctx context.Context, n send.NATS, messages []send.NATSMessage) send.Outcome
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
	case S3:
		return s.CheckBucket(set.bucket())
	case NATS:
		return s.CheckNATS(set.nats())
	}
	return errs.Field("/kind", "unknown", "The kind of stream is unknown.")
}

func target(kind string, set *Settings) string {
	switch kind {
	case Syslog:
		return set.Host + ":" + strconv.Itoa(set.Port)
	case S3:
		return set.Bucket + "/" + set.Prefix + " at " + send.Target(send.Webhook, &send.Settings{URL: set.Endpoint})
	case NATS:
		return set.Subject + " at " + send.Target(send.Webhook, &send.Settings{URL: set.URL})
	}
	return send.Target(send.Webhook, &send.Settings{URL: set.URL})
}

// limits returns how many events, and how many bytes of them, go to a receiver at a time.
func limits(kind string) (events, size int) {
	if kind == S3 {
		return objectEvents, objectBytes
	}
	return batchEvents, batchBytes
}

// ripe reports whether what waits is worth sending now.
func ripe(r *row, head uint64, now int64) bool {
	waiting := int64(head) - r.next
	return waiting > 0 && (r.kind != S3 || waiting >= objectEvents || now-r.lastOKAt >= objectEvery.Microseconds())
}

// trim cuts a batch to a size in bytes; one event always stays. It returns where to go on.
func trim(lines []Line, next uint64, limit int) ([]Line, uint64) {
	size := 0
	for i, l := range lines {
		if size += len(l.JSON); size > limit && i > 0 {
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
	case S3:
		return s.PutObject(ctx, set.bucket(), objectName(r.id, lines), "application/x-ndjson", ndjson(lines))
	case NATS:
		messages := make([]send.NATSMessage, 0, len(lines))
		for _, l := range lines {
			messages = append(messages, send.NATSMessage{ID: r.id + "-" + strconv.FormatUint(l.Seq, 10), Data: l.JSON})
		}
		return s.SendNATS(ctx, set.nats(), messages)
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

// objectName is the day and the number of the first event. Sent again from the same place, the events that came meanwhile at their end, they replace the object that may be there.
func objectName(streamID string, lines []Line) string {
	return lines[0].RecordedAt.UTC().Format("2006/01/02/") + streamID + "-" + fmt.Sprintf("%016d", lines[0].Seq) + ".ndjson"
}

func ndjson(lines []Line) []byte {
	var b []byte
	for _, l := range lines {
		b = append(append(b, l.JSON...), '\n')
	}
	return b
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // a string always marshals
	}
	return string(b)
}

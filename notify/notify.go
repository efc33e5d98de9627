package notify

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/glob"
	"probity.dev/notify/send"
)

// The states of a delivery.
const (
	statusQueued    = "queued"
	statusSending   = "sending"
	statusDelivered = "delivered"
	statusDead      = "dead"      // given up: a dead letter
	statusDiscarded = "discarded" // a dead letter that somebody put away
	statusMuted     = "muted"     // not sent, because the channel was muted
	statusFailed    = "failed"    // a test that did not arrive; it is not tried again
)

// Statuses returns the states of a delivery in the order of the documentation.
func Statuses() []string {
	return []string{statusQueued, statusSending, statusDelivered, statusDead, statusDiscarded, statusMuted, statusFailed}
}

// Limits and times.
const (
	maxChannels  = 100 // of a tenant
	maxName      = 100 // characters
	maxTopics    = 50
	leaseTime    = 45 * time.Second       // longer than batchTime and an attempt can take
	batchSize    = 16                     // deliveries of a channel that a worker takes at once
	batchTime    = 200 * time.Millisecond // after which it stores what has become of them
	pollEvery    = 500 * time.Millisecond
	cleanEvery   = time.Hour
	keepDone     = 30 * 24 * time.Hour // deliveries and their attempts, once they have ended
	keepDead     = 90 * 24 * time.Hour // dead letters
	keysOverlap  = 24 * time.Hour      // how long the previous key of a webhook signs along
	maxWait      = 24 * time.Hour      // before the next attempt, whatever a receiver asks for
	maxHold      = 10 * time.Minute    // how long one failure keeps a channel's other deliveries waiting
	pauseAfter   = 3 * 24 * time.Hour  // a channel that has failed this long, and
	pauseAtLeast = 10                  // this many times in a row, is paused
	workers      = 8
)

// schedule is when the attempts follow the one before, as Standard Webhooks proposes: twelve in about three days.
var schedule = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

// nextTry returns how long to wait after the attempt number tries (from 1) has failed, or false when it was the last. The wait is spread by a fifth to either side, so that what
// failed together is not tried together again.
func nextTry(tries int64, asked time.Duration) (time.Duration, bool) {
	if tries > int64(len(schedule)) {
		return 0, false
	}
	base := schedule[max(tries, 1)-1]
	wait := time.Duration(float64(base) * (0.8 + 0.4*rand.Float64()))
	return min(max(wait, asked), maxWait), true
}

// Cause is what a notification is about.
type Cause struct {
	Type string `json:"type" doc:"Such as export, log or notification_channel"`
	ID   string `json:"id"`
}

// Notification is what a domain has to say.
type Notification struct {
	// Kind is one of [Kinds].
	Kind string
	// Cause is what it is about.
	Cause Cause
	// Once makes sure that the same thing is said once: a second notification of the tenant with the same text here is dropped.
	Once string
	// Topic groups what is about the same trouble, so that a later one can resolve it; the cause when empty.
	Topic string
	// Channels are the ids of those that it goes over, whatever their topics; those whose topics want it when empty.
	Channels []string
	// Params fill the template of the kind. Values are numbers, ids and words of ours, never personal ones; each has at most 128 characters of [A-Za-z0-9 _.:/+-].
	Params map[string]string
}

// paramPattern leaves out what addresses and most names of people need.
var paramPattern = regexp.MustCompile(`^[A-Za-z0-9 _.:/+-]{0,128}$`)

func (n *Notification) check() error {
	k, ok := kinds[n.Kind]
	if !ok {
		return errs.New(errs.Internal, "there is no notification of the kind %s", n.Kind)
	}
	for _, v := range append([]string{n.Cause.Type, n.Cause.ID, n.Once, n.Topic}, values(n.Params)...) {
		if !paramPattern.MatchString(v) {
			return errs.New(errs.Internal, "a notification of the kind %s was given a value that it must not hold", n.Kind)
		}
	}
	for _, name := range k.Params {
		if _, ok := n.Params[name]; !ok {
			return errs.New(errs.Internal, "a notification of the kind %s lacks %s", n.Kind, name)
		}
	}
	return nil
}

func values(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// sealed is what a channel keeps encrypted.
type sealed struct {
	Name     string        `json:"name"`
	Settings send.Settings `json:"settings"`
}

// topicPattern is a kind of notification or a glob over kinds.
var topicPattern = regexp.MustCompile(`^[a-z_.*]{1,64}$`)

func checkTopics(topics []string) error {
	if len(topics) > maxTopics {
		return errs.Field("/topics", "count", "A channel has at most %d topics.", maxTopics)
	}
	for _, t := range topics {
		known := slices.ContainsFunc(Kinds(), func(k Kind) bool { return glob.Match(t, k.Name) })
		if !topicPattern.MatchString(t) || !known {
			return errs.Field("/topics", "unknown", "There is no notification that this topic names; GET /api/notify/kinds lists them, and * stands for any run of characters.")
		}
	}
	return nil
}

// wants reports whether a channel with these topics takes notifications of a kind. No topics stands for all.
func wants(topics []string, kind string) bool {
	return len(topics) == 0 || slices.ContainsFunc(topics, func(t string) bool { return glob.Match(t, kind) })
}

// texts renders a list of strings for a column, and back.
func texts(list []string) string {
	if list == nil {
		list = []string{}
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic("notify: strings that cannot be written: " + err.Error())
	}
	return string(b)
}

func parseTexts(s string) []string {
	list := []string{}
	_ = json.Unmarshal([]byte(s), &list) // our own writing; an empty list is all that a damaged one can be
	return list
}

func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || len([]rune(name)) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errs.Field("/name", "invalid", "A channel needs a name of at most %d characters.", maxName)
	}
	return name, nil
}

package decision

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const (
	// queueLength bounds how many events wait to be recorded: some seconds of a busy tenant.
	queueLength = 32_768
	// batchLength is how many events of a tenant are recorded at once.
	batchLength = 512
	// retryAfter is how long a log that takes no events is left alone.
	retryAfter = 500 * time.Millisecond

	actionDecision = "access.decision"
	actionSearch   = "access.search"
	actionLost     = "access.decisions_lost"
)

// queue holds the events of answers that were given.
type queue struct {
	c    chan waiting
	mu   sync.Mutex
	lost map[string]int64 // by tenant
	// process tells the answers of this process from those of others, given counts them by tenant: a number that is missing in the log is an answer whose event is.
	process string
	given   map[string]uint64
	held    atomic.Int64 // taken from c and not recorded yet
}

type waiting struct {
	tenant string
	e      *event.Event
}

func newQueue() *queue {
	return &queue{c: make(chan waiting, queueLength), lost: map[string]int64{}, process: uuid.NewString(), given: map[string]uint64{}}
}

// put never waits. Each event gets the next number of its tenant in this process, in the order of the queue; what finds no room is counted.
func (q *queue) put(tenant string, e *event.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.given[tenant]++
	e.Producer = &event.Producer{ID: "decisions", Boot: q.process, Seq: q.given[tenant]}
	e.Data = append(e.Data, selfaudit.Member("process", q.process), selfaudit.Member("number", q.given[tenant]))
	select {
	case q.c <- waiting{tenant, e}:
	default:
		q.lost[tenant]++
	}
}

func (q *queue) takeLost() map[string]int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lost) == 0 {
		return nil
	}
	out := q.lost
	q.lost = map[string]int64{}
	return out
}

func (q *queue) putLost(tenant string, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost[tenant] += n
}

// Run records the events of answers until ctx ends, and then those that are left.
func (s *Service) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			for len(s.queue.c) > 0 && last.Err() == nil {
				s.record(last, <-s.queue.c)
			}
			s.recordLost(last)
			return
		case w := <-s.queue.c:
			s.record(ctx, w)
			if len(s.queue.c) == 0 {
				s.recordLost(ctx)
			}
		}
	}
}

// record takes what else is waiting and records it, by tenant, until the logs take it or ctx ends.
func (s *Service) record(ctx context.Context, first waiting) {
	batches := map[string][]*event.Event{first.tenant: {first.e}}
	n := int64(1)
more:
	for range batchLength - 1 {
		select {
		case w := <-s.queue.c:
			batches[w.tenant] = append(batches[w.tenant], w.e)
			n++
		default:
			break more
		}
	}
	s.queue.held.Add(n)
	defer s.queue.held.Add(-n)
	for tenant, events := range batches {
		s.recordAll(ctx, tenant, events)
	}
}

func (s *Service) recordAll(ctx context.Context, tenant string, events []*event.Event) {
	for {
		err := s.o.Recorder.RecordAll(context.WithoutCancel(ctx), tenant, events, nil) // what was begun is finished
		if err == nil {
			return
		}
		if code := errs.CodeOf(err); code == errs.Unavailable || code == errs.Throttled {
			select {
			case <-time.After(retryAfter):
				continue
			case <-ctx.Done():
			}
		}
		if len(events) > 1 && errs.CodeOf(err) != errs.Unavailable { // one that cannot be recorded does not cost the others
			for _, e := range events {
				s.recordAll(ctx, tenant, []*event.Event{e})
			}
			return
		}
		s.o.Logger.Error("decisions were not recorded", "number", len(events), "error", err)
		s.queue.putLost(tenant, int64(len(events)))
		return
	}
}

// recordLost says in the log how many decisions are missing there.
func (s *Service) recordLost(ctx context.Context) {
	for tenant, n := range s.queue.takeLost() {
		e := selfaudit.New(ctx, actor.System(tenant), "access", actionLost, "other", event.Resource{Type: "decision"})
		e.Severity, e.Outcome = "high", event.Outcome{Status: "failure", Reason: "the queue of decisions was full, or the log did not take them"}
		e.Data = []event.Member{selfaudit.Member("missing", n)}
		if err := s.o.Recorder.RecordAll(context.WithoutCancel(ctx), tenant, []*event.Event{e}, nil); err != nil {
			s.queue.putLost(tenant, n)
		}
	}
}

// Waiting is how many decisions are not recorded yet.
func (s *Service) Waiting() int { return len(s.queue.c) + int(s.queue.held.Load()) }

// event is what is recorded of a decision. What was asked may be about people, so it is one personal text.
func (s *Service) event(ctx context.Context, p actor.Principal, r *Request, d *Decision, f facts, c *compiled) *event.Event {
	activity, outcome := "deny", event.Outcome{Status: "denied"}
	if d.Allow {
		activity, outcome = "approve", event.Outcome{Status: "success"}
	}
	e := selfaudit.New(ctx, p, "access", actionDecision, activity, event.Resource{Type: "decision", ID: d.ID})
	e.ID, e.Severity, e.Outcome, e.OccurredAt = d.ID, "info", outcome, d.At
	if f.User != "" {
		e.Subject = &event.Ref{Type: "user", ID: f.User}
	}
	input := text(r)
	e.Data = []event.Member{
		selfaudit.Member("input", input), selfaudit.Member("input_sha256", fingerprint(r)), selfaudit.Member("locked", f.Locked), selfaudit.Member("reasons", d.Reasons), selfaudit.Member("allow", d.Allow),
		selfaudit.Member("policy", policyMark{Engine: engine, Roles: d.Version, Rules: c.version}),
	}
	e.Personal = []string{"/data/input"}
	return e
}

// policyMark says by what a decision was made.
type policyMark struct {
	Engine string `json:"engine" doc:"The program's own part: built-in roles and the way of deciding"`
	Roles  int64  `json:"roles" doc:"Version of the tenant's roles and assignments"`
	Rules  int64  `json:"rules" doc:"Version that brought the tenant's rules, 0 for none"`
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("decision: a request cannot be written: " + err.Error()) // it was read from JSON
	}
	return string(b)
}

func quoted(s string) jsontext.Value { return jsontext.Value(`"` + s + `"`) }

func list(rules []Rule) jsontext.Value {
	if rules == nil {
		rules = []Rule{}
	}
	return jsontext.Value(text(rules))
}

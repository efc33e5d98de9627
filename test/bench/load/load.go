package load

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// The population, whatever the number of events.
const (
	Actors    = 100_000
	Resources = 1_000_000
	Clients   = 100_000
	Actions   = 200
	// NeedleEvery is how many events there are, on average, for one that carries [Needle].
	NeedleEvery = 20_000
)

// Needle is a word that occurs in few events, in the middle of a sentence; nothing else contains it.
const Needle = "subrogation"

// Tenant is the number under which a table keeps all events.
const Tenant int64 = 4711

// Config says which events to make. The zero value of an optional member means the default.
type Config struct {
	// Seed makes another set of events of the same kind, about the same people and things.
	Seed uint64
	// Events is how many there are in all; needed to spread occurred_at over the span.
	Events int
	// BatchSize is how many events a batch has; 1,000 by default. The last batch may have fewer.
	BatchSize int
	// Start and End bound occurred_at.
	Start, End time.Time
	// Spread scatters occurred_at over the whole span at random. Otherwise it follows the order of the events, give or take
	// some seconds, as it does where producers send at once.
	Spread bool
	// V7 makes identifiers UUIDs of version 7 (ordered by time) in place of version 4 (random).
	V7 bool
}

// Event is one event. Slices point into the batch that it came in.
type Event struct {
	ID [16]byte
	// OccurredAt is in microseconds since 1970 UTC.
	OccurredAt   int64
	Actor        string
	Action       string
	ResourceType string
	ResourceID   string
	Outcome      string
	// JSON is the whole event in its wire form.
	JSON []byte
}

// Batch is the memory of a batch, to be used again and again. The zero value is ready.
type Batch struct {
	Events []Event
	// Body is {"events":[…]}, ready to be posted.
	Body []byte

	spans [][2]int
}

// Generator makes batches. It is safe for concurrent use; a [Batch] is not.
type Generator struct {
	cfg Config
	// zipf holds actor numbers, each as often as its share of events.
	zipf   []uint32
	actors []actor
	// resources holds the identifiers.
	resources []string
}

type actor struct {
	id       string
	fragment []byte // {"type":…}
	agent    uint8
}

// New returns a generator of cfg's events.
func New(cfg Config) *Generator {
	if cfg.BatchSize == 0 {
		cfg.BatchSize = 1000
	}
	if cfg.End.IsZero() {
		cfg.End = time.Now().UTC().Truncate(time.Hour)
	}
	if cfg.Start.IsZero() {
		cfg.Start = cfg.End.AddDate(0, -18, 0)
	}
	g := &Generator{cfg: cfg}
	g.makeActors()
	g.makeResources()
	return g
}

// Config returns the configuration with its defaults filled in.
func (g *Generator) Config() Config { return g.cfg }

// Batches returns how many batches there are.
func (g *Generator) Batches() int { return (g.cfg.Events + g.cfg.BatchSize - 1) / g.cfg.BatchSize }

func (g *Generator) makeActors() {
	r := rand.New(rand.NewPCG(1, 0xac7025)) // whatever the seed: events of another one are about the same people
	g.actors = make([]actor, Actors)
	for i := range g.actors {
		a := &g.actors[i]
		a.agent = uint8(r.IntN(len(agents)))
		if i < 20 { // the busiest are machines
			a.id = fmt.Sprintf("svc-%s-%02d", pick(r, services), i)
			a.fragment = fmt.Appendf(nil, `{"type":"service_account","id":"%s"}`, a.id)
			continue
		}
		a.id = fmt.Sprintf("u-%06d", i)
		given, family := pick(r, givens), pick(r, families)
		a.fragment = fmt.Appendf(nil, `{"type":"user","id":"%s","name":"%s %s","email":"%s.%s%d@example.com"}`,
			a.id, given[0], family[0], given[1], family[1], i)
	}
	sum := 0.0
	for i := range Actors {
		sum += 1 / float64(i+1)
	}
	const table = 4 << 20
	g.zipf = make([]uint32, 0, table+Actors)
	for i := range Actors {
		for range max(1, int(table/sum/float64(i+1)+0.5)) {
			g.zipf = append(g.zipf, uint32(i))
		}
	}
}

func (g *Generator) makeResources() {
	g.resources = make([]string, Resources)
	arena := make([]byte, 0, Resources*12)
	ends := make([]int, 0, Resources)
	for i := range Resources {
		arena = append(arena, types[i%len(types)].prefix...)
		arena = append(arena, '-')
		arena = appendPadded(arena, uint64(i), 7)
		ends = append(ends, len(arena))
	}
	all, from := string(arena), 0
	for i, to := range ends {
		g.resources[i] = all[from:to]
		from = to
	}
}

// Batch fills b with batch n (0 ≤ n < Batches) and returns how many events it has.
func (g *Generator) Batch(n int, b *Batch) int {
	first := n * g.cfg.BatchSize
	count := max(0, min(g.cfg.BatchSize, g.cfg.Events-first))
	w := writer{g: g, r: stream(g.cfg.Seed, n), out: append(b.Body[:0], `{"events":[`...)}
	b.Events, b.spans = b.Events[:0], b.spans[:0]
	for i := range count {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		from := len(w.out)
		b.Events = append(b.Events, w.event(first+i))
		b.spans = append(b.spans, [2]int{from, len(w.out)})
	}
	w.out = append(w.out, `]}`...)
	b.Body = w.out
	for i, s := range b.spans { // only now: the buffer may have moved while it grew
		b.Events[i].JSON = b.Body[s[0]:s[1]:s[1]]
	}
	return count
}

// At returns event i on its own, with memory of its own: what a test or a query parameter needs.
func (g *Generator) At(i int) Event {
	var b Batch
	g.Batch(i/g.cfg.BatchSize, &b)
	return b.Events[i%g.cfg.BatchSize]
}

// rng is splitmix64: a few instructions a number, and any seed is a good one.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// stream returns the numbers of batch n. Both parts go through the mixer, so that the streams of near seeds and batches have nothing
// to do with each other.
func stream(seed uint64, n int) rng {
	r := rng(seed)
	r = rng(r.next() + uint64(n))
	return rng(r.next())
}

// below returns a number in [0, n), n < 2³².
func (r *rng) below(n int) int { return int((r.next() >> 32) * uint64(n) >> 32) }

func pick[T any](r *rand.Rand, s []T) T { return s[r.IntN(len(s))] }

package segtest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"

	"probity.dev/ledger/segment"
)

// Start is the recorded_at of the first event: 2025-01-01 UTC in microseconds.
const Start = 1735689600_000000

// Gen makes rows. The same seed and options give the same rows.
type Gen struct {
	// Step is the mean time between events in microseconds.
	Step int64
	// Late is the share of events whose occurred_at lies up to 30 days before recorded_at, as after an import.
	Late float64

	rng      *rand.Rand
	seq, now int64
	actors   []int64
	profiles []int64
	subjects []int64
	ips      []int64
	zipf     [4]*rand.Zipf
	clear    []byte
	sealed   []byte
	id       []byte
}

var (
	sources   = []string{"booking.api", "billing.api", "clinic.web", "shop.web", "auth", "crm.sync", "exports", "mobile.app"}
	types     = []string{"invoice", "appointment", "patient", "order", "product", "user", "session", "document", "message", "report"}
	verbs     = []string{"read", "update", "create", "delete", "export", "share", "approve", "login"}
	outcomes  = []string{"success", "success", "success", "success", "success", "success", "success", "success", "failure", "denied"}
	severity  = []string{"info", "info", "info", "info", "notice", "low", "medium", "high"}
	devices   = []string{"web", "ios", "android", "kiosk", "api"}
	browsers  = []string{"Mozilla/5.0 (X11; Linux x86_64) Firefox/141.0", "Mozilla/5.0 (Macintosh) Safari/18.5", "curl/8.14", "ClinicApp/7.3 (iOS 19)"}
	regions   = []string{"eu-west-1", "eu-central-1", "us-east-1"}
	fieldSets = 40
)

// New returns a generator whose first row has seq first.
func New(seed uint64, first int64) *Gen {
	g := &Gen{Step: 4_500_000, rng: rand.New(rand.NewPCG(seed, 1)), seq: first, now: Start}
	g.actors, g.profiles = handles(g.rng, 20_000), handles(g.rng, 20_000)
	g.subjects, g.ips = handles(g.rng, 200_000), handles(g.rng, 30_000)
	for i, n := range [...]uint64{19_999, 199_999, 29_999, 499_999} {
		g.zipf[i] = rand.NewZipf(g.rng, 1.1, 20, n)
	}
	return g
}

func handles(r *rand.Rand, n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = 1 + r.Int64N(1<<63-1)
	}
	return out
}

// Actor returns the handle of the n-th most active actor, 0 ≤ n < 20,000.
func (g *Gen) Actor(n int) int64 { return g.actors[n] }

// Next fills r with the next event. The row's memory is reused by the following call.
func (g *Gen) Next(r *segment.Row) {
	if g.rng.IntN(8) == 0 { // events of one group commit share their time
		g.now += g.rng.Int64N(16 * g.Step)
	}
	t := g.rng.IntN(len(types) * len(types))
	typ := types[min(t/len(types), t%len(types))]
	a := g.zipf[0].Uint64()
	*r = segment.Row{
		Seq: g.seq, RecordedAt: g.now, OccurredAt: g.now - g.rng.Int64N(2_000_000),
		Source: sources[g.rng.IntN(len(sources))], Action: typ + "." + verbs[min(g.rng.IntN(8), g.rng.IntN(8))], Category: "data", Activity: "read",
		Outcome: outcomes[g.rng.IntN(len(outcomes))], Severity: severity[g.rng.IntN(len(severity))], ResourceType: typ,
		Actor: g.actors[a], Profile: g.profiles[a], IP: g.ips[g.zipf[2].Uint64()],
		Shape: "shape-" + strconv.Itoa(g.rng.IntN(fieldSets)),
	}
	g.seq++
	if g.Late > 0 && g.rng.Float64() < g.Late {
		r.OccurredAt -= g.rng.Int64N(30 * 86400_000000)
	}
	g.identify(r, typ)
	for i := 0; i < 16; i += 8 {
		binary.LittleEndian.PutUint64(r.Nonce[i:], g.rng.Uint64())
	}
	g.values(r)
}

func (g *Gen) identify(r *segment.Row, typ string) {
	if typ == "patient" || typ == "user" {
		r.Resource = g.subjects[g.zipf[1].Uint64()]
		r.Subject = r.Resource
	} else {
		r.ResourceID = typ[:3] + "_" + strconv.FormatUint(1_000_000+g.zipf[3].Uint64(), 10)
		if g.rng.IntN(3) == 0 {
			r.Subject = g.subjects[g.zipf[1].Uint64()]
		}
	}
	ms := uint64(r.RecordedAt / 1000)
	g.id = fmt.Appendf(g.id[:0], "%08x-%04x-7%03x-%04x-%012x", ms>>16, ms&0xffff, g.rng.IntN(1<<12), 0x8000|g.rng.IntN(1<<14), g.rng.Uint64()&(1<<48-1))
	r.EventID = string(g.id)
	if g.rng.IntN(3) == 0 {
		r.CorrelationID = strconv.FormatUint(g.rng.Uint64(), 16)
	}
}

// values fills the operational values (JSON text of some 200 bytes) and the ciphertexts (some 100 bytes).
func (g *Gen) values(r *segment.Row) {
	g.clear = fmt.Appendf(g.clear[:0], `"%s"%c"%s"%c"req-%08x"%c"%s"%c{"status":%d,"total":%d.%02d}%c"%s"`, devices[g.rng.IntN(len(devices))], 0,
		browsers[g.rng.IntN(len(browsers))], 0, g.rng.Uint32(), 0, regions[g.rng.IntN(len(regions))], 0, g.rng.IntN(6), g.rng.IntN(900), g.rng.IntN(100), 0, r.Action)
	n := 60 + g.rng.IntN(80)
	if cap(g.sealed) < n+8 {
		g.sealed = make([]byte, 256)
	}
	g.sealed = g.sealed[:n]
	for i := 0; i+8 <= n; i += 8 {
		binary.LittleEndian.PutUint64(g.sealed[i:], g.rng.Uint64())
	}
	r.Clear, r.Sealed = g.clear, g.sealed
}

// Rows returns the next n rows, each with memory of its own.
func (g *Gen) Rows(n int) []segment.Row {
	out := make([]segment.Row, n)
	var r segment.Row
	for i := range out {
		g.Next(&r)
		out[i] = *r.Clone()
	}
	return out
}

// Each yields the next n rows; a row is valid until the following one.
func (g *Gen) Each(n int) func(func(*segment.Row, error) bool) {
	return func(yield func(*segment.Row, error) bool) {
		var r segment.Row
		for range n {
			g.Next(&r)
			if !yield(&r, nil) {
				return
			}
		}
	}
}

package person

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"probity.dev/internal/evidence"
)

// benchID is the identity of person n of a benchmark, which looks like those of test/bench/load: of four persons one has a name and an e-mail.
func benchID(n int) Identity {
	id := Identity{Namespace: "billing-" + strconv.Itoa(n%5), Type: "client", ID: fmt.Sprintf("c-%07d", n)}
	if n%4 == 0 {
		id.Type, id.Name, id.Email = "user", fmt.Sprintf("Given%d Family%d", n%997, n%8191), fmt.Sprintf("given%d.family%d@example.com", n%997, n)
	}
	return id
}

func benchBody(id *Identity) []byte {
	b := []byte(`"` + id.ID + `","` + id.Type + `"`)
	if id.Name != "" {
		b = append(b, id.Name+id.Email+"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"...)
	}
	return b
}

// cpuTime is the processor time of the program, user and system, all threads, between start and stop: on a machine that others use the time of day says little.
type cpuTime struct {
	from, sum time.Duration
	running   bool
}

func (c *cpuTime) now() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (c *cpuTime) start() { c.from, c.running = c.now(), true }

func (c *cpuTime) stop() {
	if c.running {
		c.sum, c.running = c.sum+c.now()-c.from, false
	}
}

func (c *cpuTime) report(b *testing.B) {
	c.stop()
	b.ReportMetric(float64(c.sum.Nanoseconds())/float64(b.N), "cpu-ns/op")
	// How fast the machine is meanwhile: the processor time of SHA-256 over a kilobyte.
	var k [1024]byte
	from := c.now()
	for range 20_000 {
		sha256.Sum256(k[:])
	}
	b.ReportMetric(float64((c.now()-from).Nanoseconds())/20_000, "sha-ns")
}

const benchBatch = 400

// addPersons brings n new persons from number first, in batches, as appends do.
func addPersons(b testing.TB, d *Directory, first, n int, cpu *cpuTime) {
	ctx := context.Background()
	ids, bodies := make([]Identity, 0, benchBatch), make([][]byte, 0, benchBatch)
	for from := first; from < first+n; from += benchBatch {
		cpu.stop()
		ids, bodies = ids[:0], bodies[:0]
		for i := from; i < min(first+n, from+benchBatch); i++ {
			ids = append(ids, benchID(i))
			bodies = append(bodies, benchBody(&ids[len(ids)-1]))
		}
		cpu.start()
		var batch Batch
		if err := d.Prefetch(ctx, &batch, ids); err != nil {
			b.Fatal(err)
		}
		for i, id := range ids {
			p, err := d.Resolve(ctx, &batch, id)
			if err != nil {
				b.Fatal(err)
			}
			d.Profile(&batch, p, bodies[i])
		}
		d.Prepare(&batch)
		if err := d.db.Write(ctx, func(tx *sql.Tx) error { return d.Persist(ctx, tx, &batch) }); err != nil {
			b.Fatal(err)
		}
		d.Committed(&batch)
	}
}

// million is a directory of a million persons, or of as many as PROBITY_BENCH_PERSONS says. It is made for benchmarks only.
func million(b *testing.B) (*bench, *Directory, int) {
	n := 1_000_000
	if s := os.Getenv("PROBITY_BENCH_PERSONS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	if !large.ready {
		large.s = newBench(noCleanup{b})
		large.d = large.s.open(b)
		b.StopTimer()
		start := time.Now()
		addPersons(b, large.d, 0, n, &cpuTime{})
		b.Logf("%d persons filed in %s", n, time.Since(start))
		large.n, large.ready = n, true
		b.ResetTimer()
		b.StartTimer()
	}
	return large.s, large.d, large.n
}

// large is made once for all benchmarks of a run.
var large struct {
	ready bool
	s     *bench
	d     *Directory
	n     int // persons so far
}

// noCleanup keeps what was made for several benchmarks.
type noCleanup struct{ *testing.B }

func (noCleanup) Cleanup(func()) {}
func (t noCleanup) TempDir() string {
	dir, err := os.MkdirTemp("", "persons")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func BenchmarkNewPersonEmpty(b *testing.B) {
	d := newBench(b).open(b)
	b.ReportAllocs()
	b.ResetTimer()
	var cpu cpuTime
	addPersons(b, d, 0, b.N, &cpu)
	cpu.report(b)
}

func BenchmarkNewPersonMillion(b *testing.B) {
	_, d, n := million(b)
	b.ReportAllocs()
	b.ResetTimer()
	var cpu cpuTime
	addPersons(b, d, n, b.N, &cpu)
	cpu.report(b)
	large.n += b.N
}

// knownPersons resolves persons in batches of 1,000 in an order that has no locality.
func knownPersons(b *testing.B, d *Directory, persons int) {
	ctx := context.Background()
	ids, bodies := make([]Identity, 1000), make([][]byte, 1000)
	b.ReportAllocs()
	b.ResetTimer()
	b.StartTimer()
	var cpu cpuTime
	defer cpu.report(b)
	for i := 0; i < b.N; i += 1000 {
		cpu.stop()
		for j := range ids {
			ids[j] = benchID(int(uint64(i+j) * 7919 * 104729 % uint64(persons)))
			bodies[j] = benchBody(&ids[j])
		}
		cpu.start()
		var batch Batch
		if err := d.Prefetch(ctx, &batch, ids); err != nil {
			b.Fatal(err)
		}
		for j, id := range ids {
			p, err := d.Resolve(ctx, &batch, id)
			if err != nil {
				b.Fatal(err)
			}
			if d.Profile(&batch, p, bodies[j]) != FirstProfile {
				b.Fatal("not the first profile")
			}
		}
		if !batch.Empty() {
			b.Fatal("a known person is new")
		}
	}
}

func BenchmarkKnownPersonCached(b *testing.B) {
	d := newBench(b).open(b)
	b.StopTimer()
	addPersons(b, d, 0, 50_000, &cpuTime{})
	knownPersons(b, d, 50_000)
}

func BenchmarkKnownPersonResident(b *testing.B) {
	_, d, n := million(b)
	knownPersons(b, d, n)
}

func BenchmarkKnownPersonStored(b *testing.B) {
	s, _, n := million(b)
	knownPersons(b, s.open(b), n)
}

func BenchmarkOpenMillion(b *testing.B) {
	s, _, _ := million(b)
	var m0, m1 runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m0)
	var d *Directory
	for b.Loop() {
		d = s.open(b)
	}
	runtime.GC()
	runtime.ReadMemStats(&m1)
	b.ReportMetric(float64(int64(m1.HeapAlloc)-int64(m0.HeapAlloc))/1e6, "MB")
	runtime.KeepAlive(d)
}

func BenchmarkTypeAheadMillion(b *testing.B) {
	s, _, _ := million(b)
	d := s.open(b)
	ctx := context.Background()
	start := time.Now()
	if _, err := d.Search(ctx, "family81", 10); err != nil {
		b.Fatal(err)
	}
	first := time.Since(start)
	i := 0
	for b.Loop() {
		part := []string{"family81", "given12", "c-07", "@example.com", "nobody at all"}[i%5]
		if m, err := d.Search(ctx, part, 10); err != nil || (len(m) == 0) != (i%5 == 4) {
			b.Fatal(part, len(m), err)
		}
		i++
	}
	b.ReportMetric(float64(first.Milliseconds()), "first-ms")
}

func BenchmarkFindMillion(b *testing.B) {
	s, _, _ := million(b)
	d := s.open(b)
	for b.Loop() {
		id := benchID(400)
		if h, err := d.Find(context.Background(), id.Email); err != nil || len(h) != 1 {
			b.Fatal(h, err)
		}
	}
}

func BenchmarkParts(b *testing.B) {
	d := newBench(b).open(b)
	id := benchID(4)
	b.Run("scope", func(b *testing.B) {
		for b.Loop() {
			d.scope(&id)
		}
	})
	b.Run("handle", func(b *testing.B) {
		for b.Loop() {
			d.handles.of(1234)
		}
	})
	b.Run("key", func(b *testing.B) {
		var s evidence.Hash
		for b.Loop() {
			personKey(&s)
		}
	})
	b.Run("secret", func(b *testing.B) {
		s := d.sealer()
		for b.Loop() {
			s.keys.Seal(s.secret[:0], s.secretLabel(1<<40), make([]byte, 32))
		}
	})
	b.Run("digest", func(b *testing.B) {
		for b.Loop() {
			d.digest(&id)
		}
	})
}

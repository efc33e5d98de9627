package api

import (
	"fmt"
	"hash/maphash"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"probity.dev/internal/errs"
)

// Rate is a limit of requests per second with a burst. The zero Rate is no limit.
type Rate struct {
	PerSecond float64
	Burst     int // 0 is one second's worth, at least 1
}

// ParseRate reads "50", "50/s", "3000/m", "10000/h" or "0" (no limit). The burst is ten seconds' worth, at most 10,000 and at least 10.
func ParseRate(s string) (Rate, error) {
	s = strings.TrimSpace(s)
	number, unit, hasUnit := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || (hasUnit && unit == "") || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
		return Rate{}, fmt.Errorf("%q is not a rate such as 50/s, 3000/m or 0 for none", s)
	}
	switch unit {
	case "", "s":
	case "m":
		n /= 60
	case "h":
		n /= 3600
	default:
		return Rate{}, fmt.Errorf("%q is not a rate such as 50/s, 3000/m or 0 for none", s)
	}
	if n == 0 {
		return Rate{}, nil
	}
	burst := int(math.Ceil(math.Max(n, math.Min(n*10, 10_000))))
	return Rate{PerSecond: n, Burst: max(10, burst)}, nil
}

const (
	limiterShards = 64
	shardCap      = 4096 // buckets a shard keeps before it forgets the full ones
)

// limiter keeps one token bucket per key. Buckets that have filled up again are indistinguishable from new ones, so they are forgotten; memory is
// bounded by limiterShards × shardCap however many addresses an attacker has.
type limiter struct {
	quoted string // its name
	rate   Rate
	policy []string
	seed   maphash.Seed
	now    func() time.Time
	shards [limiterShards]shard
}

type shard struct {
	sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(name string, rate Rate) *limiter {
	if rate.PerSecond > 0 && rate.Burst < 1 {
		rate.Burst = max(1, int(math.Ceil(rate.PerSecond)))
	}
	l := &limiter{quoted: strconv.Quote(name), rate: rate, seed: maphash.MakeSeed(), now: time.Now}
	if rate.PerSecond > 0 {
		// The window is the time in which an empty bucket fills up.
		window := max(1, int(math.Ceil(float64(rate.Burst)/rate.PerSecond)))
		l.policy = []string{fmt.Sprintf("%s;q=%d;w=%d", l.quoted, rate.Burst, window)}
	}
	return l
}

// take spends one request of key's budget and writes the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10). The error is Throttled.
func (l *limiter) take(h http.Header, key string) error {
	if l.rate.PerSecond == 0 {
		return nil
	}
	left := l.spend(key)
	h["Ratelimit-Policy"] = l.policy
	full := int(math.Ceil((float64(l.rate.Burst) - math.Max(left, 0)) / l.rate.PerSecond))
	b := append(make([]byte, 0, 48), l.quoted...)
	b = strconv.AppendInt(append(b, ";r="...), int64(max(0, int(left))), 10)
	b = strconv.AppendInt(append(b, ";t="...), int64(full), 10)
	h["Ratelimit"] = []string{string(b)}
	if left >= 0 {
		return nil
	}
	wait := time.Duration(-left / l.rate.PerSecond * float64(time.Second))
	return &errs.Error{Code: errs.Throttled, Message: "Too many requests; slow down.", RetryAfter: max(time.Second, wait)}
}

// spend returns the tokens left after this request, or minus what is missing for it.
func (l *limiter) spend(key string) float64 {
	s := &l.shards[maphash.String(l.seed, key)%limiterShards]
	now := l.now()
	s.Lock()
	defer s.Unlock()
	if s.buckets == nil {
		s.buckets = make(map[string]*bucket)
	}
	b := s.buckets[key]
	if b == nil {
		if len(s.buckets) >= shardCap {
			l.forget(s, now)
		}
		b = &bucket{tokens: float64(l.rate.Burst), at: now}
		s.buckets[key] = b
	}
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = math.Min(float64(l.rate.Burst), b.tokens+passed*l.rate.PerSecond)
		b.at = now
	}
	if b.tokens < 1 {
		return b.tokens - 1
	}
	b.tokens--
	return b.tokens
}

// forget drops buckets that are full by now, and if none is, an arbitrary half: memory stays bounded, and the cost of being wrong is a few extra requests.
func (l *limiter) forget(s *shard, now time.Time) {
	for k, b := range s.buckets {
		if b.tokens+now.Sub(b.at).Seconds()*l.rate.PerSecond >= float64(l.rate.Burst) {
			delete(s.buckets, k)
		}
	}
	for k := range s.buckets {
		if len(s.buckets) < shardCap/2 {
			return
		}
		delete(s.buckets, k)
	}
}

// addressKey is the address itself for IPv4 and its /64 for IPv6, which is what one customer of a provider has.
func addressKey(a netip.Addr) string {
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.String()
	}
	return a.String()
}

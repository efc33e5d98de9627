package ledger

import (
	"sync"

	"probity.dev/internal/evidence"
)

// recall remembers the secrets of persons, and of each the profile met first, from one chunk of a long reading to the next. It has two generations, like [cells], and holds no pointers beside
// its tables, so that a million persons are nothing to the garbage collector. It is safe for concurrent use.
type recall struct {
	shards [recallShards]struct {
		mu         sync.Mutex
		young, old recallGeneration
	}
}

// A generation of a shard takes about a megabyte, and all together 130 MB at most: half a million persons, a quarter of a million after the generations have changed.
const (
	recallShards = 64
	recallBytes  = 1 << 20
	recallEntry  = 80 // about, beside the body
)

type recallGeneration struct {
	people map[int64]uint32 // handle → place in list
	list   []recalled
	bodies []byte
}

type recalled struct {
	secret   evidence.Hash
	profile  int64 // 0 for none
	from, to uint32
}

func (g *recallGeneration) get(handle int64) (x recalled, body []byte, ok bool) {
	at, ok := g.people[handle]
	if ok {
		x = g.list[at]
		body = g.bodies[x.from:x.to:x.to]
	}
	return x, body, ok
}

// get returns the secret of a person and, if there is one, a profile and its body, which must not be changed.
func (r *recall) get(handle int64) (secret evidence.Hash, profile int64, body []byte, ok bool) {
	s := &r.shards[uint64(handle)%recallShards]
	s.mu.Lock()
	x, body, ok := s.young.get(handle)
	if ok {
		s.mu.Unlock()
		return x.secret, x.profile, body, true
	}
	x, body, ok = s.old.get(handle)
	s.mu.Unlock()
	if ok {
		r.put(handle, &x.secret, x.profile, body)
	}
	return x.secret, x.profile, body, ok
}

// put remembers a person, with the body of a profile unless that is 0. Who is remembered with a profile stays as they are.
func (r *recall) put(handle int64, secret *evidence.Hash, profile int64, body []byte) {
	s := &r.shards[uint64(handle)%recallShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &s.young
	at, known := g.people[handle]
	if known && (g.list[at].profile != 0 || profile == 0) {
		return
	}
	if len(g.list)*recallEntry+len(g.bodies)+len(body) > recallBytes {
		s.old, s.young = s.young, recallGeneration{}
		known = false
	}
	x := recalled{secret: *secret, profile: profile, from: uint32(len(g.bodies)), to: uint32(len(g.bodies) + len(body))}
	g.bodies = append(g.bodies, body...)
	if known {
		g.list[at] = x
		return
	}
	if g.people == nil {
		g.people = map[int64]uint32{}
	}
	g.people[handle] = uint32(len(g.list))
	g.list = append(g.list, x)
}

package alert

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
)

// naive says when alerts begin and end by looking at all events at once, as the documentation puts it.
func naive(all []hit, keys []string, n, window, quiet int64) (began []hit, ended []int64) {
	type state struct {
		seen []hit
		end  int64 // of the open spell, 0 without one
	}
	groups := map[string]*state{}
	for i, h := range all {
		g := groups[keys[i]]
		if g == nil {
			g = &state{}
			groups[keys[i]] = g
		}
		g.seen = append(g.seen, h)
		if g.end != 0 && h.at > g.end {
			ended = append(ended, g.end)
			g.end = 0
		}
		var within []hit
		for _, x := range g.seen {
			if x.at > h.at-window {
				within = append(within, x)
			}
		}
		if int64(len(within)) <= n {
			continue
		}
		if g.end == 0 {
			began = append(began, h)
		}
		// The condition holds until so many have left the window that no more than n are in it.
		g.end = within[int64(len(within))-1-n].at + window + quiet
	}
	return began, ended
}

func TestCounterAgainstDefinition(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		n, window, quiet := r.Int64N(6), 1+r.Int64N(40), r.Int64N(60)
		var all []hit
		var keys []string
		at := int64(1000)
		for i := range 400 {
			at += r.Int64N(8)
			if r.IntN(40) == 0 {
				at += 200
			}
			all, keys = append(all, hit{uint64(i), at}), append(keys, strconv.Itoa(r.IntN(3)))
		}
		wantBegan, wantEnded := naive(all, keys, n, window, quiet)
		c := newCounter(n, window, quiet)
		var began []hit
		var ended []int64
		for i, h := range all {
			b, e, err := c.add(keys[i], h)
			if err != nil {
				t.Fatal(err)
			}
			if e != nil {
				ended = append(ended, c.endOf(e))
			}
			if b != nil {
				began = append(began, b.first)
				if b.events != n+1 || b.samples[0] != h.seq || len(b.samples) > maxSamples {
					t.Fatalf("seed %d: %+v", seed, b)
				}
			}
			if r.IntN(20) == 0 {
				c.sweep(h.at)
			}
			for _, g := range c.groups {
				if int64(len(g)) > n+1 {
					t.Fatalf("%d events are held for a threshold of %d", len(g), n)
				}
			}
		}
		if !reflect.DeepEqual(began, wantBegan) || !reflect.DeepEqual(ended, wantEnded) {
			t.Fatalf("seed %d: more than %d within %d, quiet %d:\n%v\n%v\n%v\n%v", seed, n, window, quiet, began, wantBegan, ended, wantEnded)
		}
	}
}

// TestCounterEnds: the clock ends a spell no sooner than an event would.
func TestCounterEnds(t *testing.T) {
	c := newCounter(1, 10, 5)
	for i, at := range []int64{100, 104} {
		if _, _, err := c.add("", hit{uint64(i), at}); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.end(115); len(got) != 0 { // held until 110, quiet until 115
		t.Error("it ended too early")
	}
	if got := c.end(116); len(got) != 1 || len(c.open) != 0 {
		t.Error("it did not end")
	}
}

func TestCounterLimit(t *testing.T) {
	c := newCounter(maxCount, 1e12, 0)
	var err error
	for i := range maxHeld + 1 {
		if _, _, err = c.add(strconv.Itoa(i%200), hit{uint64(i), int64(i)}); err != nil {
			break
		}
	}
	if !errors.Is(err, errTooMuch) || c.held > maxHeld+1 {
		t.Errorf("%v with %d events held", err, c.held)
	}
}

package cache

import (
	"sync"
	"testing"
)

func TestKeepsWhatIsUsed(t *testing.T) {
	c := New[int, int](100)
	for i := range 10_000 {
		c.Add(i, i)
		if _, ok := c.Get(7); i >= 7 && !ok {
			t.Fatalf("an entry that is used all the time is gone after %d", i)
		}
		if n := len(c.young) + len(c.old); n > 100 {
			t.Fatalf("%d entries", n)
		}
	}
	for i := 9_951; i < 10_000; i++ {
		if v, ok := c.Get(i); !ok || v != i {
			t.Errorf("recent entry %d is gone", i)
		}
	}
	if _, ok := c.Get(100); ok {
		t.Error("an entry that nobody used is still there")
	}
	c.Remove(7)
	if _, ok := c.Get(7); ok {
		t.Error("a removed entry is still there")
	}
}

func TestConcurrentUse(t *testing.T) {
	c := New[int, int](50)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 5_000 {
				c.Add(i%80, i%80)
				if v, ok := c.Get((i + w) % 80); ok && v != (i+w)%80 {
					t.Errorf("key %d has value %d", (i+w)%80, v)
				}
			}
		})
	}
	wg.Wait()
}

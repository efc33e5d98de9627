package segment

import (
	"hash/maphash"
	"math/bits"
	"sync"
)

// dict numbers distinct values in order of first appearance. An open-addressing table of codes beats a Go map here because it is
// reused without clearing more than its own few slots.
type dict struct {
	slots []uint32 // code+1; 0 = free
	codes []uint32
	strs  []string
	nums  []int64
	own   bool // whether entries must be copied, because their memory is only borrowed
	arena []byte
}

var (
	dicts = sync.Pool{New: func() any { return &dict{slots: make([]uint32, 256)} }}
	seed  = maphash.MakeSeed()
)

func (d *dict) reset() {
	clear(d.slots)
	clear(d.strs) // let go of the strings of the last user
	d.strs, d.nums, d.arena = d.strs[:0], d.nums[:0], nil
}

// keep copies s into memory of d's own.
func (d *dict) keep(s string) string {
	if len(s) > cap(d.arena)-len(d.arena) {
		d.arena = make([]byte, 0, max(len(s), 16<<10))
	}
	at := len(d.arena)
	d.arena = append(d.arena, s...)
	return alias(d.arena[at:len(d.arena):len(d.arena)])
}

func getDict(rows int) *dict {
	d := dicts.Get().(*dict)
	d.reset()
	if cap(d.codes) < rows {
		d.codes = make([]uint32, rows)
	}
	d.codes = d.codes[:rows]
	return d
}

func (d *dict) str(s string) uint32 {
	if len(d.slots) == 0 {
		d.slots = make([]uint32, 256)
	}
	mask := uint64(len(d.slots) - 1)
	for h := maphash.String(seed, s) & mask; ; h = (h + 1) & mask {
		c := d.slots[h]
		if c == 0 {
			if d.own {
				s = d.keep(s)
			}
			d.strs = append(d.strs, s)
			d.slots[h] = uint32(len(d.strs))
			code := uint32(len(d.strs) - 1)
			if len(d.strs)*2 > len(d.slots) {
				d.grow()
			}
			return code
		}
		if d.strs[c-1] == s {
			return c - 1
		}
	}
}

func mix(v int64) uint64 {
	hi, lo := bits.Mul64(uint64(v)^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hi ^ lo
}

func (d *dict) num(v int64) uint32 {
	if len(d.slots) == 0 {
		d.slots = make([]uint32, 256)
	}
	mask := uint64(len(d.slots) - 1)
	for h := mix(v) & mask; ; h = (h + 1) & mask {
		c := d.slots[h]
		if c == 0 {
			d.nums = append(d.nums, v)
			d.slots[h] = uint32(len(d.nums))
			code := uint32(len(d.nums) - 1)
			if len(d.nums)*2 > len(d.slots) {
				d.grow()
			}
			return code
		}
		if d.nums[c-1] == v {
			return c - 1
		}
	}
}

func (d *dict) grow() {
	d.slots = make([]uint32, 2*len(d.slots))
	mask := uint64(len(d.slots) - 1)
	put := func(h uint64, i int) {
		for h &= mask; d.slots[h] != 0; h = (h + 1) & mask {
		}
		d.slots[h] = uint32(i + 1)
	}
	for i, s := range d.strs {
		put(maphash.String(seed, s), i)
	}
	for i, v := range d.nums {
		put(mix(v), i)
	}
}

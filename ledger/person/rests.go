package person

import (
	"encoding/binary"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// The index of names says of most persons all that their first profile holds: name, e-mail and id are in the person's line, and the rest, such as the type and the user
// agent, is the same for so many that it is kept once, under a number. So a search for a text finds out in some ten milliseconds in which first profiles of a million it occurs,
// where opening them takes seconds.

// rests numbers what first profiles hold beside name, e-mail and id. It is safe for concurrent use.
type rests struct {
	mu     sync.RWMutex
	number map[string]uint32
	texts  []string // by number, from firstRest on
	bytes  int
}

// Numbers that stand for no text.
const (
	restUnknown uint32 = iota // the line does not say what the profile holds
	restNothing               // there is no profile
	firstRest
)

// Bounds of what is remembered. Persons with yet another rest are looked at one by one.
const (
	maxRests     = 1 << 16
	maxRestBytes = 4 << 20
	maxRest      = 4 << 10
)

// of returns the number of what a profile holds beside the values of a line, with scratch memory, which it returns. The values of a profile lie one after the other, each after its length.
func (x *rests) of(scratch, profile, name, email, id []byte) (uint32, []byte) {
	scratch = scratch[:0]
	for b := profile; len(b) > 0; {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) {
			return restUnknown, scratch
		}
		value := b[k : k+int(n)]
		if !quotes(value, id) && !quotes(value, name) && !quotes(value, email) {
			scratch = append(scratch, b[:k+int(n)]...)
		}
		b = b[k+int(n):]
	}
	if len(scratch) > maxRest {
		return restUnknown, scratch
	}
	x.mu.RLock()
	n := x.number[string(scratch)]
	x.mu.RUnlock()
	if n == 0 {
		n = x.add(string(scratch))
	}
	return n, scratch
}

// restOf returns the number of what the first profile of a new person holds beside what the person's line says.
func (d *Directory) restOf(u *unsaved) uint32 {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.profile == nil {
		return restNothing
	}
	n, _ := d.names.rests.of(nil, u.profile, []byte(u.identity.Name), []byte(u.identity.Email), []byte(u.identity.ID))
	return n
}

// quotes reports whether a JSON value is a text as it is between quotes, without escapes.
func quotes(value, text []byte) bool {
	return len(value) == len(text)+2 && value[0] == '"' && string(value[1:len(value)-1]) == string(text)
}

func (x *rests) add(text string) uint32 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := x.number[text]; n != 0 {
		return n
	}
	if len(x.texts) >= maxRests || x.bytes+len(text) > maxRestBytes {
		return restUnknown
	}
	if x.number == nil {
		x.number = map[string]uint32{}
	}
	n := uint32(len(x.texts)) + firstRest
	x.number[text], x.texts, x.bytes = n, append(x.texts, text), x.bytes+len(text)
	return n
}

// hits returns, by number, which texts in says yes to.
func (x *rests) hits(in func([]byte) bool) []bool {
	x.mu.RLock()
	texts := x.texts[:len(x.texts):len(x.texts)]
	x.mu.RUnlock()
	out := make([]bool, int(firstRest)+len(texts))
	for i, t := range texts {
		out[int(firstRest)+i] = in([]byte(t))
	}
	return out
}

// Texts says of the persons whom the index of names knows in whose first profiles a text may occur.
type Texts struct{ bits []uint64 } // as those of a Sift

// Texts finds out in which first profiles a text may occur that is in lower case; in says whether it occurs in JSON values. It returns nil when the index cannot tell for this text.
func (d *Directory) Texts(folded string, in func([]byte) bool) *Texts {
	if folded == "" || strings.Contains(folded, `"`) || !foldsAlone(folded) {
		return nil
	}
	d.newPersons.mu.Lock()
	t := &Texts{make([]uint64, d.newPersons.next/siftPerWord+1)}
	d.newPersons.mu.Unlock()
	x := &d.names
	x.mu.RLock()
	defer x.mu.RUnlock()
	rest := x.rests.hits(in)
	for _, blocks := range [...][]*nameBlock{x.blocks, x.stored} {
		for _, b := range blocks {
			for i, n := range b.numbers {
				switch k := b.rests[i]; {
				case k == restUnknown || int(k) >= len(rest):
				case rest[k]:
					t.set(n, 3)
				default:
					t.set(n, 1)
				}
			}
		}
	}
	for _, blocks := range [...][]*nameBlock{x.blocks, x.stored} {
		for _, b := range blocks {
			b.find([]byte(folded), func(line int) bool {
				if b.rests[line] != restUnknown && b.rests[line] != restNothing {
					t.set(b.numbers[line], 3)
				}
				return true
			})
		}
	}
	return t
}

func (t *Texts) set(number uint32, bits uint64) {
	if i := int(number / siftPerWord); i < len(t.bits) {
		t.bits[i] |= bits << (2 * (number % siftPerWord))
	}
}

// foldsAlone reports whether a text in lower case is found in a text regardless of case exactly where it is found in that text's lower case: whether each of its letters is what
// all its other forms become. A form that becomes something else does no harm when it is longer and no other is shorter, because texts of one length are compared.
func foldsAlone(folded string) bool {
	for _, r := range folded {
		if r == utf8.RuneError {
			return false
		}
		n := utf8.RuneLen(r)
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			if m := utf8.RuneLen(f); m < n || m == n && unicode.ToLower(f) != r {
				return false
			}
		}
	}
	return true
}

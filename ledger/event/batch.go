package event

// Batch is memory for the events of one request after another. The zero value is ready.
type Batch struct {
	events  []*Event
	parsed  []Parsed
	parser  parser
	arena   []byte
	typical int // bytes of an event of this request
}

// Parsed is an event of a request body, or what is wrong with it.
type Parsed struct {
	Event *Event
	Err   error
}

// arenaBlock is how many bytes of text the events of a request share at most. Whoever keeps a string of an event keeps the block.
const arenaBlock = 64 << 10

// Parse is [Split] followed by [Parse] of every text, in one pass. A body with more than limit events gives nil and how many there are. The list and its
// events are overwritten by the next call; strings and values that were taken from them are not.
func (b *Batch) Parse(body []byte, limit int) (list []Parsed, count int, err error) {
	b.parsed, b.arena, b.typical = b.parsed[:0], nil, 1<<10
	defer func() { b.arena, b.parser.b, b.parser.e = nil, nil, nil }()
	list, ok := b.quick(body, limit)
	if ok {
		return list, len(list), nil
	}
	texts, err := Split(body)
	if err != nil || len(texts) > limit {
		return nil, len(texts), err
	}
	b.parsed = b.parsed[:0]
	for _, text := range texts {
		b.one(text, true)
	}
	return b.parsed, len(texts), nil
}

// quick reads the events of a list that is sound. It gives up at anything that Split must judge.
func (b *Batch) quick(body []byte, limit int) ([]Parsed, bool) {
	i := skipSpace(body, 0)
	end := len(body)
	for end > i && isSpace(body[end-1]) {
		end--
	}
	if i < end && body[i] == '{' {
		if list, ok := eventsMember(body[i:end]); ok {
			i = end - 1 - len(list)
			end--
			for end > i && isSpace(body[end-1]) {
				end--
			}
		}
	}
	if i >= end || body[i] != '[' || body[end-1] != ']' {
		return nil, false
	}
	for i, end = i+1, end-1; ; {
		i = skipSpace(body, i)
		if len(b.parsed) == limit {
			return nil, false
		}
		n := b.one(body[i:end], false)
		if n == 0 {
			return nil, false
		}
		if i = skipSpace(body, i+n); i == end {
			return b.parsed, true
		}
		if i > end || body[i] != ',' {
			return nil, false
		}
		i++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// one parses the event that text begins with, or all of text when whole is set, and returns its length. 0 means that no end could be told.
func (b *Batch) one(text []byte, whole bool) int {
	n := len(b.parsed)
	if n == len(b.events) {
		b.events = append(b.events, new(Event))
	}
	e := b.events[n]
	if !whole {
		if n := b.object(text, e); n > 0 {
			b.parsed = append(b.parsed, Parsed{Event: e})
			return n
		}
		// Something is wrong with it, or it is larger than the others.
		if len(text) == 0 {
			return 0
		}
		end := skipValue(text, 0)
		if end == len(text) {
			return 0 // perhaps nothing closes it
		}
		text = text[:end]
		b.typical = max(b.typical, min(end+end/4, MaxBytes))
	}
	p := Parsed{Event: e, Err: ParseInto(text, e)}
	if p.Err != nil {
		p.Event = nil
	}
	b.parsed = append(b.parsed, p)
	return len(text)
}

// object parses the event that text begins with if that is a sound object of an ordinary size, and returns its length. So as not to look for its end
// first, it copies as much as is likely to hold it.
func (b *Batch) object(text []byte, e *Event) int {
	size := min(len(text), b.typical)
	if len(b.arena) <= size {
		b.arena = make([]byte, max(size+1, min(arenaBlock, len(text)+1)))
	}
	e.reset()
	p := &b.parser
	p.use(b.arena[:size+1], text[:size])
	p.e, p.outer, p.fields, p.inData = e, p.outer[:0], nil, false
	if p.peek() != '{' {
		return 0
	}
	p.event()
	if p.bad || p.fields != nil {
		return 0
	}
	e.text = p.b[:p.w:p.w]
	b.arena = b.arena[p.w:]
	return p.r
}

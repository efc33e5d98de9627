package person

import (
	"bytes"
	"context"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
)

// Match is a person found by part of a name, e-mail or id.
type Match struct {
	Handle   int64
	Identity Identity
}

// nameIndex finds people by part of a name. It is an in-memory copy of the directory's decrypted display values, case-folded text with a line for
// each person, because a stored index of names would be personal data outside the persons' keys. It is made in the background when the directory is opened,
// which takes some two seconds of a processor for a million persons, and kept up to date. A million persons take some 85 MB and a search some 10 ms.
type nameIndex struct {
	loading sync.Mutex // one goroutine makes the index
	rests   rests

	mu     sync.RWMutex
	state  nameState
	blocks []*nameBlock // the last one grows
	stored []*nameBlock // what has been read while the index is being made
	moved  map[int64]nameLine
}

type nameState int

const (
	namesUnknown nameState = iota
	namesLoading           // lines are added already, and count more than what is being read
	namesReady
)

// nameBlock is a run of lines.
type nameBlock struct {
	text    []byte // folded "name\x01email\x01id\n" ...
	starts  []int32
	handles []int64
	numbers []uint32
	rests   []uint32 // what the first profile holds beside, see rests
}

const nameBlockBytes = 1 << 20

// nameLine is where a line stands. A person has one who was seen under several names, or while the index was being made: only that line counts.
type nameLine struct{ block, line int }

func addName[T string | []byte](x *nameBlock, handle, number int64, rest uint32, name, email, id T) {
	x.starts = append(x.starts, int32(len(x.text)))
	x.handles, x.numbers, x.rests = append(x.handles, handle), append(x.numbers, uint32(number)), append(x.rests, rest)
	x.text = append(appendFolded(x.text, name), 1)
	x.text = append(appendFolded(x.text, email), 1)
	x.text = append(appendFolded(x.text, id), '\n')
}

// appendFolded appends s in lower case, with spaces for what separates lines and their parts.
func appendFolded[T string | []byte](dst []byte, s T) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
			i += n - 1
			continue
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c == '\n' || c == 1:
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}

// put adds a person, or with again one who may be there already. rest stands for what the first profile holds beside what the identity says.
func (x *nameIndex) put(handle, number int64, id *Identity, rest uint32, again bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state == namesUnknown {
		return
	}
	x.add(handle, number, id, rest, again || x.state == namesLoading)
}

func (x *nameIndex) add(handle, number int64, id *Identity, rest uint32, again bool) {
	n := len(x.blocks)
	if n == 0 || len(x.blocks[n-1].text) >= nameBlockBytes {
		x.blocks = append(x.blocks, &nameBlock{})
		n++
	}
	b := x.blocks[n-1]
	addName(b, handle, number, rest, id.Name, id.Email, id.ID)
	if again {
		x.moved[handle] = nameLine{n - 1, len(b.starts) - 1}
	}
}

// Search returns up to limit persons whose name, e-mail or id contains part, without regard to case: those that begin with it first, then the rest,
// each in order of name.
func (d *Directory) Search(ctx context.Context, part string, limit int) ([]Match, error) {
	needle := fold(part)
	if needle == "" {
		return nil, nil
	}
	hits, err := d.named(ctx, []byte(needle), 20*limit)
	if err != nil {
		return nil, err
	}
	var out []Match
	var numbers []int64
	for _, h := range hits {
		if n, ok := d.handles.number(h); ok {
			numbers = append(numbers, n)
		}
	}
	s := d.sealer()
	defer d.sealers.Put(s)
	err = d.records(ctx, numbers, func(_ int64, r *record) error {
		who, err := s.openIdentity(r)
		if errs.CodeOf(err) == errs.NotFound {
			return nil // erased between the two look-ups
		}
		out = append(out, Match{r.handle, who})
		return err
	})
	prefix := func(m Match) bool {
		return strings.HasPrefix(strings.ToLower(m.Identity.Name), needle) || strings.HasPrefix(strings.ToLower(m.Identity.Email), needle)
	}
	sort.SliceStable(out, func(i, j int) bool {
		if pi, pj := prefix(out[i]), prefix(out[j]); pi != pj {
			return pi
		}
		return out[i].Identity.Name < out[j].Identity.Name
	})
	return out[:min(limit, len(out))], err
}

// namesPoll is how often a search looks at what has been added to an index that is being made.
const namesPoll = 20 * time.Millisecond

// named returns the handles of up to limit persons whose line holds the needle. When the index is being made, it does not wait for the end if there are as many before.
func (d *Directory) named(ctx context.Context, needle []byte, limit int) ([]int64, error) {
	if out, all := d.names.search(needle, limit); all || len(out) >= limit {
		return out, nil
	}
	made := make(chan error, 1)
	go func() { made <- d.loadNames(context.WithoutCancel(ctx)) }() // others may be waiting for it too
	poll := time.NewTicker(namesPoll)
	defer poll.Stop()
	for {
		select {
		case err := <-made:
			out, _ := d.names.search(needle, limit)
			return out, err
		case <-poll.C:
			if out, _ := d.names.search(needle, limit); len(out) >= limit {
				return out, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// search reports, beside what it finds, whether the index is whole.
func (x *nameIndex) search(needle []byte, limit int) (out []int64, all bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for n, b := range x.blocks {
		out = x.find(out, n, b, needle, limit)
	}
	for _, b := range x.stored {
		out = x.find(out, -1, b, needle, limit)
	}
	return out, x.state == namesReady
}

// find adds the hits of one block, which has the nth place, or none yet.
func (x *nameIndex) find(out []int64, n int, b *nameBlock, needle []byte, limit int) []int64 {
	if len(out) >= limit {
		return out
	}
	b.find(needle, func(line int) bool {
		if at, ok := x.moved[b.handles[line]]; !ok || at == (nameLine{n, line}) {
			out = append(out, b.handles[line])
		}
		return len(out) < limit
	})
	return out
}

// find calls hit with the lines in which the needle occurs, until it returns false.
func (b *nameBlock) find(needle []byte, hit func(line int) bool) {
	for pos, line := 0, 0; ; pos = int(b.starts[line]) {
		i := bytes.Index(b.text[pos:], needle)
		if i < 0 {
			return
		}
		line = sort.Search(len(b.starts), func(k int) bool { return int(b.starts[k]) > pos+i }) - 1
		if !hit(line) {
			return
		}
		if line++; line >= len(b.starts) {
			return
		}
	}
}

// loadNames makes the index, unless it is there, on all processors: somebody may be waiting for it. Appends go on meanwhile.
func (d *Directory) loadNames(ctx context.Context) error {
	x := &d.names
	x.loading.Lock()
	defer x.loading.Unlock()
	x.mu.Lock()
	ready := x.state == namesReady
	if !ready {
		x.state, x.blocks, x.stored, x.moved = namesLoading, nil, nil, map[int64]nameLine{}
	}
	x.mu.Unlock()
	if ready {
		return nil
	}
	if err := d.nameStored(ctx); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	// Lines keep their places; so those that were read go behind, and new ones into a block of their own.
	x.blocks = append(append(x.blocks, x.stored...), &nameBlock{})
	x.stored = nil
	x.state = namesReady
	return nil
}

// namePages is how many pages are opened at a time, and make a block: some half a megabyte of text.
const namePages = 256

// namePage is a page that lies in a stretch of memory with others.
type namePage struct {
	page     int64
	from, to int
}

// nameWork is some pages to be opened.
type nameWork struct {
	pages  []namePage
	bodies []byte
}

// nameStored reads and opens all pages.
func (d *Directory) nameStored(ctx context.Context) error {
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	work, free := make(chan *nameWork, workers), make(chan *nameWork, 2*workers+1)
	for range cap(free) {
		free <- &nameWork{}
	}
	for range workers {
		wg.Go(func() {
			p := d.peeker()
			defer p.release()
			for w := range work {
				b := &nameBlock{}
				d.namePages(p, w, b)
				d.names.mu.Lock()
				d.names.stored = append(d.names.stored, b)
				d.names.mu.Unlock()
				w.pages, w.bodies = w.pages[:0], w.bodies[:0]
				free <- w
			}
		})
	}
	w := <-free
	err := d.personTable.all(ctx, d.db.Read(ctx), d.no, func(page int64, body []byte) error {
		from := len(w.bodies)
		w.bodies = append(w.bodies, body...)
		if w.pages = append(w.pages, namePage{page, from, len(w.bodies)}); len(w.pages) == namePages {
			work <- w
			w = <-free
		}
		return nil
	})
	work <- w
	close(work)
	wg.Wait()
	return err
}

// namePages adds the persons of pages to a block. What it decrypts it does not check, because whoever is found is opened properly; so a damaged record does not keep
// others from being found.
func (d *Directory) namePages(p *peeker, w *nameWork, b *nameBlock) {
	var rest []byte
	size := personsPerPage * len(w.pages)
	b.starts, b.handles, b.numbers, b.rests = make([]int32, 0, size), make([]int64, 0, size), make([]uint32, 0, size), make([]uint32, 0, size)
	b.text = make([]byte, 0, p.names)
	for _, page := range w.pages {
		p.reset()
		_ = d.personTable.items(page.page, w.bodies[page.from:page.to], func(n numbered) error {
			if r, err := parseRecord(n.body); err == nil {
				if secret, ok := p.peekSecret(&r); ok {
					p.add(n.number, &r, &secret)
				}
			}
			return nil
		})
		p.each(func(number int64, r *record, key *evidence.Hash) {
			text, shown := r.display, true
			if len(text) == 0 {
				text, shown = r.base, false
			}
			plain, ok := p.peek(key, text)
			in := reader{b: plain}
			in.blob() // the type
			id, name, email := in.blob(), in.blob(), in.blob()
			if !ok || in.bad {
				return
			}
			profile := restUnknown // of one who has had another name
			if kept := in.bytes(1); !shown && !in.bad {
				if profile = restNothing; kept[0] != 0 {
					profile, rest = d.names.rests.of(rest, in.b, name, email, id)
				}
			}
			addName(b, r.handle, number, profile, name, email, id)
		})
	}
	p.names = len(b.text) + len(b.text)/8
}

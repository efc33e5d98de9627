package person

import (
	"bytes"
	"context"
	"sort"
	"strings"
	"sync"

	"probity.dev/internal/sqldb"
)

// Match is a person found by part of a name, e-mail or id.
type Match struct {
	Handle   int64
	Identity Identity
}

// nameIndex finds people by part of a name. It is an in-memory copy of the directory's decrypted display values, one case-folded text with a line for
// each person, because a stored index of names would be personal data outside the persons' keys. A million persons take some 60 MB and
// a search some 30 ms.
type nameIndex struct {
	mu     sync.RWMutex
	loaded bool
	text   []byte // folded "name\x01email\x01id\n" ...
	starts []int32
	handle []int64
	at     map[int64]int // handle → index in starts of its current line
}

func (x *nameIndex) put(handle int64, id Identity) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.loaded {
		x.add(handle, id)
	}
}

func (x *nameIndex) add(handle int64, id Identity) {
	x.at[handle] = len(x.starts)
	x.starts = append(x.starts, int32(len(x.text)))
	x.handle = append(x.handle, handle)
	for i, s := range [...]string{id.Name, id.Email, id.ID} {
		if i > 0 {
			x.text = append(x.text, 1)
		}
		x.text = append(x.text, strings.ToLower(strings.NewReplacer("\n", " ", "\x01", " ").Replace(s))...)
	}
	x.text = append(x.text, '\n')
}

// Search returns up to limit persons whose name, e-mail or id contains part, without regard to case: those that begin with it first, then the rest,
// each in order of name.
func (d *Directory) Search(ctx context.Context, part string, limit int) ([]Match, error) {
	if err := d.loadNames(ctx); err != nil {
		return nil, err
	}
	needle := []byte(fold(part))
	if len(needle) == 0 {
		return nil, nil
	}
	handles := d.names.search(needle, 20*limit)
	out := make([]Match, 0, len(handles))
	for _, h := range handles {
		e, err := d.entry(ctx, h)
		if err != nil {
			continue // erased between the two look-ups
		}
		who, err := d.who(ctx, e)
		if err != nil {
			continue
		}
		out = append(out, Match{h, who})
	}
	prefix := func(m Match) bool {
		return strings.HasPrefix(strings.ToLower(m.Identity.Name), string(needle)) || strings.HasPrefix(strings.ToLower(m.Identity.Email), string(needle))
	}
	sort.SliceStable(out, func(i, j int) bool {
		if pi, pj := prefix(out[i]), prefix(out[j]); pi != pj {
			return pi
		}
		return out[i].Identity.Name < out[j].Identity.Name
	})
	return out[:min(limit, len(out))], nil
}

func (x *nameIndex) search(needle []byte, limit int) []int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var out []int64
	for pos := 0; pos < len(x.text) && len(out) < limit; {
		i := bytes.Index(x.text[pos:], needle)
		if i < 0 {
			break
		}
		line := sort.Search(len(x.starts), func(k int) bool { return int(x.starts[k]) > pos+i }) - 1
		if h := x.handle[line]; x.at[h] == line {
			out = append(out, h)
		}
		if line+1 >= len(x.starts) {
			break
		}
		pos = int(x.starts[line+1])
	}
	return out
}

func (d *Directory) loadNames(ctx context.Context) error {
	x := &d.names
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.loaded {
		return nil
	}
	x.text, x.starts, x.handle, x.at = nil, nil, nil, map[int64]int{}
	rows, err := d.db.Read(ctx).QueryContext(ctx, `SELECT handle, secret, display FROM person WHERE tenant_no = $1 AND secret IS NOT NULL`, d.no)
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		var secret, display []byte
		if err := rows.Scan(&e.handle, &secret, &display); err != nil {
			return err
		}
		id, err := d.openEntry(&e, secret, display)
		if err != nil {
			return err
		}
		x.add(e.handle, id)
	}
	for _, e := range d.fresh.stored() {
		if who := e.fresh.Load(); who != nil {
			x.add(e.handle, *who)
		}
	}
	x.loaded = rows.Err() == nil
	return sqldb.Translate(rows.Err())
}

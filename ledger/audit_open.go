package ledger

import (
	"context"
	"strings"
	"unsafe"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
	"probity.dev/ledger/segment"
)

// auditRow is the memory in which one row after the other is opened.
type auditRow struct {
	copy   WorkingCopy
	out    []evidence.KeyedGroup
	values []string
	beside []ColumnValue
	plain  []byte // opened and quoted values
	aad    []byte
}

// add adds a row, which must stay as it is until the next flush.
func (c *auditChunk) add(row *segment.Row) {
	c.decoder.use(row)
	c.rows = append(c.rows, auditedRow{Row: row, shape: c.decoder.shape})
}

// flush yields the rows collected so far.
func (c *auditChunk) flush(ctx context.Context, yield func(*WorkingCopy) error) error {
	if len(c.rows) == 0 {
		return nil
	}
	defer func() { c.rows = c.rows[:0] }() // an error ends the reading
	month := c.months.of(c.rows[0].RecordedAt)
	if month != c.month || len(c.people) > auditKept {
		c.month = month
		if err := c.begin(ctx); err != nil {
			return err
		}
	}
	if c.gone == nil {
		if err := c.lookUp(ctx); err != nil {
			return err
		}
		c.derive()
	}
	groups := c.groups
	for i := range c.rows {
		row := &c.rows[i]
		w := &c.copy
		*w = WorkingCopy{Row: row.Row, Err: c.gone}
		if c.gone == nil {
			n := len(row.shape.groups)
			w.Err = c.open(w, row, groups[:n])
			groups = groups[n:]
		}
		if err := yield(w); err != nil {
			return err
		}
	}
	return nil
}

// open opens the values of a row.
func (c *auditChunk) open(w *WorkingCopy, audited *auditedRow, groups []auditGroup) error {
	row, s := audited.Row, audited.shape
	for role, at := range audited.people {
		if at >= 0 && c.people[at].there {
			w.TagKeys[role] = c.ring.Tag(c.people[at].keys)
		}
	}
	v := values{clear: row.Clear, sealed: row.Sealed}
	if !v.pins(s) {
		return damaged(row)
	}
	c.out, c.plain = c.out[:0], c.plain[:0]
	if cap(c.values) < s.fields {
		c.values = make([]string, s.fields)
	}
	free := c.values[:0]
	for k := range s.groups {
		g := &s.groups[k]
		if g.paths == nil {
			return damaged(row)
		}
		from := len(free)
		var err error
		if free, err = c.openGroup(row, g, &groups[k], &v, free); err != nil {
			return err
		}
		c.out = append(c.out, evidence.KeyedGroup{Slot: g.slot, G: c.ringOf(&groups[k]).G(groups[k].keys), Paths: g.paths, Values: free[from:len(free):len(free)]})
	}
	w.Groups = c.out
	c.columns(w, row, s)
	if row.Resource == 0 && s.resource >= 0 {
		c.resource(w, c.out[s.resource].Values[s.resourceField])
	}
	return nil
}

// columnPaths are the paths of the fields that columns repeat.
var columnPaths = [...]string{columnEventID: "/id", columnCorrelationID: "/correlation_id", columnResourceID: "/resource/id", columnSeverity: "/severity"}

// columns fills in what the row says beside its fields.
func (c *auditChunk) columns(w *WorkingCopy, row *segment.Row, s *shape) {
	c.beside = c.beside[:0]
	for k := columnEventID; k <= columnSeverity; k++ {
		if s.own[k] {
			continue
		}
		// An empty column says nothing of an id, which need not be in clear, but the other two are always there for a field.
		text := k.text(row)
		if text != "" || s.has[k] && (k == columnEventID || k == columnSeverity) {
			c.beside = append(c.beside, ColumnValue{columnPaths[k], text})
		}
	}
	w.Columns = c.beside
}

// ringOf is the ring that holds the keys of a group.
func (c *auditChunk) ringOf(x *auditGroup) *evidence.Keyring {
	if x.joint {
		return &c.joint
	}
	return &c.ring
}

// openGroup appends the values of a group.
func (c *auditChunk) openGroup(row *segment.Row, g *shapeGroup, x *auditGroup, v *values, values []string) ([]string, error) {
	var sealed, body []byte
	if g.sealed && !g.clear {
		var ok bool
		if sealed, ok = take(&v.sealed); !ok {
			return nil, damaged(row)
		}
	}
	if x.keys < 0 || x.body >= 0 && !c.bodies[x.body].there {
		return nil, errs.New(errs.NotFound, "the values of seq %d have been erased", row.Seq)
	}
	if x.body >= 0 {
		body = c.bodies[x.body].text
	}
	if sealed != nil {
		var err error
		if sealed, err = c.unseal(row, g, x, sealed); err != nil {
			return nil, err
		}
	}
	for i := range g.fields {
		f := &g.fields[i]
		var value []byte
		ok := true
		switch f.part {
		case 'c':
			value, ok = take(&v.clear)
		case 'p':
			value, ok = take(&body)
		case 's':
			value, ok = take(&sealed)
		case 'r':
			value = c.quoted(f.column.text(row))
		default:
			ok = false
		}
		if !ok {
			return nil, damaged(row)
		}
		values = append(values, unsafe.String(unsafe.SliceData(value), len(value)))
	}
	return values, nil
}

// unseal decrypts a group.
func (c *auditChunk) unseal(row *segment.Row, g *shapeGroup, x *auditGroup, sealed []byte) ([]byte, error) {
	c.room(len(sealed))
	c.aad = evidence.AAD(c.aad, c.a.t.logID, row.Nonce, g.slot)
	from := len(c.plain)
	plain, err := c.gcm.Open(c.plain, (*[32]byte)(c.ringOf(x).Enc(x.keys)), (*[12]byte)(row.Nonce[:]), sealed, c.aad)
	if err != nil {
		return nil, damaged(row)
	}
	c.plain = plain
	return plain[from:len(plain):len(plain)], nil
}

// quoted is a column's text in quotes.
func (c *auditChunk) quoted(text string) []byte {
	c.room(len(text) + 2)
	from := len(c.plain)
	c.plain = append(append(append(c.plain, '"'), text...), '"')
	return c.plain[from:len(c.plain):len(c.plain)]
}

// room makes sure that n bytes more fit behind the values of a row without moving them.
func (c *auditChunk) room(n int) {
	if cap(c.plain)-len(c.plain) < n {
		c.plain = make([]byte, 0, max(n, 4096)) // the values so far keep the old one
	}
}

// resource fills in what the tag of a resource that stands for nobody follows from.
func (c *auditChunk) resource(w *WorkingCopy, id string) {
	if n := len(id); n > 2 && id[0] == '"' && strings.IndexByte(id, '\\') < 0 {
		w.ResourceID = id[1 : n-1]
	} else {
		w.ResourceID = event.Text([]byte(id))
	}
	if w.ResourceID != "" {
		w.ResourceTags = &c.resources
	}
}

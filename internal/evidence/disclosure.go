package evidence

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
)

// MaxFields is the most fields an event commits to.
const MaxFields = 64

// B64 is a hash, salt or key whose text form is standard base64.
type B64 Hash

// MarshalText implements encoding.TextMarshaler.
func (h B64) MarshalText() ([]byte, error) { return h.append(nil), nil }

func (h *B64) append(dst []byte) []byte { return base64.StdEncoding.AppendEncode(dst, h[:]) }

// UnmarshalText implements encoding.TextUnmarshaler; it accepts the one canonical spelling only.
func (h *B64) UnmarshalText(text []byte) error {
	var b [33]byte
	if len(text) != 44 {
		return errs.New(errs.Invalid, "a hash in base64 has 44 characters, not %d", len(text))
	}
	if n, err := base64.StdEncoding.Strict().Decode(b[:], text); err != nil || n != 32 {
		return errs.New(errs.Invalid, "this is not a hash in base64")
	}
	*h = B64(b[:32])
	return nil
}

// States of a group that is not opened.
const (
	StateWithheld = "withheld" // this recipient may not see it
	StateErased   = "erased"   // nobody can see it any more
)

// Disclosure opens the fields_root of one leaf as far as its recipient may see, and lets them check it against the leaf alone
// (ledger/DESIGN.md §8). Its JSON form is part of bundles and of the proof API.
type Disclosure struct {
	// Groups are all groups of the event in slot order.
	Groups []Group `json:"groups"`
	// Claims holds, by path, masked renderings of values that are not opened, as verbatim JSON. They are the operator's word: nothing
	// proves them.
	Claims []Claim `json:"-"`
}

// Group is one group of fields: closed (Root), whole (Key) or partly open (neither).
type Group struct {
	Slot uint8 `json:"slot"`
	// State and Root of a closed group; Count, its number of fields, is the operator's word, 0 when not known.
	State string `json:"state,omitempty"`
	Count int    `json:"count,omitempty"`
	Root  *B64   `json:"root,omitempty"`
	// Key is K_event of a group that is opened whole; its fields then have a path and a value only.
	Key *B64 `json:"key,omitempty"`
	// Fields are sorted by path. Those of a partly open group have either a path, a salt and a value, or only a hash.
	Fields []Field `json:"fields,omitempty"`
}

// Field is one field of an opened group.
type Field struct {
	Path string `json:"path,omitempty"`
	// Value is the verbatim JSON text that was committed to. It travels as a JSON string, so that no encoder on the way can touch it.
	Value string `json:"value,omitempty"`
	Salt  *B64   `json:"salt,omitempty"`
	// Hash is the commitment to a field that stays closed.
	Hash *B64 `json:"hash,omitempty"`
}

// Claim is a masked rendering of the value at a path.
type Claim struct {
	Path  string
	Value string // verbatim JSON
}

// Proven is a field whose path and value a disclosure proves.
type Proven struct {
	Slot  uint8
	Path  string
	Value string
}

// Result is what checking a disclosure against a leaf has shown.
type Result struct {
	// Fields are the proven fields in order of slot and path.
	Fields []Proven
	// Hidden is how many fields of partly open groups stay closed; Withheld and Erased count closed groups.
	Hidden, Withheld, Erased int
	// Claims are masked values: the operator's word.
	Claims []Claim
}

// ClosedGroup describes a group that stays closed; count is its number of fields, 0 when not known.
func ClosedGroup(slot uint8, state string, count int, root Hash) Group {
	r := B64(root)
	return Group{Slot: slot, State: state, Count: count, Root: &r}
}

// WholeGroup opens a group by its K_event. fields have path and value and are sorted by path.
func WholeGroup(slot uint8, event Hash, fields []Field) Group {
	k := B64(event)
	return Group{Slot: slot, Key: &k, Fields: fields}
}

// PartGroup opens the fields for which show is true. fields have path and value and are sorted by path; they are not changed.
func PartGroup(d *Deriver, slot uint8, event Hash, fields []Field, show func(path string) bool) Group {
	g := Group{Slot: slot, Fields: make([]Field, len(fields))}
	for i, f := range fields {
		salt := d.Salt(event, f.Path)
		if show(f.Path) {
			s := B64(salt)
			g.Fields[i] = Field{Path: f.Path, Value: f.Value, Salt: &s}
			continue
		}
		h := B64(Commit(salt, f.Path, []byte(f.Value)))
		g.Fields[i] = Field{Hash: &h}
	}
	return g
}

// AppendJSON appends the JSON form. Values and paths must be valid UTF-8, which everything that was ingested is.
func (d *Disclosure) AppendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, `{"groups":[`...)
	var err error
	for i := range d.Groups {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = d.Groups[i].appendJSON(dst); err != nil {
			return dst, err
		}
	}
	dst = append(dst, ']')
	for i, c := range d.Claims {
		if i == 0 {
			dst = append(dst, `,"claims":{`...)
		} else {
			dst = append(dst, ',')
		}
		if dst, err = quote(dst, c.Path); err != nil {
			return dst, err
		}
		if dst, err = quote(append(dst, ':'), c.Value); err != nil {
			return dst, err
		}
	}
	if len(d.Claims) > 0 {
		dst = append(dst, '}')
	}
	return append(dst, '}'), nil
}

func (g *Group) appendJSON(dst []byte) ([]byte, error) {
	dst = strconv.AppendUint(append(dst, `{"slot":`...), uint64(g.Slot), 10)
	if g.State != "" {
		dst = append(append(append(dst, `,"state":"`...), g.State...), '"')
	}
	if g.Count != 0 {
		dst = strconv.AppendInt(append(dst, `,"count":`...), int64(g.Count), 10)
	}
	dst = appendHash(dst, `,"root":"`, g.Root)
	dst = appendHash(dst, `,"key":"`, g.Key)
	if len(g.Fields) == 0 {
		return append(dst, '}'), nil
	}
	dst = append(dst, `,"fields":[`...)
	var err error
	for i := range g.Fields {
		f := &g.Fields[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		if f.Hash != nil {
			dst = append(appendHash(dst, `{"hash":"`, f.Hash), '}')
			continue
		}
		if dst, err = quote(append(dst, `{"path":`...), f.Path); err != nil {
			return dst, err
		}
		if dst, err = quote(append(dst, `,"value":`...), f.Value); err != nil {
			return dst, err
		}
		dst = append(appendHash(dst, `,"salt":"`, f.Salt), '}')
	}
	return append(dst, "]}"...), nil
}

func appendHash(dst []byte, name string, h *B64) []byte {
	if h == nil {
		return dst
	}
	return append(h.append(append(dst, name...)), '"')
}

// quote refuses what is not UTF-8: an encoder that repairs it would change committed bytes.
func quote(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return dst, errs.New(errs.Internal, "a committed value is not valid UTF-8")
	}
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		return dst, errs.Wrap(errs.Internal, err, "a committed value cannot be written as a JSON string")
	}
	return out, nil
}

// MarshalJSON implements json.Marshaler.
func (d Disclosure) MarshalJSON() ([]byte, error) { return d.AppendJSON(nil) }

// UnmarshalJSON implements json.Unmarshaler; unknown and repeated members are refused.
func (d *Disclosure) UnmarshalJSON(b []byte) error {
	var w struct {
		Groups []Group           `json:"groups"`
		Claims map[string]string `json:"claims"`
	}
	if err := json.Unmarshal(b, &w, json.RejectUnknownMembers(true)); err != nil {
		return errs.Wrap(errs.Invalid, err, "disclosure is malformed")
	}
	*d = Disclosure{Groups: w.Groups}
	for _, p := range sortedKeys(w.Claims) {
		d.Claims = append(d.Claims, Claim{Path: p, Value: w.Claims[p]})
	}
	return nil
}

// Check verifies the disclosure against its leaf with a throw-away [Checker].
func (d *Disclosure) Check(leaf *Leaf) (*Result, error) {
	var c Checker
	var r Result
	if err := c.Check(d, leaf.FieldsRoot, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// Checker checks disclosures without allocating for each. It is not safe for concurrent use.
type Checker struct{ tree Tree }

// Check recomputes fields_root from a disclosure and compares it with the leaf's. On success r holds what is proven; its strings
// alias d.
func (c *Checker) Check(d *Disclosure, fieldsRoot Hash, r *Result) error {
	*r = Result{Fields: r.Fields[:0], Claims: d.Claims}
	c.tree.Reset()
	c.tree.Event([16]byte{}) // no key is derived from it: disclosures hold K_event
	fields := 0
	for i := range d.Groups {
		g := &d.Groups[i]
		if i > 0 && g.Slot <= d.Groups[i-1].Slot {
			return errs.New(errs.Invalid, "groups of the disclosure are not in slot order")
		}
		if err := c.group(g, r); err != nil {
			return err
		}
		if fields += len(g.Fields); fields > MaxFields || len(d.Groups) > MaxFields {
			return errs.New(errs.Invalid, "disclosure has more than %d fields", MaxFields)
		}
	}
	if err := c.unique(r); err != nil {
		return err
	}
	if c.tree.Hash(); c.tree.Root(0) != fieldsRoot {
		return errs.New(errs.Invalid, "disclosed values are not the ones that the leaf commits to")
	}
	return nil
}

func (c *Checker) group(g *Group, r *Result) error {
	if g.Root != nil {
		if g.Key != nil || len(g.Fields) > 0 || g.State != StateWithheld && g.State != StateErased {
			return errs.New(errs.Invalid, "group %d of the disclosure is neither open nor closed", g.Slot)
		}
		if g.State == StateErased {
			r.Erased++
		} else {
			r.Withheld++
		}
		c.tree.Closed(g.Slot, (*Hash)(g.Root))
		return nil
	}
	if len(g.Fields) == 0 || g.State != "" {
		return errs.New(errs.Invalid, "group %d of the disclosure is empty", g.Slot)
	}
	if g.Key != nil {
		c.tree.Opened(g.Slot, (*Hash)(g.Key))
	} else {
		c.tree.Partly(g.Slot)
	}
	last := ""
	for i := range g.Fields {
		f := &g.Fields[i]
		if f.Hash != nil {
			if g.Key != nil || f.Salt != nil || f.Path != "" || f.Value != "" {
				return errs.New(errs.Invalid, "field %d of group %d is both open and closed", i, g.Slot)
			}
			c.tree.Hidden((*Hash)(f.Hash))
			r.Hidden++
			continue
		}
		if f.Path <= last || f.Value == "" || (f.Salt == nil) != (g.Key != nil) {
			return errs.New(errs.Invalid, "field %d of group %d is malformed or out of order", i, g.Slot)
		}
		if len(f.Path) > 0xffff {
			return errs.New(errs.Invalid, "field %d of group %d has too long a path", i, g.Slot)
		}
		last = f.Path
		value := unsafe.Slice(unsafe.StringData(f.Value), len(f.Value)) // only read
		if g.Key != nil {
			c.tree.Field(f.Path, value)
		} else {
			c.tree.Salted(f.Path, value, (*Hash)(f.Salt))
		}
		r.Fields = append(r.Fields, Proven{Slot: g.Slot, Path: f.Path, Value: f.Value})
	}
	return nil
}

// unique refuses a path that is proven twice, or proven and claimed: a reader would not know which to believe.
func (c *Checker) unique(r *Result) error {
	seen := func(path string, upTo int) bool {
		for i := range upTo {
			if r.Fields[i].Path == path {
				return true
			}
		}
		return false
	}
	for i := range r.Fields {
		if seen(r.Fields[i].Path, i) {
			return errs.New(errs.Invalid, "the disclosure has two values for %s", r.Fields[i].Path)
		}
	}
	for i := range r.Claims {
		if seen(r.Claims[i].Path, len(r.Fields)) {
			return errs.New(errs.Invalid, "the disclosure proves and claims a value for %s", r.Claims[i].Path)
		}
	}
	return nil
}

// Field returns the proven value at a path.
func (r *Result) Field(path string) (string, bool) {
	for i := range r.Fields {
		if r.Fields[i].Path == path {
			return r.Fields[i].Value, true
		}
	}
	return "", false
}

// Claim returns the claimed value at a path.
func (r *Result) Claim(path string) (string, bool) {
	for i := range r.Claims {
		if r.Claims[i].Path == path {
			return r.Claims[i].Value, true
		}
	}
	return "", false
}

// String summarises the result.
func (r *Result) String() string {
	return fmt.Sprintf("%d fields proven, %d hidden, %d claimed; %d groups withheld, %d erased", len(r.Fields), r.Hidden, len(r.Claims), r.Withheld, r.Erased)
}

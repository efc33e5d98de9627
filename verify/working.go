package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/evidence"
)

// workingChecker compares working copies with leaves, many at a time. What it finds, the caller hears in their order.
type workingChecker struct {
	tree    evidence.KeyedTree
	pending []pendingCopy
}

// copiesAtOnce is how many working copies are compared together: enough for every kind of hash to make the most of the processor, and few enough for their messages to stay in its cache.
const copiesAtOnce = 48

// pendingCopy is a working copy whose hashes are not computed yet.
type pendingCopy struct {
	index uint64
	event int    // in the tree
	root  []byte // what the leaf says
	tags  [3][]byte
	asked [3]bool // whose tag is to be compared
	// plain says what differs, without the hashes, and column what does if the values are those committed to; "" for nothing.
	plain, column string
}

// compareWorking compares the working copies of a block with the leaves that were just read.
func (w *worker) compareWorking(b *block) {
	next := b.first
	missing := func(until uint64) {
		for ; next < until; next++ {
			if next >= w.log.WorkingFrom {
				w.tellWorking(b)
				w.problem(b, WorkingMissing, next, "the copy that people read is missing; the evidence is there")
			}
		}
	}
	end := b.first + uint64(len(b.hashes))
	err := w.working.Working(w.ctx, b.first, uint64(len(b.hashes)), func(index uint64, c *Working) error {
		if index < next || index >= end {
			return fmt.Errorf("storage returned the working copy of leaf %d out of order", index)
		}
		missing(index)
		next = index + 1
		i := int(index - b.first)
		leaf := w.arena[w.offsets[i]:]
		if i+1 < len(w.offsets) {
			leaf = w.arena[w.offsets[i]:w.offsets[i+1]]
		}
		b.working++
		scan := w.view.Again
		if w.malformed {
			scan = w.view.Scan
		}
		if scan(leaf) != nil {
			return nil // reported already
		}
		if w.check.add(index, &w.view, c); len(w.check.pending) == copiesAtOnce || w.check.tree.Full() {
			w.tellWorking(b)
		}
		return nil
	})
	w.tellWorking(b)
	if err != nil {
		if w.ctx.Err() == nil {
			w.problem(b, Unreadable, next, "working copies cannot be read: %v", err)
		}
		return
	}
	missing(end)
}

// tellWorking ends the comparison of the working copies that were read.
func (w *worker) tellWorking(b *block) {
	w.check.flush(func(index uint64, what string) {
		w.problem(b, WorkingChanged, index, "what people read is not what was logged: %s", what)
	})
}

// add begins to compare a working copy with its leaf, whose memory must stay as it is until flush.
func (k *workingChecker) add(index uint64, v *evidence.View, c *Working) {
	p := pendingCopy{index: index, root: v.FieldsRoot, tags: v.Tags, plain: unlike(v, c)}
	if p.plain == "" {
		var err error
		if p.event, err = k.tree.Add(&c.Nonce, c.Groups); err != nil {
			p.plain = notCommitted
		} else {
			k.filed(&p, c)
		}
	}
	k.pending = append(k.pending, p)
}

// filed begins to compare what a working copy is found by.
func (k *workingChecker) filed(p *pendingCopy, c *Working) {
	for _, col := range c.Columns {
		if val, ok := fieldOf(c.Groups, col.Path); ok && !samePlain(val, col.Text) || !ok && col.Text != "" && !erased(c.Groups) {
			p.column = "the search column of " + col.Path + " differs"
			break
		}
	}
	for role, key := range c.TagKeys {
		if key != nil {
			k.tree.Tag(uint8(role), key)
			p.asked[role] = true
		}
	}
	if c.ResourceTags != nil && c.TagKeys[evidence.RoleResource] == nil {
		k.tree.ResourceTag(c.ResourceTags, c.ResourceType, c.ResourceID)
		p.asked[evidence.RoleResource] = true
	}
}

const notCommitted = "its values are not those committed to"

// flush says what differs in the working copies added since the last time. It names fields, never values.
func (k *workingChecker) flush(tell func(index uint64, what string)) {
	k.tree.Hash()
	for i := range k.pending {
		p := &k.pending[i]
		if what := k.conclude(p); what != "" {
			tell(p.index, what)
		}
	}
	k.pending = k.pending[:0]
	k.tree.Reset()
}

func (k *workingChecker) conclude(p *pendingCopy) string {
	if p.plain != "" {
		return p.plain
	}
	if root := k.tree.Root(p.event); string(root[:]) != string(p.root) {
		return notCommitted
	}
	if p.column != "" {
		return p.column
	}
	var tags [3][16]byte
	k.tree.Tags(p.event, &tags)
	for role, asked := range p.asked {
		if asked && string(tags[role][:]) != string(p.tags[role]) {
			return "the " + roleNames[role] + " that it is filed under differs"
		}
	}
	return ""
}

func erased(groups []evidence.KeyedGroup) bool {
	return slices.ContainsFunc(groups, func(g evidence.KeyedGroup) bool { return g.G == nil })
}

// fieldOf returns the value at a path.
func fieldOf(groups []evidence.KeyedGroup, path string) (string, bool) {
	for i := range groups {
		if g := &groups[i]; g.Paths != nil {
			if k := g.Paths.Find(path); k >= 0 {
				return g.Values[k], true
			}
		}
	}
	return "", false
}

// unlike returns what differs in the clear attributes, or that there is nothing to compare, "" for nothing.
func unlike(v *evidence.View, c *Working) string {
	switch {
	case string(v.Nonce) != string(c.Nonce[:]):
		return "the nonce differs"
	case v.RecordedAt != c.RecordedAt:
		return "recorded_at differs"
	case v.OccurredAt != c.OccurredAt:
		return "occurred_at differs"
	case string(v.Source) != c.Source:
		return "source differs"
	case string(v.Action) != c.Action:
		return "action differs"
	case string(v.Category) != c.Category:
		return "category differs"
	case string(v.Activity) != c.Activity:
		return "activity differs"
	case string(v.Outcome) != c.Outcome:
		return "outcome differs"
	case string(v.ResourceType) != c.ResourceType:
		return "resource type differs"
	case c.Err != nil:
		return fmt.Sprintf("its values cannot be opened: %v", c.Err)
	}
	return ""
}

var roleNames = [...]string{"actor", "subject", "resource"}

// samePlain reports whether JSON text has this plain text.
func samePlain(value, text string) bool {
	if len(value) >= 2 && value[0] == '"' {
		if in := value[1 : len(value)-1]; strings.IndexByte(in, '\\') < 0 {
			return in == text
		}
		b, err := jsontext.AppendUnquote(nil, value)
		return err == nil && string(b) == text
	}
	return value == text
}

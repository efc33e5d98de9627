package verify

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/evidence"
)

type workingChecker struct {
	check  evidence.Checker
	result evidence.Result
	derive evidence.Deriver
}

// compareWorking compares the working copies of a block with the leaves that were just read.
func (w *worker) compareWorking(b *block) {
	next := b.first
	missing := func(until uint64) {
		for ; next < until; next++ {
			if next >= w.log.WorkingFrom {
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
		if w.view.Scan(leaf) != nil {
			return nil // reported already
		}
		if what := w.check.compare(&w.view, c); what != "" {
			w.problem(b, WorkingChanged, index, "what people read is not what was logged: %s", what)
		}
		return nil
	})
	if err != nil {
		if w.ctx.Err() == nil {
			w.problem(b, Unreadable, next, "working copies cannot be read: %v", err)
		}
		return
	}
	missing(end)
}

// compare returns what differs, "" for nothing. It names fields, never values.
func (k *workingChecker) compare(v *evidence.View, c *Working) string {
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
	if err := k.check.Check(&c.Disclosure, evidence.Hash(v.FieldsRoot), &k.result); err != nil {
		return "its values are not those committed to"
	}
	for _, col := range c.Columns {
		if val, ok := k.result.Field(col.Path); ok && !samePlain(val, col.Text) || !ok && col.Text != "" && k.result.Erased == 0 {
			return "the search column of " + col.Path + " differs"
		}
	}
	for role, key := range c.TagKeys {
		if key == nil {
			continue
		}
		if t := k.derive.Tag(*key, [16]byte(v.Nonce), uint8(role)); string(t[:]) != string(v.Tags[role]) {
			return "the " + roleNames[role] + " that it is filed under differs"
		}
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

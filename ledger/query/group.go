package query

import (
	"maps"
	"math"
	"slices"
	"strings"

	"probity.dev/internal/glob"
	"probity.dev/ledger/segment"
)

// cond is one condition of a filter, evaluated over row groups.
type cond interface {
	// may reports whether bloom filters and bounds allow the group to have matches.
	may(g segment.Group) (bool, error)
	// apply removes from s the rows that do not match.
	apply(s *selector, g segment.Group) error
}

// prepare returns the conditions of f in the order in which they are best evaluated: what is cheap and excludes most comes first. The
// range of seqs replaces the filter's own, because a cursor and the head of the log bound it further.
func prepare(f *Filter, from, to int64) []cond {
	conds := []cond{rangeCond{segment.ColSeq, from, to}}
	if f.RecordedFrom != 0 || f.RecordedTo != 0 {
		conds = append(conds, rangeCond{segment.ColRecorded, orMin(f.RecordedFrom), orMax(f.RecordedTo)})
	}
	if f.OccurredFrom != 0 || f.OccurredTo != 0 {
		conds = append(conds, rangeCond{segment.ColOccurred, orMin(f.OccurredFrom), orMax(f.OccurredTo)})
	}
	text := func(col segment.Column, values []string) {
		if len(values) > 0 {
			conds = append(conds, newTextCond(col, values))
		}
	}
	ints := func(values []int64, cols ...segment.Column) {
		if len(values) > 0 {
			conds = append(conds, newIntCond(values, cols...))
		}
	}
	text(segment.ColEventID, f.EventIDs)
	text(segment.ColCorrelationID, f.CorrelationIDs)
	text(segment.ColResourceID, f.ResourceIDs)
	ints(f.Subjects, segment.ColSubject)
	ints(f.Resources, segment.ColResource)
	ints(f.IPs, segment.ColIP)
	ints(f.Actors, segment.ColActor)
	ints(f.Persons, segment.ColActor, segment.ColSubject, segment.ColResource)
	if len(f.Actions) > 0 {
		conds = append(conds, newGlobCond(segment.ColAction, f.Actions))
	}
	text(segment.ColResourceType, f.ResourceTypes)
	if len(f.Sources) > 0 {
		conds = append(conds, newGlobCond(segment.ColSource, f.Sources))
	}
	text(segment.ColOutcome, f.Outcomes)
	text(segment.ColSeverity, f.Severities)
	text(segment.ColCategory, f.Categories)
	text(segment.ColActivity, f.Activities)
	return conds
}

func orMin(v int64) int64 {
	if v == 0 {
		return math.MinInt64
	}
	return v
}

func orMax(v int64) int64 {
	if v == 0 {
		return math.MaxInt64
	}
	return v
}

// selector holds the rows of a group that still match, reusing its memory from group to group. It is not safe for concurrent use.
type selector struct {
	all  bool // the rows are [from, to); otherwise, they are listed
	from int
	to   int
	rows []int32
	vec  segment.Vector
	want []bool // by dictionary code
	mark []bool // by row, for conditions over several columns
}

// run returns the positions of the matching rows of g in ascending order. The result is valid until the next call.
func (s *selector) run(g segment.Group, conds []cond) ([]int32, error) {
	for _, c := range conds {
		if ok, err := c.may(g); !ok || err != nil {
			return nil, err
		}
	}
	s.all, s.from, s.to, s.rows = true, 0, g.Rows(), s.rows[:0]
	for _, c := range conds {
		if err := c.apply(s, g); err != nil {
			return nil, err
		}
		if s.empty() {
			return nil, nil
		}
	}
	if s.all {
		for i := s.from; i < s.to; i++ {
			s.rows = append(s.rows, int32(i))
		}
	}
	return s.rows, nil
}

func (s *selector) empty() bool { return s.all && s.from >= s.to || !s.all && len(s.rows) == 0 }

func (s *selector) none() { s.all, s.rows = false, s.rows[:0] }

// keep keeps the rows for which ok holds.
func (s *selector) keep(ok func(row int) bool) {
	if s.all {
		s.all = false
		for i := s.from; i < s.to; i++ {
			if ok(i) {
				s.rows = append(s.rows, int32(i))
			}
		}
		return
	}
	kept := s.rows[:0]
	for _, i := range s.rows {
		if ok(int(i)) {
			kept = append(kept, i)
		}
	}
	s.rows = kept
}

// keepCodes keeps the rows whose dictionary code is wanted.
func (s *selector) keepCodes(codes []int32, want []bool) {
	if s.all {
		s.all = false
		for i, c := range codes[s.from:s.to] {
			if want[c] {
				s.rows = append(s.rows, int32(s.from+i))
			}
		}
		return
	}
	kept := s.rows[:0]
	for _, i := range s.rows {
		if want[codes[i]] {
			kept = append(kept, i)
		}
	}
	s.rows = kept
}

// wanted returns s.want, sized for n codes and cleared.
func (s *selector) wanted(n int) []bool {
	s.want = slices.Grow(s.want[:0], n)[:n]
	clear(s.want)
	return s.want
}

// unmark sizes s.mark for n rows and clears it.
func (s *selector) unmark(n int) {
	s.mark = slices.Grow(s.mark[:0], n)[:n]
	clear(s.mark)
}

// rangeCond wants an integer column in [from, to).
type rangeCond struct {
	col      segment.Column
	from, to int64
}

func (c rangeCond) may(g segment.Group) (bool, error) {
	lo, hi, err := g.Bounds(c.col)
	return hi >= c.from && lo < c.to, err
}

func (c rangeCond) apply(s *selector, g segment.Group) error {
	lo, hi, err := g.Bounds(c.col)
	if err != nil || lo >= c.from && hi < c.to {
		return err
	}
	if c.col == segment.ColSeq && s.all && hi-lo == int64(g.Rows()-1) { // without gaps a seq is a position
		s.from, s.to = int(max(c.from, lo)-lo), int(min(c.to, hi+1)-lo)
		return nil
	}
	if err := s.vec.Open(g, c.col); err != nil {
		return err
	}
	if err := s.vec.Load(); err != nil {
		return err
	}
	vals := s.vec.Ints
	s.keep(func(i int) bool { return vals[i] >= c.from && vals[i] < c.to })
	return nil
}

// intCond wants one of the values in one of the columns.
type intCond struct {
	cols   []segment.Column
	values []int64 // sorted
}

func newIntCond(values []int64, cols ...segment.Column) *intCond {
	return &intCond{cols: cols, values: slices.Compact(slices.Sorted(slices.Values(values)))}
}

func (c *intCond) may(g segment.Group) (bool, error) {
	for _, col := range c.cols {
		for _, v := range c.values {
			if ok, err := g.MayHoldInt(col, v); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, nil
}

func (c *intCond) has(v int64) bool {
	if len(c.values) == 1 {
		return v == c.values[0]
	}
	_, ok := slices.BinarySearch(c.values, v)
	return ok
}

func (c *intCond) apply(s *selector, g segment.Group) error {
	if len(c.cols) == 1 {
		found, err := c.open(s, g, c.cols[0])
		switch {
		case err != nil:
			return err
		case !found:
			s.none()
		case s.vec.Dict:
			s.keepCodes(s.vec.Codes, s.want)
		default:
			s.keep(func(i int) bool { return c.has(s.vec.Ints[i]) })
		}
		return nil
	}
	s.unmark(g.Rows())
	for _, col := range c.cols {
		found, err := c.open(s, g, col)
		if err != nil {
			return err
		}
		for i := 0; found && i < len(s.mark); i++ {
			if s.vec.Dict && s.want[s.vec.Codes[i]] || !s.vec.Dict && c.has(s.vec.Ints[i]) {
				s.mark[i] = true
			}
		}
	}
	s.keep(func(i int) bool { return s.mark[i] })
	return nil
}

// open loads a column, unless its filter or its dictionary shows that it has none of the values.
func (c *intCond) open(s *selector, g segment.Group, col segment.Column) (bool, error) {
	one := intCond{cols: []segment.Column{col}, values: c.values}
	if ok, err := one.may(g); !ok || err != nil {
		return false, err
	}
	if err := s.vec.Open(g, col); err != nil {
		return false, err
	}
	if s.vec.Dict {
		want, any := s.wanted(len(s.vec.Ints)), false
		for code, v := range s.vec.Ints {
			if c.has(v) {
				want[code], any = true, true
			}
		}
		if !any {
			return false, nil
		}
	}
	return true, s.vec.Load()
}

// textCond wants one of the values, or a match of one of the globs, in a string column.
type textCond struct {
	col    segment.Column
	values map[string]bool
	globs  []string
}

func newTextCond(col segment.Column, values []string) *textCond {
	c := &textCond{col: col, values: make(map[string]bool, len(values))}
	for _, v := range values {
		c.values[v] = true
	}
	return c
}

func newGlobCond(col segment.Column, patterns []string) *textCond {
	c := newTextCond(col, nil)
	for _, p := range patterns {
		if strings.Contains(p, "*") {
			c.globs = append(c.globs, p)
		} else {
			c.values[p] = true
		}
	}
	return c
}

func (c *textCond) may(g segment.Group) (bool, error) {
	if len(c.globs) > 0 {
		return true, nil
	}
	for v := range c.values {
		if ok, err := g.MayHoldString(c.col, v); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (c *textCond) has(v string) bool {
	if c.values[v] {
		return true
	}
	for _, p := range c.globs {
		if glob.Match(p, v) {
			return true
		}
	}
	return false
}

func (c *textCond) apply(s *selector, g segment.Group) error {
	if err := s.vec.Open(g, c.col); err != nil {
		return err
	}
	if !s.vec.Dict {
		return c.applyPlain(s, g)
	}
	want, n := s.wanted(len(s.vec.Strings)), 0
	for code, v := range s.vec.Strings {
		if c.has(v) {
			want[code] = true
			n++
		}
	}
	switch n {
	case 0:
		s.none()
		return nil
	case len(want): // every row matches; no need to decode the codes
		return nil
	}
	if err := s.vec.Load(); err != nil {
		return err
	}
	s.keepCodes(s.vec.Codes, want)
	return nil
}

// few is how many values are searched for one after the other; more are looked up value by value.
const few = 8

func (c *textCond) applyPlain(s *selector, g segment.Group) error {
	if len(c.globs) == 0 && len(c.values) <= few {
		s.unmark(g.Rows())
		any := false
		if err := s.vec.Find(slices.Collect(maps.Keys(c.values)), func(row int32) { s.mark[row], any = true, true }); err != nil {
			return err
		}
		if !any {
			s.none()
			return nil
		}
		s.keep(func(i int) bool { return s.mark[i] })
		return nil
	}
	if err := s.vec.Load(); err != nil {
		return err
	}
	if len(c.globs) > 0 {
		s.keep(func(i int) bool { return c.has(string(s.vec.Bytes(i))) })
	} else {
		s.keep(func(i int) bool { return c.values[string(s.vec.Bytes(i))] })
	}
	return nil
}

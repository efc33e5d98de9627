package query

import (
	"math"
	"slices"

	"probity.dev/internal/errs"
	"probity.dev/internal/glob"
	"probity.dev/ledger/segment"
)

// MaxValues is the largest number of values of one member of a filter.
const MaxValues = 10_000

// Filter selects rows. Members that are set must all hold; within a member any one value suffices. The zero Filter selects everything.
// Zero handles and empty strings in a list are ordinary values: they select rows that have none.
type Filter struct {
	// SeqFrom and SeqTo are a half-open range of seqs; 0 = open.
	SeqFrom, SeqTo uint64
	// Times are microseconds since 1970 UTC: from inclusive, to exclusive; 0 = open.
	RecordedFrom, RecordedTo int64
	OccurredFrom, OccurredTo int64
	// Persons selects rows in which any of the handles is the actor, the subject or the resource.
	Persons []int64
	// Handles of the tenant's directory.
	Actors, Subjects, Resources, IPs []int64
	// Actions and Sources may contain *, which stands for any number of any characters.
	Actions, Sources []string

	Categories, Activities, Outcomes, Severities         []string
	ResourceTypes, ResourceIDs, EventIDs, CorrelationIDs []string
}

// Validate refuses filters that no engine would run.
func (f *Filter) Validate() error {
	n := max(len(f.Persons), len(f.Actors), len(f.Subjects), len(f.Resources), len(f.IPs), len(f.Actions))
	for _, l := range f.lists() {
		n = max(n, len(*l.values))
	}
	if n > MaxValues {
		return errs.New(errs.Invalid, "a filter has more than %d values", MaxValues)
	}
	return nil
}

// stringList is a member of a filter with the column it looks at.
type stringList struct {
	column string
	values *[]string
}

func (f *Filter) lists() []stringList {
	return []stringList{
		{"source", &f.Sources}, {"category", &f.Categories}, {"activity", &f.Activities}, {"outcome", &f.Outcomes}, {"severity", &f.Severities},
		{"resource_type", &f.ResourceTypes}, {"resource_id", &f.ResourceIDs}, {"event_id", &f.EventIDs}, {"correlation_id", &f.CorrelationIDs},
	}
}

// Match reports whether r is selected. It is the definition of what a filter means.
func (f *Filter) Match(r *segment.Row) bool {
	return f.seqs(r.Seq) && f.times(r.RecordedAt, r.OccurredAt) &&
		among(f.Actors, r.Actor) && among(f.Subjects, r.Subject) && among(f.Resources, r.Resource) && among(f.IPs, r.IP) &&
		(len(f.Persons) == 0 || slices.Contains(f.Persons, r.Actor) || slices.Contains(f.Persons, r.Subject) || slices.Contains(f.Persons, r.Resource)) &&
		globs(f.Sources, r.Source) && among(f.Categories, r.Category) && among(f.Activities, r.Activity) && among(f.Outcomes, r.Outcome) &&
		among(f.Severities, r.Severity) && among(f.ResourceTypes, r.ResourceType) && among(f.ResourceIDs, r.ResourceID) &&
		among(f.EventIDs, r.EventID) && among(f.CorrelationIDs, r.CorrelationID) && globs(f.Actions, r.Action)
}

func (f *Filter) seqs(seq int64) bool {
	from, to := f.seqRange()
	return seq >= from && seq < to
}

// seqRange returns the half-open range of seqs.
func (f *Filter) seqRange() (from, to int64) {
	from, to = int64(min(f.SeqFrom, math.MaxInt64)), int64(math.MaxInt64)
	if f.SeqTo != 0 && f.SeqTo < math.MaxInt64 {
		to = int64(f.SeqTo)
	}
	return from, to
}

func (f *Filter) times(recorded, occurred int64) bool {
	return (f.RecordedFrom == 0 || recorded >= f.RecordedFrom) && (f.RecordedTo == 0 || recorded < f.RecordedTo) &&
		(f.OccurredFrom == 0 || occurred >= f.OccurredFrom) && (f.OccurredTo == 0 || occurred < f.OccurredTo)
}

func among[T comparable](values []T, v T) bool { return len(values) == 0 || slices.Contains(values, v) }

func globs(patterns []string, s string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return glob.Match(p, s) })
}

// mayHold reports whether the file may have matching rows, as far as ranges tell.
func (f *Filter) mayHold(r *SegmentRef) bool {
	from, to := f.seqRange()
	return int64(r.end()) > from && int64(r.First) < to &&
		(f.RecordedFrom == 0 || r.MaxRecorded >= f.RecordedFrom) && (f.RecordedTo == 0 || r.MinRecorded < f.RecordedTo) &&
		(f.OccurredFrom == 0 || r.MaxOccurred >= f.OccurredFrom) && (f.OccurredTo == 0 || r.MinOccurred < f.OccurredTo)
}

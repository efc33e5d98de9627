package segment

import "unsafe"

// Row is one event's working copy. The zero value of every member means "none". A Row that a reader yields is only valid until the
// next one is asked for, unless the reader says otherwise; use [Row.Clone] to keep it.
type Row struct {
	// Seq is the event's position in its log.
	Seq int64
	// RecordedAt and OccurredAt are microseconds since 1970 UTC.
	RecordedAt int64
	OccurredAt int64

	Source, Action, Category, Activity, Outcome, Severity, ResourceType string
	// ResourceID is empty when the resource stands for a person; Resource holds the handle then.
	ResourceID, EventID, CorrelationID string

	// Actor, Subject, Resource and IP are handles of the tenant's directory, random positive int64; 0 = none.
	Actor, Subject, Resource, IP int64
	// Profile is the id of the actor's identity snapshot in the directory; 0 = none.
	Profile int64

	// Nonce is the leaf's nonce.
	Nonce [16]byte
	// Shape says which fields there are, in which groups. It has low cardinality and is opaque here.
	Shape string
	// Clear holds the values of operational fields, Sealed the ciphertexts of personal ones. Both are opaque here.
	Clear  []byte
	Sealed []byte
}

// Clone returns a copy of r that shares no memory with it.
func (r *Row) Clone() *Row {
	c := *r
	for _, s := range c.strings() {
		*s = cloneString(*s)
	}
	c.Clear = append([]byte(nil), r.Clear...)
	c.Sealed = append([]byte(nil), r.Sealed...)
	return &c
}

// CopyTo sets dst to a copy of r whose memory is a single stretch at the end of arena, and returns the arena. It is how many rows are kept with one allocation.
func (r *Row) CopyTo(dst *Row, arena []byte) []byte {
	*dst = *r
	for _, s := range dst.strings() {
		if n := len(*s); n > 0 {
			at := len(arena)
			arena = append(arena, *s...)
			*s = unsafe.String(&arena[at], n)
		}
	}
	for _, b := range [...]*[]byte{&dst.Clear, &dst.Sealed} {
		at := len(arena)
		arena = append(arena, *b...)
		*b = arena[at:len(arena):len(arena)]
	}
	return arena
}

// Size is the number of bytes that CopyTo appends.
func (r *Row) Size() int {
	n := len(r.Clear) + len(r.Sealed)
	for _, s := range r.strings() {
		n += len(*s)
	}
	return n
}

func (r *Row) strings() [11]*string {
	return [11]*string{&r.Source, &r.Action, &r.Category, &r.Activity, &r.Outcome, &r.Severity, &r.ResourceType, &r.Shape,
		&r.ResourceID, &r.EventID, &r.CorrelationID}
}

func cloneString(s string) string { return string(append([]byte(nil), s...)) }

// Info describes a file that was written. The minima and maxima are zero when the file has no rows.
type Info struct {
	Rows  int64
	Bytes int64
	// MinSeq and MaxSeq are inclusive.
	MinSeq, MaxSeq int64
	// Times are microseconds since 1970 UTC, inclusive. Evidence files fill them from the leaves.
	MinRecorded, MaxRecorded int64
	MinOccurred, MaxOccurred int64
	// SHA256 is the hash of the whole file.
	SHA256 [32]byte
}

func (i *Info) add(seq, recorded, occurred int64) {
	if i.Rows == 0 {
		i.MinSeq, i.MaxSeq = seq, seq
		i.MinRecorded, i.MaxRecorded = recorded, recorded
		i.MinOccurred, i.MaxOccurred = occurred, occurred
	}
	i.Rows++
	i.MinSeq, i.MaxSeq = min(i.MinSeq, seq), max(i.MaxSeq, seq)
	i.MinRecorded, i.MaxRecorded = min(i.MinRecorded, recorded), max(i.MaxRecorded, recorded)
	i.MinOccurred, i.MaxOccurred = min(i.MinOccurred, occurred), max(i.MaxOccurred, occurred)
}

package query

// Unit is a calendar unit of a histogram.
type Unit string

// The calendar units. Weeks begin on Monday.
const (
	Minute Unit = "minute"
	Hour   Unit = "hour"
	Day    Unit = "day"
	Week   Unit = "week"
	Month  Unit = "month"
)

// StatsSpec says what to count.
type StatsSpec struct {
	// BucketMicros is the width of a histogram's bucket in microseconds, aligned to 1970 UTC. 0 = use Unit.
	BucketMicros int64
	// Unit is a calendar unit in TimeZone; "" with BucketMicros 0 = no histogram.
	Unit Unit
	// TimeZone is an IANA name; "" = UTC.
	TimeZone string
	// Occurred buckets by occurred_at instead of recorded_at.
	Occurred bool
	// TopN is how many entries the lists have at most; 0 = 10.
	TopN int
	// TotalOnly asks for Stats.Total and nothing else.
	TotalOnly bool
}

// Bucket is one bar of a histogram.
type Bucket struct {
	// Start is in microseconds since 1970 UTC.
	Start int64
	Count int64
	// Failures counts the rows whose outcome is not "success".
	Failures int64
}

// KeyCount is how often a word occurs.
type KeyCount struct {
	Key   string
	Count int64
}

// HandleCount is how often a handle occurs.
type HandleCount struct {
	Handle int64
	Count  int64
}

// Stats are counts over the matching rows. Buckets are in ascending order and leave out empty ones; the lists are in descending order of count,
// equal counts in ascending order of key. ResourceTypes and Actors leave out rows that have none.
type Stats struct {
	Total         int64
	Buckets       []Bucket
	Actions       []KeyCount
	Outcomes      []KeyCount
	ResourceTypes []KeyCount
	Actors        []HandleCount
}

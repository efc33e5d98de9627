package verify

import (
	"fmt"
	"strings"
	"time"
)

// Kind says what is wrong.
type Kind string

// The kinds of problem.
const (
	LeafChanged       Kind = "leaf_changed"       // evidence of a record is not what was logged
	LeavesSwapped     Kind = "leaves_swapped"     // two records have changed places
	LeafMalformed     Kind = "leaf_malformed"     // what was logged is not valid evidence
	LeafMissing       Kind = "leaf_missing"       // a record is gone from the middle
	TailDropped       Kind = "tail_dropped"       // the newest records are gone
	TileChanged       Kind = "tile_changed"       // a stored tree hash is wrong, the records are not
	TimeOrder         Kind = "time_order"         // recorded_at decreases
	NonceRepeated     Kind = "nonce_repeated"     // two records share a nonce
	RootMismatch      Kind = "root_mismatch"      // records and tiles agree, the signed checkpoint says otherwise
	CheckpointInvalid Kind = "checkpoint_invalid" // missing, malformed or not signed by the log's key
	Rollback          Kind = "rollback"           // older than a checkpoint seen before
	Fork              Kind = "fork"               // contradicts a checkpoint seen before
	EpochBroken       Kind = "epoch_broken"       // epochs overlap or are out of order
	WorkingChanged    Kind = "working_changed"    // what people read is not what was logged
	WorkingMissing    Kind = "working_missing"    // evidence without the copy that people read
	Unreadable        Kind = "unreadable"         // storage failed
	BundleInvalid     Kind = "bundle_invalid"     // damaged, unsigned or inconsistent
	ValueChanged      Kind = "value_changed"      // a shown value is not the one committed to
	RowMissing        Kind = "row_missing"        // a matching event was left out
	RowForeign        Kind = "row_foreign"        // an event that does not match or is not in the log
)

// Problem is one thing that is wrong.
type Problem struct {
	Kind Kind `json:"kind"`
	// Origin names the log.
	Origin string `json:"origin,omitempty"`
	// Seq is the first record concerned, when it is known.
	Seq *uint64 `json:"seq,omitempty"`
	// Where names a tile, a file or a part.
	Where string `json:"where,omitempty"`
	// Message says it in words. It holds no personal data.
	Message string `json:"message"`

	partner uint64 // seq of the other of a swapped pair
	span    uint64 // records below a tile that disagrees with them
}

func (p *Problem) String() string {
	var b strings.Builder
	if p.Seq != nil {
		fmt.Fprintf(&b, "seq %d: ", *p.Seq)
	}
	b.WriteString(p.Message)
	if p.Where != "" {
		fmt.Fprintf(&b, " (%s)", p.Where)
	}
	return b.String()
}

// LogReport is what was checked of one log.
type LogReport struct {
	Origin string `json:"origin"`
	Epoch  uint64 `json:"epoch"`
	Base   uint64 `json:"base"`
	// Size and Root are those of the newest signed checkpoint; Root is in hex.
	Size uint64 `json:"size"`
	Root string `json:"root"`
	// Leaves is how many were hashed, those after the checkpoint included; Tiles how many stored tiles were compared.
	Leaves uint64 `json:"leaves"`
	Tiles  uint64 `json:"tiles"`
	// Working is how many working copies were compared with their commitments.
	Working uint64 `json:"working_copies"`
	// Pinned is the size of the checkpoint in the state file, 0 when there was none.
	Pinned uint64 `json:"pinned_size"`
}

// BundleReport is what a bundle proves.
type BundleReport struct {
	CreatedAt time.Time `json:"created_at"`
	First     uint64    `json:"first_seq"`
	Leaves    uint64    `json:"leaves"`
	Events    uint64    `json:"events"`
	// Fields are values proven; Claims values that are the sender's word; Withheld and Erased groups and fields not shown.
	Fields   uint64 `json:"fields_proven"`
	Claims   uint64 `json:"values_claimed"`
	Withheld uint64 `json:"withheld"`
	Erased   uint64 `json:"erased"`
	// Completeness is "proven" or "claimed"; Scope says over what; Claimed lists what is the sender's word.
	Completeness string   `json:"completeness"`
	Scope        string   `json:"scope"`
	Claimed      []string `json:"claimed"`
	Masking      string   `json:"masking"`
}

// Report is the result of a verification.
type Report struct {
	// Target is what was checked; Kind is bundle, server or directory.
	Target string `json:"target"`
	Kind   string `json:"kind"`
	OK     bool   `json:"ok"`
	// OwnKeys says that no verifier key was given, so the target's own was used: then nothing is shown about who signed.
	OwnKeys bool          `json:"own_keys"`
	Logs    []LogReport   `json:"logs,omitempty"`
	Bundle  *BundleReport `json:"bundle,omitempty"`
	// Problems are in the order of the log; the first is the first wrong record. At most MaxProblems are listed.
	Problems []Problem `json:"problems"`
	// Notes are things a reader should know that are not problems.
	Notes           []string `json:"notes,omitempty"`
	Seconds         float64  `json:"seconds"`
	EventsPerSecond float64  `json:"events_per_second"`
}

// MaxProblems is the most problems that a report lists.
const MaxProblems = 100

func (r *Report) add(p Problem) {
	if len(r.Problems) < MaxProblems {
		r.Problems = append(r.Problems, p)
	}
}

func (r *Report) finish(start time.Time, events uint64) {
	r.OK = len(r.Problems) == 0
	r.Seconds = time.Since(start).Seconds()
	if r.Seconds > 0 {
		r.EventsPerSecond = float64(events) / r.Seconds
	}
	if r.Problems == nil {
		r.Problems = []Problem{}
	}
}

// First returns the first problem, nil when there is none.
func (r *Report) First() *Problem {
	if len(r.Problems) == 0 {
		return nil
	}
	return &r.Problems[0]
}

// String is the report for people.
func (r *Report) String() string {
	var b strings.Builder
	if r.OK {
		fmt.Fprintf(&b, "OK  %s\n", r.Target)
	} else {
		fmt.Fprintf(&b, "NOT OK  %s\n", r.Target)
		for i := range r.Problems {
			word := "  also: "
			if i == 0 {
				word = "  first: "
			}
			fmt.Fprintf(&b, "%s[%s] %s\n", word, r.Problems[i].Kind, &r.Problems[i])
			if i == 9 && len(r.Problems) > 10 {
				fmt.Fprintf(&b, "  and %d more\n", len(r.Problems)-10)
				break
			}
		}
	}
	for _, l := range r.Logs {
		fmt.Fprintf(&b, "  log %s: checkpoint of %d records", l.Origin, l.Size)
		if r.Bundle == nil {
			fmt.Fprintf(&b, ", %d leaves hashed, %d tiles", l.Leaves, l.Tiles)
		}
		if l.Working > 0 {
			fmt.Fprintf(&b, ", %d working copies", l.Working)
		}
		switch {
		case l.Pinned > 0 && r.OK:
			fmt.Fprintf(&b, "; extends the pinned checkpoint of %d", l.Pinned)
		case l.Pinned > 0: // a problem of this log or of another one
			fmt.Fprintf(&b, "; the pinned checkpoint has %d", l.Pinned)
		}
		b.WriteString("\n")
	}
	if v := r.Bundle; v != nil {
		fmt.Fprintf(&b, "  %d events, %d leaves from seq %d; %d values proven, %d claimed, %d withheld, %d erased\n", v.Events, v.Leaves, v.First,
			v.Fields, v.Claims, v.Withheld, v.Erased)
		fmt.Fprintf(&b, "  completeness: %s. %s\n", v.Completeness, v.Scope)
		for _, c := range v.Claimed {
			fmt.Fprintf(&b, "  the sender's word: %s\n", c)
		}
	}
	if r.OwnKeys {
		b.WriteString("  note: no key was given, so the target's own key was used; this does not show who signed\n")
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  note: %s\n", n)
	}
	if r.EventsPerSecond > 0 {
		fmt.Fprintf(&b, "  %.2f s, %.0f events/s\n", r.Seconds, r.EventsPerSecond)
	}
	return b.String()
}

func ptr(v uint64) *uint64 { return &v }

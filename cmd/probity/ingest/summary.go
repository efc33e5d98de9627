package ingest

import (
	"cmp"
	"slices"
	"time"

	"probity.dev/internal/errs"
)

// Summary counts what became of the records of a run.
type Summary struct {
	// Files were read to their end, Known were done before and not read, Resumed went on where they had stopped.
	Files, Known, Resumed int64
	// Read is the number of records, the sum of the next four.
	Read, Accepted, Duplicates, Disabled, Rejected int64
	Reasons                                        []*Reason
	// Unread are files that could not be read, or not to their end.
	Unread []Unread
	// LeftOut are files that a search of a folder found and whose format is none that is known: a licence, say, or a README.
	LeftOut []string
	Seconds float64

	started time.Time
}

// Reason is why records were not recorded, with the first examples.
type Reason struct {
	Count    int64       `json:"count"`
	Code     string      `json:"code"`
	Pointer  string      `json:"pointer,omitempty"`
	Message  string      `json:"reason"`
	Examples []Rejection `json:"-"`
}

// maxExamples is how many examples of a reason are kept, maxReasons how many reasons are told apart.
const (
	maxExamples = 3
	maxReasons  = 100
)

// Rejection is a record that was not recorded. It repeats nothing of the record.
type Rejection struct {
	File   string            `json:"file"`
	Line   int               `json:"line"`
	Offset int64             `json:"offset"`
	Code   string            `json:"code"`
	Reason string            `json:"reason"`
	Fields []errs.FieldError `json:"errors,omitempty"`
}

// Unread is a file that could not be read, or not further than Line.
type Unread struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Reason string `json:"reason"`
}

// OK reports whether everything that was to be read is in the log.
func (s *Summary) OK() bool { return s.Rejected == 0 && len(s.Unread) == 0 }

// reject notes that a record of a batch was not recorded.
func (s *Summary) reject(o *Options, b *batch, i int, e *errs.Error) error {
	s.Rejected++
	it := b.items[i]
	x := Rejection{File: b.names[i], Line: it.Line, Offset: it.Offset, Code: string(e.Code), Reason: e.Message, Fields: e.Fields}
	s.count(x)
	if o.Reject == nil {
		return nil
	}
	return o.Reject(x)
}

func (s *Summary) count(x Rejection) {
	r := Reason{Code: x.Code, Message: x.Reason}
	if len(x.Fields) > 0 {
		r.Code, r.Pointer, r.Message = x.Fields[0].Code, x.Fields[0].Pointer, x.Fields[0].Detail
	}
	i := slices.IndexFunc(s.Reasons, func(k *Reason) bool { return k.Code == r.Code && k.Pointer == r.Pointer && k.Message == r.Message })
	if i < 0 && len(s.Reasons) >= maxReasons {
		r = Reason{Code: "other", Message: "other reasons"}
		i = slices.IndexFunc(s.Reasons, func(k *Reason) bool { return k.Code == "other" })
	}
	if i < 0 {
		s.Reasons = append(s.Reasons, &r)
		i = len(s.Reasons) - 1
	}
	k := s.Reasons[i]
	if k.Count++; len(k.Examples) < maxExamples {
		k.Examples = append(k.Examples, x)
	}
}

// ByCount sorts the reasons, the most frequent first.
func (s *Summary) ByCount() []*Reason {
	out := slices.Clone(s.Reasons)
	slices.SortStableFunc(out, func(a, b *Reason) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

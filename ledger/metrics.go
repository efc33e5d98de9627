package ledger

import "time"

// Metrics receives the ledger's figures. Implementations MUST be safe for concurrent use and quick.
type Metrics interface {
	// Commit reports one group commit: how many requests and events it held, and how long the transaction took.
	Commit(requests, events int, took time.Duration)
	// Results counts what became of events, by status.
	Results(status string, n int)
	// Sealed reports a sealed segment.
	Sealed(events uint64, took time.Duration)
	// SealFailed reports a failed attempt to seal, PublishFailed one to sign and publish a checkpoint. Both are repeated.
	SealFailed(logID string)
	PublishFailed()
}

type metricSink struct{ m Metrics }

func (s metricSink) commit(group []*submission, took time.Duration) {
	if s.m == nil {
		return
	}
	n := 0
	for _, g := range group {
		n += g.accepted
	}
	s.m.Commit(len(group), n, took)
}

func (s metricSink) results(r *Receipt) {
	if s.m == nil {
		return
	}
	s.m.Results(string(StatusAccepted), r.Accepted)
	s.m.Results(string(StatusDuplicate), r.Duplicates)
	s.m.Results(string(StatusRejected), r.Rejected)
	s.m.Results(string(StatusDisabled), r.Disabled)
}

func (s metricSink) sealFailed(logID string) {
	if s.m != nil {
		s.m.SealFailed(logID)
	}
}

func (s metricSink) publishFailed() {
	if s.m != nil {
		s.m.PublishFailed()
	}
}

func (s metricSink) sealed(events uint64, took time.Duration) {
	if s.m != nil {
		s.m.Sealed(events, took)
	}
}

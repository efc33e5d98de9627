package app

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the ledger's figures for Prometheus.
type metrics struct {
	events   *prometheus.CounterVec
	commits  prometheus.Histogram
	group    prometheus.Histogram
	unsealed *prometheus.CounterVec
	unsigned prometheus.Counter
	sealedC  prometheus.Counter
	sealing  prometheus.Histogram

	sealFailed, sealWorked, signFailed atomic.Int64 // Unix seconds of the last
}

// sealingFails reports whether sealing has failed lately, and not worked since.
func (m *metrics) sealingFails() bool {
	failed := m.sealFailed.Load()
	return failed > m.sealWorked.Load() && time.Since(time.Unix(failed, 0)) < failingFor
}

// unsignedLately reports whether signing has failed lately.
func (m *metrics) unsignedLately() bool {
	return time.Since(time.Unix(m.signFailed.Load(), 0)) < failingFor
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		events:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "probity_events_total", Help: "Events by what became of them: accepted, duplicate, rejected, disabled."}, []string{"status"}),
		commits:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "probity_commit_seconds", Help: "Time of a group commit.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
		group:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "probity_commit_events", Help: "Events in a group commit.", Buckets: prometheus.ExponentialBuckets(1, 4, 8)}),
		unsealed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "probity_seal_failures_total", Help: "Failed attempts to seal; each is repeated after a pause of up to half a minute."}, []string{"log_id"}),
		unsigned: prometheus.NewCounter(prometheus.CounterOpts{Name: "probity_checkpoint_failures_total", Help: "Failed attempts to sign and publish checkpoints; each is repeated after the checkpoint interval."}),
		sealedC:  prometheus.NewCounter(prometheus.CounterOpts{Name: "probity_sealed_events_total", Help: "Events moved to sealed files."}),
		sealing:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "probity_seal_seconds", Help: "Time to seal a segment.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12)}),
	}
	r.MustRegister(m.events, m.commits, m.group, m.unsealed, m.unsigned, m.sealedC, m.sealing)
	return m
}

// Commit implements ledger.Metrics.
func (m *metrics) Commit(_, events int, took time.Duration) {
	m.commits.Observe(took.Seconds())
	m.group.Observe(float64(events))
}

// Results implements ledger.Metrics.
func (m *metrics) Results(status string, n int) { m.events.WithLabelValues(status).Add(float64(n)) }

// SealFailed implements ledger.Metrics.
func (m *metrics) SealFailed(logID string) {
	m.unsealed.WithLabelValues(logID).Inc()
	m.sealFailed.Store(time.Now().Unix())
}

// PublishFailed implements ledger.Metrics.
func (m *metrics) PublishFailed() {
	m.unsigned.Inc()
	m.signFailed.Store(time.Now().Unix())
}

// Sealed implements ledger.Metrics.
func (m *metrics) Sealed(events uint64, took time.Duration) {
	m.sealedC.Add(float64(events))
	m.sealWorked.Store(time.Now().Unix())
	m.sealing.Observe(took.Seconds())
}

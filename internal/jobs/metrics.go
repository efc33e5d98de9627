package jobs

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTime bounds how long a scrape may look at the database.
const scrapeTime = 5 * time.Second

type metrics struct {
	ended   *prometheus.CounterVec
	took    *prometheus.HistogramVec
	rescued prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "probity_job_attempts_total",
			Help: "Attempts at jobs by how they ended: done, retry, dead, cancelled, stopped."}, []string{"kind", "outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "probity_job_seconds", Help: "Time of an attempt at a job.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 10)}, []string{"kind"}),
		rescued: prometheus.NewCounter(prometheus.CounterOpts{Name: "probity_jobs_rescued_total", Help: "Jobs taken over from a process that ended without warning."}),
	}
}

// gauges are figures that are looked up when somebody asks for them.
type gauges struct{ s *Service }

var jobsGauge = prometheus.NewDesc("probity_jobs", "Jobs by queue and state; discarded ones are dead letters.", []string{"queue", "state"}, nil)

// Describe implements prometheus.Collector.
func (g gauges) Describe(to chan<- *prometheus.Desc) { to <- jobsGauge }

// Collect implements prometheus.Collector.
func (g gauges) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	list, err := countJobs(ctx, g.s.o.DB.Read(ctx))
	if err != nil {
		to <- prometheus.NewInvalidMetric(jobsGauge, err)
		return
	}
	found := map[string]bool{}
	for _, f := range list {
		found[f.queue+"/"+f.state] = true
		to <- prometheus.MustNewConstMetric(jobsGauge, prometheus.GaugeValue, float64(f.n), f.queue, f.state)
	}
	// A series that is absent at zero cannot be alerted on.
	for q := range g.s.o.Queues {
		for _, state := range []string{"available", "running", "discarded"} {
			if !found[q+"/"+state] {
				to <- prometheus.MustNewConstMetric(jobsGauge, prometheus.GaugeValue, 0, q, state)
			}
		}
	}
}

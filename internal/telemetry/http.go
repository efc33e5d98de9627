package telemetry

import (
	"context"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"probity.dev/internal/api"
)

// Observer returns what measures and traces the requests of an [api.API], the same for all of them.
func (t *Telemetry) Observer() api.Observer {
	t.observing.Do(func() { t.observer = t.newObserver() })
	return t.observer
}

// newObserver registers the HTTP metrics.
func (t *Telemetry) newObserver() *observer {
	o := &observer{
		tracer: t.Tracer, failures: t.failures,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "probity_http_requests_total", Help: "Requests served, by method, route template and status."}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "probity_http_request_duration_seconds", Help: "Time from the first byte of a request's head to the last byte of its response.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"method", "route"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "probity_http_response_bytes_total", Help: "Bytes of response bodies, by route template."}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "probity_http_requests_in_flight", Help: "Requests being served, streams included."}),
	}
	t.Registry.MustRegister(o.requests, o.seconds, o.bytes, o.inFlight)
	return o
}

type observer struct {
	tracer   trace.Tracer
	failures *failures
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	inFlight prometheus.Gauge
}

// Begin continues the caller's W3C trace if there is one. Baggage is not read: it is free text from outside.
func (o *observer) Begin(r *http.Request) (context.Context, func(api.Outcome)) {
	o.inFlight.Inc()
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := o.tracer.Start(ctx, "HTTP", trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func(out api.Outcome) {
		o.inFlight.Dec()
		if out.Failed() {
			o.failures.request(out)
		}
		o.requests.WithLabelValues(out.Method, out.Route, strconv.Itoa(out.Status)).Inc()
		o.seconds.WithLabelValues(out.Method, out.Route).Observe(out.Duration.Seconds())
		o.bytes.WithLabelValues(out.Route).Add(float64(out.BytesOut))
		if span.IsRecording() {
			span.SetName(out.Method + " " + out.Route)
			span.SetAttributes(attribute.String("http.request.method", out.Method), attribute.String("http.route", out.Route),
				attribute.Int("http.response.status_code", out.Status), attribute.String("probity.request_id", out.RequestID))
			if out.Failed() {
				span.SetStatus(codes.Error, http.StatusText(out.Status))
			}
		}
		span.End()
	}
}

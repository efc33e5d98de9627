package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"probity.dev/internal/errs"
)

// Options of [New].
type Options struct {
	// Version and Instance of the server, for traces and metrics.
	Version, Instance string
	// LogLevel is debug, info, warn or error; LogFormat is json or text.
	LogLevel, LogFormat string
	// Output of log lines; standard error when nil.
	Output io.Writer
	// OTLPEndpoint is the base address of a collector, such as http://localhost:4318; no traces when empty.
	OTLPEndpoint string
	// OTLPHeaders are sent to the collector, as name=value pairs separated by commas.
	OTLPHeaders string
	// SentryDSN is where errors are tracked, over the Sentry protocol; nowhere when empty. SentryEnvironment is told along.
	SentryDSN, SentryEnvironment string
}

// Telemetry is a running setup.
type Telemetry struct {
	// Logger writes redacted lines, with the trace id where there is one.
	Logger *slog.Logger
	// Registry collects metrics; packages register their own with it.
	Registry *prometheus.Registry
	// Tracer makes spans. It costs next to nothing when no collector is configured.
	Tracer trace.Tracer

	provider *sdktrace.TracerProvider
	failures *failures // nil when errors are tracked nowhere

	observing sync.Once
	observer  *observer
}

// New sets up logging, metrics and traces. It connects to nothing: an unreachable collector costs spans and a warning, never a request.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	handler, err := logHandler(o)
	if err != nil {
		return nil, err
	}
	t := &Telemetry{Registry: prometheus.NewRegistry()}
	if t.failures, err = newFailures(o); err != nil {
		return nil, err
	}
	if t.failures != nil {
		handler = tracked{handler, t.failures}
	}
	t.Logger = slog.New(handler)
	t.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "probity_build_info", Help: "1, labelled with the version.", ConstLabels: prometheus.Labels{"version": o.Version}})
	build.Set(1)
	t.Registry.MustRegister(build)
	if o.OTLPEndpoint == "" {
		t.Tracer = noop.NewTracerProvider().Tracer("probity")
		return t, nil
	}
	if err := t.startTraces(ctx, o); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Telemetry) startTraces(ctx context.Context, o Options) error {
	u, err := url.Parse(o.OTLPEndpoint)
	if err != nil || u.Host == "" {
		return errs.New(errs.Invalid, "otlp-endpoint is not an address such as http://localhost:4318")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()), otlptracehttp.WithHeaders(headers(o.OTLPHeaders)))
	if err != nil {
		return fmt.Errorf("start the trace exporter: %w", err)
	}
	res := resource.NewSchemaless(attribute.String("service.name", "probity"), attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Instance))
	t.provider = sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())))
	t.Tracer = t.provider.Tracer("probity")
	log := t.Logger
	// The exporter reports through this global; it would otherwise print to standard error, past the redaction.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces", slog.Any("error", err)) }))
	return nil
}

func headers(pairs string) map[string]string {
	out := map[string]string{}
	for pair := range strings.SplitSeq(pairs, ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			out[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return out
}

// Shutdown sends what is still queued. It should be given a deadline.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	t.failures.close(ctx)
	if t.provider == nil {
		return nil
	}
	return errors.Join(t.provider.ForceFlush(ctx), t.provider.Shutdown(ctx))
}

// Metrics returns the handler of /metrics.
func (t *Telemetry) Metrics() http.Handler {
	return promhttp.HandlerFor(t.Registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(t.Logger.Handler(), slog.LevelWarn), EnableOpenMetrics: true})
}

func logHandler(o Options) (slog.Handler, error) {
	var level slog.Level
	if o.LogLevel != "" {
		if err := level.UnmarshalText([]byte(o.LogLevel)); err != nil {
			return nil, errs.New(errs.Invalid, "log-level must be debug, info, warn or error")
		}
	}
	out := o.Output
	if out == nil {
		out = os.Stderr
	}
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler
	switch o.LogFormat {
	case "", "json":
		h = slog.NewJSONHandler(out, options)
	case "text":
		h = slog.NewTextHandler(out, options)
	default:
		return nil, errs.New(errs.Invalid, "log-format must be json or text")
	}
	return withTrace{Redact(h)}, nil
}

// withTrace adds the trace id, so that a line can be found from a trace and back.
type withTrace struct{ next slog.Handler }

func (h withTrace) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h withTrace) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.next.Handle(ctx, r)
}

func (h withTrace) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withTrace{h.next.WithAttrs(attrs)}
}

func (h withTrace) WithGroup(name string) slog.Handler { return withTrace{h.next.WithGroup(name)} }

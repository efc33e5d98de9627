package ledger

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// The names of spans. Those of appends and searches belong to the request that asks; commits, checkpoints and sealing have traces of their own, since they serve many.
const (
	spanAppend     = "ledger.append"
	spanCommit     = "ledger.commit"
	spanCheckpoint = "ledger.checkpoint"
	spanSeal       = "ledger.seal"
	spanSearch     = "ledger.search"
)

// span begins a span. Attributes hold counts and ids of logs only. end takes the error that the work ended with; of an error, the span says that there was one.
func (l *Ledger) span(ctx context.Context, name string, attributes ...attribute.KeyValue) (_ context.Context, end func(error)) {
	ctx, s := l.opt.Tracer.Start(ctx, name, trace.WithAttributes(attributes...))
	return ctx, func(err error) {
		if err != nil {
			s.SetStatus(codes.Error, "")
		}
		s.End()
	}
}

func (o *Options) trace() {
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
}
